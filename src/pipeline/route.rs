//! What a bounded run goes through: the topic that it begins with, and the stages
//! behind.

use std::sync::Arc;

use super::{PipelinePlan, StagePlan, plan::NotLines};

/// The way of a run's records.
#[derive(Debug, Clone)]
pub struct Route {
    pub pipeline: PipelinePlan,
    pub topic: Arc<str>,
    /// Each behind those that feed it.
    pub stages: Vec<Arc<StagePlan>>,
}

/// Why a pipeline has no such way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("no stage of {pipeline} reads `{topic}`")]
    NotRead { pipeline: String, topic: String },
    #[error("{pipeline} begins with {} topics; name one of {}", topics.len(), topics.join(", "))]
    Ambiguous { pipeline: String, topics: Vec<String> },
    #[error(transparent)]
    NotLines(#[from] NotLines),
}

impl Route {
    /// From `topic`, or from the one topic that the pipeline begins with.
    pub fn of(pipeline: &PipelinePlan, topic: Option<&str>) -> Result<Self, RouteError> {
        let written = |name: &str| pipeline.stages.iter().any(|stage| stage.to.name == name);
        let mut first: Vec<&str> =
            pipeline.stages.iter().map(|stage| stage.from.name.as_str()).collect();
        if let Some(topic) = topic {
            if first.contains(&topic) {
                return Self::of_lines(pipeline, topic);
            }
            let (pipeline, topic) = (pipeline.name.clone(), topic.to_owned());
            return Err(RouteError::NotRead { pipeline, topic });
        }
        first.retain(|name| !written(name));
        first.dedup();
        match first[..] {
            [topic] => Self::of_lines(pipeline, topic),
            _ => Err(RouteError::Ambiguous {
                pipeline: pipeline.name.clone(),
                topics: first.into_iter().map(ToOwned::to_owned).collect(),
            }),
        }
    }

    fn of_lines(pipeline: &PipelinePlan, topic: &str) -> Result<Self, RouteError> {
        let first = pipeline.stages.iter().find(|stage| stage.from.name == topic);
        first.map_or(Ok(()), |stage| stage.from.takes_lines())?;
        Ok(Self::from_topic(pipeline, topic))
    }

    /// From `topic` through all stages of the pipeline that its records reach.
    pub fn from_topic(pipeline: &PipelinePlan, topic: &str) -> Self {
        let mut topics = vec![topic.to_owned()];
        let mut stages = Vec::new();
        // Each stage stands behind those that feed it.
        for stage in &pipeline.stages {
            if topics.contains(&stage.from.name) {
                topics.push(stage.to.name.clone());
                stages.push(Arc::clone(stage));
            }
        }
        Self { pipeline: pipeline.clone(), topic: topic.into(), stages }
    }

    /// From one stage on: others that read its topic have no part in it.
    pub fn from_stage(pipeline: &PipelinePlan, stage: &Arc<StagePlan>) -> Self {
        let behind = Self::from_topic(pipeline, &stage.to.name);
        let mut stages = vec![Arc::clone(stage)];
        stages.extend(behind.stages);
        let topic = stage.from.name.as_str().into();
        Self { pipeline: pipeline.clone(), topic, stages }
    }
}
