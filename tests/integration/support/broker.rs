//! A broker that can be ended and started again under a test.

use std::{env, net::TcpListener, process::Command, sync::Mutex, thread, time::Duration};

use tempfile::TempDir;

use super::{process::Hub, project::program};

/// The real Kafka of `scripts/test-kafka.sh`, or an embedded one that is a
/// process of its own and keeps its records on disk.
pub(crate) struct BrokerControl {
    pub(crate) bootstrap: String,
    embedded: Option<Embedded>,
}

struct Embedded {
    dir: TempDir,
    process: Mutex<Option<Hub>>,
}

impl BrokerControl {
    pub(crate) fn start() -> Self {
        let real = env::var("KAFKA_BOOTSTRAP_SERVERS").ok().filter(|servers| !servers.is_empty());
        if let Some(bootstrap) = real {
            assert!(
                env::var_os("KAFKA_TOOLS").is_some(),
                "a Kafka that this test may not end; let scripts/test-kafka.sh start one"
            );
            return Self { bootstrap, embedded: None };
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let embedded = Embedded { dir: tempfile::tempdir().unwrap(), process: Mutex::new(None) };
        let control = Self { bootstrap: free.to_string(), embedded: Some(embedded) };
        control.restart();
        control
    }

    /// Ends it by `TERM` or `KILL`.
    pub(crate) fn stop(&self, signal: &str) {
        if let Some(embedded) = &self.embedded {
            let mut process = embedded.process.lock().unwrap().take().unwrap();
            process.signal(signal);
            process.wait_for_end();
            return;
        }
        let pid = kafka(&["pid"]);
        let kill =
            format!("kill -{signal} {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.1; done");
        assert!(Command::new("sh").arg("-c").arg(&kill).status().unwrap().success());
    }

    /// Starts it again with all that it had stored.
    pub(crate) fn restart(&self) {
        let Some(embedded) = &self.embedded else {
            kafka(&["start"]);
            return;
        };
        let mut command = Command::new(program());
        command.args(["broker", "--listen", &self.bootstrap, "--project"]).arg(embedded.dir.path());
        let logs = embedded.dir.path().join("logs");
        std::fs::create_dir_all(&logs).unwrap();
        *embedded.process.lock().unwrap() = Some(Hub::start(command, &logs));
        while std::net::TcpStream::connect(&self.bootstrap).is_err() {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn kafka(words: &[&str]) -> String {
    let script = env::var_os("KAFKA_TOOLS").unwrap();
    let done = Command::new(script).args(words).output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}
