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
mod words;

use serde::{Deserialize, Serialize};

use crate::{
    api::ApiConfig,
    broker::KafkaConfig,
    forward::ForwardConfig,
    lineage::LineageConfig,
    pipeline::spec::topic_name,
    stage::StageConfig,
    telemetry::{LogConfig, OtelConfig},
};

pub use error::{ConfigError, Origin, SettingProblem};
pub use provenance::{Entry, Provenance};
pub use sources::{Flag, Sources};

const DEAD_LETTER_TOPIC: &str = "forward.dead_letter_topic";

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
        self.check_topics(problem);
        if self.data_dir.is_empty() {
            problem("data_dir", "must not be empty".to_owned());
        }
    }

    fn check_topics(&self, problem: &mut impl FnMut(&str, String)) {
        let (lineage, parked) = (&self.lineage.topic, &self.forward.dead_letter_topic);
        for (setting, name) in [("lineage.topic", lineage), (DEAD_LETTER_TOPIC, parked)] {
            // An empty name is reported by the part that it belongs to.
            if let Err((message, hint)) = topic_name(name)
                && !name.is_empty()
            {
                let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                problem(setting, format!("{message}{hint}"));
            }
        }
        if lineage.replace('.', "_") == parked.replace('.', "_") {
            let message = format!(
                "must be another topic than `lineage.topic`, which is `{lineage}`; to Kafka, `.` \
                 and `_` in the name of a topic are the same"
            );
            problem(DEAD_LETTER_TOPIC, message);
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

/// Lays the sources over the defaults and checks the result.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let (loaded, problems) = load_partly(sources)?;
    if problems.is_empty() { Ok(loaded) } else { Err(ConfigError::Problems(problems)) }
}

/// Like [`load`], for a report of more than the settings: those with a problem
/// are not applied, or are applied and do not work.
pub fn load_partly(sources: &Sources) -> Result<(Loaded, Vec<SettingProblem>), ConfigError> {
    let mut problems = Vec::new();
    let settings = sources.settings(&mut problems)?;
    let (config, provenance) = layers::apply(HubConfig::default(), settings, &mut problems)?;
    config.check(&mut |key, message| {
        problems.push(SettingProblem::new(key, provenance.origin(key), message));
    });
    let otel = OtelConfig::read(&sources.otel());
    Ok((Loaded { config, provenance, otel }, problems))
}

#[cfg(test)]
mod tests;
