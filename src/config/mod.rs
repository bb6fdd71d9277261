//! Configuration: what each part may be told, and who told it.
//!
//! ```text
//! defaults < openlineage.yml < hub.yaml < .env < environment < flags -> layers -> HubConfig
//!                                                                           `-> Provenance
//! ```
//!
//! # Guarantees
//!
//! Every problem of every layer is reported at once, with its place: a line of
//! a file, a variable or a flag. An unknown setting is a problem, never passed
//! over. The real environment is read here and nowhere else, and never written;
//! a `.env` file never overrides it. Secrets are shown as `***`.
//!
//! # Not here
//!
//! What a setting means: the part that it belongs to says so at its field, and
//! checks it. Pipelines and topics: `pipeline`.

mod dotenv;
mod environment;
mod error;
mod hub_file;
mod layers;
mod openlineage;
mod provenance;
mod shape;
mod sources;
mod transport;

use serde::{Deserialize, Serialize};

use crate::{
    api::ApiConfig,
    broker::KafkaConfig,
    forward::ForwardConfig,
    lineage::LineageConfig,
    stage::StageConfig,
    telemetry::{LogConfig, OtelConfig},
};

pub use error::{ConfigError, Origin, SettingProblem};
pub use provenance::{Entry, Provenance};
pub use sources::{Flag, Sources};

/// All settings, one section a part of the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HubConfig {
    pub kafka: KafkaConfig,
    pub stage: StageConfig,
    pub lineage: LineageConfig,
    pub forward: ForwardConfig,
    pub api: ApiConfig,
    pub log: LogConfig,

    /// Folder of what the program keeps on disk: the embedded broker's logs,
    /// lock files. Relative to the project folder.
    pub data_dir: String,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            kafka: KafkaConfig::default(),
            stage: StageConfig::default(),
            lineage: LineageConfig::default(),
            forward: ForwardConfig::default(),
            api: ApiConfig::default(),
            log: LogConfig::default(),
            data_dir: ".lineage-hub".to_owned(),
        }
    }
}

impl HubConfig {
    /// Tells `problem` (setting, what is wrong) every problem, not only the first.
    pub fn check(&self, problem: &mut impl FnMut(&str, String)) {
        self.kafka.check(problem);
        self.stage.check(problem);
        self.lineage.check(problem);
        self.forward.check(problem);
        self.api.check(problem);
        self.log.check(problem);
        if self.data_dir.is_empty() {
            problem("data_dir", "must not be empty".to_owned());
        }
    }
}

/// A configuration that has no problems, and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: HubConfig,
    pub provenance: Provenance,
    /// What the `OTEL_*` variables say.
    pub otel: OtelConfig,
}

/// Lays the sources over the defaults and checks what comes of it.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let settings = sources.settings(&mut problems)?;
    let (config, provenance) = layers::apply(HubConfig::default(), settings, &mut problems)?;
    config.check(&mut |key, message| {
        problems.push(SettingProblem::new(key, provenance.origin(key), message));
    });
    if !problems.is_empty() {
        return Err(ConfigError::Problems(problems));
    }
    Ok(Loaded { config, provenance, otel: OtelConfig::read(&sources.otel()) })
}

#[cfg(test)]
mod tests;
