//! What each setting is and where that came from, for `config show`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{error::Origin, shape};

/// Stands in for a secret.
const HIDDEN: &str = "***";

/// Ends of names whose values are secrets, also among librdkafka's properties.
const SECRETS: [&str; 7] =
    ["api_key", "password", "secret", "token", "key.pem", "credentials", "oauthbearer.config"];

/// The value of a setting, fit to be shown, and its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub value: String,
    pub origin: Origin,
}

/// Every setting by its dotted name, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Provenance(BTreeMap<String, Entry>);

impl Provenance {
    pub(super) fn of_defaults(defaults: &Value) -> Self {
        let mut provenance = Self::default();
        shape::collect(defaults, "", &mut |key, value| {
            provenance.set(key, value, Origin::Default);
        });
        provenance
    }

    pub(super) fn set(&mut self, key: &str, value: &Value, origin: Origin) {
        let value =
            if is_secret(key) && *value != Value::Null { HIDDEN.to_owned() } else { shown(value) };
        self.0.insert(key.to_owned(), Entry { value, origin });
    }

    /// A map that has entries is shown by these, no longer as an empty one.
    pub(super) fn open(&mut self, key: &str) {
        self.0.remove(key);
    }

    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Who set `key`; the defaults did if nobody else.
    pub fn origin(&self, key: &str) -> Origin {
        self.get(key).map_or(Origin::Default, |entry| entry.origin.clone())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(key, entry)| (key.as_str(), entry))
    }
}

fn is_secret(key: &str) -> bool {
    SECRETS.iter().any(|end| key.ends_with(end))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => without_password(text),
        other => other.to_string(),
    }
}

/// `http://user:pass@host` without its `pass`.
fn without_password(text: &str) -> String {
    let hidden = text.split_once("://").and_then(|(scheme, rest)| {
        let authority = rest.split('/').next().unwrap_or(rest);
        let (user, _) = authority.rsplit_once('@')?;
        let (name, _) = user.split_once(':')?;
        Some(format!("{scheme}://{name}:{HIDDEN}{}", &rest[user.len()..]))
    });
    hidden.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_what_is_not_set_stays_empty() {
        let mut provenance = Provenance::default();
        for key in ["forward.api_key", "kafka.properties.sasl.password"] {
            provenance.set(key, &"hunter2".into(), Origin::Default);
            assert_eq!(provenance.get(key).unwrap().value, "***");
            provenance.set(key, &Value::Null, Origin::Default);
            assert_eq!(provenance.get(key).unwrap().value, "");
        }
        provenance.set("kafka.bootstrap", &"a:9092".into(), Origin::Default);
        assert_eq!(provenance.get("kafka.bootstrap").unwrap().value, "a:9092");
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        assert_eq!(without_password("http://ada:s3@x:y@m:5000/a@b"), "http://ada:***@m:5000/a@b");
        assert_eq!(without_password("http://m:5000/x"), "http://m:5000/x");
    }
}
