//! `topics/NAME.yaml`: one topic and the fields of its records.

use std::{fmt, sync::Arc};

use crate::{
    codec::arrow_ipc::ArrowConfig,
    pipeline::{
        problem::{At, Problems},
        spec::{arrow_section, check_topic_name, owned, properties},
        yaml::{self, Fields, Node, Text, Value},
    },
};

/// Partitions that a Kafka broker still starts with; more is a slip of the finger.
const PARTITIONS_MAX: i32 = 10_000;

/// How records of a topic are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object a record, one row each.
    #[default]
    Json,
    /// One Arrow IPC stream a record, many rows.
    Arrow,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Arrow => "arrow",
        })
    }
}

/// A file of `topics/`.
#[derive(Debug, Clone)]
pub struct TopicSpec {
    pub name: At<String>,
    pub description: Option<String>,
    /// As OpenLineage names owners: `team:shop`, `user:ada`.
    pub owner: Option<String>,
    pub partitions: Option<At<i32>>,
    pub replication: Option<At<i16>>,
    pub format: Format,
    /// Of a topic with `format: arrow`.
    pub arrow: ArrowConfig,
    /// The field that becomes the record key.
    pub key: Option<Text>,
    /// Kafka's topic properties, such as `retention.ms`.
    pub config: Vec<(String, String)>,
    /// Kafka's `compression.type` for producers to this topic.
    pub compression: Option<String>,
    /// `None`: inferred from the stage that writes the topic.
    pub fields: Option<Vec<FieldSpec>>,
    /// Whether lineage reports minimum, maximum and nulls of each column.
    pub column_statistics: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    pub name: Text,
    /// As `codec::schema` reads it: `list<struct<sku: string, qty: int>> not null`.
    pub type_text: Text,
    /// For people and for lineage.
    pub description: Option<String>,
}

impl FieldSpec {
    /// A type, or a map of `type` and `description`.
    fn read(name: &Text, node: &Node, problems: &mut Problems) -> Option<Self> {
        let (type_text, description) = if matches!(node.value, Value::Map(_)) {
            let what = format!("field `{}`", name.as_str());
            let mut fields = Fields::open(node, &what, problems)?;
            let type_text = fields.required_text("type", &what, problems);
            let description = owned(fields.text("description", problems));
            fields.finish(problems);
            (type_text, description)
        } else {
            let what = format!("the type of `{}`", name.as_str());
            (yaml::scalar(node, &what, problems), None)
        };
        Some(Self { name: name.clone(), type_text: type_text?.clone(), description })
    }
}

impl TopicSpec {
    /// Reads a file; `None` where it has no name to go by.
    pub fn read(file: &Arc<str>, node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut fields = Fields::open(node, "a topic file", problems)?;
        let name = fields.required_text("topic", "a topic file", problems);
        if let Some(name) = name {
            check_topic_name(name.as_str(), name.place(), problems);
        }
        let format = fields
            .choice("format", &[("json", Format::Json), ("arrow", Format::Arrow)], problems)
            .map(|format| format.value)
            .unwrap_or_default();
        let replication = read_replication(&mut fields, problems);
        let replicas = replication.as_ref().map(|replication| replication.value);
        let spec = Self {
            name: At {
                value: owned(name).unwrap_or_default(),
                place: name.map_or(node.place.clone(), |name| name.place().clone()),
            },
            description: owned(fields.text("description", problems)),
            owner: owned(fields.text("owner", problems)),
            partitions: read_partitions(&mut fields, problems),
            replication,
            format,
            arrow: arrow_section::read(fields.get("arrow"), format, problems),
            key: fields.text("key", problems).cloned(),
            config: properties::read(fields.get("config"), replicas, problems),
            compression: read_compression(&mut fields, problems),
            fields: fields.get("fields").map(|node| read_fields(node, problems)),
            column_statistics: read_column_statistics(fields.get("lineage"), problems),
        };
        fields.finish(problems);
        expect_file_name(file, &spec, problems);
        name.map(|_| spec)
    }
}

/// A topic is looked for in the file of its name.
fn expect_file_name(file: &Arc<str>, spec: &TopicSpec, problems: &mut Problems) {
    let stem = file.rsplit('/').next().unwrap_or(file);
    let stem = stem.strip_suffix(".yaml").or_else(|| stem.strip_suffix(".yml")).unwrap_or(stem);
    if !spec.name.value.is_empty() && stem != spec.name.value {
        let message = format!("topic `{}` in a file named `{stem}`", spec.name.value);
        problems.warning(&spec.name.place, message);
    }
}

