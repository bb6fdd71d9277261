//! What every command begins with: configuration, project, cluster.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use super::{CliError, Globals, Hub, LogFormat, OutputFormat, broker::EmbeddedArgs};
use crate::{
    broker::{
        Broker, TopicRequest,
        embedded::{self, Embedded},
    },
    config::{self, Flag, HubConfig, Loaded, Sources},
    pipeline::{self, Project, ProjectError, ProjectPlan, SettingTopics, StagePlan, TopicPlan},
    telemetry::OtelConfig,
};

/// Longest that a command waits for a broker that does not answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Records of one dead letter topic may be larger than those of its input: the
/// envelope's headers come on top.
const ENVELOPE_BYTES: i64 = 64 << 10;
const MESSAGE_BYTES: &str = "max.message.bytes";
const MESSAGE_BYTES_DEFAULT: i64 = 1_048_588;
/// Of the lineage topic: a table of some ten thousand columns makes an event of 10 MB.
const EVENT_BYTES_MAX: i64 = 16 << 20;

pub(super) struct Context {
    pub globals: Globals,
    pub config: HubConfig,
    setting_topics: SettingTopics,
    pub otel: OtelConfig,
    pub no_color: bool,
    /// What the program brings of its own.
    pub hub: Hub,
}

impl Context {
    pub(super) fn load(globals: Globals, hub: Hub) -> Result<Self, CliError> {
        let sources = sources(&globals)?;
        let loaded = config::load(&sources)?;
        Ok(Self::new(globals, hub, &sources, loaded))
    }

    pub(super) fn new(globals: Globals, hub: Hub, sources: &Sources, loaded: Loaded) -> Self {
        let no_color = sources.environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        let Loaded { mut config, otel, provenance } = loaded;
        match globals.verbose {
            0 => {}
            1 => "info,lineage_hub=debug".clone_into(&mut config.log.filter),
            _ => "debug,lineage_hub=trace,kafka=trace".clone_into(&mut config.log.filter),
        }
        let setting_topics = SettingTopics::new(
            &config.lineage.topic,
            &config.forward.dead_letter_topic,
            |setting| provenance.origin(setting).to_string(),
        );
        Self { globals, config, setting_topics, otel, no_color, hub }
    }

    pub(super) fn is_json(&self) -> bool {
        self.globals.output == OutputFormat::Json
    }

    /// Relative to the project folder, unless it is absolute.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.globals.project.join(&self.config.data_dir)
    }

    /// What the project is checked with.
    pub(super) fn check_options(&self) -> pipeline::Options<'_> {
        let Hub { functions, transforms } = &self.hub;
        pipeline::Options { functions, transforms, namespace: &self.config.lineage.namespace }
    }

    /// The files of the project, with the topics that the settings name.
    pub(super) fn project(&self) -> Result<Project, ProjectError> {
        let root = &self.globals.project;
        let mut project = Project::load(root)?;
        project.setting_topics = self.setting_topics.clone();
        if self.globals.config.is_none() {
            project.warn_of_misnamed_settings(root);
        }
        Ok(project)
    }

    /// The project as it is to run; its warnings are printed.
    pub(super) fn plan(&self) -> Result<ProjectPlan, CliError> {
        let project = self.project()?;
        let (plan, warnings) = pipeline::check(&project, self.check_options()).into_plan()?;
        for warning in warnings {
            anstream::eprintln!("{warning}");
        }
        Ok(plan)
    }

    pub(super) fn stage(plan: &ProjectPlan, id: &str) -> Result<Arc<StagePlan>, CliError> {
        if let Some(stage) = plan.stage(id) {
            return Ok(Arc::clone(stage));
        }
        let known: Vec<String> = plan.stages().map(|stage| stage.id()).collect();
        Err(CliError::Usage(format!("no stage `{id}`; there are {}", known.join(", "))))
    }

    /// The cluster that is named, or the embedded broker that another command
    /// of this project runs; asked once whether it is there.
    pub(super) fn broker(&self) -> Result<Broker, CliError> {
        let mut kafka = self.config.kafka.clone();
        if kafka.bootstrap.is_empty() {
            kafka.bootstrap = embedded::running_at(&self.data_dir()).ok_or(CliError::NoBroker)?;
        }
        let broker = Broker::new(kafka);
        broker.probe(PROBE_TIMEOUT)?;
        Ok(broker)
    }

    /// As [`Context::broker`], but starts an embedded broker where none is named
    /// and none runs.
    pub(super) async fn broker_or_embedded(
        &self,
        args: &EmbeddedArgs,
    ) -> Result<(Broker, Option<Embedded>), CliError> {
        match self.broker() {
            Err(CliError::NoBroker) => {
                let embedded = args.start(self).await?;
                let mut kafka = self.config.kafka.clone();
                kafka.bootstrap = embedded.bootstrap();
                Ok((Broker::new(kafka), Some(embedded)))
            }
            broker => {
                let broker = broker?;
                args.refuse_for(broker.bootstrap())?;
                if self.config.kafka.bootstrap.is_empty() {
                    let at = broker.bootstrap();
                    anstream::eprintln!("a broker of this project runs already; using it at {at}");
                }
                Ok((broker, None))
            }
        }
    }

    /// Refuses a project that the embedded broker cannot hold, where it would run on that.
    pub(super) fn check_room(&self, plan: &ProjectPlan) -> Result<(), CliError> {
        let topics = self.topics(plan);
        let partitions: i64 = topics.iter().map(|topic| i64::from(topic.partitions)).sum();
        let most = embedded::PARTITIONS_MAX;
        if !self.config.kafka.bootstrap.is_empty() || partitions <= most as i64 {
            return Ok(());
        }
        Err(CliError::Failed(format!(
            "the embedded broker holds at most {most} partitions, and the topics of the project, \
             dead letters among them, have {partitions}; declare fewer `partitions`, or name a \
             cluster with `--bootstrap`"
        )))
    }

    /// All topics that the project needs, dead letters and lineage among them.
    pub(super) fn topics(&self, plan: &ProjectPlan) -> Vec<TopicRequest> {
        topics(&self.config, plan)
    }
}

