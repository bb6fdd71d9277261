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
mod properties;
mod topic_file;

pub use pipeline_file::{DeadLetterSpec, ExpectationSpec, PipelineSpec, StageSpec, WorkSpec};
pub use topic_file::{FieldSpec, Format, TopicSpec};

use super::{
    problem::{Place, Problems},
    yaml::Text,
};

/// Kafka's own limit.
const TOPIC_NAME_MAX: usize = 249;

/// Names of pipeline and stage, and the name of a replica, are joined in file
/// names, of which file systems allow 255 characters.
const NAME_MAX: usize = 90;

/// What the names of Kafka's internal topics begin with.
const INTERNAL_PREFIX: &str = "__";

/// Reports a name that Kafka would refuse, or keeps for itself.
pub(super) fn check_topic_name(name: &str, place: &Place, problems: &mut Problems) {
    if let Err((message, hint)) = topic_name(name) {
        problems.error_hint(place, message, hint);
    }
}

/// What is wrong with the name of a topic, and the remedy.
pub fn topic_name(name: &str) -> Result<(), (String, Option<String>)> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let refuse = |message: String, hint: &str| Err((message, Some(hint.to_owned())));
    let letters = "use letters, digits, `.`, `_` and `-`";
    if name.is_empty() || name == "." || name == ".." {
        refuse(format!("`{name}` is not a valid topic name"), letters)
    } else if let Some(found) = name.chars().find(|c| !sound(*c)) {
        refuse(format!("`{}` is not allowed in a topic name", found.escape_debug()), letters)
    } else if name.len() > TOPIC_NAME_MAX {
        let message =
            format!("a topic name of {} characters; Kafka allows {TOPIC_NAME_MAX}", name.len());
        Err((message, None))
    } else if name.starts_with(INTERNAL_PREFIX) {
        let message = format!(
            "`{name}`: names that begin with `{INTERNAL_PREFIX}` are Kafka's internal topics"
        );
        refuse(message, "use another topic")
    } else {
        Ok(())
    }
}

/// Reports a name of a pipeline or stage that cannot be part of job names,
/// group ids, file names and `PIPELINE/STAGE` on the command line.
fn check_name(what: &str, name: &Text, problems: &mut Problems) {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let length = name.as_str().chars().count();
    if length == 0 || !name.as_str().chars().all(sound) {
        let message = format!("the name of a {what} has letters, digits, `_` and `-`");
        problems.error(name.place(), message);
    } else if length > NAME_MAX {
        let message = format!(
            "the name of a {what} has at most {NAME_MAX} characters, and this one has {length}"
        );
        problems.error_hint(name.place(), message, "use a shorter name".to_owned());
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
        for sound in ["raw.orders", "A_b-9", "...", "_schemas", &"x".repeat(249)] {
            assert_eq!(problems(sound), 0, "{sound}");
        }
        for refused in ["", ".", "..", "a b", "a/b", "é", "__consumer_offsets", &"x".repeat(250)] {
            assert_eq!(problems(refused), 1, "{refused}");
        }
    }
}