fn read_partitions(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<At<i32>> {
    fields.number("partitions", 1..=PARTITIONS_MAX, problems)
}

fn read_replication(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<At<i16>> {
    fields.number("replication", 1..=i16::MAX, problems)
}

fn read_compression(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<String> {
    let words = ["none", "gzip", "snappy", "lz4", "zstd"].map(|word| (word, word));
    Some(fields.choice("compression", &words, problems)?.value.to_owned())
}

fn read_fields(node: &Node, problems: &mut Problems) -> Vec<FieldSpec> {
    let entries = yaml::map(node, "`fields`", problems).unwrap_or_default();
    let fields = entries.iter().filter_map(|(name, node)| FieldSpec::read(name, node, problems));
    let fields = fields.collect();
    if entries.is_empty() {
        problems.error(&node.place, "`fields` names no field; leave it out to infer the fields");
    }
    fields
}

fn read_column_statistics(node: Option<&Node>, problems: &mut Problems) -> bool {
    let Some(mut fields) = node.and_then(|node| Fields::open(node, "`lineage`", problems)) else {
        return false;
    };
    let statistics = fields.parsed("column_statistics", "true or false", problems);
    fields.finish(problems);
    statistics.is_some_and(|statistics| statistics.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::yaml::parse;

    fn read(source: &str) -> (Option<TopicSpec>, Vec<String>) {
        let file = "topics/raw.orders.yaml".into();
        let mut problems = Problems::default();
        let node = parse(&file, source).unwrap().unwrap();
        let spec = TopicSpec::read(&file, &node, &mut problems);
        (spec, problems.into_sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_whole_file_is_read() {
        let (spec, problems) = read(concat!(
            "topic: raw.orders\nowner: team:shop\npartitions: 4\nreplication: 3\nkey: id\n",
            "config: { retention.ms: 604800000 }\ncompression: zstd\n",
            "lineage: { column_statistics: true }\n",
            "fields:\n  id: string not null\n  items: list<struct<sku: string, qty: int>>\n",
        ));
        assert_eq!(problems, [""; 0]);
        let spec = spec.unwrap();
        assert_eq!((spec.partitions.unwrap().value, spec.replication.unwrap().value), (4, 3));
        assert_eq!(spec.config, [("retention.ms".to_owned(), "604800000".to_owned())]);
        assert_eq!(spec.compression.as_deref(), Some("zstd"));
        assert!(spec.column_statistics);
        let fields = spec.fields.unwrap();
        assert_eq!(fields[1].type_text.as_str(), "list<struct<sku: string, qty: int>>");
        assert_eq!(fields[1].name.place().line, 11);
    }

    #[test]
    fn a_field_may_be_described() {
        let (spec, problems) = read(concat!(
            "topic: raw.orders\nfields:\n",
            "  id: { type: string not null, description: Number of the order }\n",
            "  items:\n    type: list<struct<sku: string, qty: int>>\n    description: |\n      What was\n      ordered\n",
            "  tags: { type: list<struct<a: int, b: int>>, description: x }\n",
            "  status: string\n",
        ));
        assert_eq!(problems, [""; 0]);
        let fields = spec.unwrap().fields.unwrap();
        let described: Vec<_> = fields
            .iter()
            .map(|field| (field.type_text.as_str(), field.description.as_deref()))
            .collect();
        assert_eq!(
            described,
            [
                ("string not null", Some("Number of the order")),
                ("list<struct<sku: string, qty: int>>", Some("What was\nordered\n")),
                ("list<struct<a: int, b: int>>", Some("x")),
                ("string", None),
            ]
        );
        assert_eq!((fields[0].type_text.place().line, fields[0].type_text.place().column), (3, 15));
    }

    #[test]
    fn mistakes_of_a_described_field_have_their_places() {
        let (_, problems) = read(concat!(
            "topic: raw.orders\nfields:\n  id: { descripton: Number }\n",
            "  place: { street: string, type: [int] }\n  n: [int]\n",
        ));
        assert_eq!(
            problems,
            [
                "topics/raw.orders.yaml:3:7: field `id` needs `type`",
                "topics/raw.orders.yaml:3:9: unknown key `descripton`; did you mean `description`?",
                "topics/raw.orders.yaml:4:12: unknown key `street`; known here: description, type",
                "topics/raw.orders.yaml:4:34: `type` must be text",
                "topics/raw.orders.yaml:5:6: the type of `n` must be text",
            ]
        );
    }

    #[test]
    fn what_is_left_out_stays_open() {
        let (spec, problems) = read("topic: raw.orders\n");
        assert_eq!(problems, [""; 0]);
        let spec = spec.unwrap();
        assert!(spec.fields.is_none() && spec.partitions.is_none() && spec.key.is_none());
        assert_eq!(spec.format, Format::Json);
        assert!(!spec.column_statistics);
    }

    #[test]
    fn all_mistakes_of_a_file_are_reported() {
        let (spec, problems) = read(concat!(
            "topic: raw orders\npartitions: 0\nreplication: two\nformat: avro\n",
            "fields: {}\nlineage: { column_statistics: yes }\nretention: 1\n",
        ));
        assert!(spec.is_some());
        assert_eq!(
            problems,
            [
                "topics/raw.orders.yaml:1:8: ` ` is not allowed in a topic name; \
                 use letters, digits, `.`, `_` and `-`",
                "topics/raw.orders.yaml:1:8: warning: topic `raw orders` in a file named `raw.orders`",
                "topics/raw.orders.yaml:2:13: `partitions` must be a whole number from 1 to 10000, not `0`",
                "topics/raw.orders.yaml:3:14: `replication` must be a whole number from 1 to 32767, not `two`",
                "topics/raw.orders.yaml:4:9: `format` must be one of json, arrow, not `avro`",
                "topics/raw.orders.yaml:5:9: `fields` names no field; leave it out to infer the fields",
                "topics/raw.orders.yaml:6:31: `column_statistics` must be true or false, not `yes`",
                "topics/raw.orders.yaml:7:1: unknown key `retention`; known here: arrow, \
                 compression, config, description, fields, format, key, lineage, owner, \
                 partitions, replication, topic",
            ]
        );
    }
}
