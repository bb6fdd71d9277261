//! Layers together, and the page that lists the settings.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::forward::{Backend, FileConfig, HttpConfig};

fn sources(
    hub: &str,
    dotenv: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Sources {
    let flag = |(key, value): &(&str, &str)| Flag {
        name: key.replace('.', "-"),
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    Sources {
        openlineage_file: None,
        hub_file: Some(("hub.yaml".into(), hub.to_owned())),
        dotenv: Some((".env".into(), dotenv.to_owned())),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: flags.iter().map(flag).collect(),
        problems: Vec::new(),
    }
}

fn problems(sources: &Sources) -> Vec<String> {
    match load(sources) {
        Err(ConfigError::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[test]
fn with_nothing_set_the_defaults_stand_and_have_no_problems() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.config, HubConfig::default());
    assert!(loaded.provenance.iter().all(|(_, entry)| entry.origin == Origin::Default));
    assert!(!loaded.otel.is_on());
}

#[test]
fn the_topics_of_lineage_have_names_that_kafka_takes_and_are_two() {
    let named = |lineage: &str, parked: &str| {
        let text =
            format!("lineage:\n  topic: {lineage}\nforward:\n  dead_letter_topic: {parked}\n");
        problems(&sources(&text, "", &[], &[]))
    };
    assert_eq!(named("events", "events.dlq"), [""; 0]);
    assert_eq!(
        named("bad topic/..", "__parked"),
        [
            "hub.yaml:2:3: lineage.topic: ` ` is not allowed in a topic name; use letters, \
             digits, `.`, `_` and `-`",
            "hub.yaml:4:3: forward.dead_letter_topic: `__parked`: names that begin with `__` are \
             Kafka's internal topics; use another topic",
        ]
    );
    for parked in ["a.b", "a_b"] {
        let shown = named("a.b", parked);
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].contains("must be another topic than `lineage.topic`"), "{shown:?}");
    }
}

#[test]
fn the_stronger_source_wins_and_the_provenance_names_it() {
    let loaded = load(&sources(
        "stage:\n  drain_timeout: 1s\n  session_timeout: 31s\n  transaction_timeout: 51s\nkafka:\n  bootstrap: file:1\n",
        "LINEAGE_HUB__STAGE__DRAIN_TIMEOUT=2s\nLINEAGE_HUB__STAGE__SESSION_TIMEOUT=32s\nKAFKA_BOOTSTRAP_SERVERS=dotenv:1",
        &[("LINEAGE_HUB__STAGE__DRAIN_TIMEOUT", "3s"), ("KAFKA_BOOTSTRAP_SERVERS", "env:1")],
        &[("kafka.bootstrap", "flag:1")],
    ))
    .unwrap();
    let Loaded { config, provenance, .. } = loaded;
    assert_eq!(config.kafka.bootstrap, "flag:1");
    assert_eq!(config.stage.drain_timeout, Duration::from_secs(3));
    assert_eq!(config.stage.session_timeout, Duration::from_secs(32));
    assert_eq!(config.stage.transaction_timeout, Duration::from_secs(51));
    let shown: Vec<_> = [
        "kafka.bootstrap",
        "stage.drain_timeout",
        "stage.session_timeout",
        "stage.transaction_timeout",
        "stage.guarantee",
    ]
    .iter()
    .map(|key| {
        let entry = provenance.get(key).unwrap();
        format!("{} ({})", entry.value, entry.origin)
    })
    .collect();
    assert_eq!(
        shown,
        [
            "flag:1 (flag --kafka-bootstrap)",
            "3s (env LINEAGE_HUB__STAGE__DRAIN_TIMEOUT)",
            "32s (.env:2 LINEAGE_HUB__STAGE__SESSION_TIMEOUT)",
            "51s (hub.yaml:4)",
            "exactly_once (default)",
        ]
    );
}

#[test]
fn the_variables_of_other_tools_are_understood() {
    let loaded = load(&sources(
        "",
        "OTEL_SERVICE_NAME=file\nOTEL_RESOURCE_ATTRIBUTES=a=b",
        &[
            ("MARQUEZ_URL", "http://marquez:5000"),
            ("OPENLINEAGE_URL", "https://lineage.test"),
            ("OPENLINEAGE_API_KEY", "hunter2"),
            ("OPENLINEAGE_DISABLED", "TRUE"),
            ("OPENLINEAGE_NAMESPACE", "shop"),
            ("LINEAGE_HUB__KAFKA__PROPERTIES__SASL_PASSWORD", "hunter3"),
            ("OTEL_SERVICE_NAME", "env"),
        ],
        &[],
    ))
    .unwrap();
    let Loaded { config, provenance, otel } = loaded;
    let Backend::Http(http) = &config.forward.backends["default"] else { panic!("not http") };
    assert_eq!(http.url, "https://lineage.test");
    assert_eq!(http.api_key.as_ref().unwrap().expose(), "hunter2");
    assert!(!config.lineage.enabled);
    assert_eq!(config.lineage.namespace, "shop");
    assert_eq!(otel.service_name, "env");
    assert_eq!(otel.resource, [("a".to_owned(), "b".to_owned())]);
    assert_eq!(provenance.get("forward.backends.default.api_key").unwrap().value, "***");
    assert_eq!(config.kafka.properties["sasl.password"], "hunter3");
    assert_eq!(provenance.get("kafka.properties.sasl.password").unwrap().value, "***");
    assert!(provenance.get("kafka.properties").is_none(), "shown by its entries");
    assert!(!format!("{config:?} {provenance:?}").contains("hunter"));
}

/// As OpenLineage's clients have it, weaker than what is said to the hub itself.
#[test]
fn openlineage_yml_is_weaker_than_hub_yaml_and_the_variables() {
    let file = "transport: { type: http, url: http://yml, endpoint: e, auth: { apiKey: hunter2 } }";
    let with = |file: &str, hub: &str, environment: &[(&str, &str)]| {
        let mut sources = sources(hub, "", environment, &[]);
        sources.openlineage_file = Some(("openlineage.yml".into(), file.to_owned()));
        load(&sources).unwrap()
    };
    let http = |loaded: &Loaded| match &loaded.config.forward.backends["default"] {
        Backend::Http(http) => (http.url.clone(), http.endpoint.clone()),
        other => panic!("{other:?}"),
    };
    let loaded = with(file, "", &[]);
    assert_eq!(http(&loaded), ("http://yml".to_owned(), "e".to_owned()));
    let origin = loaded.provenance.origin("forward.backends.default.url").to_string();
    assert_eq!(origin, "openlineage.yml:1");
    assert!(!format!("{loaded:?}").contains("hunter2"));

    let hub = "forward: { backends: { default: { type: http, url: http://hub } } }";
    assert_eq!(http(&with(file, hub, &[])).0, "http://hub");
    let variable = [("OPENLINEAGE__TRANSPORT__URL", "http://transport")];
    assert_eq!(http(&with(file, hub, &variable)).0, "http://transport");
    // The clients take a lone URL as the weaker of the two.
    let variables = [variable[0], ("OPENLINEAGE_URL", "http://url")];
    assert_eq!(http(&with(file, hub, &variables)).0, "http://transport");

    // One of another type takes its place whole.
    let file = "transport: { type: file, log_file_path: x }";
    assert_eq!(http(&with(file, "", &[("MARQUEZ_URL", "http://m")])).0, "http://m");
}

#[test]
fn a_composite_of_variables_goes_beside_a_lone_url_and_another_transport_in_its_place() {
    let url = ("OPENLINEAGE_URL", "http://url");
    let backends = |variables: &[(&str, &str)]| {
        let config = load(&sources("", "", variables, &[])).unwrap().config;
        let backends = config.forward.backends.into_iter();
        backends
            .map(|(name, backend)| match backend {
                Backend::Http(http) => format!("{name} {}", http.url),
                Backend::Console => format!("{name} console"),
                Backend::File(file) => format!("{name} {}", file.path.display()),
            })
            .collect::<Vec<_>>()
    };
    let composite = [
        url,
        ("OPENLINEAGE__TRANSPORT__TYPE", "composite"),
        ("OPENLINEAGE__TRANSPORT__TRANSPORTS__LOOK__TYPE", "console"),
    ];
    assert_eq!(backends(&composite), ["default http://url", "look console"]);
    let console = [url, ("OPENLINEAGE__TRANSPORT__TYPE", "console")];
    assert_eq!(backends(&console), ["default console"]);
    assert_eq!(backends(&[url, ("OPENLINEAGE__TRANSPORT__TYPE", "noop")]), [""; 0]);
}

#[test]
fn a_null_that_is_written_out_sets_an_option_to_nothing_and_nothing_else() {
    let backend = "forward: { backends: { m: { type: http, gzip_bytes_min: null } } }\n";
    let config = load(&sources(backend, "", &[], &[])).unwrap().config;
    let Backend::Http(http) = &config.forward.backends["m"] else { panic!() };
    assert_eq!(http.gzip_bytes_min, None);
    let problems = problems(&sources("stage: { drain_timeout: ~ }\n", "", &[], &[]));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("hub.yaml:1:10: stage.drain_timeout: must be a time"));
}

