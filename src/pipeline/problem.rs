//! What is wrong with a user's files, and where: `pipelines/orders.yaml:12:7: …`.
//!
//! A check collects every problem before it says anything, so that a file is
//! mended once and not once a problem.

use std::{fmt, sync::Arc};

use serde::Serialize;

/// A place in a file; line and column count from 1, in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    pub file: Arc<str>,
    pub line: usize,
    pub column: usize,
}

impl Place {
    pub fn new(file: &Arc<str>, line: usize, column: usize) -> Self {
        Self { file: Arc::clone(file), line, column }
    }

    /// The head of a file, for what concerns all of it.
    pub fn file(file: &Arc<str>) -> Self {
        Self::new(file, 1, 1)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A value together with where the user wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    pub value: T,
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The project cannot run.
    Error,
    /// It runs, perhaps not as meant.
    Warning,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    #[serde(flatten)]
    pub place: Place,
    pub message: String,
    /// The remedy, where one is known.
    pub hint: Option<String>,
}

impl Problem {
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, place, message, hint } = self;
        let Place { file, line, column } = place;
        write!(f, "{}:{line}:{column}: ", OneLine(file))?;
        if *severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        write!(f, "{}", OneLine(message))?;
        hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {}", OneLine(hint)))
    }
}

/// Text whose control characters are escaped: names come from files of others, and
/// a problem is one line of a terminal.
#[derive(Debug, Clone, Copy)]
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        for part in text.split_inclusive(char::is_control) {
            match part.chars().next_back().filter(|last| last.is_control()) {
                Some(last) => {
                    f.write_str(&part[..part.len() - last.len_utf8()])?;
                    write!(f, "{}", last.escape_debug())?;
                }
                None => f.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// Problems as they are found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.add(Severity::Error, place, message.into(), None);
    }

    /// An error with its remedy.
    pub fn error_hint(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.add(Severity::Error, place, message.into(), hint.into());
    }

    pub fn warning(&mut self, place: &Place, message: impl Into<String>) {
        self.add(Severity::Warning, place, message.into(), None);
    }

    fn add(&mut self, severity: Severity, place: &Place, message: String, hint: Option<String>) {
        self.0.push(Problem { severity, place: place.clone(), message, hint });
    }

    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Whether something stands in the way of running; warnings do not.
    pub fn any_error(&self) -> bool {
        self.0.iter().any(Problem::is_error)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.0.iter()
    }

    /// In the order of the files and of the lines in them.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.0.sort_by(|a, b| (&a.place, a.severity).cmp(&(&b.place, b.severity)));
        self.0
    }
}

/// Longest word that is compared: the time and memory of a comparison grow with
/// the square of the length.
const COMPARED_MAX: usize = 256;

/// The one of `candidates` that `word` was probably meant to be.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters: `form` finds `from`, `to` does not find `key`.
    let most = |candidate: &str| (candidate.len().max(word.len()) / 3).max(1);
    let comparable = |candidate: &&str| candidate.len().max(word.len()) <= COMPARED_MAX;
    let distance = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    candidates
        .into_iter()
        .filter(comparable)
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= most(candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, where something is close enough.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    closest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_place_message_and_remedy() {
        let place = Place::new(&"pipelines/orders.yaml".into(), 12, 7);
        let mut problems = Problems::default();
        problems.error_hint(&place, "unknown key `form`", did_you_mean("form", ["to", "from"]));
        problems.warning(&place, "two stages write `x`");
        let shown: Vec<_> = problems.into_sorted().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "pipelines/orders.yaml:12:7: unknown key `form`; did you mean `from`?",
                "pipelines/orders.yaml:12:7: warning: two stages write `x`",
            ]
        );
    }

    #[test]
    fn a_problem_is_one_line_without_control_characters() {
        let place = Place::new(&"a\n.yaml".into(), 1, 2);
        let mut problems = Problems::default();
        problems.error_hint(&place, "`\u{1b}[31mé\t`", "use\r\nb".to_owned());
        assert_eq!(
            problems.into_sorted()[0].to_string(),
            "a\\n.yaml:1:2: `\\u{1b}[31mé\\t`; use\\r\\nb"
        );
    }

    #[test]
    fn a_problem_is_one_flat_object_in_json() {
        let mut problems = Problems::default();
        problems.error(&Place::new(&"a.yaml".into(), 2, 3), "no");
        let json = serde_json::to_value(&problems.into_sorted()[0]).unwrap();
        let flat = serde_json::json!({
            "severity": "error", "file": "a.yaml", "line": 2, "column": 3, "message": "no", "hint": null
        });
        assert_eq!(json, flat);
    }

    #[test]
    fn only_what_is_close_is_suggested() {
        assert_eq!(closest("partition", ["partitions", "replication"]), Some("partitions"));
        assert_eq!(closest("raw.order", ["orders.raw", "raw.orders"]), Some("raw.orders"));
        assert_eq!(closest("namespace", ["sql", "from", "to"]), None);
    }

    #[test]
    fn words_without_a_bound_are_not_compared() {
        let long = |end: &str| format!("{}{end}", "x".repeat(100_000));
        assert_eq!(closest(&long("a"), [long("b").as_str(), "x"]), None);
        assert_eq!(closest("éé", ["eé"]), Some("eé"));
    }

    #[test]
    fn problems_come_in_the_order_of_the_file_and_warnings_do_not_stop() {
        let file = "a".into();
        let mut problems = Problems::default();
        problems.warning(&Place::new(&file, 9, 1), "late");
        assert!(!problems.any_error());
        problems.error(&Place::new(&file, 2, 1), "early");
        assert!(problems.any_error());
        let lines: Vec<_> = problems.into_sorted().iter().map(|p| p.place.line).collect();
        assert_eq!(lines, [2, 9]);
    }
}
