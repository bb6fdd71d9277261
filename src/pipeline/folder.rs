//! The files of a folder of a project: what is read, and what is not and why.

use std::{ffi::OsStr, fs, io::ErrorKind, path::Path, sync::Arc};

use super::{
    files::{self, FileProblem, Found},
    problem::{Place, Problems},
};

/// Files that people take for the project's settings.
const SETTINGS_MISNAMED: [&str; 5] = ["hub.yml", "hub.YAML", "hub.YML", "hub.json", "hub.toml"];

/// Name and text of each file, in the order of the names.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) files: Vec<(String, String)>,
    pub(super) problems: Problems,
}

impl Folder {
    /// Reads the YAML files of the folder `name`, if it exists.
    pub(super) fn read(&mut self, root: &Path, name: &str) {
        let path = root.join(name);
        let unreadable = |error: std::io::Error| format!("the folder cannot be read: {error}");
        let place = Place::file(&name.into());
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => return,
            Err(error) => return self.problems.error(&place, unreadable(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => names.push(entry.file_name()),
                Err(error) => self.problems.error(&place, unreadable(error)),
            }
        }
        names.sort();
        for file in names {
            self.entry(&path, name, &file);
        }
    }

    fn entry(&mut self, path: &Path, folder: &str, file: &OsStr) {
        let path = path.join(file);
        let shown = file.to_string_lossy();
        let place = Place::file(&format!("{folder}/{shown}").into());
        let (_, extension) = shown.rsplit_once('.').unwrap_or_default();
        let is_yaml = matches!(extension, "yaml" | "yml");
        let is_similar =
            ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known));
        let mut ignored =
            |reason: &str| self.problems.warning(&place, format!("ignored: {reason}"));
        if shown.starts_with('.') {
            if is_similar {
                ignored("the name begins with `.`");
            }
        } else if path.is_dir() {
            ignored(&format!("a folder; only files directly in `{folder}/` are read"));
        } else if !is_yaml {
            if is_similar {
                ignored("the name must end in `.yaml` or `.yml`; rename the file");
            }
        } else if file.to_str().is_none() {
            let hint = "rename the file".to_owned();
            self.problems.error_hint(&place, "the name of the file is not UTF-8", hint);
        } else {
            match files::read(&path) {
                Ok(Found::Text(text)) => self.files.push((format!("{folder}/{shown}"), text)),
                // It was deleted meanwhile.
                Ok(Found::Nothing) => {}
                Ok(Found::Other(kind)) => ignored(&format!("{kind} instead of a file")),
                Err(FileProblem { line, column, message, hint }) => {
                    let place = Place { line, column, ..place };
                    self.problems.error_hint(&place, message, hint.map(str::to_owned));
                }
            }
        }
    }
}

/// Files beside the project's folders that look like `hub.yaml` and are not read.
pub(super) fn misnamed_settings(root: &Path, problems: &mut Problems) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| SETTINGS_MISNAMED.contains(name)) else {
            continue;
        };
        let file: Arc<str> = name.into();
        let message = "ignored: settings are read from `hub.yaml`; rename the file, or name it \
                       with `--config`";
        problems.warning(&Place::file(&file), message);
    }
}
