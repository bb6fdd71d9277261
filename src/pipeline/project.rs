//! The files of a project folder as specs.
//!
//! ```text
//! topics/*.yaml, pipelines/*.yaml -> folder -> yaml -> specs and problems -> check
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    folder::{self, Folder},
    git::Repository,
    problem::{Place, Problems},
    spec::{PipelineSpec, TopicSpec},
    yaml::{self, Node},
};

const TOPICS: &str = "topics";
const PIPELINES: &str = "pipelines";

/// Why a project folder cannot be read; mistakes inside its files are problems.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("{} has no folder `pipelines`; make one, or name the project's folder with `--project DIR`", root.display())]
    NoPipelines { root: PathBuf },
}

/// A topic that a setting names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingTopic {
    pub name: String,
    /// The dotted name of the setting.
    pub setting: &'static str,
    /// What is in the topic, for problems.
    pub holds: &'static str,
    /// Where the setting comes from, for problems.
    pub origin: String,
}

/// The topics that the settings name; those of the defaults, unless they are
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingTopics {
    pub lineage: SettingTopic,
    /// Events that a backend refused.
    pub parked: SettingTopic,
}

impl SettingTopics {
    /// `origin` is asked where a setting comes from.
    pub fn new(lineage: &str, parked: &str, origin: impl Fn(&str) -> String) -> Self {
        let topic = |name: &str, setting, holds| SettingTopic {
            name: name.to_owned(),
            setting,
            holds,
            origin: origin(setting),
        };
        Self {
            lineage: topic(lineage, "lineage.topic", "lineage events"),
            parked: topic(parked, "forward.dead_letter_topic", "parked lineage events"),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &SettingTopic> {
        [&self.lineage, &self.parked].into_iter()
    }
}

impl Default for SettingTopics {
    fn default() -> Self {
        Self::new("lineage", "lineage.dlq", |_| "default".to_owned())
    }
}

/// What a user wrote, as far as it could be read.
#[derive(Debug, Clone, Default)]
pub struct Project {
    pub topics: Vec<TopicSpec>,
    pub pipelines: Vec<PipelineSpec>,
    /// Names must be unique over the files and the settings together.
    pub setting_topics: SettingTopics,
    /// The git repository that the folder lies in.
    pub repository: Option<Repository>,
    /// Found while reading; [`super::check()`] adds its own to them.
    pub problems: Problems,
}

impl Project {
    /// Reads the project folder `root`.
    pub fn load(root: &Path) -> Result<Self, ProjectError> {
        let pipelines = root.join(PIPELINES);
        if !pipelines.is_dir() {
            return Err(ProjectError::NoPipelines { root: root.to_owned() });
        }
        let mut folder = Folder::default();
        folder.read(root, TOPICS);
        folder.read(root, PIPELINES);
        let mut project = Self::from_files(folder.files);
        project.problems.extend(folder.problems);
        project.repository = Repository::find(root);
        Ok(project)
    }

    /// Warns of files in `root` that look like the project's settings and are not read.
    pub fn warn_of_misnamed_settings(&mut self, root: &Path) {
        folder::misnamed_settings(root, &mut self.problems);
    }

    /// Reads texts as if they were files: `topics/NAME.yaml` a topic,
    /// `pipelines/NAME.yaml` a pipeline; others are passed over.
    pub fn from_files(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut project = Self::default();
        for (name, text) in files {
            let folder = name.split('/').next().unwrap_or_default().to_owned();
            let file: Arc<str> = name.into();
            if folder == TOPICS {
                let node = project.document(&file, &text);
                let spec =
                    node.and_then(|node| TopicSpec::read(&file, &node, &mut project.problems));
                project.topics.extend(spec);
            } else if folder == PIPELINES {
                let node = project.document(&file, &text);
                let spec = node.and_then(|node| PipelineSpec::read(&node, &mut project.problems));
                project.pipelines.extend(spec);
            }
        }
        project
    }

    fn document(&mut self, file: &Arc<str>, text: &str) -> Option<Node> {
        match yaml::parse(file, text) {
            Ok(Some(node)) if !node.is_null() => return Some(node),
            Ok(_) => self.problems.error(&Place::file(file), "the file is empty"),
            Err(problem) => self.problems.push(problem),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use super::*;

    fn project_of(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, bytes) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }

    const PIPELINE: (&str, &[u8]) =
        ("pipelines/p.yaml", b"pipeline: p\nstages: {s: {from: a, to: b, sql: SELECT 1}}\n");

    fn problems(project: Project) -> Vec<String> {
        project.problems.into_sorted().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_folder_is_read_and_its_problems_are_kept() {
        let root = project_of(&[
            ("topics/a.yaml", b"topic: a\n"),
            ("topics/b.yml", b"topic: [\n"),
            ("topics/notes.txt", b"not: read\n  at: all\n"),
            PIPELINE,
            ("pipelines/q.yaml", b"# nothing\n"),
        ]);
        let project = Project::load(root.path()).unwrap();
        assert_eq!(project.topics.len(), 1);
        assert_eq!(project.pipelines.len(), 1);
        let files: Vec<_> = project.problems.iter().map(|p| p.place.file.to_string()).collect();
        assert_eq!(files, ["topics/b.yml", "pipelines/q.yaml"]);
    }

    #[test]
    fn a_bad_file_hides_no_other_problem() {
        let root = project_of(&[
            ("topics/a.yaml", b"topic: a\npartitions: x\n"),
            ("topics/latin.yaml", b"topic: latin\ndescription: caf\xe9\n"),
            ("topics/utf16.yaml", b"\xff\xfet\0"),
            ("topics/bom.yaml", b"\xef\xbb\xbftopic: bom\npartitions: y\n"),
            PIPELINE,
        ]);
        symlink("nowhere", root.path().join("topics/gone.yaml")).unwrap();
        assert_eq!(
            problems(Project::load(root.path()).unwrap()),
            [
                "topics/a.yaml:2:13: `partitions` must be a whole number from 1 to 10000, not `x`",
                "topics/bom.yaml:2:13: `partitions` must be a whole number from 1 to 10000, not `y`",
                "topics/gone.yaml:1:1: a link to a file that does not exist; remove the link, or \
                 restore its file",
                "topics/latin.yaml:2:17: the byte 0xE9 is not UTF-8; save the file as UTF-8",
                "topics/utf16.yaml:1:1: text in UTF-16; save the file as UTF-8",
            ]
        );
    }

    #[test]
    fn what_is_ignored_is_named_with_the_reason() {
        let root = project_of(&[
            ("topics/a.YAML", b"topic: [\n"),
            ("topics/b.json", b"{"),
            ("topics/README.md", b"notes"),
            ("topics/._a.yaml", b"\0\x05\x16\x07"),
            ("topics/.gitkeep", b""),
            ("topics/more/c.yaml", b"topic: [\n"),
            ("topics/d.yaml/e", b""),
            ("hub.yml", b"lineage: {}\n"),
            PIPELINE,
        ]);
        symlink("user@host.123", root.path().join("topics/.#a.yaml")).unwrap();
        let fifo = root.path().join("topics/pipe.yaml");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let mut project = Project::load(root.path()).unwrap();
        project.warn_of_misnamed_settings(root.path());
        assert!(!project.problems.any_error());
        let folder = "ignored: a folder; only files directly in `topics/` are read";
        assert_eq!(
            problems(project),
            [
                "hub.yml:1:1: warning: ignored: settings are read from `hub.yaml`; rename the \
                 file, or name it with `--config`"
                    .to_owned(),
                "topics/.#a.yaml:1:1: warning: ignored: the name begins with `.`".to_owned(),
                "topics/._a.yaml:1:1: warning: ignored: the name begins with `.`".to_owned(),
                "topics/a.YAML:1:1: warning: ignored: the name must end in `.yaml` or `.yml`; \
                 rename the file"
                    .to_owned(),
                "topics/b.json:1:1: warning: ignored: the name must end in `.yaml` or `.yml`; \
                 rename the file"
                    .to_owned(),
                format!("topics/d.yaml:1:1: warning: {folder}"),
                format!("topics/more:1:1: warning: {folder}"),
                "topics/pipe.yaml:1:1: warning: ignored: a pipe, socket or device instead of a \
                 file"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn a_file_name_that_is_not_utf_8_is_refused_by_name() {
        use std::os::unix::ffi::OsStrExt;

        let root = project_of(&[PIPELINE]);
        fs::create_dir_all(root.path().join("topics")).unwrap();
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.yaml");
        if fs::write(root.path().join("topics").join(name), "topic: a\n").is_err() {
            return; // File systems of macOS do not have such names.
        }
        assert_eq!(
            problems(Project::load(root.path()).unwrap()),
            ["topics/caf\u{fffd}.yaml:1:1: the name of the file is not UTF-8; rename the file"]
        );
    }

    #[test]
    fn a_folder_of_topics_that_is_a_file_is_a_problem() {
        let root = project_of(&[PIPELINE, ("topics", b"")]);
        let shown = problems(Project::load(root.path()).unwrap());
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].starts_with("topics:1:1: the folder cannot be read"), "{shown:?}");
    }

    #[test]
    fn a_folder_without_pipelines_is_no_project() {
        let root = tempfile::tempdir().unwrap();
        let error = Project::load(root.path()).unwrap_err();
        assert!(error.to_string().contains("`--project DIR`"), "{error}");
    }
}
