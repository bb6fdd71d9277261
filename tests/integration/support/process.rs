//! The program as a child process that never outlives its test.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{PATIENCE, http::Api, wait_until};

/// What a command that has ended said.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    /// Standard output of a command that went well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.out
    }

    /// Each line of standard output as JSON, of a command that went well.
    #[track_caller]
    pub(crate) fn json_lines(self) -> Vec<serde_json::Value> {
        let text = self.ok();
        let read = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        text.lines().map(read).collect()
    }
}

/// A child process; killed and reaped when it is dropped.
pub(crate) struct Hub {
    child: Child,
    /// Set where it is ended without a chance to end its runs.
    killed: Arc<AtomicBool>,
    what: String,
    out: PathBuf,
    err: PathBuf,
}

impl Hub {
    /// Starts `command`; its output goes to files in `logs`, so that no pipe fills.
    pub(crate) fn start(command: Command, logs: &Path) -> Self {
        Self::start_noting(command, logs, Arc::default())
    }

    /// As [`Hub::start`], and notes where it is killed.
    pub(crate) fn start_noting(mut command: Command, logs: &Path, killed: Arc<AtomicBool>) -> Self {
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let what = words.collect::<Vec<_>>().join(" ");
        let number = fs::read_dir(logs).unwrap().count();
        let (out, err) = (logs.join(format!("{number}.out")), logs.join(format!("{number}.err")));
        command.stdin(Stdio::null());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Self { child: command.spawn().unwrap(), killed, what, out, err }
    }

    pub(crate) fn kill(&mut self) {
        self.killed.store(true, Ordering::Relaxed);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as Kubernetes and `kill` do.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        if name == "KILL" {
            self.killed.store(true, Ordering::Relaxed);
        }
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").arg("-c").arg(&kill).status().unwrap().success(), "{kill}");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until a signal has ended it.
    pub(crate) fn wait_for_end(&mut self) {
        self.wait(PATIENCE).unwrap_or_else(|| panic!("{} runs on after {PATIENCE:?}", self.what));
    }

    /// All that it has said so far, to both outputs.
    pub(crate) fn said(&self) -> String {
        [&self.out, &self.err].map(|path| Self::text(path)).concat()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn join(mut self) -> Done {
        let status = self.wait(PATIENCE);
        let status = status.unwrap_or_else(|| panic!("{} runs on after {PATIENCE:?}", self.what));
        Done { code: status.code(), out: Self::text(&self.out), err: Self::text(&self.err) }
    }

    /// Asks it to stop; it must do so with exit code 0.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        assert!(self.is_running(), "{} has ended by itself: {}", self.what, Self::text(&self.err));
        self.terminate();
        self.join().ok();
    }

    /// The address of the API in it, once it listens.
    #[track_caller]
    pub(crate) fn api(&mut self) -> Api {
        let mut address = None;
        wait_until(&format!("{} serves its API", self.what.clone()), || {
            assert!(self.is_running(), "it has ended: {}", Self::text(&self.err));
            let text = Self::text(&self.err);
            let line = text.lines().find_map(|line| line.strip_prefix("API on http://"));
            address = line.and_then(|line| line.split(',').next()?.parse().ok());
            address.is_some()
        });
        let api = Api::at(address.unwrap());
        wait_until("the API is ready", || api.get("/ready").status == 200);
        api
    }

    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.child.try_wait().unwrap();
            if status.is_some() || Instant::now() > deadline {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn text(path: &Path) -> String {
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            self.killed.store(true, Ordering::Relaxed);
        }
        // It may have ended, and been reaped, already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let text = Self::text(&self.err);
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(60)..].join("\n");
            eprintln!("--- {}: last lines of its log\n{last}", self.what);
        }
    }
}
