//! The stages in the order of the records, each planned over what came before.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arrow::datatypes::{Schema, SchemaRef};

use super::{
    Options, compaction, contract, cycles,
    topics::{Declared, Topics, check_key_field},
};
use crate::{
    codec::{json::Encoder, schema::canonical_schema},
    pipeline::{
        GitLocation,
        graph::{Graph, Order},
        plan::{PipelinePlan, ProjectPlan, StagePlan, TopicPlan},
        problem::{Place, Problems, did_you_mean},
        project::Project,
        spec::{Format, PipelineSpec, StageSpec, WorkSpec, check_topic_name},
        yaml::Text,
    },
    transform::{Expectation, Expectations, Plan, SqlError, SqlPlan, Transforms},
};

/// Far more than a person reads.
const SUGGESTIONS_MAX: usize = 100;

/// One stage and the pipeline that it belongs to.
#[derive(Clone, Copy)]
struct Entry<'p> {
    pipeline: &'p PipelineSpec,
    stage: &'p StageSpec,
}

impl Entry<'_> {
    fn id(&self) -> String {
        format!("{}/{}", self.pipeline.name.as_str(), self.stage.name.as_str())
    }
}

pub(super) struct Stages<'p> {
    project: &'p Project,
    options: Options<'p>,
    topics: Topics<'p>,
    entries: Vec<Entry<'p>>,
    graph: Graph<'p>,
    /// Unknown topics that may still be compared with all names: that is dear.
    suggestions: usize,
    /// Topics whose schema is known; grows as stages are planned.
    known: BTreeMap<String, Arc<TopicPlan>>,
    /// Apart from those, for nothing is known of what a stage would read there.
    dead_letters: BTreeMap<String, Arc<TopicPlan>>,
    planned: Vec<Option<Arc<StagePlan>>>,
}

impl<'p> Stages<'p> {
    pub(super) fn new(project: &'p Project, options: Options<'p>, topics: Topics<'p>) -> Self {
        let entries: Vec<_> = project
            .pipelines
            .iter()
            .flat_map(|pipeline| pipeline.stages.iter().map(move |stage| Entry { pipeline, stage }))
            .collect();
        let graph = Graph::new(entries.iter().map(|entry| {
            let StageSpec { from, to, .. } = entry.stage;
            (from.as_str(), vec![to.as_str()])
        }));
        // What a stage writes gets its partitions from the stage's input.
        let known = topics.complete().filter(|topic| graph.writers(&topic.name).is_empty());
        let known = known.map(|topic| (topic.name.clone(), Arc::new(topic))).collect();
        let planned = vec![None; entries.len()];
        Self {
            project,
            options,
            topics,
            entries,
            graph,
            suggestions: SUGGESTIONS_MAX,
            known,
            dead_letters: BTreeMap::new(),
            planned,
        }
    }

    pub(super) fn plan(mut self, problems: &mut Problems) -> ProjectPlan {
        let Order { sorted, cycles } = self.graph.order();
        let stages: Vec<_> = self.entries.iter().map(|entry| (entry.id(), entry.stage)).collect();
        cycles::report(&stages, &cycles, problems);
        for index in 0..self.entries.len() {
            let entry = self.entries[index];
            self.check_topics(index, &entry, problems);
        }
        for &index in &sorted {
            self.plan_stage(index, problems);
            self.fall_back_to_contract(index);
        }
        self.report_unused(problems);
        self.into_project_plan(&sorted)
    }

    /// A file without fields stands for no topic that anyone could make.
    fn report_unused(&self, problems: &mut Problems) {
        let dead_letters = self.entries.iter().map(|entry| entry.stage.dead_letter_topic());
        let dead_letters: HashSet<Cow<'_, str>> = dead_letters.collect();
        for declared in self.topics.without_fields() {
            let name = declared.value.as_str();
            let reads_or_writes = [self.graph.readers(name), self.graph.writers(name)].concat();
            if reads_or_writes.is_empty() && !dead_letters.contains(name) {
                let message = format!("topic `{name}` has no `fields`, and no stage uses it");
                problems.warning(&declared.place, message);
            }
        }
    }

