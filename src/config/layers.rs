//! Settings laid over the defaults, the stronger over the weaker.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    error::{Origin, SettingProblem},
    provenance::Provenance,
    shape::{self, Found, Raw},
    words,
};
use crate::pipeline::problem::did_you_mean;

/// Tells entries of a map of tagged structs apart, so it is set before the rest of an entry.
const TAG: &str = "type";

/// One value that one source gives one setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    /// From the outermost section inwards.
    pub(super) path: Vec<String>,
    pub(super) value: Raw,
    pub(super) origin: Origin,
}

impl Setting {
    fn key(&self) -> String {
        self.path.join(".")
    }

    /// The paths that may be meant, the likeliest first. Below a map whose keys
    /// the user chooses a dot may be part of a key, as in librdkafka's
    /// properties, or lead into a section.
    fn paths(&self, found: Found) -> Vec<Vec<String>> {
        match found {
            Found::Entry(depth) if self.path.len() > depth + 1 => {
                let mut joined = self.path[..depth].to_vec();
                joined.push(self.path[depth..].join("."));
                vec![joined, self.path.clone()]
            }
            _ => vec![self.path.clone()],
        }
    }
}

/// `settings` come the weakest first. One that is unknown or does not fit is a
/// problem, and what stood before it stays, so that the others are judged too.
pub(super) fn apply<T: Serialize + DeserializeOwned>(
    defaults: T,
    mut settings: Vec<Setting>,
    problems: &mut Vec<SettingProblem>,
) -> Result<(T, Provenance), serde_json::Error> {
    let defaults = serde_json::to_value(defaults)?;
    let mut config = serde_json::from_value(defaults.clone())?;
    let mut provenance = Provenance::of_defaults(&defaults);
    let mut merged = defaults.clone();
    settings.sort_by_key(|setting| !is_tag(&defaults, setting));
    for setting in settings {
        let found = shape::find(&defaults, &setting.path);
        match found {
            Found::Unknown => problems.push(unknown(&defaults, &setting)),
            Found::Section => {
                let message = "is a section; set one of its settings";
                problems.push(SettingProblem::new(&setting.key(), setting.origin, message));
            }
            Found::Setting | Found::Entry(_) => {
                match try_set(&merged, &defaults, found, &setting) {
                    Ok((whole, value, read)) => {
                        (merged, config) = (whole, read);
                        if let Found::Entry(depth) = found {
                            provenance.open(&setting.path[..depth].join("."));
                        }
                        provenance.set(&setting.key(), &value, setting.origin);
                    }
                    Err(message) => {
                        problems.push(SettingProblem::new(&setting.key(), setting.origin, message));
                    }
                }
            }
        }
    }
    Ok((config, provenance))
}

fn is_tag(defaults: &Value, setting: &Setting) -> bool {
    setting.path.last().is_some_and(|key| key == TAG)
        && matches!(shape::find(defaults, &setting.path), Found::Entry(_))
}

fn unknown(defaults: &Value, setting: &Setting) -> SettingProblem {
    let key = setting.key();
    let names = shape::names(defaults);
    let hint = did_you_mean(&key, names.iter().map(String::as_str));
    SettingProblem::new(&key, setting.origin.clone(), "unknown setting")
        .hint(hint.unwrap_or_else(|| "`config show` lists all settings".to_owned()))
}

/// The whole with the setting in it, as JSON and as the type that must read it,
/// and between them the setting's own value.
fn try_set<T: DeserializeOwned>(
    merged: &Value,
    defaults: &Value,
    found: Found,
    setting: &Setting,
) -> Result<(Value, Value, T), String> {
    let default = setting.path.iter().try_fold(defaults, |value, key| value.get(key));
    // An entry has no default to tell what it holds.
    let default = if matches!(found, Found::Entry(_)) { Some(&Value::Null) } else { default };
    let mut failure = String::new();
    for path in setting.paths(found) {
        for value in shape::candidates(&setting.value, default) {
            let mut whole = merged.clone();
            insert(&mut whole, &path, value.clone());
            match serde_json::from_value(whole.clone()) {
                Ok(read) => return Ok((whole, value, read)),
                Err(error) => failure = error.to_string(),
            }
        }
    }
    Err(words::plain(&failure, &setting.value))
}

/// Sections below a map that the user fills are made as they are needed.
fn insert(whole: &mut Value, path: &[String], value: Value) {
    let Some((last, sections)) = path.split_last() else { return };
    let mut here = whole;
    for key in sections {
        let Value::Object(fields) = here else { return };
        here = fields.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
    }
    if let Value::Object(fields) = here {
        fields.insert(last.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        properties: BTreeMap<String, String>,
        backends: BTreeMap<String, Backend>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Backend {
        Http(Http),
        Console,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Http {
        url: String,
        key: Option<String>,
        attempts: u32,
    }

    fn set(settings: &[(&str, &str)]) -> (Whole, Provenance, Vec<String>) {
        let settings = settings.iter().map(|(key, value)| Setting {
            path: key.split('.').map(ToOwned::to_owned).collect(),
            value: Raw::Text((*value).to_owned()),
            origin: Origin::Flag("f".to_owned()),
        });
        let mut problems = Vec::new();
        let (whole, provenance) =
            apply(Whole::default(), settings.collect(), &mut problems).unwrap();
        (whole, provenance, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_dot_below_an_open_map_is_part_of_the_key_or_leads_into_a_section() {
        let (whole, provenance, problems) = set(&[
            ("properties.sasl.username", "12"),
            ("backends.m.attempts", "3"),
            ("backends.m.key", "345"),
            ("backends.m.type", "http"),
            ("backends.c.type", "console"),
        ]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(whole.properties["sasl.username"], "12");
        let http = Http { key: Some("345".to_owned()), attempts: 3, ..Http::default() };
        assert_eq!(whole.backends["m"], Backend::Http(http));
        assert_eq!(whole.backends["c"], Backend::Console);
        let keys: Vec<_> = provenance.iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            [
                "backends.c.type",
                "backends.m.attempts",
                "backends.m.key",
                "backends.m.type",
                "properties.sasl.username"
            ]
        );
    }

    #[test]
    fn an_entry_that_does_not_fit_is_a_problem_and_the_others_stand() {
        let (whole, _, problems) = set(&[
            ("backends.m.type", "http"),
            ("backends.m.uri", "x"),
            ("backends.n.url", "x"),
            ("backends.m.url", "y"),
        ]);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with("flag --f: backends.m.uri: unknown field `uri`"));
        assert!(problems[1].starts_with("flag --f: backends.n.url: missing field `type`"));
        let http = Http { url: "y".to_owned(), ..Http::default() };
        assert_eq!(whole.backends["m"], Backend::Http(http));
        assert!(!whole.backends.contains_key("n"));
    }
}
