//! Where settings come from: read here, judged in `layers`.

use std::{collections::BTreeMap, env, fs, io::ErrorKind, path::Path, sync::Arc};

use super::{
    HubConfig, dotenv,
    environment::{self, Variable},
    error::{ConfigError, Origin, SettingProblem},
    hub_file,
    layers::Setting,
    openlineage,
    shape::Raw,
};

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
}

impl Sources {
    /// Reads `hub.yaml` and `.env` of the project folder, where they are, and
    /// the environment. A `config_file` that is named must be there.
    pub fn read(
        project: &Path,
        config_file: Option<&Path>,
        flags: Vec<Flag>,
    ) -> Result<Self, ConfigError> {
        let hub_file = match config_file {
            Some(path) => Some((path.display().to_string().into(), read(path)?)),
            None => read_if_there(project, "hub.yaml")?,
        };
        let dotenv = read_if_there(project, ".env")?;
        let unicode = |text: std::ffi::OsString| text.into_string().ok();
        let environment: BTreeMap<String, String> = env::vars_os()
            .filter_map(|(name, value)| Some((unicode(name)?, unicode(value)?)))
            .collect();
        let openlineage_file = openlineage_file(project, &environment)?;
        Ok(Self { openlineage_file, hub_file, dotenv, environment, flags })
    }

    /// The weakest first.
    pub(super) fn settings(
        &self,
        problems: &mut Vec<SettingProblem>,
    ) -> Result<Vec<Setting>, serde_json::Error> {
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

/// The one that `OPENLINEAGE_CONFIG` names, which must be there; else that of the
/// project, else the user's own.
fn openlineage_file(
    project: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Option<File>, ConfigError> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if let Some(path) = set("OPENLINEAGE_CONFIG") {
        return Ok(Some((path.as_str().into(), read(Path::new(path))?)));
    }
    let own = set("HOME").map(|home| Path::new(home).join(".openlineage"));
    match read_if_there(project, "openlineage.yml")? {
        Some(file) => Ok(Some(file)),
        None => own.map_or(Ok(None), |folder| read_if_there(&folder, "openlineage.yml")),
    }
}

fn flag_setting(flag: &Flag) -> Setting {
    Setting {
        path: environment::path(&flag.key),
        value: Raw::Text(flag.value.clone()),
        origin: Origin::Flag(flag.name.clone()),
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

fn read_if_there(project: &Path, name: &str) -> Result<Option<File>, ConfigError> {
    match read(&project.join(name)) {
        Ok(text) => Ok(Some((name.into(), text))),
        Err(ConfigError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
