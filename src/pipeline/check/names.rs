//! Names of the whole project that clash: with each other, after they are
//! joined, or with what the program and Kafka keep for themselves.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use crate::pipeline::{
    problem::{Place, Problems},
    project::{Project, SettingTopic},
    spec::{PipelineSpec, StageSpec},
};

/// What the program's own consumer groups and transactional ids begin with.
const OWN_PREFIX: &str = "lineage-hub-";

pub(super) fn check(project: &Project, problems: &mut Problems) {
    check_pipelines(project, problems);
    check_groups(project, problems);
    check_setting_topics(project, problems);
    check_similar_topics(project, problems);
}

fn stages(project: &Project) -> impl Iterator<Item = (&PipelineSpec, &StageSpec)> {
    let pipelines = project.pipelines.iter();
    pipelines.flat_map(|pipeline| pipeline.stages.iter().map(move |stage| (pipeline, stage)))
}

fn check_pipelines(project: &Project, problems: &mut Problems) {
    let mut known: HashMap<&str, &Place> = HashMap::new();
    for pipeline in &project.pipelines {
        let name = pipeline.name.as_str();
        if let Some(first) = known.get(name) {
            let message = format!("a second pipeline `{name}`");
            let hint = format!("the first is at {first}");
            problems.error_hint(pipeline.name.place(), message, hint);
        } else {
            known.insert(name, pipeline.name.place());
        }
    }
}

/// A group is named `PIPELINE-STAGE`, and each of the two may contain a hyphen.
/// Transactional ids and lock files begin with the group.
fn check_groups(project: &Project, problems: &mut Problems) {
    let mut known: HashMap<String, (&str, &str)> = HashMap::new();
    for (pipeline, stage) in stages(project) {
        let (own, name) = (pipeline.name.as_str(), stage.name.as_str());
        let group = format!("{own}-{name}");
        let place = stage.name.place();
        if group.starts_with(OWN_PREFIX) {
            let message = format!(
                "stage `{own}/{name}` would have the consumer group `{group}`, and names that \
                 begin with `{OWN_PREFIX}` are the program's own"
            );
            problems.error_hint(place, message, "rename the pipeline".to_owned());
        }
        let Some(&(other, stage)) = known.get(&group) else {
            known.insert(group, (own, name));
            continue;
        };
        // The same names twice are reported as such.
        if other != own {
            let message = format!(
                "stages `{other}/{stage}` and `{own}/{name}` would share the consumer group \
                 `{group}`, and each record would go to only one of them"
            );
            problems.error_hint(place, message, "rename one of the stages or pipelines".to_owned());
        }
    }
}

/// Lineage events and parked events are no records of a stage.
fn check_setting_topics(project: &Project, problems: &mut Problems) {
    let topics = &project.setting_topics;
    let find = |name: &str| topics.iter().find(|topic| topic.name == name);
    for (_, stage) in stages(project) {
        if let Some(topic) = find(stage.from.as_str()) {
            report_setting_topic(topic, "no stage can read it", stage.from.place(), problems);
        }
        if let Some(topic) = find(stage.to.as_str()) {
            report_setting_topic(topic, "no stage can write it", stage.to.place(), problems);
        }
        if let Some(topic) = find(&stage.dead_letter_topic()) {
            let verdict = "it cannot take the dead letters of a stage";
            report_setting_topic(topic, verdict, letters_place(stage), problems);
        }
    }
}

fn report_setting_topic(
    topic: &SettingTopic,
    verdict: &str,
    place: &Place,
    problems: &mut Problems,
) {
    let SettingTopic { name, setting, holds, origin } = topic;
    let message = format!("topic `{name}` holds {holds} (`{setting}`, {origin}), so {verdict}");
    let hint = format!("use another topic, or set `{setting}` to another name");
    problems.error_hint(place, message, hint);
}

fn letters_place(stage: &StageSpec) -> &Place {
    stage.dead_letter.topic.as_ref().map_or(stage.from.place(), |topic| &topic.place)
}

/// In the names of Kafka's metrics `.` and `_` are the same letter.
fn check_similar_topics(project: &Project, problems: &mut Problems) {
    let mut seen = Seen::default();
    for SettingTopic { name, setting, origin, .. } in project.setting_topics.iter() {
        seen.add(name.into(), || format!("the topic of `{setting}` ({origin})"));
    }
    for topic in &project.topics {
        seen.check(topic.name.value.as_str().into(), &topic.name.place, problems);
    }
    for (_, stage) in stages(project) {
        seen.check(stage.from.as_str().into(), stage.from.place(), problems);
        seen.check(stage.to.as_str().into(), stage.to.place(), problems);
        seen.check(stage.dead_letter_topic(), letters_place(stage), problems);
    }
}

#[derive(Default)]
struct Seen<'p> {
    /// By name with `.` as `_`: the first topic, and where it is.
    first: HashMap<String, (Cow<'p, str>, String)>,
    names: HashSet<Cow<'p, str>>,
}

impl<'p> Seen<'p> {
    /// The first topic of the same name to Kafka's metrics, if it is another one.
    fn add(
        &mut self,
        name: Cow<'p, str>,
        at: impl FnOnce() -> String,
    ) -> Option<&(Cow<'p, str>, String)> {
        if !self.names.insert(name.clone()) {
            return None;
        }
        let entry = self.first.entry(name.replace('.', "_"));
        let first = entry.or_insert_with(|| (name.clone(), at()));
        (first.0 != name).then_some(first)
    }

    fn check(&mut self, name: Cow<'p, str>, place: &Place, problems: &mut Problems) {
        if let Some((other, at)) = self.add(name.clone(), || place.to_string()) {
            let message = format!(
                "topics `{other}` and `{name}` differ only in `.` and `_`, and Kafka refuses the \
                 second"
            );
            problems.error_hint(place, message, format!("rename one of them; the other is {at}"));
        }
    }
}
