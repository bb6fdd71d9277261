//! `openlineage.yml` and the variables `OPENLINEAGE__TRANSPORT__*`: where
//! OpenLineage's own clients are told to send events to.
//!
//! What says where events go and how is taken over. The rest is for other clients
//! (facets that they leave out, tags that they add) and passed over.

use std::sync::Arc;

use super::{
    environment::Variable,
    error::{Origin, SettingProblem},
    layers::Setting,
    transport::{self, Branch, Tree, Untyped},
};
use crate::pipeline::{
    problem::Problems,
    yaml::{self, Node, Value},
};

/// How the variables begin; keys within are parted by two underscores.
const VARIABLE: &str = "OPENLINEAGE__TRANSPORT";

/// The settings that the file makes, and what of it cannot be followed.
pub(super) fn settings(
    file: &Arc<str>,
    text: &str,
    problems: &mut Vec<SettingProblem>,
) -> Vec<Setting> {
    let mut found = Problems::default();
    let mut settings = Vec::new();
    match yaml::parse(file, text) {
        Ok(Some(node)) if !node.is_null() => {
            let entries = yaml::map(&node, "openlineage.yml", &mut found).unwrap_or_default();
            let transport = entries.iter().find(|(name, _)| name.as_str() == "transport");
            if let Some(tree) = transport.and_then(|(_, node)| of_node(node)) {
                settings = transport::settings(&tree, Untyped::Refused, problems);
            }
        }
        Ok(_) => {}
        Err(problem) => found.push(problem),
    }
    problems.extend(found.into_sorted().into_iter().map(SettingProblem::from));
    settings
}

/// `None` where nothing, or null, was written.
fn of_node(node: &Node) -> Option<Tree> {
    let value = match &node.value {
        Value::Text(text) if text.is_null() => return None,
        Value::Text(text) => Branch::Text(text.as_str().to_owned()),
        Value::List(items) => Branch::List(items.iter().filter_map(of_node).collect()),
        Value::Map(entries) => {
            let entry = |(name, node): &(yaml::Text, Node)| {
                Some((name.as_str().to_owned(), of_node(node)?))
            };
            Branch::Map(entries.iter().filter_map(entry).collect())
        }
    };
    Some(Tree { origin: Origin::File(node.place.clone()), value })
}

/// The transport that a layer's variables make; `None` where there is none among
/// them. As the clients have it, what stands further up wins: no variable changes
/// what is in the JSON of another.
pub(super) fn of_variables(
    variables: &[Variable<'_>],
    problems: &mut Vec<SettingProblem>,
) -> Option<Tree> {
    let keys = |variable: &Variable<'_>| {
        let keys = variable.name.strip_prefix(VARIABLE)?.split("__").map(str::to_ascii_lowercase);
        let mut keys = keys.collect::<Vec<_>>();
        // `OPENLINEAGE__TRANSPORTER` is another variable.
        keys.remove(0).is_empty().then_some(keys)
    };
    let set = variables.iter().filter(|variable| !variable.value.is_empty());
    let mut found: Vec<_> = set.filter_map(|variable| Some((keys(variable)?, variable))).collect();
    found.sort_by_key(|(keys, _)| keys.len());
    let (_, first) = found.first()?;
    let mut tree = Tree { origin: first.origin.clone(), value: Branch::Map(Vec::new()) };
    for (keys, variable) in found {
        let Some(value) = of_value(variable, problems) else { continue };
        tree.lay_under(&keys, value);
    }
    Some(tree)
}

/// What a variable holds: JSON, or a text.
fn of_value(variable: &Variable<'_>, problems: &mut Vec<SettingProblem>) -> Option<Tree> {
    let text = variable.value.trim();
    if !text.starts_with(['{', '[']) {
        let value = Branch::Text(text.to_owned());
        return Some(Tree { origin: variable.origin.clone(), value });
    }
    match serde_json::from_str(text) {
        Ok(json) => of_json(json, &variable.origin),
        Err(error) => {
            // Of the value nothing is shown: it may hold a key.
            let message = format!("is no JSON: line {}, column {}", error.line(), error.column());
            problems.push(SettingProblem::new("", variable.origin.clone(), message));
            None
        }
    }
}

fn of_json(json: serde_json::Value, origin: &Origin) -> Option<Tree> {
    use serde_json::Value as Json;
    let value = match json {
        Json::Null => return None,
        Json::String(text) => Branch::Text(text),
        scalar @ (Json::Bool(_) | Json::Number(_)) => Branch::Text(scalar.to_string()),
        Json::Array(items) => {
            Branch::List(items.into_iter().filter_map(|item| of_json(item, origin)).collect())
        }
        Json::Object(entries) => {
            let entry = |(name, json)| Some((name, of_json(json, origin)?));
            Branch::Map(entries.into_iter().filter_map(entry).collect())
        }
    };
    Some(Tree { origin: origin.clone(), value })
}

