//! `pipelines/NAME.yaml`: one pipeline and its stages.

use std::borrow::Cow;

use crate::{
    pipeline::{
        problem::{At, Place, Problems},
        spec::{check_name, check_topic_name, owned},
        yaml::{self, Fields, Node, Text},
    },
    transform::Otherwise,
};

const DEAD_LETTER_SUFFIX: &str = ".dlq";

/// A file of `pipelines/`.
#[derive(Debug, Clone)]
pub struct PipelineSpec {
    pub name: Text,
    /// OpenLineage job namespace; `None`: `lineage.namespace` of the configuration.
    pub namespace: Option<String>,
    pub description: Option<String>,
    /// As OpenLineage names owners: `team:shop`, `user:ada`.
    pub owner: Option<String>,
    /// The user's own, reported with lineage.
    pub version: Option<String>,
    /// In the order of the file.
    pub stages: Vec<StageSpec>,
}

/// A node of a pipeline: one input topic, what is done, one output topic.
#[derive(Debug, Clone)]
pub struct StageSpec {
    pub name: Text,
    pub from: Text,
    pub to: Text,
    pub work: WorkSpec,
    pub description: Option<String>,
    pub expect: Vec<ExpectationSpec>,
    pub dead_letter: DeadLetterSpec,
}

/// What a stage does to its rows.
#[derive(Debug, Clone)]
pub enum WorkSpec {
    /// A SELECT.
    Sql(Text),
    /// The name of a transform that the program has registered.
    Rust(Text),
}

impl WorkSpec {
    /// The one of `sql` and `rust` that the stage has.
    fn read(
        fields: &mut Fields<'_>,
        node: &Node,
        what: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        match (fields.get("sql"), fields.get("rust")) {
            (Some(sql), None) => yaml::scalar(sql, "`sql`", problems).cloned().map(Self::Sql),
            (None, Some(rust)) => yaml::scalar(rust, "`rust`", problems).cloned().map(Self::Rust),
            (Some(_), Some(rust)) => {
                let message = format!("{what} has both `sql` and `rust`; leave out one");
                problems.error(&rust.place, message);
                None
            }
            (None, None) => {
                problems.error(&node.place, format!("{what} needs `sql` or `rust`"));
                None
            }
        }
    }

    /// Where it stands.
    pub fn place(&self) -> &Place {
        let (Self::Sql(text) | Self::Rust(text)) = self;
        text.place()
    }

    /// What problems call it.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Sql(_) => "the SELECT",
            Self::Rust(_) => "the transform",
        }
    }
}

/// A condition that every output row should meet.
#[derive(Debug, Clone)]
pub struct ExpectationSpec {
    pub name: Text,
    /// A boolean SQL expression over the output columns.
    pub that: Text,
    pub otherwise: Otherwise,
}

const OTHERWISE: [(&str, Otherwise); 4] = [
    ("dead_letter", Otherwise::DeadLetter),
    ("drop", Otherwise::Drop),
    ("warn", Otherwise::Warn),
    ("stop", Otherwise::Stop),
];

/// Where the bad records of a stage go, and how many are too many.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterSpec {
    /// `None`: `<input topic>.dlq`.
    pub topic: Option<At<String>>,
    /// From 0 to 1; `None`: `stage.dead_letter.share_max` of the configuration.
    pub share_max: Option<At<f64>>,
}

impl PipelineSpec {
    /// Reads a file; `None` where it has no name to go by.
    pub fn read(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::open(node, "a pipeline file", problems)?;
        let name = fields.required_text("pipeline", "a pipeline file", problems);
        if let Some(name) = name {
            check_name("pipeline", name, problems);
        }
        let namespace = fields.text("namespace", problems);
        if let Some(empty) = namespace.filter(|namespace| namespace.as_str().trim().is_empty()) {
            problems.error(empty.place(), "`namespace` is empty; leave it out for the default");
        }
        let namespace = owned(namespace);
        let description = owned(fields.text("description", problems));
        let owner = owned(fields.text("owner", problems));
        let version = owned(fields.text("version", problems));
        let stages = fields.required("stages", "a pipeline file", problems);
        let stages = stages.map(|node| read_stages(node, problems)).unwrap_or_default();
        fields.finish(problems);
        Some(Self { name: name?.clone(), namespace, description, owner, version, stages })
    }
}

