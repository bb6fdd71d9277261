//! The examples of docs/api.md, run as they stand there.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use crate::support::{Project, wait_until};

/// Of the hub that the examples with a token are for.
const TOKEN: &str = "s3cret";
const PAGE: &str = include_str!("../../docs/api.md");

/// The blocks of code with their language and the line that they begin at.
fn blocks() -> Vec<(&'static str, usize, String)> {
    let (mut blocks, mut open): (Vec<_>, Option<(&str, usize, String)>) = (Vec::new(), None);
    for (number, line) in PAGE.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language, number + 1, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, _, text)), None) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    blocks
}

#[test]
fn every_example_of_the_page_works() {
    let project = Project::new("page");
    // The names of the page are those of the sample project; this one is in a broker of its own.
    let samples = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["topics", "pipelines"] {
        std::fs::remove_dir_all(project.path(folder)).unwrap();
        for file in std::fs::read_dir(samples.join(folder)).unwrap() {
            let file = file.unwrap();
            let text = std::fs::read_to_string(file.path()).unwrap();
            let name = file.file_name().into_string().unwrap();
            project.write(&format!("{folder}/{name}"), &text);
        }
    }
    let mut up = project.bare(&["up", "--no-forward", "--ephemeral", "--listen", "127.0.0.1:0"]);
    up.env_remove("LINEAGE_HUB__LINEAGE__TOPIC");
    let mut hub = project.start_command(up);
    let api = hub.api();
    // Beside it one that asks for a token.
    let mut guarded = project.bare(&["api"]);
    guarded.env_remove("LINEAGE_HUB__LINEAGE__TOPIC").env("LINEAGE_HUB__API__TOKEN", TOKEN);
    let mut guarded_hub = project.start_command(guarded);
    let guarded = guarded_hub.api();

    // `lineage-hub` in an example is the program that is tested.
    let program = project.bare(&[]).get_program().to_owned();
    let wrapper = format!("#!/bin/sh\nexec '{}' \"$@\"\n", program.to_str().unwrap());
    project.write("bin/lineage-hub", &wrapper);
    let wrapper = project.path("bin/lineage-hub");
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", project.path("bin").display());

    let mut run = 0;
    for (language, line, text) in blocks() {
        let (program, flag) = match language {
            "sh" => ("bash", "-euc"),
            "python" => ("python3", "-c"),
            "json" => continue,
            other => panic!("docs/api.md:{line}: nobody runs `{other}`"),
        };
        let mut command = Command::new(program);
        let hub = if text.contains("$TOKEN") { &guarded } else { &api };
        command
            .args([flag, &text])
            .env("PATH", &path)
            .env("HUB", format!("http://{}", hub.address))
            .env("TOKEN", TOKEN);
        command.current_dir(project.path("."));
        let done = project.run_command(command);
        assert_eq!(done.code, Some(0), "docs/api.md:{line}: {done:#?}");
        run += 1;
    }
    assert!(run >= 13, "{run} examples");
    wait_until("what the examples began has ended", || {
        api.get("/api/v1/runs?kind=bounded&state=running").expect(200)["runs"]
            .as_array()
            .unwrap()
            .is_empty()
    });
    guarded_hub.stop();
    hub.stop();
}
