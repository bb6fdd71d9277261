//! The scripts of everyday work, beside a stand-in for Docker.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const TOKEN: &str = "LINEAGE_HUB__API__TOKEN=";

/// A program that is written by one test while another starts a process is open for
/// writing in that process for a moment, and then it cannot be run: "Text file busy".
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn tokens(env: &str) -> Vec<&str> {
    env.lines().filter_map(|line| line.strip_prefix(TOKEN)).collect()
}

#[test]
fn a_token_is_made_up_once_and_what_stands_in_the_file_stays() {
    let _turn = one_at_a_time();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join(".env");
    let dev_env = || {
        run(Command::new(Path::new(ROOT).join("scripts/dev-env.sh")).arg(&file));
        fs::read_to_string(&file).unwrap()
    };
    let made = dev_env();
    assert_eq!(tokens(&made).iter().map(|token| token.len()).collect::<Vec<_>>(), [48]);
    assert!(made.contains("MARQUEZ_PORT=5000\n"), "{made}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0);
    assert_eq!(dev_env(), made);

    fs::write(&file, "KAFKA_PORT=9999").unwrap();
    let older = dev_env();
    assert!(older.starts_with("KAFKA_PORT=9999\n"), "{older}");
    assert_eq!(tokens(&older).len(), 1);
    assert_ne!(tokens(&older), tokens(&made));
}

/// The script and a `docker` that says this, in a project of their own; what a
/// command under it sees of Kafka and Marquez.
fn seen(docker: &str, env: &str, named: Option<&str>) -> String {
    let folder = TempDir::new().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir_all(folder.path().join("scripts")).unwrap();
    fs::create_dir(&bin).unwrap();
    let script = folder.path().join("scripts/with-compose.sh");
    fs::copy(Path::new(ROOT).join("scripts/with-compose.sh"), &script).unwrap();
    fs::write(folder.path().join(".env"), env).unwrap();
    let stand_in = bin.join("docker");
    fs::write(&stand_in, format!("#!/bin/sh\n{docker}\n")).unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(script);
    command.env_clear().env("PATH", path).envs(named.map(|at| ("KAFKA_BOOTSTRAP_SERVERS", at)));
    run(command.args(["sh", "-c", "echo $KAFKA_BOOTSTRAP_SERVERS $MARQUEZ_URL"]))
}

#[test]
fn a_command_works_on_the_kafka_of_the_containers_unless_another_is_named() {
    let _turn = one_at_a_time();
    let running = "echo 0.0.0.0:19192";
    let empty = "KAFKA_BOOTSTRAP_SERVERS=\nMARQUEZ_PORT=5005\n";
    assert_eq!(seen(running, empty, None), "localhost:19192 http://localhost:5005\n");
    assert_eq!(seen(running, empty, Some("elsewhere:1")), "elsewhere:1\n");
    assert_eq!(seen(running, "KAFKA_BOOTSTRAP_SERVERS=other:2\n", None), "\n");
    assert_eq!(seen("exit 1", empty, None), "\n");
    assert_eq!(seen("echo :0", empty, None), "\n");
}
