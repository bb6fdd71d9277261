//! What each setting is and where that came from, for `config show`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{error::Origin, shape};

/// Stands in for a secret.
const HIDDEN: &str = "***";

/// Parts of names whose values are secrets, also among librdkafka's properties; in
/// lower case and with underscores.
const SECRETS: [&str; 10] = [
    "api_key",
    "apikey",
    "password",
    "passphrase",
    "secret",
    "token",
    "key_pem",
    "credential",
    "jaas",
    "oauthbearer_config",
];

/// Ends of names that hold the place of a secret, and not the secret.
const PLACES: [&str; 5] = ["_file", "_location", "_url", "_endpoint", "_method"];

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
    let name = key.to_lowercase().replace(['.', '-', ' '], "_");
    SECRETS.iter().any(|part| name.contains(part)) && !PLACES.iter().any(|end| name.ends_with(end))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => without_secrets(text),
        other => other.to_string(),
    }
}

/// A URL without the password in `http://user:pass@host` and the values of its query
/// and its fragment; another text as it is.
fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (place, query) = rest.split_at(end);
    let authority = place.split('/').next().unwrap_or(place);
    let place = match authority.rsplit_once('@').map(|(user, _)| (user, user.split_once(':'))) {
        Some((user, Some((name, _)))) => format!("{name}:{HIDDEN}{}", &place[user.len()..]),
        // A user alone is mostly a token.
        Some((user, None)) => format!("{HIDDEN}{}", &place[user.len()..]),
        None => place.to_owned(),
    };
    let query = query.get(..1).map_or(String::new(), |mark| format!("{mark}{HIDDEN}"));
    format!("{scheme}://{place}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_what_is_not_set_stays_empty() {
        let mut provenance = Provenance::default();
        for key in [
            "forward.api_key",
            "kafka.properties.sasl.password",
            "kafka.properties.Sasl.Password",
            "kafka.properties.sasl.jaas.config",
            "kafka.properties.ssl.key.pem",
            "kafka.properties.sasl.oauthbearer.client.secret",
            "kafka.properties.sasl.oauthbearer.assertion.private.key.passphrase",
        ] {
            provenance.set(key, &"hunter2".into(), Origin::Default);
            assert_eq!(provenance.get(key).unwrap().value, "***");
            provenance.set(key, &Value::Null, Origin::Default);
            assert_eq!(provenance.get(key).unwrap().value, "");
        }
        provenance.set("kafka.bootstrap", &"a:9092".into(), Origin::Default);
        assert_eq!(provenance.get("kafka.bootstrap").unwrap().value, "a:9092");
    }

    #[test]
    fn the_place_of_a_secret_is_shown() {
        let mut provenance = Provenance::default();
        for key in [
            "api.token_file",
            "forward.backends.m.api_key_file",
            "kafka.properties.sasl.oauthbearer.token.endpoint.url",
        ] {
            provenance.set(key, &"/run/secrets/x".into(), Origin::Default);
            assert_eq!(provenance.get(key).unwrap().value, "/run/secrets/x");
        }
    }

    #[test]
    fn the_secrets_of_a_url_are_not_shown() {
        for (url, shown) in [
            ("http://ada:s3@x:y@m:5000/a@b", "http://ada:***@m:5000/a@b"),
            ("http://t0ken@m:5000/", "http://***@m:5000/"),
            ("http://m:5000/x?key=k3y&a=b", "http://m:5000/x?***"),
            ("http://m#k3y", "http://m#***"),
            ("http://m:5000/x", "http://m:5000/x"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
