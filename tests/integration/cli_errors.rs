//! The mistakes of the first ten minutes: each gives one message that says what
//! is wrong and what helps, and an exit code that a script can tell apart.
//!
//! No broker is needed but where the mistake is past the point of asking it.

use std::{
    net::TcpListener,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{Project, process::Done, wait_until};

const FAILED: i32 = 1;
const USAGE: i32 = 2;

/// The message on standard error, of a command that printed no rows and no
/// second message.
#[track_caller]
fn message(done: &Done, code: i32) -> &str {
    assert_eq!(done.code, Some(code), "{done:#?}");
    assert_eq!(done.out, "", "rows of a command that failed");
    // Problems of the project's files stand alone, a line each.
    let messages = done.err.lines().filter(|line| line.starts_with("error: ")).count();
    let places = done.err.lines().filter(|line| line.contains(".yaml:")).count();
    assert!(messages + usize::from(places > 0) >= 1 && messages <= 1, "{}", done.err);
    let causes: Vec<&str> =
        done.err.lines().filter_map(|line| line.strip_prefix("  because: ")).collect();
    let twice = causes.windows(2).any(|pair| pair[0].ends_with(pair[1]));
    assert!(!twice, "a cause is said twice: {}", done.err);
    assert!(!done.err.contains("panicked"), "{}", done.err);
    done.err.trim_end()
}

/// Runs a command that names no broker.
#[track_caller]
fn bare(project: &Project, args: &[&str]) -> Done {
    project.run_command(project.bare(args))
}

/// An address at which nobody listens.
fn dead_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn a_broker_that_is_not_there_is_told_within_seconds_with_the_ways_to_name_another() {
    let project = Project::new("nobroker");
    let address = dead_port();
    let raw = project.name("raw.orders");
    let stage = project.stage("extract");
    let commands: [&[&str]; 4] =
        [&["up"], &["stage", &stage], &["topics", "list"], &["inspect", &raw]];
    for args in commands {
        let begun = Instant::now();
        let done = bare(&project, &[args, &["--bootstrap", &address]].concat());
        assert_eq!(
            message(&done, FAILED).lines().next().unwrap(),
            format!(
                "error: no broker answers at {address}; start one, or name another with \
                 `--bootstrap HOST:PORT` or KAFKA_BOOTSTRAP_SERVERS"
            ),
            "{args:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(15), "{args:?}");
    }
}

#[test]
fn a_mistake_in_a_file_is_told_with_its_place_before_any_broker_is_asked() {
    let project = Project::new("typo");
    project.edit(
        "pipelines/orders.yaml",
        "    sql: SELECT order_id, customer_id, ts, country, total FROM",
        "    sqll: SELECT order_id FROM",
    );
    let done = bare(&project, &["check"]);
    let text = message(&done, FAILED);
    assert!(text.contains("pipelines/orders.yaml:"), "{text}");
    assert!(text.contains("sqll"), "{text}");
    assert!(text.contains("sql"), "{text}");

    let project = Project::new("yaml");
    project.write("pipelines/orders.yaml", "pipeline: orders\nstages: [\n");
    for command in ["check", "up"] {
        let done = bare(&project, &[command]);
        let text = message(&done, FAILED);
        assert!(text.contains("pipelines/orders.yaml:"), "{text}");
    }
}

#[test]
fn a_wrong_column_is_told_with_the_stage_and_the_columns_that_there_are() {
    let project = Project::new("column");
    project.edit("pipelines/orders.yaml", "upper(country)", "upper(contry)");
    for command in ["check", "up"] {
        let done = bare(&project, &[command]);
        let text = message(&done, FAILED);
        assert!(text.contains("pipelines/orders.yaml:"), "{text}");
        assert!(text.contains("contry"), "{text}");
        assert!(text.contains("country"), "the column that was meant: {text}");
    }
}

#[test]
fn an_unknown_setting_is_told_with_its_line_and_the_name_that_was_meant() {
    let project = Project::new("setting");
    project.write("hub.yaml", "stage:\n  comit: { interval: 1s }\nkafka: { bootstrap: 7 }\n");
    for args in [&["config", "check"][..], &["up"], &["topics", "list"]] {
        let done = bare(&project, args);
        let text = message(&done, FAILED);
        assert!(text.contains("hub.yaml:2"), "{text}");
        assert!(text.contains("stage.comit"), "{text}");
        assert!(text.contains("`commit`") || text.contains("stage.commit"), "{text}");
    }
}

#[test]
fn a_value_out_of_range_is_told_with_what_is_allowed_and_who_set_it() {
    let project = Project::new("range");
    let mut command = project.bare(&["config", "check"]);
    command.env("LINEAGE_HUB__STAGE__DEAD_LETTER__SHARE_MAX", "7");
    let done = project.run_command(command);
    let text = message(&done, FAILED);
    assert!(text.contains("LINEAGE_HUB__STAGE__DEAD_LETTER__SHARE_MAX"), "{text}");
    assert!(text.contains("must be from 0 to 1"), "{text}");
}

#[test]
fn wrong_words_on_the_command_line_are_wrong_usage() {
    let project = Project::new("usage");
    let stage = project.stage("extract");
    let unknown = project.run(&["stage", &project.stage("extrct")]);
    let text = message(&unknown, USAGE);
    assert!(text.contains(&format!("no stage `{}`", project.stage("extrct"))), "{text}");
    assert!(text.contains(&stage), "the stages that there are: {text}");

    let replicas = project.run(&["up", "--replicas", "extrct=2"]);
    let text = message(&replicas, USAGE);
    assert!(text.contains("--replicas: no stage `extrct`"), "{text}");
    assert!(text.contains(&stage), "{text}");
    assert_eq!(project.cluster.topics(), Vec::<String>::new(), "nothing was made");

    for wrong in ["extract", "extract=0", "extract=many", "=2"] {
        let done = bare(&project, &["up", "--replicas", wrong]);
        let text = message(&done, USAGE);
        if wrong != "=2" {
            assert!(text.contains("STAGE=N with N from 1 to 64"), "{text}");
        }
    }
    let place = bare(&project, &["inspect", "t", "--from", "yesterday"]);
    assert!(message(&place, USAGE).contains("2026-01-31T08:00:00Z"), "{place:?}");
    message(&bare(&project, &["strat"]), USAGE);
}

#[test]
fn a_folder_that_is_no_project_is_told_with_the_ways_to_one() {
    let project = Project::new("folder");
    let mut command = Command::new(project.bare(&[]).get_program());
    command.args(["check", "--project"]).arg(project.path("nowhere"));
    let done = project.run_command(command);
    let text = message(&done, FAILED);
    assert!(text.contains("nowhere has no folder `pipelines`"), "{text}");
    assert!(text.contains("`--project DIR`"), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_name() {
    let project = Project::with_topics("nofile");
    let missing = project.path("orders.ndjson").display().to_string();
    for args in [
        &["produce", &project.name("raw.orders"), &missing][..],
        &["demo", "--input", &missing],
        &["check", "--config", &missing],
    ] {
        let done = project.run(args);
        assert_eq!(done.code, Some(FAILED), "{args:?}: {done:#?}");
        assert!(done.err.contains(&format!("error: cannot read {missing}")), "{done:#?}");
        assert!(done.err.contains("  because: "), "{done:#?}");
    }
}

#[test]
fn a_topic_that_is_missing_is_told_with_how_to_make_it() {
    let project = Project::with_topics("notopic");
    project.write("line", "{}\n");
    let file = project.path("line").display().to_string();
    for args in [
        &["produce", "nowhere", &file][..],
        &["inspect", "nowhere"],
        &["topics", "describe", "nowhere"],
    ] {
        let done = project.run(args);
        let text = message(&done, FAILED);
        assert_eq!(
            text, "error: topic `nowhere` does not exist; make it with `lineage-hub topics apply`",
            "{args:?}"
        );
    }
}

/// Not a mistake that ends anything: stages go on, and what waits is told.
#[test]
fn a_backend_that_is_away_is_a_warning_and_the_stages_go_on() {
    let project = Project::new("away");
    let address = dead_port();
    let name = format!("{}away", project.cluster.prefix);
    let backend = format!("{name}: {{ type: http, url: \"http://{address}\" }}");
    project.write(
        "hub.yaml",
        &format!("forward: {{ backoff_max: 500ms, backends: {{ {backend} }} }}\n"),
    );
    let done = project.run(&["demo", "--output", "json"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert_eq!(done.out.lines().count(), 3, "{done:#?}");
    assert!(done.err.contains(&name) && done.err.contains("WARN"), "{done:#?}");

    let wrong = format!("{name}: {{ type: http, url: \"marquez\" }}");
    project.write("hub.yaml", &format!("forward: {{ backends: {{ {wrong} }} }}\n"));
    let done = project.run(&["up"]);
    let text = message(&done, FAILED);
    assert!(text.contains("url"), "{text}");
}

#[test]
fn options_of_a_broker_that_a_command_would_not_start_are_refused() {
    let project = Project::new("joins");
    let broker = ["broker", "--ephemeral", "--listen", "127.0.0.1:0"];
    let mut broker = project.start_command(project.bare(&broker));
    wait_until("the broker listens", || broker.said().contains("broker on "));
    let said = broker.said();
    let at = said.lines().find_map(|line| line.strip_prefix("broker on ")).unwrap();
    for (args, option) in [
        (&["up", "--listen", "127.0.0.1:0"][..], "--listen"),
        (&["demo", "--ephemeral"], "--ephemeral"),
    ] {
        assert_eq!(
            message(&bare(&project, args), USAGE),
            format!(
                "error: {option} is for a broker that this command starts, and it would use the \
                 one at {at}; leave the option out, or stop that broker first"
            )
        );
    }
    let up = project.start_command(project.bare(&["up", "--no-api", "--no-forward"]));
    let joins = format!("a broker of this project runs already; using it at {at}");
    wait_until("up joins the broker", || up.said().contains("Ctrl-C stops"));
    assert!(up.said().contains(&joins), "{}", up.said());
    up.stop();
    assert!(broker.is_running());
    broker.stop();
}

#[test]
fn log_formats_are_their_own_and_global_options_have_a_heading() {
    let project = Project::new("globals");
    let done = bare(&project, &["check", "--log-format", "dot"]);
    assert_eq!(done.code, Some(USAGE));
    assert!(done.err.contains("[possible values: text, json]"), "{}", done.err);
    let help = bare(&project, &["up", "--help"]).ok();
    let (own, global) = help.split_once("Global options:").expect("a heading");
    assert!(own.contains("--replicas") && !own.contains("--bootstrap"), "{help}");
    assert!(global.contains("--bootstrap") && !global.contains("--replicas"), "{help}");
}
