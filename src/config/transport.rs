//! What OpenLineage's own clients call a transport, as the backends of the forwarder.
//!
//! ```text
//! openlineage.yml, OPENLINEAGE__TRANSPORT__* -> Tree -> settings of forward.backends
//! ```
//!
//! A transport that stands alone becomes the backend `default`; each part of a
//! composite one becomes a backend of its own, with a pace of its own.

use super::{
    error::{Origin, SettingProblem},
    layers::Setting,
    shape::Raw,
};

/// The backend of a transport that stands alone.
const DEFAULT: &str = "default";

/// Keys of an `http` transport as [`plain`] has them, and what they are called here.
const HTTP: [(&str, &str); 3] =
    [("url", "url"), ("endpoint", "endpoint"), ("timeoutinmillis", "request_timeout")];

const FILE: [(&str, &str); 2] = [("logfilepath", "path"), ("location", "path")];

const KINDS: &str = "there are http, console, file, composite and noop";

/// A part of a client's configuration, whoever wrote it.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) origin: Origin,
    pub(super) value: Branch,
}

#[derive(Debug, Clone)]
pub(super) enum Branch {
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    fn entries(&self) -> Option<&[(String, Self)]> {
        match &self.value {
            Branch::Map(entries) => Some(entries),
            Branch::Text(_) | Branch::List(_) => None,
        }
    }

    fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().find(|(name, _)| plain(name) == key).map(|(_, tree)| tree)
    }

    fn text(&self) -> Option<&str> {
        match &self.value {
            Branch::Text(text) => Some(text),
            Branch::List(_) | Branch::Map(_) => None,
        }
    }
}

/// `timeoutInMillis` and `TIMEOUT_IN_MILLIS` are one key: Python's client, Java's
/// and variables have a spelling each.
fn plain(key: &str) -> String {
    key.chars().filter(|letter| *letter != '_').collect::<String>().to_ascii_lowercase()
}

/// Whether the clients take both for one key.
pub(super) fn is_same(key: &str, other: &str) -> bool {
    plain(key) == plain(other)
}

/// Whether a transport leaves no room for the backend of a lone URL.
pub(super) fn stands_alone(transport: &Tree) -> bool {
    let kind = transport.get("type").and_then(Tree::text);
    kind.is_some_and(|kind| !["http", "async_http", "composite"].contains(&kind))
}

/// Whether a transport leaves its type to be told elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untyped {
    /// It must say it.
    Refused,
    /// A variable may stand alone: a URL is that of an `http` transport.
    Allowed,
}

/// The settings that a transport makes, and what of it cannot be followed.
pub(super) fn settings(
    transport: &Tree,
    untyped: Untyped,
    problems: &mut Vec<SettingProblem>,
) -> Vec<Setting> {
    let mut reader = Reader { settings: Vec::new(), untyped, problems };
    reader.transport(DEFAULT, transport);
    reader.settings
}

struct Reader<'p> {
    settings: Vec<Setting>,
    untyped: Untyped,
    problems: &'p mut Vec<SettingProblem>,
}

impl Reader<'_> {
    fn transport(&mut self, backend: &str, tree: &Tree) {
        if tree.entries().is_none() {
            return self.problem(tree, "a transport must be a map (`key: value`)");
        }
        let Some(kind) = tree.get("type") else { return self.untyped(backend, tree) };
        match kind.text().unwrap_or_default() {
            "http" | "async_http" => {
                self.set(backend, "type", kind, "http");
                self.http(backend, tree);
            }
            "console" => self.set(backend, "type", kind, "console"),
            "file" => {
                self.set(backend, "type", kind, "file");
                self.take(backend, tree, &FILE);
            }
            "composite" => self.composite(tree),
            "noop" => {}
            other => {
                let problem = SettingProblem::new(
                    "",
                    kind.origin.clone(),
                    format!("transport `{other}` is not there"),
                );
                self.problems.push(problem.hint(KINDS.to_owned()));
            }
        }
    }

    fn untyped(&mut self, backend: &str, tree: &Tree) {
        if self.untyped == Untyped::Refused {
            return self.problem(tree, "a transport needs `type`");
        }
        match tree.get("url") {
            Some(url) => self.set(backend, "type", url, "http"),
            // Its type may be told by a weaker source.
            None if backend == DEFAULT => {}
            None => return,
        }
        self.http(backend, tree);
        self.take(backend, tree, &FILE);
    }

    fn http(&mut self, backend: &str, tree: &Tree) {
        self.take(backend, tree, &HTTP);
        self.seconds(backend, tree);
        // Old files have the key beside the URL.
        let auth = tree.get("auth").unwrap_or(tree);
        let is_key = auth.get("type").and_then(Tree::text).is_none_or(|kind| kind == "api_key");
        if tree.get("auth").is_some() && !is_key {
            self.problem(auth, "of `auth` only the type `api_key` is there");
        }
        self.take(backend, auth, &[("apikey", "api_key")]);
        if let Some(packed) = tree.get("compression")
            && packed.text() == Some("gzip")
        {
            self.set(backend, "gzip_bytes_min", packed, "0");
        }
    }

    /// Its parts have names, or are a list and named by their place in it.
    fn composite(&mut self, tree: &Tree) {
        match tree.get("transports").map(|parts| &parts.value) {
            Some(Branch::Map(parts)) => {
                for (name, part) in parts {
                    self.transport(name, part);
                }
            }
            Some(Branch::List(parts)) => {
                for (index, part) in parts.iter().enumerate() {
                    let name = part.get("name").and_then(Tree::text);
                    let numbered = || format!("openlineage-{}", index + 1);
                    self.transport(&name.map_or_else(numbered, str::to_owned), part);
                }
            }
            _ => self.problem(tree, "a composite transport needs `transports`"),
        }
    }

    fn take(&mut self, backend: &str, tree: &Tree, keys: &[(&str, &str)]) {
        for (theirs, ours) in keys {
            let Some(value) = tree.get(theirs) else { continue };
            let Some(text) = value.text() else { continue };
            let unit = if *theirs == "timeoutinmillis" { "ms" } else { "" };
            self.set(backend, ours, value, &format!("{text}{unit}"));
        }
    }

    /// Python's client counts `timeout` in seconds, with parts of one.
    fn seconds(&mut self, backend: &str, tree: &Tree) {
        let Some(timeout) = tree.get("timeout") else { return };
        let Some(text) = timeout.text() else { return };
        let value = match text.parse::<f64>() {
            Ok(seconds) => format!("{}ms", (seconds * 1000.0).round() as u64),
            Err(_other) => text.to_owned(),
        };
        self.set(backend, "request_timeout", timeout, &value);
    }

    fn set(&mut self, backend: &str, key: &str, place: &Tree, value: &str) {
        let path = ["forward", "backends", backend, key].map(str::to_owned).to_vec();
        let value = Raw::Text(value.to_owned());
        self.settings.push(Setting { path, value, origin: place.origin.clone() });
    }

    fn problem(&mut self, place: &Tree, message: &str) {
        self.problems.push(SettingProblem::new("", place.origin.clone(), message));
    }
}
