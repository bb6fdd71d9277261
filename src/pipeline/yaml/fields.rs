//! Typed reading of a map: what is there, what is missing, what nobody asked for.

use std::{collections::HashMap, fmt::Display, ops::RangeInclusive, str::FromStr};

use super::{Node, Text, Value};
use crate::pipeline::problem::{At, Place, Problems, did_you_mean};

/// The entries of one map. Each getter reports what is wrong and returns
/// `None`, so that reading goes on to the next key; [`Fields::finish`] reports
/// the keys that no getter asked for.
pub struct Fields<'n> {
    place: &'n Place,
    entries: &'n [(Text, Node)],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// `what` names the map in the problem that it is none, as in `a stage`.
    pub fn open(node: &'n Node, what: &str, problems: &mut Problems) -> Option<Self> {
        let entries = map(node, what, problems)?;
        Some(Self { place: &node.place, entries, known: Vec::new() })
    }

    /// The value of `key`; a null counts as left out.
    pub fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let (_, node) = self.entries.iter().find(|(name, _)| name.as_str() == key)?;
        (!node.is_null()).then_some(node)
    }

    pub fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<&'n Text> {
        scalar(self.get(key)?, &format!("`{key}`"), problems)
    }

    pub fn required_text(
        &mut self,
        key: &'static str,
        what: &str,
        problems: &mut Problems,
    ) -> Option<&'n Text> {
        let node = self.required(key, what, problems)?;
        scalar(node, &format!("`{key}`"), problems)
    }

    pub fn required(
        &mut self,
        key: &'static str,
        what: &str,
        problems: &mut Problems,
    ) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            problems.error(self.place, format!("{what} needs `{key}`"));
        }
        node
    }

    /// A plain scalar that reads as `T`; `wanted` says what that is.
    pub fn parsed<T: FromStr>(
        &mut self,
        key: &'static str,
        wanted: &str,
        problems: &mut Problems,
    ) -> Option<At<T>> {
        let text = self.text(key, problems)?;
        let parsed = text.as_str().parse().ok().filter(|_| text.is_plain());
        if parsed.is_none() {
            let message = format!("`{key}` must be {wanted}, not `{}`", text.as_str());
            problems.error(text.place(), message);
        }
        Some(At { value: parsed?, place: text.place().clone() })
    }

    /// A whole number of a range.
    pub fn number<T: FromStr + PartialOrd + Display>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<T>,
        problems: &mut Problems,
    ) -> Option<At<T>> {
        let text = self.text(key, problems)?;
        let number = text.as_str().parse().ok();
        let number = number.filter(|number| text.is_plain() && range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            let message = format!(
                "`{key}` must be a whole number from {least} to {most}, not `{}`",
                text.as_str()
            );
            problems.error(text.place(), message);
        }
        Some(At { value: number?, place: text.place().clone() })
    }

    /// One of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        problems: &mut Problems,
    ) -> Option<At<T>> {
        let text = self.text(key, problems)?;
        let found = words.iter().find(|(word, _)| *word == text.as_str());
        let Some((_, value)) = found else {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let message =
                format!("`{key}` must be one of {}, not `{}`", names.join(", "), text.as_str());
            problems.error_hint(text.place(), message, did_you_mean(text.as_str(), names));
            return None;
        };
        Some(At { value: *value, place: text.place().clone() })
    }

    /// Reports keys that were not asked for, and keys that stand twice.
    pub fn finish(self, problems: &mut Problems) {
        for (key, _) in self.entries {
            if !self.known.contains(&key.as_str()) {
                let mut known = self.known.clone();
                known.sort_unstable();
                let hint = did_you_mean(key.as_str(), known.iter().copied())
                    .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
                problems.error_hint(key.place(), format!("unknown key `{}`", key.as_str()), hint);
            }
        }
    }
}

/// The entries of a map whose keys the user chooses; repeated keys are reported.
pub fn map<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Option<&'n [(Text, Node)]> {
    let Value::Map(entries) = &node.value else {
        problems.error(&node.place, format!("{what} must be a map (`key: value`)"));
        return None;
    };
    let mut known: HashMap<&str, &Text> = HashMap::with_capacity(entries.len());
    for (key, _) in entries {
        let first = *known.entry(key.as_str()).or_insert(key);
        if !std::ptr::eq(first, key) {
            let message = format!("`{}` stands twice", key.as_str());
            let hint = format!("the first is in line {}", first.place().line);
            problems.error_hint(key.place(), message, hint);
        }
    }
    Some(entries)
}

/// The text of a scalar.
pub fn scalar<'n>(node: &'n Node, what: &str, problems: &mut Problems) -> Option<&'n Text> {
    if let Value::Text(text) = &node.value {
        return Some(text);
    }
    problems.error(&node.place, format!("{what} must be text"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::yaml::parse;

    fn problems_of(source: &str) -> Vec<String> {
        let mut problems = Problems::default();
        let node = parse(&"f".into(), source).unwrap().unwrap();
        if let Some(mut fields) = Fields::open(&node, "a topic file", &mut problems) {
            fields.required_text("topic", "a topic file", &mut problems);
            fields.parsed::<i32>("partitions", "a number", &mut problems);
            fields.choice("format", &[("json", 1), ("arrow", 2)], &mut problems);
            fields.finish(&mut problems);
        }
        problems.into_sorted().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_map_has_no_problems() {
        assert_eq!(problems_of("topic: a\npartitions: 4\nformat: arrow\n"), [""; 0]);
        assert_eq!(problems_of("topic: a\npartitions:\n"), [""; 0]);
    }

    #[test]
    fn every_problem_is_reported_not_only_the_first() {
        assert_eq!(
            problems_of("partition: 4\npartitions: '4'\nformat: jsn\nformat: json\nx: 1\n"),
            [
                "f:1:1: a topic file needs `topic`",
                "f:1:1: unknown key `partition`; did you mean `partitions`?",
                "f:2:13: `partitions` must be a number, not `4`",
                "f:3:9: `format` must be one of json, arrow, not `jsn`; did you mean `json`?",
                "f:4:1: `format` stands twice; the first is in line 3",
                "f:5:1: unknown key `x`; known here: format, partitions, topic",
            ]
        );
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_named() {
        assert_eq!(problems_of("- a\n"), ["f:1:1: a topic file must be a map (`key: value`)"]);
        assert_eq!(problems_of("topic: [a]\n"), ["f:1:8: `topic` must be text"]);
    }
}
