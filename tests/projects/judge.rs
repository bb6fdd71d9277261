//! Whether one generated project behaves: bounded `check`, and an `up` that starts and stops.

use std::{
    fs,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::generate::Generated;

/// Time that `check` may take, however hostile the files are.
const CHECK_MAX: Duration = Duration::from_secs(10);
/// Kilobytes of address space of `check`: 1 GiB, and what the stack of the planner and
/// the allocator reserve without using it.
const CHECK_KILOBYTES: u64 = (1 << 20) + (1 << 20);
/// Time to start, on a machine that does other things as well.
const START_MAX: Duration = Duration::from_mins(1);
/// Time to stop: above every drain timeout that the generator sets.
const STOP_MAX: Duration = Duration::from_mins(1);
/// Time that it must stay up.
const STAY: Duration = Duration::from_millis(300);

pub(crate) enum Verdict {
    Refused,
    Ran,
    Failed(String),
}

/// Writes the project of a seed, checks it, and runs it if it is accepted.
pub(crate) fn judge(seed: u64) -> Verdict {
    let project = Generated::of(seed);
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in &project.files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let verdict = match check(dir.path(), &project) {
        Ok(true) => run(dir.path(), &project).map(|()| Verdict::Ran),
        Ok(false) => Ok(Verdict::Refused),
        Err(reason) => Err(format!("check {reason}")),
    };
    verdict.unwrap_or_else(|reason| {
        let kept = dir.keep();
        Verdict::Failed(format!("{reason} (kept in {})", kept.display()))
    })
}

fn program(dir: &Path, project: &Generated) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg("ulimit -v $1; shift; exec \"$@\"").arg("sh");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(project.environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(dir).stdin(Stdio::null());
    command
}

fn hub() -> std::ffi::OsString {
    let built = || env!("CARGO_BIN_EXE_lineage-hub").into();
    std::env::var_os("LINEAGE_HUB_PROGRAM").unwrap_or_else(built)
}

/// Whether it is accepted; `Err`: it ended as no check may.
fn check(dir: &Path, project: &Generated) -> Result<bool, String> {
    let mut command = program(dir, project);
    command.arg(CHECK_KILOBYTES.to_string()).arg(hub()).arg("check");
    let (status, said) = finish(command, dir, "check", CHECK_MAX)?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1 | 2) if said.contains("panicked") => Err(format!("panicked: {said}")),
        Some(1 | 2) if said.trim().is_empty() => Err("refused without a word".to_owned()),
        Some(1 | 2) => Ok(false),
        _ => Err(format!("ended with {status}: {said}")),
    }
}

/// Starts it, lets it stand for a moment, and stops it.
fn run(dir: &Path, project: &Generated) -> Result<(), String> {
    let mut command = program(dir, project);
    command.arg("unlimited").arg(hub());
    command.args(["up", "--ephemeral", "--listen", "127.0.0.1:0"]);
    let log = dir.join("up.log");
    let mut child = spawn(command, &log);
    let deadline = Instant::now() + START_MAX;
    while !text(&log).contains("Ctrl-C stops") {
        if let Some(status) = child.try_wait().unwrap() {
            return Err(format!("up ended with {status}: {}", text(&log)));
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            return Err(format!("up did not start: {}", text(&log)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    thread::sleep(STAY);
    if let Some(status) = child.try_wait().unwrap() {
        return Err(format!("up ended by itself with {status}: {}", text(&log)));
    }
    let kill = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    match wait(&mut child, STOP_MAX) {
        Some(status) if status.success() && !text(&log).contains("panicked") => Ok(()),
        Some(status) => Err(format!("up stopped with {status}: {}", text(&log))),
        None => {
            let _ = child.kill();
            Err(format!("up did not stop: {}", text(&log)))
        }
    }
}

fn finish(
    command: Command,
    dir: &Path,
    name: &str,
    longest: Duration,
) -> Result<(ExitStatus, String), String> {
    let log = dir.join(format!("{name}.log"));
    let mut child = spawn(command, &log);
    let Some(status) = wait(&mut child, longest) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("took over {longest:?}"));
    };
    Ok((status, text(&log)))
}

fn spawn(mut command: Command, log: &Path) -> Child {
    let file = fs::File::create(log).unwrap();
    command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap()
}

fn wait(child: &mut Child, longest: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + longest;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn text(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned()
}