#[test]
fn a_key_for_a_backend_that_nobody_names_is_for_other_programs() {
    let key = ("OPENLINEAGE_API_KEY", "hunter2");
    assert!(load(&sources("", "", &[key], &[])).unwrap().config.forward.backends.is_empty());
    // The other half: with a URL from anywhere it is the backend's.
    let loaded = load(&sources("", "MARQUEZ_URL=http://m:5000", &[key], &[])).unwrap();
    let Backend::Http(http) = &loaded.config.forward.backends["default"] else { panic!() };
    assert!(http.api_key.is_some());
}

#[test]
fn all_problems_of_all_sources_are_reported_at_once() {
    let sources = sources(
        "stage:\n  bacth: { linger: 5ms }\n  guarantee: most_of_the_time\n  drain_timeout: soon\n",
        "LINEAGE_HUB__LOG__FORMAT=xml\nA B\n",
        &[("LINEAGE_HUB__FORWARD__CONCURENCY", "3"), ("LINEAGE_HUB__FORWARD__CONCURRENCY", "-3")],
        &[("stage.commit", "100ms")],
    );
    let problems = problems(&sources);
    let expected = [
        ".env:2:1: not `NAME=value`",
        "hub.yaml:2:12: stage.bacth.linger: unknown setting; did you mean `stage.batch.linger`?",
        "hub.yaml:3:3: stage.guarantee: must be exactly_once or at_least_once, not `most_of_the_time`",
        "hub.yaml:4:3: stage.drain_timeout: ",
        ".env:1 LINEAGE_HUB__LOG__FORMAT: log.format: must be text or json, not `xml`",
        "env LINEAGE_HUB__FORWARD__CONCURENCY: forward.concurency: unknown setting; did you mean",
        "env LINEAGE_HUB__FORWARD__CONCURRENCY: forward.concurrency: must be a whole number of at least 0, not `-3`",
        "flag --stage-commit: stage.commit: is a section; set one of its settings",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}\n{expected}");
    }
}