fn topics(config: &HubConfig, plan: &ProjectPlan) -> Vec<TopicRequest> {
    let mut topics: Vec<TopicRequest> = plan.topics.values().map(|topic| request(topic)).collect();
    for stage in plan.stages() {
        let name = stage.dead_letters.name.as_str();
        if let Some(topic) = topics.iter_mut().find(|topic| &*topic.name == name) {
            leave_room(topic, &stage.from.config);
        }
    }
    let room = [(MESSAGE_BYTES.to_owned(), EVENT_BYTES_MAX.to_string())];
    for (name, partitions, config) in [
        (&config.lineage.topic, 4, room.into()),
        (&config.forward.dead_letter_topic, 1, BTreeMap::new()),
    ] {
        // A declared topic says more than what is derived.
        if !topics.iter().any(|topic| *topic.name == **name) {
            let name = name.as_str().into();
            topics.push(TopicRequest { name, partitions, replication: -1, config });
        }
    }
    let of = |name: &str| topics.iter().position(|topic| &*topic.name == name);
    if let (Some(lineage), Some(parked)) =
        (of(&config.lineage.topic), of(&config.forward.dead_letter_topic))
    {
        let lineage = topics[lineage].config.clone();
        leave_room(&mut topics[parked], &lineage);
    }
    // The embedded broker is a single node: files of a larger cluster run on it.
    if config.kafka.bootstrap.is_empty() {
        for topic in &mut topics {
            topic.replication = -1;
        }
    }
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    topics
}

/// Makes records of `topic` as large as those of a topic with the settings
/// `input`, with an envelope around them, where nobody has said how large.
fn leave_room(topic: &mut TopicRequest, input: &BTreeMap<String, String>) {
    let input = input.get(MESSAGE_BYTES).and_then(|bytes| bytes.parse().ok());
    let limit = input.unwrap_or(MESSAGE_BYTES_DEFAULT) + ENVELOPE_BYTES;
    topic.config.entry(MESSAGE_BYTES.to_owned()).or_insert(limit.to_string());
}

fn request(topic: &TopicPlan) -> TopicRequest {
    TopicRequest {
        name: topic.name.as_str().into(),
        partitions: topic.partitions,
        replication: topic.replication.map_or(-1, i32::from),
        config: topic.config.clone(),
    }
}

/// Where settings come from, the flags among them.
pub(super) fn sources(globals: &Globals) -> Result<Sources, CliError> {
    let bootstrap = globals.bootstrap.iter().map(|value| Flag {
        name: "bootstrap".to_owned(),
        key: "kafka.bootstrap".to_owned(),
        value: value.clone(),
    });
    let data_dir = globals.data_dir.iter().map(|value| Flag {
        name: "data-dir".to_owned(),
        key: "data_dir".to_owned(),
        value: value.display().to_string(),
    });
    let log_format = globals.log_format.iter().map(|format| Flag {
        name: "log-format".to_owned(),
        key: "log.format".to_owned(),
        value: if *format == LogFormat::Json { "json" } else { "text" }.to_owned(),
    });
    let flags = bootstrap.chain(data_dir).chain(log_format).collect();
    Ok(Sources::read(&globals.project, globals.config.as_deref(), flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{Functions, Transforms};

    fn limits(files: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let functions = Functions::default();
        let options = pipeline::Options {
            functions: &functions,
            transforms: &Transforms::default(),
            namespace: "shop",
        };
        let (plan, _) = pipeline::check(&Project::from_files(files), options).into_plan().unwrap();
        let topics = topics(&HubConfig::default(), &plan).into_iter();
        topics
            .map(|topic| (topic.name.to_string(), topic.config.get("max.message.bytes").cloned()))
            .collect()
    }

    #[test]
    fn replication_is_for_clusters() {
        let files = [("topics/t.yaml", "topic: t\nreplication: 3\nfields: { a: string }\n")];
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let functions = Functions::default();
        let options = pipeline::Options {
            functions: &functions,
            transforms: &Transforms::default(),
            namespace: "shop",
        };
        let (plan, _) = pipeline::check(&Project::from_files(files), options).into_plan().unwrap();
        let replication = |bootstrap: &str| {
            let mut config = HubConfig::default();
            bootstrap.clone_into(&mut config.kafka.bootstrap);
            topics(&config, &plan)
                .into_iter()
                .find(|topic| &*topic.name == "t")
                .unwrap()
                .replication
        };
        assert_eq!((replication("kafka:9092"), replication("")), (3, -1));
    }

    /// Or an event near the limit could not be parked, and would hold all others.
    #[test]
    fn parked_lineage_has_room_for_the_envelope_of_the_largest_event() {
        let topic = |name: &str, limit: Option<&str>| (name.to_owned(), limit.map(str::to_owned));
        let (lineage, parked) = ("lineage", "lineage.dlq");
        assert_eq!(
            limits(&[]),
            [topic(lineage, Some("16777216")), topic(parked, Some("16842752"))]
        );

        let declared =
            "topic: lineage\nconfig: { max.message.bytes: 2000000 }\nfields: { a: string }\n";
        assert_eq!(
            limits(&[("topics/lineage.yaml", declared)]),
            [topic(lineage, Some("2000000")), topic(parked, Some("2065536"))]
        );
    }
}
