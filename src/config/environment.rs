//! Variables that set something: `LINEAGE_HUB__SECTION__KEY`, and those that others know.

use serde_json::Value;

use super::{
    error::{Origin, SettingProblem},
    layers::Setting,
    openlineage,
    shape::{self, Found, Raw},
    transport::{self, Untyped},
};

const PREFIX: &str = "LINEAGE_HUB__";

/// Variables of Kafka's, Marquez's and OpenLineage's tools and the settings that
/// they mean, the weakest first: `OPENLINEAGE_URL` wins over `MARQUEZ_URL`, what
/// `OPENLINEAGE__TRANSPORT` begins with wins over both, and the hub's own variables
/// win over all of these.
pub(super) const ALIASES: [(&str, &str); 7] = [
    ("KAFKA_BOOTSTRAP_SERVERS", "kafka.bootstrap"),
    ("MARQUEZ_URL", "forward.backends.default.url"),
    ("OPENLINEAGE_URL", "forward.backends.default.url"),
    ("OPENLINEAGE_ENDPOINT", "forward.backends.default.endpoint"),
    ("OPENLINEAGE_API_KEY", "forward.backends.default.api_key"),
    ("OPENLINEAGE_NAMESPACE", "lineage.namespace"),
    ("OPENLINEAGE_DISABLED", "lineage.enabled"),
];

/// The one whose sense is the other way round.
const NEGATED: &str = "OPENLINEAGE_DISABLED";

/// The backend of a lone URL, and what the variable that names it says besides.
const BACKEND: &str = "forward.backends.default.";
const BACKEND_URL: &str = "forward.backends.default.url";
const BACKEND_TYPE: (&str, &str) = ("forward.backends.default.type", "http");

/// Whether a variable sets something, or is meant to.
pub(super) fn is_known(name: &str) -> bool {
    let prefixes = [PREFIX, "OPENLINEAGE_", "OTEL_"];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
        || ALIASES.iter().any(|(alias, _)| *alias == name)
}

/// A variable of the environment or of `.env`.
pub(super) struct Variable<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
    pub(super) origin: Origin,
}

/// The settings of one layer, the weakest first. An empty variable sets nothing,
/// as compose files pass on what is not set.
pub(super) fn settings(
    variables: &[Variable<'_>],
    defaults: &Value,
    problems: &mut Vec<SettingProblem>,
) -> Vec<Setting> {
    let set = || variables.iter().filter(|variable| !variable.value.is_empty());
    let mut settings = Vec::new();
    let transport = openlineage::of_variables(variables, problems);
    let stands_alone = transport.as_ref().is_some_and(transport::stands_alone);
    for (alias, key) in ALIASES {
        if stands_alone && key.starts_with(BACKEND) {
            continue;
        }
        for variable in set().filter(|variable| variable.name == alias) {
            if key == BACKEND_URL {
                let (key, value) = BACKEND_TYPE;
                settings.push(variable.setting(path(key), value));
            }
            let value = if alias == NEGATED { negate(variable.value) } else { variable.value };
            settings.push(variable.setting(path(key), value));
        }
    }
    if let Some(transport) = &transport {
        settings.extend(transport::settings(transport, Untyped::Allowed, problems));
    }
    for variable in set() {
        if let Some(name) = variable.name.strip_prefix(PREFIX) {
            settings.push(variable.setting(path_of_variable(name, defaults), variable.value));
        }
    }
    settings
}

impl Variable<'_> {
    fn setting(&self, path: Vec<String>, value: &str) -> Setting {
        Setting { path, value: Raw::Text(value.to_owned()), origin: self.origin.clone() }
    }
}

/// What is no truth value is passed on, for its reader to refuse.
fn negate(value: &str) -> &str {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => "false",
        "false" | "0" => "true",
        _ => value,
    }
}