fn read_stages(node: &Node, problems: &mut Problems) -> Vec<StageSpec> {
    let entries = yaml::map(node, "`stages`", problems).unwrap_or_default();
    if entries.is_empty() {
        problems.error(&node.place, "`stages` names no stage");
    }
    entries.iter().filter_map(|(name, node)| StageSpec::read(name, node, problems)).collect()
}

impl StageSpec {
    /// Where the stage's bad records go.
    pub fn dead_letter_topic(&self) -> Cow<'_, str> {
        match &self.dead_letter.topic {
            Some(topic) => Cow::Borrowed(&topic.value),
            None => Cow::Owned(format!("{}{DEAD_LETTER_SUFFIX}", self.from.as_str())),
        }
    }

    fn read(name: &Text, node: &Node, problems: &mut Problems) -> Option<Self> {
        check_name("stage", name, problems);
        let what = format!("stage `{}`", name.as_str());
        let mut fields = Fields::open(node, &what, problems)?;
        let from = fields.required_text("from", &what, problems);
        let to = fields.required_text("to", &what, problems);
        for topic in [from, to].into_iter().flatten() {
            check_topic_name(topic.as_str(), topic.place(), problems);
        }
        let work = WorkSpec::read(&mut fields, node, &what, problems);
        let description = owned(fields.text("description", problems));
        let expect = fields.get("expect").map(|node| read_expectations(node, problems));
        let dead_letter = fields.get("dead_letter").map(|node| read_dead_letter(node, problems));
        fields.finish(problems);
        Some(Self {
            name: name.clone(),
            from: from?.clone(),
            to: to?.clone(),
            work: work?,
            description,
            expect: expect.unwrap_or_default(),
            dead_letter: dead_letter.unwrap_or_default(),
        })
    }
}

fn read_expectations(node: &Node, problems: &mut Problems) -> Vec<ExpectationSpec> {
    let entries = yaml::map(node, "`expect`", problems).unwrap_or_default();
    let mut expectations = Vec::with_capacity(entries.len());
    for (name, node) in entries {
        let what = format!("expectation `{}`", name.as_str());
        let Some(mut fields) = Fields::open(node, &what, problems) else { continue };
        let that = fields.required_text("that", &what, problems);
        let otherwise = fields.required("otherwise", &what, problems);
        let otherwise = otherwise.and_then(|_| fields.choice("otherwise", &OTHERWISE, problems));
        fields.finish(problems);
        if let (Some(that), Some(otherwise)) = (that, otherwise) {
            expectations.push(ExpectationSpec {
                name: name.clone(),
                that: that.clone(),
                otherwise: otherwise.value,
            });
        }
    }
    expectations
}

