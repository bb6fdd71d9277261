//! Where settings come from: read here, judged in `layers`.

use std::{collections::BTreeMap, env, ffi::OsString, fs, path::Path, sync::Arc};

use super::{
    HubConfig, dotenv,
    environment::{self, Variable},
    error::{ConfigError, Origin, SettingProblem},
    hub_file,
    layers::Setting,
    openlineage,
    shape::Raw,
};
use crate::pipeline::{
    files::{self, FileProblem, Found},
    problem::Place,
};

const OPENLINEAGE_FILE: &str = "openlineage.yml";

/// A flag of the command line that sets something: `--bootstrap` sets `kafka.bootstrap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Without its dashes.
    pub name: String,
    /// The dotted name of the setting.
    pub key: String,
    pub value: String,
}

/// A file's name, as problems show it, and its text.
type File = (Arc<str>, String);

/// All that may set something, as text. Secrets are among it, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Sources {
    /// `openlineage.yml`, which OpenLineage's other clients read, too.
    pub openlineage_file: Option<File>,
    pub hub_file: Option<File>,
    pub dotenv: Option<File>,
    pub environment: BTreeMap<String, String>,
    pub flags: Vec<Flag>,
    /// Of files and variables that have no text.
    pub problems: Vec<SettingProblem>,
}

impl Sources {
    /// Reads `hub.yaml` and `.env` of the project folder, where they are, and
    /// the environment. A `config_file` that is named must be there.
    pub fn read(
        project: &Path,
        config_file: Option<&Path>,
        flags: Vec<Flag>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let hub_file = match config_file {
            Some(path) => read_named(path, &mut problems)?,
            None => read_if_there(project, "hub.yaml", &mut problems),
        };
        let dotenv = read_if_there(project, ".env", &mut problems);
        let environment = read_environment(env::vars_os(), &mut problems);
        let openlineage_file = openlineage_file(project, &environment, &mut problems)?;
        Ok(Self { openlineage_file, hub_file, dotenv, environment, flags, problems })
    }

    /// The weakest first.
    pub(super) fn settings(
        &self,
        problems: &mut Vec<SettingProblem>,
    ) -> Result<Vec<Setting>, serde_json::Error> {
        problems.extend(self.problems.iter().cloned());
        let defaults = serde_json::to_value(HubConfig::default())?;
        let mut settings = Vec::new();
        if let Some((file, text)) = &self.openlineage_file {
            settings.extend(openlineage::settings(file, text, problems));
        }
        let of_openlineage = settings.len();
        if let Some((file, text)) = &self.hub_file {
            settings.extend(hub_file::settings(file, text, &defaults, problems));
        }
        let dotenv = self.dotenv_variables(problems);
        let dotenv: Vec<_> = dotenv
            .iter()
            .map(|variable| Variable {
                name: &variable.name,
                value: &variable.value,
                origin: Origin::DotEnv(variable.place.clone(), variable.name.clone()),
            })
            .collect();
        settings.extend(environment::settings(&dotenv, &defaults, problems));
        let environment: Vec<_> = self
            .environment
            .iter()
            .map(|(name, value)| Variable {
                name,
                value,
                origin: Origin::Environment(name.clone()),
            })
            .collect();
        settings.extend(environment::settings(&environment, &defaults, problems));
        settings.extend(self.flags.iter().map(flag_setting));
        environment::drop_idle(&mut settings);
        openlineage::drop_overruled(&mut settings, of_openlineage);
        Ok(settings)
    }

    /// The `OTEL_*` variables; the environment wins over `.env`.
    pub(super) fn otel(&self) -> BTreeMap<String, String> {
        // Problems of the file were reported with the settings.
        let dotenv = self.dotenv_variables(&mut Vec::new());
        let dotenv = dotenv.into_iter().map(|variable| (variable.name, variable.value));
        let environment = self.environment.clone().into_iter();
        dotenv.chain(environment).filter(|(name, _)| name.starts_with("OTEL_")).collect()
    }

    fn dotenv_variables(&self, problems: &mut Vec<SettingProblem>) -> Vec<dotenv::Variable> {
        let Some((file, text)) = &self.dotenv else { return Vec::new() };
        dotenv::parse(file, text, problems)
    }
}

/// The variables that are text; one of the program's that is not is a problem.
fn read_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<SettingProblem>,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for (name, value) in variables {
        let what = if name.to_str().is_none() { "name" } else { "value" };
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) => {
                environment.insert(name, value);
            }
            (name, _) => {
                let name = name.unwrap_or_else(|name| name.to_string_lossy().into_owned());
                if environment::is_known(&name) {
                    let message = format!("the {what} of the variable is not UTF-8");
                    problems.push(SettingProblem::new("", Origin::Environment(name), message));
                }
            }
        }
    }
    environment
}

/// The one that `OPENLINEAGE_CONFIG` names, which must be there; else that of the
/// project, else the user's own.
fn openlineage_file(
    project: &Path,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<SettingProblem>,
) -> Result<Option<File>, ConfigError> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if let Some(path) = set("OPENLINEAGE_CONFIG") {
        return read_named(Path::new(path), problems);
    }
    let own = set("HOME").map(|home| Path::new(home).join(".openlineage"));
    let file = read_if_there(project, OPENLINEAGE_FILE, problems);
    Ok(file.or_else(|| read_if_there(&own?, OPENLINEAGE_FILE, problems)))
}

fn flag_setting(flag: &Flag) -> Setting {
    Setting {
        path: environment::path(&flag.key),
        value: Raw::Text(flag.value.clone()),
        origin: Origin::Flag(flag.name.clone()),
    }
}

/// A file that the user names; it may be a pipe, as of `<(…)` in a shell.
fn read_named(
    path: &Path,
    problems: &mut Vec<SettingProblem>,
) -> Result<Option<File>, ConfigError> {
    let bytes = fs::read(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let name: Arc<str> = path.display().to_string().into();
    Ok(text_or_problem(&name, files::decode(bytes).map(Found::Text), problems))
}

fn read_if_there(folder: &Path, name: &str, problems: &mut Vec<SettingProblem>) -> Option<File> {
    text_or_problem(&name.into(), files::read(&folder.join(name)), problems)
}

fn text_or_problem(
    name: &Arc<str>,
    found: Result<Found, FileProblem>,
    problems: &mut Vec<SettingProblem>,
) -> Option<File> {
    let (place, message, hint) = match found {
        Ok(Found::Text(text)) => return Some((Arc::clone(name), text)),
        Ok(Found::Nothing) => return None,
        Ok(Found::Other(kind)) => (Place::file(name), format!("{kind} instead of a file"), None),
        Err(FileProblem { line, column, message, hint }) => {
            (Place::new(name, line, column), message, hint)
        }
    };
    let problem = SettingProblem::new("", Origin::File(place), message);
    problems.push(problem.hint(hint.map(str::to_owned)));
    None
}