    /// What can be said of a stage's topics without planning anything.
    fn check_topics(&mut self, index: usize, entry: &Entry<'_>, problems: &mut Problems) {
        let StageSpec { from, to, dead_letter, .. } = entry.stage;
        let declared = self.topics.get(from.as_str());
        if declared.is_none() && self.graph.upstream(index).is_empty() {
            self.report_unknown(from, problems);
        }
        let other = self.graph.writers(to.as_str()).first().filter(|&&other| other < index);
        if let Some(&other) = other {
            let other = self.entries[other].id();
            problems.warning(to.place(), format!("`{}` is also written by `{other}`", to.as_str()));
        }
        let place = dead_letter.topic.as_ref().map_or(from.place(), |topic| &topic.place);
        let dead_letters = entry.stage.dead_letter_topic();
        if dead_letter.topic.is_none() {
            check_topic_name(&dead_letters, place, problems);
        }
        if dead_letters == from.as_str() || !self.graph.writers(&dead_letters).is_empty() {
            let message = format!("`{dead_letters}` cannot take dead letters and records");
            let hint = "name another topic as `dead_letter.topic`".to_owned();
            problems.error_hint(place, message, hint);
        }
    }

    fn report_unknown(&mut self, topic: &Text, problems: &mut Problems) {
        let name = topic.as_str();
        let written = self.entries.iter().map(|entry| entry.stage.to.as_str());
        let names = self.topics.names().chain(written);
        let near = (self.suggestions > 0).then(|| did_you_mean(name, names)).flatten();
        self.suggestions = self.suggestions.saturating_sub(1);
        let hint = near.unwrap_or_else(|| {
            format!("declare it in topics/{name}.yaml, or let a stage write it")
        });
        problems.error_hint(topic.place(), format!("unknown topic `{name}`"), hint);
    }

    fn plan_stage(&mut self, index: usize, problems: &mut Problems) {
        let entry = self.entries[index];
        let Some(from) = self.input(index, &entry, problems) else { return };
        let StageSpec { work, to, .. } = entry.stage;
        let Some(plan) = self.plan_work(work, &from, problems) else { return };
        let given = Arc::new(canonical_schema(plan.value_schema()));
        if !contract::check_depth(&given, work.place(), problems) {
            return;
        }
        let expectations = self.plan_expectations(entry.stage, &plan, problems);
        let output = self.output(&entry, to, given, &from, problems);
        let encodes =
            output.as_ref().is_none_or(|to| check_encodes(to, &plan, work.place(), problems));
        self.check_setters(entry.stage, &plan, problems);
        if let Some(to) = &output {
            compaction::check(&from, to, &plan, entry.stage.to.place(), problems);
        }
        if let (Some(expectations), Some(to), true) = (expectations, output, encodes) {
            let dead_letters = self.dead_letters(entry.stage, &from);
            let stage = self.stage_plan(index, plan, expectations, [from, to, dead_letters]);
            self.planned[index] = Some(Arc::new(stage));
        }
    }

    /// `None` where it does not plan.
    fn plan_work(
        &self,
        work: &WorkSpec,
        from: &TopicPlan,
        problems: &mut Problems,
    ) -> Option<Plan> {
        let Options { functions, transforms, .. } = self.options;
        match work {
            WorkSpec::Sql(sql) => match SqlPlan::plan(sql.as_str(), &from.schema, functions) {
                Ok(plan) => Some(Plan::Sql(plan)),
                Err(error) => {
                    report_sql(sql, "", error, problems);
                    None
                }
            },
            WorkSpec::Rust(name) => match transforms.plan(name.as_str(), &from.schema) {
                Some(Ok(plan)) => Some(Plan::Rust(plan)),
                Some(Err(error)) => {
                    let message = format!("transform `{}`: {error}", name.as_str());
                    problems.error(name.place(), message);
                    None
                }
                None => {
                    report_unregistered(name, transforms, problems);
                    None
                }
            },
        }
    }

    /// What a stage that does not plan should have written is still known where
    /// its topic's file says it, so the stages behind it are judged too.
    fn fall_back_to_contract(&mut self, index: usize) {
        let to = self.entries[index].stage.to.as_str();
        if !self.known.contains_key(to)
            && let Some(topic) = self.topics.get(to).and_then(Declared::complete)
        {
            self.known.insert(topic.name.clone(), Arc::new(topic));
        }
    }