fn read_dead_letter(node: &Node, problems: &mut Problems) -> DeadLetterSpec {
    let Some(mut fields) = Fields::open(node, "`dead_letter`", problems) else {
        return DeadLetterSpec::default();
    };
    let topic = fields.text("topic", problems);
    if let Some(topic) = topic {
        check_topic_name(topic.as_str(), topic.place(), problems);
    }
    let share_max = fields.parsed::<f64>("share_max", "a number from 0 to 1", problems);
    if let Some(share) = &share_max
        && !(0.0..=1.0).contains(&share.value)
    {
        let message = format!("`share_max` must be from 0 to 1, not {}", share.value);
        problems.error(&share.place, message);
    }
    fields.finish(problems);
    let topic =
        topic.map(|topic| At { value: topic.as_str().to_owned(), place: topic.place().clone() });
    DeadLetterSpec { topic, share_max }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::yaml::parse;

    fn read(source: &str) -> (Option<PipelineSpec>, Vec<String>) {
        let mut problems = Problems::default();
        let node = parse(&"p.yaml".into(), source).unwrap().unwrap();
        let spec = PipelineSpec::read(&node, &mut problems);
        (spec, problems.into_sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_whole_file_is_read_in_its_order() {
        let (spec, problems) = read(concat!(
            "pipeline: orders\nnamespace: shop\nversion: 1.10\nstages:\n",
            "  second:\n    from: b\n    to: c\n    sql: SELECT 1\n",
            "  first:\n    from: a\n    to: b\n    sql: |\n      SELECT 2\n",
            "    expect:\n      known: { that: \"x > 1\", otherwise: drop }\n",
            "    dead_letter: { topic: a.bad, share_max: 0.5 }\n",
        ));
        assert_eq!(problems, [""; 0]);
        let spec = spec.unwrap();
        assert_eq!(spec.version.as_deref(), Some("1.10"));
        let names: Vec<_> = spec.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["second", "first"]);
        let first = &spec.stages[1];
        assert_eq!(first.expect[0].otherwise, Otherwise::Drop);
        assert_eq!(first.expect[0].that.as_str(), "x > 1");
        assert_eq!(first.dead_letter.topic.as_ref().unwrap().value, "a.bad");
        assert!(first.dead_letter.share_max.as_ref().unwrap().value > 0.4);
    }

    #[test]
    fn all_mistakes_of_a_file_are_reported_and_sound_stages_stay() {
        let (spec, problems) = read(concat!(
            "pipeline: orders/eu\nstages:\n",
            "  a: { form: x, to: y, sql: SELECT 1 }\n",
            "  b:\n    from: x\n    to: y\n    sql: SELECT 1\n",
            "    expect: { e: { that: a, otherwise: ignore }, f: {} }\n",
            "    dead_letter: { share_max: 1.5 }\n",
        ));
        let spec = spec.unwrap();
        assert_eq!(spec.namespace, None);
        assert_eq!(spec.stages.len(), 1);
        assert_eq!(
            problems,
            [
                "p.yaml:1:11: the name of a pipeline has letters, digits, `_` and `-`",
                "p.yaml:3:6: stage `a` needs `from`",
                "p.yaml:3:8: unknown key `form`; did you mean `from`?",
                "p.yaml:8:40: `otherwise` must be one of dead_letter, drop, warn, stop, not `ignore`",
                "p.yaml:8:53: expectation `f` needs `that`",
                "p.yaml:8:53: expectation `f` needs `otherwise`",
                "p.yaml:9:31: `share_max` must be from 0 to 1, not 1.5",
            ]
        );
    }

    #[test]
    fn a_namespace_has_a_name() {
        let stage = "stages: { s: { from: a, to: b, sql: SELECT 1 } }\n";
        let (_, problems) = read(&format!("pipeline: p\nnamespace: ' '\n{stage}"));
        assert_eq!(problems, ["p.yaml:2:12: `namespace` is empty; leave it out for the default"]);
        assert_eq!(read(&format!("pipeline: p\nnamespace:\n{stage}")).1, [""; 0]);
    }

    #[test]
    fn a_stage_is_either_sql_or_rust() {
        let (spec, problems) = read(concat!(
            "pipeline: p\nstages:\n",
            "  a: { from: x, to: y, rust: score }\n",
            "  b: { from: y, to: z, rust: score, sql: SELECT 1 }\n",
            "  c: { from: y, to: z }\n",
        ));
        let stages = spec.unwrap().stages;
        assert_eq!(stages.len(), 1);
        assert!(matches!(&stages[0].work, WorkSpec::Rust(name) if name.as_str() == "score"));
        assert_eq!(
            problems,
            [
                "p.yaml:4:30: stage `b` has both `sql` and `rust`; leave out one",
                "p.yaml:5:6: stage `c` needs `sql` or `rust`",
            ]
        );
    }

    #[test]
    fn a_file_without_a_name_is_no_pipeline() {
        let (spec, problems) = read("stages: {}\n");
        assert!(spec.is_none());
        assert_eq!(
            problems,
            ["p.yaml:1:1: a pipeline file needs `pipeline`", "p.yaml:1:9: `stages` names no stage"]
        );
    }
}