#[test]
fn settings_that_do_not_go_together_are_reported_with_who_set_them() {
    let sources = sources(
        "stage:\n  commit: { interval: 2m }\nforward:\n  backends:\n    m: { url: x, type: http }\n",
        "",
        &[("KAFKA_BOOTSTRAP_SERVERS", "broker")],
        &[("kafka.properties.isolation.level", "read_uncommitted")],
    );
    assert_eq!(
        problems(&sources),
        [
            "env KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrap: `broker` has no port; write `host:port`",
            "flag --kafka-properties-isolation-level: kafka.properties.isolation.level: \
             is reserved: stages read committed records only",
            "hub.yaml:2:13: stage.commit.interval: must be under `stage.transaction_timeout`",
            "hub.yaml:5:10: forward.backends.m.url: is not a valid URL, such as http://localhost:5000: \
             relative URL without a base",
        ]
    );
}

/// No arithmetic on times may panic, and no queue may be as large as memory.
#[test]
fn every_number_and_every_time_has_a_range() {
    /// What is only compared with a number.
    const WITHOUT: [&str; 1] = ["api.backlog_max"];
    let provenance = load(&Sources::default()).unwrap().provenance;
    let mut tried = 0;
    for (key, entry) in provenance.iter() {
        let is_time = entry.value.parse::<humantime_serde::re::humantime::Duration>().is_ok();
        let is_number = entry.value.parse::<f64>().is_ok();
        if !(is_time || is_number) || WITHOUT.contains(&key) {
            continue;
        }
        tried += 1;
        let values: &[&str] = if is_number {
            &["18446744073709551615", "-1", "1e300", "x"]
        } else {
            &["18446744073709551615s", "584542046090years", "-1s", "5"]
        };
        for value in values {
            let problems = load(&sources("", "", &[], &[(key, value)])).unwrap_err().to_string();
            assert!(problems.contains(key), "{key}={value}: {problems}");
        }
    }
    assert!(tried > 25, "{tried}");
}

