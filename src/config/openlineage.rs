//! `openlineage.yml`: where OpenLineage's own clients are told to send events to.
//!
//! What says where events go and how becomes the backend `default`, or a backend
//! for each part of a composite transport. The rest of the file is for other
//! clients (facets that they leave out, tags that they add) and passed over.

use std::sync::Arc;

use super::{
    error::{Origin, SettingProblem},
    layers::Setting,
    shape::Raw,
};
use crate::pipeline::{
    problem::Problems,
    yaml::{self, Node, Text, Value},
};

/// The backend of a transport that stands alone.
const DEFAULT: &str = "default";

/// Keys of an `http` transport and what they are called here. Python's client
/// and Java's have a spelling each of some.
const HTTP: [(&str, &str); 5] = [
    ("url", "url"),
    ("endpoint", "endpoint"),
    ("apiKey", "api_key"),
    ("api_key", "api_key"),
    ("timeoutInMillis", "request_timeout"),
];

const FILE: [(&str, &str); 2] = [("log_file_path", "path"), ("location", "path")];

/// The settings that the file makes, and what of it cannot be followed.
pub(super) fn settings(
    file: &Arc<str>,
    text: &str,
    problems: &mut Vec<SettingProblem>,
) -> Vec<Setting> {
    let mut reader = Reader { settings: Vec::new(), problems: Problems::default() };
    match yaml::parse(file, text) {
        Ok(Some(node)) if !node.is_null() => reader.file(&node),
        Ok(_) => {}
        Err(problem) => reader.problems.push(problem),
    }
    problems.extend(reader.problems.into_sorted().into_iter().map(SettingProblem::from));
    reader.settings
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

struct Reader {
    settings: Vec<Setting>,
    problems: Problems,
}

impl Reader {
    fn file(&mut self, node: &Node) {
        let entries = yaml::map(node, "openlineage.yml", &mut self.problems).unwrap_or_default();
        if let Some(node) = entry(entries, "transport") {
            self.transport(DEFAULT, node);
        }
    }

    fn transport(&mut self, backend: &str, node: &Node) {
        let Some(entries) = yaml::map(node, "a transport", &mut self.problems) else { return };
        let Some(kind) = entry(entries, "type").and_then(text) else {
            return self.problems.error(&node.place, "a transport needs `type`");
        };
        match kind.as_str() {
            "http" => {
                self.set(backend, "type", kind, "http");
                self.take(backend, entries, &HTTP);
                self.seconds(backend, entries);
                if let Some(Value::Map(auth)) = entry(entries, "auth").map(|node| &node.value) {
                    self.take(backend, auth, &HTTP);
                }
                if let Some(packed) = entry(entries, "compression").and_then(text)
                    && packed.as_str() == "gzip"
                {
                    self.set(backend, "gzip_bytes_min", packed, "0");
                }
            }
            "console" => self.set(backend, "type", kind, "console"),
            "file" => {
                self.set(backend, "type", kind, "file");
                self.take(backend, entries, &FILE);
            }
            "composite" => self.composite(node, entries),
            "noop" => {}
            other => {
                let message = format!("transport `{other}` is not there");
                let hint = "there are http, console, file, composite and noop".to_owned();
                self.problems.error_hint(kind.place(), message, hint);
            }
        }
    }

    /// Its parts have names, or are a list and named by their place in it.
    fn composite(&mut self, node: &Node, entries: &[(Text, Node)]) {
        match entry(entries, "transports").map(|node| &node.value) {
            Some(Value::Map(parts)) => {
                for (name, part) in parts {
                    self.transport(name.as_str(), part);
                }
            }
            Some(Value::List(parts)) => {
                for (index, part) in parts.iter().enumerate() {
                    let name = match &part.value {
                        Value::Map(entries) => entry(entries, "name").and_then(text),
                        Value::Text(_) | Value::List(_) => None,
                    };
                    let numbered = || format!("openlineage-{}", index + 1);
                    let name = name.map_or_else(numbered, |name| name.as_str().to_owned());
                    self.transport(&name, part);
                }
            }
            _ => self.problems.error(&node.place, "a composite transport needs `transports`"),
        }
    }

    fn take(&mut self, backend: &str, entries: &[(Text, Node)], keys: &[(&str, &str)]) {
        for (theirs, ours) in keys {
            let Some(value) = entry(entries, theirs).and_then(text) else { continue };
            let unit = if *theirs == "timeoutInMillis" { "ms" } else { "" };
            self.set(backend, ours, value, &format!("{}{unit}", value.as_str()));
        }
    }

    /// Python's client counts `timeout` in seconds, with parts of one.
    fn seconds(&mut self, backend: &str, entries: &[(Text, Node)]) {
        let Some(timeout) = entry(entries, "timeout").and_then(text) else { return };
        let value = match timeout.as_str().parse::<f64>() {
            Ok(seconds) => format!("{}ms", (seconds * 1000.0).round() as u64),
            Err(_other) => timeout.as_str().to_owned(),
        };
        self.set(backend, "request_timeout", timeout, &value);
    }

    fn set(&mut self, backend: &str, key: &str, place: &Text, value: &str) {
        let path = ["forward", "backends", backend, key].map(str::to_owned).to_vec();
        let origin = Origin::File(place.place().clone());
        self.settings.push(Setting { path, value: Raw::Text(value.to_owned()), origin });
    }
}

fn entry<'n>(entries: &'n [(Text, Node)], key: &str) -> Option<&'n Node> {
    entries.iter().find(|(name, _)| name.as_str() == key).map(|(_, node)| node)
}

fn text(node: &Node) -> Option<&Text> {
    match &node.value {
        Value::Text(text) if !text.is_null() => Some(text),
        Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> (Vec<String>, Vec<String>) {
        let mut problems = Vec::new();
        let settings = settings(&"openlineage.yml".into(), source, &mut problems);
        let shown = settings.into_iter().map(|Setting { path, value, .. }| match value {
            Raw::Text(text) => format!("{}={text}", path[2..].join(".")),
            other => format!("{}={other:?}", path[2..].join(".")),
        });
        (shown.collect(), problems.iter().map(ToString::to_string).collect())
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
        assert_eq!(read("# nothing\n"), (vec![], vec![]));
        assert_eq!(read("tags: { job: [a] }\n"), (vec![], vec![]));
    }
}
