//! What a user wrote in `topics/` and `pipelines/`, with the place of each value.
//!
//! ```text
//! yaml::Node -> TopicSpec, PipelineSpec -> check
//! ```
//!
//! # Guarantees
//!
//! A spec holds what is sound by itself; reading goes on behind a mistake, so
//! that one pass reports them all.
//!
//! # Not here
//!
//! Whether the parts fit each other (topics that exist, SELECTs that plan):
//! `check`.

mod arrow_section;
mod pipeline_file;
mod topic_file;

pub use pipeline_file::{DeadLetterSpec, ExpectationSpec, PipelineSpec, StageSpec, WorkSpec};
pub use topic_file::{FieldSpec, Format, TopicSpec};

use super::{
    problem::{Place, Problems},
    yaml::Text,
};

/// Kafka's own limit.
const TOPIC_NAME_MAX: usize = 249;

/// Reports a name that Kafka would refuse.
pub(super) fn check_topic_name(name: &str, place: &Place, problems: &mut Problems) {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name == "." || name == ".." {
        problems.error(place, format!("`{name}` is no topic name"));
    } else if let Some(found) = name.chars().find(|c| !sound(*c)) {
        let message = format!(
            "`{found}` is not allowed in a topic name; use letters, digits, `.`, `_` and `-`"
        );
        problems.error(place, message);
    } else if name.len() > TOPIC_NAME_MAX {
        let message =
            format!("a topic name of {} bytes; Kafka allows {TOPIC_NAME_MAX}", name.len());
        problems.error(place, message);
    }
}

/// Reports a name of a pipeline or stage that could not stand in job names,
/// group ids and `PIPELINE/STAGE` on the command line.
fn check_name(what: &str, name: &Text, problems: &mut Problems) {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.as_str().is_empty() || !name.as_str().chars().all(sound) {
        let message = format!("the name of a {what} has letters, digits, `_` and `-`");
        problems.error(name.place(), message);
    }
}

fn owned(text: Option<&Text>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str) -> usize {
        let mut problems = Problems::default();
        check_topic_name(name, &Place::file(&"f".into()), &mut problems);
        problems.iter().len()
    }

    #[test]
    fn topic_names_follow_kafkas_rules() {
        for sound in ["raw.orders", "A_b-9", "...", &"x".repeat(249)] {
            assert_eq!(problems(sound), 0, "{sound}");
        }
        for refused in ["", ".", "..", "a b", "a/b", "é", &"x".repeat(250)] {
            assert_eq!(problems(refused), 1, "{refused}");
        }
    }
}
