//! `check` and `config check` on folders as people leave them: files and settings
//! are judged together, and no problem hides another.

use std::{
    fs,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::symlink,
    },
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{Project, process::Done};

#[track_caller]
fn bare(project: &Project, args: &[&str]) -> Done {
    project.run_command(project.bare(args))
}

#[test]
fn problems_of_settings_and_files_are_in_one_report() {
    let project = Project::new("report");
    let raw = project.name("raw.orders");
    project.edit("pipelines/orders.yaml", "    sql: SELECT", "    sqll: SELECT");
    project.write(
        "hub.yaml",
        &format!("forward: {{ dead_letter_topic: {raw} }}\nstage: {{ drain_timeout: never }}\n"),
    );
    for args in [&["check"][..], &["config", "check"]] {
        let mut command = project.bare(args);
        command.env_remove("LINEAGE_HUB__FORWARD__DEAD_LETTER_TOPIC");
        command.env("LINEAGE_HUB__LINEAGE__TOPIC", "bad topic/..");
        let done = project.run_command(command);
        assert_eq!((done.code, done.out.as_str()), (Some(1), ""), "{done:#?}");
        for expected in [
            "hub.yaml:2:10: stage.drain_timeout",
            "env LINEAGE_HUB__LINEAGE__TOPIC: lineage.topic: ` ` is not allowed in a topic name",
            "unknown key `sqll`",
        ] {
            assert!(done.err.contains(expected), "{args:?}: no `{expected}` in {}", done.err);
        }
    }
}

#[test]
fn a_setting_that_names_a_data_topic_is_refused_by_both_checks() {
    let project = Project::new("names");
    let raw = project.name("raw.orders");
    project.write("hub.yaml", &format!("lineage: {{ topic: {raw} }}\n"));
    for args in [&["check"][..], &["config", "check"], &["up", "--no-forward"]] {
        let mut command = project.bare(args);
        command.env_remove("LINEAGE_HUB__LINEAGE__TOPIC");
        let done = project.run_command(command);
        assert_eq!(done.code, Some(1), "{done:#?}");
        let expected = format!(
            "topic `{raw}` holds lineage events (`lineage.topic`, hub.yaml:1), so no stage"
        );
        assert!(done.err.contains(&expected), "{args:?}: {}", done.err);
    }
    bare(&project, &["check"]).ok();
    bare(&project, &["config", "check"]).ok();
}

#[test]
fn no_file_of_a_folder_hangs_a_check_or_hides_a_problem() {
    let project = Project::new("odd");
    let made = |name: &str| Command::new("mkfifo").arg(project.path(name)).status().unwrap();
    assert!(made("topics/pipe.yaml").success() && made("openlineage.yml").success());
    symlink("nobody@host.1", project.path("topics/.#a.yaml")).unwrap();
    symlink("nowhere", project.path("topics/gone.yaml")).unwrap();
    fs::write(project.path(".env"), "\u{feff}LINEAGE_HUB__LOG__FILTER=info\n").unwrap();
    project.write("pipelines/broken.yaml", "pipeline: [");
    let begun = Instant::now();
    let done = bare(&project, &["check"]);
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(done.code, Some(1), "{done:#?}");
    for expected in [
        "openlineage.yml:1:1: a pipe, socket or device instead of a file",
        "topics/pipe.yaml:1:1: warning: ignored",
        "topics/.#a.yaml:1:1: warning: ignored",
        "topics/gone.yaml:1:1: a link to a file that does not exist",
        "pipelines/broken.yaml:",
    ] {
        assert!(done.err.contains(expected), "no `{expected}` in {}", done.err);
    }
    assert!(!done.err.contains(".env"), "a byte order mark is fine: {}", done.err);
}

#[test]
fn a_variable_that_is_not_utf_8_is_refused_by_name() {
    let project = Project::new("latin");
    let latin = std::ffi::OsString::from_vec(b"caf\xe9".to_vec());
    let mut command = project.bare(&["config", "check"]);
    command.env("LINEAGE_HUB__LINEAGE__NAMESPACE", &latin).env("OTHER", &latin);
    command.env(std::ffi::OsStr::from_bytes(b"LINEAGE_HUB__CAF\xe9"), "x");
    let done = project.run_command(command);
    assert_eq!(done.code, Some(1), "{done:#?}");
    for expected in [
        "env LINEAGE_HUB__LINEAGE__NAMESPACE: the value of the variable is not UTF-8",
        "env LINEAGE_HUB__CAF\u{fffd}: the name of the variable is not UTF-8",
    ] {
        assert!(done.err.contains(expected), "no `{expected}` in {}", done.err);
    }
    assert!(!done.err.contains("OTHER"), "variables of others are not read: {}", done.err);
}

#[test]
fn a_replica_name_must_fit_files_and_must_not_be_of_another_stage() {
    let project = Project::new("replica");
    let name = project.pipeline();
    project.edit(
        "pipelines/orders.yaml",
        "stages:\n",
        &format!(
            "stages:\n  extract-eu:\n    from: {}\n    to: eu\n    sql: SELECT order_id FROM input\n",
            project.name("raw.orders")
        ),
    );
    let stage = project.stage("extract");
    for wrong in ["", "a/b", "é", &"x".repeat(65)] {
        let done = bare(&project, &["stage", &stage, "--replica", wrong]);
        assert_eq!(done.code, Some(2), "{done:#?}");
        assert!(done.err.contains("has 1 to 64 letters"), "{}", done.err);
    }
    let done = bare(&project, &["stage", &stage, "--replica", "eu-1"]);
    assert_eq!(done.code, Some(2), "{done:#?}");
    assert!(done.err.contains(&format!("a replica of `{name}/extract-eu`")), "{}", done.err);
}

#[test]
fn a_project_of_too_many_partitions_is_for_a_cluster_and_up_says_so_before_it_starts() {
    let project = Project::new("wide");
    let raw = format!("topics/{}.yaml", project.name("raw.orders"));
    project.edit(&raw, "partitions: 4", "partitions: 5000");
    let expected = "the embedded broker holds at most 10000 partitions";
    let checked = bare(&project, &["check"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.err.contains(&format!("warning: {expected}")), "{}", checked.err);
    let up = bare(&project, &["up"]);
    assert_eq!(up.code, Some(1), "{up:?}");
    assert!(up.err.starts_with(&format!("error: {expected}")), "{}", up.err);
    assert!(!project.path(".lineage-hub").exists(), "nothing was started");
}