/// Leaves out the key and endpoint of a backend that no source gives a URL: they
/// are meant for other programs.
pub(super) fn drop_idle(settings: &mut Vec<Setting>) {
    let backend = path(BACKEND_TYPE.0);
    if settings.iter().any(|setting| setting.path == backend) {
        return;
    }
    let siblings = &backend[..backend.len() - 1];
    settings.retain(|setting| match &setting.origin {
        Origin::Environment(name) | Origin::DotEnv(_, name) => {
            name.starts_with(PREFIX) || !setting.path.starts_with(siblings)
        }
        Origin::Default | Origin::File(_) | Origin::Flag(_) => true,
    });
}

/// The segments of a dotted name.
pub(super) fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(ToOwned::to_owned).collect()
}

/// `SECTION__KEY`. Properties of librdkafka have dots and no underscores in
/// their names, so there an underscore stands for a dot; a name further down,
/// as of a backend's setting, has underscores of its own.
fn path_of_variable(name: &str, defaults: &Value) -> Vec<String> {
    let mut path: Vec<_> = name.split("__").map(str::to_ascii_lowercase).collect();
    if let Found::Entry(depth) = shape::find(defaults, &path)
        && let [key] = &mut path[depth..]
    {
        *key = key.replace('_', ".");
    }
    path
}

#[cfg(test)]
impl<'a> Variable<'a> {
    /// As the process has them.
    pub(super) fn of_process(variables: &[(&'a str, &'a str)]) -> Vec<Self> {
        let origin = |name: &str| Origin::Environment(name.to_owned());
        variables.iter().map(|(name, value)| Self { name, value, origin: origin(name) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(variables: &[(&str, &str)]) -> Vec<(String, Raw)> {
        let defaults = json!({
            "kafka": {"bootstrap": "", "properties": {}},
            "forward": {"backends": {}},
            "stage": {"batch": {"records_max": 1}},
        });
        let variables = Variable::of_process(variables);
        let settings = settings(&variables, &defaults, &mut Vec::new());
        settings.into_iter().map(|setting| (setting.path.join(" "), setting.value)).collect()
    }

    fn text(value: &str) -> Raw {
        Raw::Text(value.to_owned())
    }

    #[test]
    fn sections_are_parted_by_two_underscores() {
        assert_eq!(
            read(&[("LINEAGE_HUB__STAGE__BATCH__RECORDS_MAX", "9"), ("PATH", "/bin")]),
            [("stage batch records_max".to_owned(), text("9"))]
        );
    }

    #[test]
    fn an_underscore_in_a_property_of_librdkafka_is_a_dot_and_elsewhere_itself() {
        assert_eq!(
            read(&[
                ("LINEAGE_HUB__KAFKA__PROPERTIES__SASL_USERNAME", "ada"),
                ("LINEAGE_HUB__FORWARD__BACKENDS__M__API_KEY", "k"),
            ]),
            [
                ("kafka properties sasl.username".to_owned(), text("ada")),
                ("forward backends m api_key".to_owned(), text("k")),
            ]
        );
    }

    #[test]
    fn the_hubs_own_variable_comes_last_and_an_empty_one_sets_nothing() {
        let read = read(&[
            ("LINEAGE_HUB__FORWARD__BACKENDS__DEFAULT__URL", "own"),
            ("OPENLINEAGE_URL", "openlineage"),
            ("MARQUEZ_URL", "marquez"),
            ("KAFKA_BOOTSTRAP_SERVERS", ""),
        ]);
        let urls: Vec<_> = read.into_iter().map(|(_, value)| value).collect();
        let http = || text("http");
        assert_eq!(urls, [http(), text("marquez"), http(), text("openlineage"), text("own")]);
    }

    #[test]
    fn disabled_means_not_enabled() {
        for (value, enabled) in [("True", "false"), ("0", "true"), ("maybe", "maybe")] {
            let read = read(&[("OPENLINEAGE_DISABLED", value)]);
            assert_eq!(read, [("lineage enabled".to_owned(), text(enabled))]);
        }
    }
}
