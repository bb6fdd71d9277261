//! The files of a project folder, read: with `git`, the only I/O of this folder.
//!
//! ```text
//! topics/*.yaml, pipelines/*.yaml -> yaml -> specs and problems -> check
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
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
    #[error("cannot read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// What a user wrote, as far as it could be read.
#[derive(Debug, Clone, Default)]
pub struct Project {
    pub topics: Vec<TopicSpec>,
    pub pipelines: Vec<PipelineSpec>,
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
        let mut files = read_folder(&root.join(TOPICS), TOPICS)?;
        files.extend(read_folder(&pipelines, PIPELINES)?);
        let repository = Repository::find(root);
        Ok(Self { repository, ..Self::from_files(files) })
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

/// The YAML files of a folder in the order of their names; none if it is not there.
fn read_folder(path: &Path, name: &str) -> Result<Vec<(String, String)>, ProjectError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| ProjectError::Unreadable { path, source }
    };
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(path)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable(path))?.path();
        let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if let Some(file) = path.file_name().and_then(|file| file.to_str()).filter(|_| is_yaml) {
            let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
            files.push((format!("{name}/{file}"), text));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_and_its_problems_are_kept() {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("topics/a.yaml", "topic: a\n"),
            ("topics/b.yml", "topic: [\n"),
            ("topics/notes.txt", "not: read\n  at: all\n"),
            ("pipelines/p.yaml", "pipeline: p\nstages: {s: {from: a, to: b, sql: SELECT 1}}\n"),
            ("pipelines/q.yaml", "# nothing\n"),
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let project = Project::load(root.path()).unwrap();
        assert_eq!(project.topics.len(), 1);
        assert_eq!(project.pipelines.len(), 1);
        let files: Vec<_> = project.problems.iter().map(|p| p.place.file.to_string()).collect();
        assert_eq!(files, ["topics/b.yml", "pipelines/q.yaml"]);
    }

    #[test]
    fn a_folder_without_pipelines_is_no_project() {
        let root = tempfile::tempdir().unwrap();
        let error = Project::load(root.path()).unwrap_err();
        assert!(error.to_string().contains("`--project DIR`"), "{error}");
    }
}