    /// The topic that the stage reads; `None` where that was or is reported.
    fn input(
        &self,
        index: usize,
        entry: &Entry<'_>,
        problems: &mut Problems,
    ) -> Option<Arc<TopicPlan>> {
        let from = &entry.stage.from;
        let known = self.known.get(from.as_str()).cloned();
        let written = !self.graph.upstream(index).is_empty();
        let declared = self.topics.get(from.as_str());
        if let Some(declared) = declared.filter(|_| known.is_none() && !written)
            && declared.spec.fields.is_none()
        {
            let message =
                format!("topic `{}` has no `fields`, and no stage writes it", from.as_str());
            let hint = format!("stage `{}` needs them", entry.id());
            problems.error_hint(&declared.spec.name.place, message, hint);
        }
        known
    }

    /// `None` where one of them does not plan.
    fn plan_expectations(
        &self,
        stage: &StageSpec,
        plan: &Plan,
        problems: &mut Problems,
    ) -> Option<Expectations> {
        let functions = self.options.functions;
        let mut all = Vec::with_capacity(stage.expect.len());
        for spec in &stage.expect {
            let expectation = Expectation {
                name: spec.name.as_str().to_owned(),
                that: spec.that.as_str().to_owned(),
                otherwise: spec.otherwise,
            };
            // One by one, so that each that is wrong is reported.
            match Expectations::plan(vec![expectation.clone()], plan.output_schema(), functions) {
                Ok(_) => all.push(expectation),
                Err(error) => {
                    let prefix = format!("expectation `{}`: ", error.name);
                    report_sql(&spec.that, &prefix, error.source, problems);
                }
            }
        }
        let sound = all.len() == stage.expect.len();
        sound.then(|| Expectations::plan(all, plan.output_schema(), functions).ok()).flatten()
    }

    /// What the stage sets of the records must be the topic's to leave open.
    fn check_setters(&self, stage: &StageSpec, plan: &Plan, problems: &mut Problems) {
        let StageSpec { work, to, .. } = stage;
        let Some(topic) = self.topics.get(to.as_str()) else { return };
        if let (Some(key), Some(_)) = (&topic.spec.key, plan.setters().key) {
            let message =
                format!("{} sets `_key`, and topic `{}` has a key", work.what(), to.as_str());
            let hint = format!("leave out one of them; the topic's is `{}`", key.as_str());
            problems.error_hint(work.place(), message, hint);
        }
    }

    /// The topic that the stage writes, held to its file or to its other writer.
    fn output(
        &mut self,
        entry: &Entry<'_>,
        to: &Text,
        given: SchemaRef,
        from: &TopicPlan,
        problems: &mut Problems,
    ) -> Option<Arc<TopicPlan>> {
        let declared = self.topics.get(to.as_str());
        // Fields that do not read were reported; there is no contract to hold.
        if declared.is_some_and(|topic| topic.schema.is_none() && topic.spec.fields.is_some()) {
            return None;
        }
        if let Some((topic, schema)) =
            declared.and_then(|topic| Some((topic, topic.schema.as_ref()?)))
        {
            contract::check(&entry.id(), &given, schema, topic.spec, problems);
        } else if let Some(known) =
            self.known.get(to.as_str()).filter(|known| known.schema != given)
        {
            let message =
                format!("`{}` is written with other columns by another stage", to.as_str());
            let hint = format!("declare its fields in topics/{}.yaml", to.as_str());
            problems.error_hint(to.place(), message, hint);
            return Some(Arc::clone(known));
        } else if let Some(key) = declared.and_then(|topic| topic.spec.key.as_ref()) {
            check_key_field(key.as_str(), key.place(), &given, problems);
        }
        if let Some(known) = self.known.get(to.as_str()) {
            return Some(Arc::clone(known));
        }
        let topic = Arc::new(self.topics.written(to.as_str(), given, from));
        self.known.insert(topic.name.clone(), Arc::clone(&topic));
        Some(topic)
    }