const PAGE: &str = include_str!("../../docs/configuration.md");

/// Default and meaning by setting: the rows `| `key` | default | meaning |` under a heading.
fn documented(heading: Option<&str>) -> BTreeMap<String, (String, String)> {
    let mut here = String::new();
    let mut rows = BTreeMap::new();
    for line in PAGE.lines() {
        if line.starts_with('#') {
            line.trim_start_matches('#').trim().clone_into(&mut here);
        }
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [key, default, meaning] = cells[..] else { continue };
        if key.starts_with('`') && heading.is_none_or(|heading| heading == here) {
            let bare = |cell: &str| cell.trim_matches('`').to_owned();
            rows.insert(bare(key), (bare(default), meaning.to_owned()));
        }
    }
    rows
}

fn assert_documented(
    settings: &BTreeMap<String, String>,
    page: &BTreeMap<String, (String, String)>,
) {
    for (key, default) in settings {
        let Some((page_default, meaning)) = page.get(key) else {
            panic!("docs/configuration.md lacks `{key}` (default `{default}`)");
        };
        assert_eq!(page_default, default, "default of `{key}`");
        assert!(meaning.len() > 10, "meaning of `{key}`");
    }
}

#[test]
fn the_page_lists_every_setting_with_its_default() {
    let provenance = load(&Sources::default()).unwrap().provenance;
    let settings: BTreeMap<_, _> =
        provenance.iter().map(|(key, entry)| (key.to_owned(), entry.value.clone())).collect();
    let page = documented(None);
    assert_documented(&settings, &page);
    let unknown: Vec<_> =
        page.keys().filter(|key| key.contains('.') && !settings.contains_key(*key)).collect();
    assert!(unknown.is_empty(), "docs/configuration.md lists {unknown:?}");
}

#[test]
fn the_page_lists_every_setting_of_a_backend() {
    for (heading, backend) in [
        ("Backend `http`", Backend::Http(HttpConfig::default())),
        ("Backend `file`", Backend::File(FileConfig::default())),
    ] {
        let defaults = Provenance::of_defaults(&serde_json::to_value(backend).unwrap());
        let mut settings: BTreeMap<_, _> =
            defaults.iter().map(|(key, entry)| (key.to_owned(), entry.value.clone())).collect();
        settings.remove("type");
        let page = documented(Some(heading));
        assert_documented(&settings, &page);
        assert_eq!(page.len(), settings.len(), "{heading}");
    }
}

#[test]
fn the_page_names_every_variable_of_other_tools() {
    for (name, key) in environment::ALIASES {
        assert!(PAGE.contains(&format!("| {name} | {key} |")), "{name}");
    }
}