impl Tree {
    /// Puts a value where the keys lead to, unless something is there; of two maps
    /// the entries that the other has not.
    fn lay_under(&mut self, keys: &[String], value: Self) {
        let Branch::Map(entries) = &mut self.value else { return };
        let Some((key, rest)) = keys.split_first() else {
            let Branch::Map(more) = value.value else { return };
            for (name, tree) in more {
                self.lay_under(&[name], tree);
            }
            return;
        };
        let index = entries.iter().position(|(name, _)| transport::is_same(name, key));
        match (index, rest) {
            (Some(index), rest) => entries[index].1.lay_under(rest, value),
            (None, []) => entries.push((key.clone(), value)),
            (None, rest) => {
                let mut section =
                    Self { origin: value.origin.clone(), value: Branch::Map(Vec::new()) };
                section.lay_under(rest, value);
                entries.push((key.clone(), section));
            }
        }
    }
}

/// Leaves out the file's backends, the first `count` settings, that a stronger
/// source makes another type of: their settings mean nothing to that.
pub(super) fn drop_overruled(settings: &mut Vec<Setting>, count: usize) {
    let (own, others) = settings.split_at(count);
    let is_tag = |setting: &&Setting| setting.path.last().is_some_and(|key| key == "type");
    let overruled = |tag: &&Setting| {
        let stronger = others.iter().rfind(|other| other.path == tag.path);
        stronger.is_some_and(|other| other.value != tag.value)
    };
    let backends: Vec<Vec<String>> =
        own.iter().filter(is_tag).filter(overruled).map(|tag| tag.path[..3].to_vec()).collect();
    let mut index = 0;
    settings.retain(|setting| {
        index += 1;
        index > count || !backends.iter().any(|backend| setting.path.starts_with(backend))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::shape::Raw;

    fn read(source: &str) -> (Vec<String>, Vec<String>) {
        let mut problems = Vec::new();
        let settings = settings(&"openlineage.yml".into(), source, &mut problems);
        (shown(settings), problems.iter().map(ToString::to_string).collect())
    }

    fn shown(settings: Vec<Setting>) -> Vec<String> {
        let shown = settings.into_iter().map(|Setting { path, value, .. }| match value {
            Raw::Text(text) => format!("{}={text}", path[2..].join(".")),
            other => format!("{}={other:?}", path[2..].join(".")),
        });
        shown.collect()
    }

    #[test]
    fn a_transport_is_the_backend_default_in_either_clients_spelling() {
        let python = "transport:\n  type: http\n  url: https://lineage.test\n  endpoint: api/v2\n  timeout: 2.5\n  auth: { type: api_key, apiKey: k3y }\n  compression: gzip\nfacets: { disabled: [spark] }\n";
        let (settings, problems) = read(python);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            settings,
            [
                "default.type=http",
                "default.url=https://lineage.test",
                "default.endpoint=api/v2",
                "default.request_timeout=2500ms",
                "default.api_key=k3y",
                "default.gzip_bytes_min=0",
            ]
        );
        let java = "transport: { type: http, url: \"http://m:5000\", timeoutInMillis: 900, auth: { type: api_key, api_key: k } }";
        let expected = [
            "default.type=http",
            "default.url=http://m:5000",
            "default.request_timeout=900ms",
            "default.api_key=k",
        ];
        assert_eq!(read(java).0, expected);
        assert_eq!(read("transport: { type: console }").0, ["default.type=console"]);
        let file = "transport: { type: file, log_file_path: /tmp/x }";
        assert_eq!(read(file).0, ["default.type=file", "default.path=/tmp/x"]);
    }

    #[test]
    fn a_composite_is_a_backend_for_each_of_its_parts() {
        let named = "transport:\n  type: composite\n  transports:\n    marquez: { type: http, url: http://m }\n    look: { type: console }\n";
        assert_eq!(
            read(named).0,
            ["marquez.type=http", "marquez.url=http://m", "look.type=console"]
        );
        let listed = "transport:\n  type: composite\n  transports:\n  - { type: console, name: look }\n  - { type: file, location: x }\n";
        assert_eq!(
            read(listed).0,
            ["look.type=console", "openlineage-2.type=file", "openlineage-2.path=x"]
        );
    }

    /// The settings that variables make, and the problems.
    fn of(variables: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let mut problems = Vec::new();
        let variables = Variable::of_process(variables);
        let tree = of_variables(&variables, &mut problems);
        let settings = tree
            .map(|tree| transport::settings(&tree, Untyped::Allowed, &mut problems))
            .unwrap_or_default();
        (shown(settings), problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn variables_make_a_transport_as_the_clients_read_them() {
        let (settings, problems) = of(&[
            ("OPENLINEAGE__TRANSPORT__TYPE", "http"),
            ("OPENLINEAGE__TRANSPORT__URL", "http://m:5000"),
            ("OPENLINEAGE__TRANSPORT__ENDPOINT", "api/v2"),
            ("OPENLINEAGE__TRANSPORT__AUTH", r#"{"type":"api_key", "apiKey":"k3y"}"#),
            ("OPENLINEAGE__TRANSPORT__COMPRESSION", "gzip"),
            ("OPENLINEAGE__TRANSPORT__TIMEOUT", "2.5"),
            ("OPENLINEAGE__TRANSPORT__VERIFY", ""),
            ("OPENLINEAGE__FACETS__DISABLED", "[a]"),
            ("OPENLINEAGE__TRANSPORTER", "x"),
        ]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            settings,
            [
                "default.type=http",
                "default.url=http://m:5000",
                "default.endpoint=api/v2",
                "default.request_timeout=2500ms",
                "default.api_key=k3y",
                "default.gzip_bytes_min=0",
            ]
        );
        let java = [
            ("OPENLINEAGE__TRANSPORT__AUTH__API_KEY", "k"),
            ("OPENLINEAGE__TRANSPORT__TIMEOUT_IN_MILLIS", "900"),
        ];
        assert_eq!(of(&java).0, ["default.request_timeout=900ms", "default.api_key=k"]);
        let file = [
            ("OPENLINEAGE__TRANSPORT__TYPE", "file"),
            ("OPENLINEAGE__TRANSPORT__LOG_FILE_PATH", "/tmp/x"),
        ];
        assert_eq!(of(&file).0, ["default.type=file", "default.path=/tmp/x"]);
        assert_eq!(of(&[]), (vec![], vec![]));
    }

    #[test]
    fn variables_make_a_composite_a_backend_for_each_of_its_parts() {
        let (settings, problems) = of(&[
            ("OPENLINEAGE__TRANSPORT__CONTINUE_ON_FAILURE", "true"),
            ("OPENLINEAGE__TRANSPORT__TRANSPORTS__DEFAULT_HTTP", "{}"),
            ("OPENLINEAGE__TRANSPORT__TRANSPORTS__FIRST__AUTH__API_KEY", "k"),
            ("OPENLINEAGE__TRANSPORT__TRANSPORTS__FIRST__TYPE", "http"),
            ("OPENLINEAGE__TRANSPORT__TRANSPORTS__FIRST__URL", "http://m"),
            ("OPENLINEAGE__TRANSPORT__TRANSPORTS__SECOND__TYPE", "console"),
            ("OPENLINEAGE__TRANSPORT__TYPE", "composite"),
        ]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            settings,
            ["first.type=http", "first.url=http://m", "first.api_key=k", "second.type=console"]
        );
    }

    #[test]
    fn what_stands_further_up_wins_and_no_key_of_bad_json_is_shown() {
        let whole = r#"{"type":"http", "url":"http://m", "auth":{"apiKey":"k"}, "timeout":3}"#;
        let (settings, problems) = of(&[
            ("OPENLINEAGE__TRANSPORT", whole),
            ("OPENLINEAGE__TRANSPORT__AUTH__API_KEY", "other"),
            ("OPENLINEAGE__TRANSPORT__ENDPOINT", "e"),
            ("OPENLINEAGE__TRANSPORT__TYPE", "console"),
        ]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            settings,
            [
                "default.type=http",
                "default.url=http://m",
                "default.endpoint=e",
                "default.request_timeout=3000ms",
                "default.api_key=k",
            ]
        );
        let (settings, problems) = of(&[
            ("OPENLINEAGE__TRANSPORT__AUTH", r#"{"apiKey":"hunter2""#),
            ("OPENLINEAGE__TRANSPORT__TYPE", "kafka"),
        ]);
        assert_eq!(settings, [""; 0]);
        assert_eq!(
            problems,
            [
                "env OPENLINEAGE__TRANSPORT__AUTH: is no JSON: line 1, column 19",
                "env OPENLINEAGE__TRANSPORT__TYPE: transport `kafka` is not there; there are http, console, file, composite and noop",
            ]
        );
    }

    #[test]
    fn what_cannot_be_followed_is_told_with_its_place() {
        assert_eq!(
            read("transport: { type: kafka }").1,
            [
                "openlineage.yml:1:20: transport `kafka` is not there; there are http, console, file, composite and noop"
            ]
        );
        assert_eq!(
            read("transport: {url: x}").1,
            ["openlineage.yml:1:12: a transport needs `type`"]
        );
        assert_eq!(
            read("transport: {type: http, url: x, auth: {type: jwt, apiKey: k}}").1,
            ["openlineage.yml:1:39: of `auth` only the type `api_key` is there"]
        );
        assert_eq!(read("# nothing\n"), (vec![], vec![]));
        assert_eq!(read("tags: { job: [a] }\n"), (vec![], vec![]));
    }
}