    fn dead_letters(&mut self, stage: &StageSpec, from: &TopicPlan) -> Arc<TopicPlan> {
        let name = stage.dead_letter_topic().into_owned();
        if let Some(known) = self.known.get(&name).or_else(|| self.dead_letters.get(&name)) {
            return Arc::clone(known);
        }
        let topic = Arc::new(self.topics.written(&name, Arc::new(Schema::empty()), from));
        self.dead_letters.insert(name, Arc::clone(&topic));
        topic
    }

    fn stage_plan(
        &self,
        index: usize,
        plan: Plan,
        expectations: Expectations,
        [from, to, dead_letters]: [Arc<TopicPlan>; 3],
    ) -> StagePlan {
        let Entry { pipeline, stage } = self.entries[index];
        let ids = |indices: &mut dyn Iterator<Item = usize>| {
            indices.map(|index| self.entries[index].id()).collect()
        };
        let key = to.key.as_deref().and_then(|key| {
            plan.value_schema().fields().find(key).map(|(_, field)| Arc::clone(field))
        });
        StagePlan {
            pipeline: pipeline.name.as_str().to_owned(),
            namespace: self.namespace(pipeline),
            stage: stage.name.as_str().to_owned(),
            description: stage.description.clone(),
            owner: pipeline.owner.clone(),
            version: pipeline.version.clone(),
            source: self.source(pipeline),
            sql: match &stage.work {
                WorkSpec::Sql(sql) => Some(sql.as_str().to_owned()),
                WorkSpec::Rust(_) => None,
            },
            plan,
            expectations,
            key,
            dead_letters,
            dead_letter_share_max: stage.dead_letter.share_max.as_ref().map(|share| share.value),
            upstream: ids(&mut self.graph.upstream(index).iter().copied()),
            downstream: ids(&mut self.graph.downstream(index)),
            place: stage.name.place().clone(),
            from,
            to,
        }
    }

    fn source(&self, pipeline: &PipelineSpec) -> Option<GitLocation> {
        let repository = self.project.repository.as_ref()?;
        repository.locate(&pipeline.name.place().file)
    }

    fn namespace(&self, pipeline: &PipelineSpec) -> String {
        pipeline.namespace.as_deref().unwrap_or(self.options.namespace).to_owned()
    }

    fn into_project_plan(self, sorted: &[usize]) -> ProjectPlan {
        let mut stages: HashMap<&Place, Vec<Arc<StagePlan>>> = HashMap::new();
        for &index in sorted {
            let of_pipeline = stages.entry(self.entries[index].pipeline.name.place()).or_default();
            of_pipeline.extend(self.planned[index].clone());
        }
        let pipelines = self.project.pipelines.iter().map(|pipeline| PipelinePlan {
            name: pipeline.name.as_str().to_owned(),
            namespace: self.namespace(pipeline),
            description: pipeline.description.clone(),
            owner: pipeline.owner.clone(),
            version: pipeline.version.clone(),
            source: self.source(pipeline),
            stages: stages.remove(pipeline.name.place()).unwrap_or_default(),
            place: pipeline.name.place().clone(),
        });
        let pipelines = pipelines.collect();
        let mut topics = self.dead_letters;
        topics.extend(self.known);
        ProjectPlan { pipelines, topics }
    }
}

/// Whether the stage's rows can be written in the topic's format.
fn check_encodes(to: &TopicPlan, plan: &Plan, place: &Place, problems: &mut Problems) -> bool {
    match (to.format, Encoder::new(plan.value_schema())) {
        (Format::Json, Err(error)) => {
            problems.error(place, error.to_string());
            false
        }
        (Format::Json, Ok(_)) | (Format::Arrow, _) => true,
    }
}

fn report_unregistered(name: &Text, transforms: &Transforms, problems: &mut Problems) {
    let message = format!("no transform `{}` is registered", name.as_str());
    let known: Vec<&str> = transforms.names().collect();
    let hint = if known.is_empty() {
        "this program has none; one that uses the library registers them".to_owned()
    } else {
        format!("there are {}", known.join(", "))
    };
    problems.error_hint(name.place(), message, hint);
}

/// An error's place in the SQL becomes its place in the file.
fn report_sql(sql: &Text, prefix: &str, error: SqlError, problems: &mut Problems) {
    let place = sql.locate(error.line, error.column);
    problems.error_hint(&place, format!("{prefix}{}", error.message), error.hint);
}
