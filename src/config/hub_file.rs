//! `hub.yaml`: the settings of a project, with the line of each.

use std::sync::Arc;

use serde_json::Value;

use super::{
    error::{Origin, SettingProblem},
    layers::Setting,
    shape::{self, Found, Raw},
};
use crate::pipeline::{
    problem::Problems,
    yaml::{self, Node, Text, Value as Yaml},
};

/// The settings in the order of the file; what cannot be read is a problem.
pub(super) fn settings(
    file: &Arc<str>,
    text: &str,
    defaults: &Value,
    problems: &mut Vec<SettingProblem>,
) -> Vec<Setting> {
    let mut walk = Walk { defaults, settings: Vec::new(), problems: Problems::default() };
    match yaml::parse(file, text) {
        Ok(Some(node)) if !node.is_null() => walk.section(&node, &[]),
        Ok(_) => {}
        Err(problem) => walk.problems.push(problem),
    }
    problems.extend(walk.problems.into_sorted().into_iter().map(SettingProblem::from));
    walk.settings
}

struct Walk<'a> {
    defaults: &'a Value,
    settings: Vec<Setting>,
    problems: Problems,
}

impl Walk<'_> {
    fn section(&mut self, node: &Node, path: &[String]) {
        let what = if path.is_empty() { "hub.yaml".to_owned() } else { path.join(".") };
        for (key, node) in yaml::map(node, &what, &mut self.problems).unwrap_or_default() {
            let mut path = path.to_vec();
            path.push(key.as_str().to_owned());
            self.value(key, node, &path);
        }
    }

    fn value(&mut self, key: &Text, node: &Node, path: &[String]) {
        let value = match &node.value {
            // A section whose settings are all commented out, or a key left
            // empty, sets nothing.
            Yaml::Text(text) if text.is_null() && text.as_str().is_empty() => return,
            Yaml::Text(text) if text.is_null() => Raw::Null,
            Yaml::Map(entries) if entries.is_empty() => return,
            Yaml::Map(_) if shape::find(self.defaults, path) == Found::Setting => {
                let message = format!("{} is a setting, not a section", path.join("."));
                return self.problems.error(&node.place, message);
            }
            Yaml::Map(_) => return self.section(node, path),
            Yaml::Text(text) => Raw::Text(text.as_str().to_owned()),
            Yaml::List(items) => Raw::List(items.iter().map(json).collect()),
        };
        let origin = Origin::File(key.place().clone());
        self.settings.push(Setting { path: path.to_vec(), value, origin });
    }
}

/// What stands in a list, with YAML's numbers and booleans as such.
fn json(node: &Node) -> Value {
    match &node.value {
        Yaml::Text(text) if text.is_null() => Value::Null,
        Yaml::Text(text) if text.is_plain() => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            word => shape::number(word).unwrap_or_else(|| word.into()),
        },
        Yaml::Text(text) => text.as_str().into(),
        Yaml::List(items) => Value::Array(items.iter().map(json).collect()),
        Yaml::Map(entries) => Value::Object(
            entries.iter().map(|(key, node)| (key.as_str().to_owned(), json(node))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Vec<(String, Raw, String)>, Vec<String>) {
        let defaults = json!({"kafka": {"properties": {}}, "stage": {"linger": "5ms"}, "list": []});
        let mut problems = Vec::new();
        let settings = settings(&"hub.yaml".into(), text, &defaults, &mut problems);
        (
            settings
                .into_iter()
                .map(|setting| (setting.path.join(" "), setting.value, setting.origin.to_string()))
                .collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn each_setting_has_its_line_and_a_property_keeps_its_dots() {
        let (settings, problems) = read(
            "stage:\n  linger: 9ms\nkafka:\n  properties:\n    sasl.username: ada\nlist: [a, 1]\n",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            settings,
            [
                ("stage linger".to_owned(), Raw::Text("9ms".to_owned()), "hub.yaml:2".to_owned()),
                (
                    "kafka properties sasl.username".to_owned(),
                    Raw::Text("ada".to_owned()),
                    "hub.yaml:5".to_owned()
                ),
                ("list".to_owned(), Raw::List(vec![json!("a"), json!(1)]), "hub.yaml:6".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_left_empty_sets_nothing() {
        assert_eq!(read("stage:\n  # linger: 5ms\nkafka: {}\n"), (vec![], vec![]));
        assert_eq!(read("# nothing\n"), (vec![], vec![]));
        let null = ("stage linger".to_owned(), Raw::Null, "hub.yaml:1".to_owned());
        assert_eq!(read("stage: { linger: null }\n"), (vec![null], vec![]));
    }

    #[test]
    fn what_cannot_be_a_setting_is_a_problem_with_its_place() {
        let (settings, problems) = read("stage: {linger: {a: 1}}\nlist: [b]\nlist: [c]\n");
        assert_eq!(settings.len(), 2);
        assert_eq!(
            problems,
            [
                "hub.yaml:1:17: stage.linger is a setting, not a section",
                "hub.yaml:3:1: `list` stands twice; the first is in line 2",
            ]
        );
        assert_eq!(read("- a\n").1, ["hub.yaml:1:1: hub.yaml must be a map (`key: value`)"]);
    }
}
