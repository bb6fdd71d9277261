//! A project folder made of the repository's own, its names with a prefix.

use std::{
    fs, panic,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    broker::BrokerControl,
    cluster::Cluster,
    endings::{Open, assert_runs_end_once},
    process::{Done, Hub},
};

/// The topics of the sample project, from first to last.
pub(crate) const TOPICS: [&str; 4] =
    ["raw.orders", "orders.extracted", "orders.transformed", "orders.loaded"];
pub(crate) const STAGES: [&str; 3] = ["extract", "transform", "load"];

/// The program that is tested; `LINEAGE_HUB_PROGRAM` names another build of it.
pub(super) fn program() -> PathBuf {
    let built = || env!("CARGO_BIN_EXE_lineage-hub").into();
    std::env::var_os("LINEAGE_HUB_PROGRAM").map_or_else(built, PathBuf::from)
}

/// The sample project on a cluster.
pub(crate) struct Project {
    pub(crate) cluster: Cluster,
    dir: TempDir,
    /// A process was ended without a chance to end its runs.
    killed: Arc<AtomicBool>,
}

impl Drop for Project {
    /// What holds of every lineage topic holds of that of every test.
    fn drop(&mut self) {
        let lineage = self.name("lineage");
        if thread::panicking() || !self.cluster.is_up() || !self.cluster.topics().contains(&lineage)
        {
            return;
        }
        let open = if self.killed.load(Ordering::Relaxed) { Open::Any } else { Open::None };
        // A transaction is seen partition by partition, so the start of a run may be seen
        // after that of its parts. What follows an end stays, however often it is read.
        for _ in 0..READS {
            let events = super::lineage(self);
            let check = panic::AssertUnwindSafe(|| assert_runs_end_once(&events, &open));
            if panic::catch_unwind(check).is_ok() {
                return;
            }
            thread::sleep(Duration::from_secs(1));
        }
        assert_runs_end_once(&super::lineage(self), &open);
    }
}

/// Reads of a lineage topic until all of it is seen.
const READS: usize = 10;

impl Project {
    /// The files only; `topics apply` or `up` makes the topics.
    pub(crate) fn new(test: &str) -> Self {
        Self::of(Cluster::start(test))
    }

    /// As [`Project::new`], on a broker that the test may end.
    pub(crate) fn on(test: &str, control: &BrokerControl) -> Self {
        Self::of(Cluster::at(test, &control.bootstrap))
    }

    fn of(cluster: Cluster) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let project = Self { cluster, dir, killed: Arc::default() };
        fs::create_dir(project.dir.path().join("logs")).unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR"));
        for topic in TOPICS {
            let file = samples.join(format!("topics/{topic}.yaml"));
            let renamed = project.renamed(&fs::read_to_string(file).unwrap());
            project.write(&format!("topics/{}.yaml", project.name(topic)), &renamed);
        }
        let pipeline = fs::read_to_string(samples.join("pipelines/orders.yaml")).unwrap();
        let name = format!("pipeline: {}\n", project.pipeline());
        let pipeline = pipeline.replace("pipeline: orders\n", &name);
        project.write("pipelines/orders.yaml", &project.renamed(&pipeline));
        project
    }

    /// With its topics made.
    pub(crate) fn with_topics(test: &str) -> Self {
        let project = Self::new(test);
        project.run(&["topics", "apply"]).ok();
        project
    }

    /// Runs may stay open: a test left records that no stage works on.
    pub(crate) fn leaves_runs_open(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    fn renamed(&self, text: &str) -> String {
        TOPICS.iter().fold(text.to_owned(), |text, topic| text.replace(topic, &self.name(topic)))
    }

    /// `raw.orders` as this test calls it.
    pub(crate) fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.cluster.prefix)
    }

    pub(crate) fn pipeline(&self) -> String {
        self.name("orders")
    }

    /// `extract` as the command line wants it.
    pub(crate) fn stage(&self, stage: &str) -> String {
        format!("{}/{stage}", self.pipeline())
    }

    /// The consumer group of a stage.
    pub(crate) fn group(&self, stage: &str) -> String {
        format!("{}-{stage}", self.pipeline())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// Writes a file of the project, and its folder where that is missing.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Lineage goes to a file, by a consumer group of this project's own.
    pub(crate) fn lineage_to_file(&self) {
        let backend = self.name("file");
        let path = self.path("lineage.ndjson");
        let settings = format!(
            "forward: {{ backends: {{ {backend}: {{ type: file, path: \"{}\" }} }} }}\n",
            path.display()
        );
        self.write("hub.yaml", &settings);
    }

    /// Replaces text of a file, which must be there.
    #[track_caller]
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        self.write(file, &text.replacen(from, to, 1));
    }

    /// The program on this project and cluster; nothing of our environment
    /// reaches it but what finds programs.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.bare(args);
        command.args(["--bootstrap", &self.cluster.bootstrap]);
        command
    }

    /// As [`Project::command`], and no broker is named.
    pub(crate) fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.env_clear().env("NO_COLOR", "1").env("PATH", std::env::var_os("PATH").unwrap());
        // By variables, so that a test's hub.yaml is the test's alone.
        command.env("LINEAGE_HUB__LINEAGE__TOPIC", self.name("lineage"));
        command.env("LINEAGE_HUB__FORWARD__DEAD_LETTER_TOPIC", self.name("lineage.dlq"));
        command.env("LINEAGE_HUB__API__LISTEN", "127.0.0.1:0");
        command.args(args).arg("--project").arg(self.dir.path());
        command
    }

    /// Starts the program and lets it run.
    pub(crate) fn start(&self, args: &[&str]) -> Hub {
        self.start_command(self.command(args))
    }

    /// Starts any command and lets it run.
    pub(crate) fn start_command(&self, command: Command) -> Hub {
        Hub::start_noting(command, &self.path("logs"), Arc::clone(&self.killed))
    }

    /// Runs the program to its end.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.start(args).join()
    }

    /// Runs any command to its end.
    #[track_caller]
    pub(crate) fn run_command(&self, command: Command) -> Done {
        self.start_command(command).join()
    }
}
