//! `arrow:` of a topic file: how rows are packed into its records.

use crate::{
    codec::arrow_ipc::{ArrowConfig, Compression, Keep},
    pipeline::{
        problem::Problems,
        spec::topic_file::Format,
        yaml::{self, Fields, Node, Text, Value},
    },
};

const COMPRESSIONS: [(&str, Compression); 3] =
    [("none", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd)];

pub(super) fn read(node: Option<&Node>, format: Format, problems: &mut Problems) -> ArrowConfig {
    let mut config = ArrowConfig::default();
    let Some(node) = node else { return config };
    if format != Format::Arrow {
        problems.error(&node.place, "`arrow` without `format: arrow`");
    }
    let Some(mut fields) = Fields::open(node, "`arrow`", problems) else { return config };
    if let Some(compression) = fields.choice("compression", &COMPRESSIONS, problems) {
        config.compression = compression.value;
    }
    if let Some(words) = list(fields.get("keep"), "`keep`", problems) {
        config.keep = read_keep(&words, problems);
    }
    let dictionary = list(fields.get("dictionary"), "`dictionary`", problems);
    config.dictionary =
        dictionary.iter().flatten().map(|field| field.as_str().to_owned()).collect();
    fields.finish(problems);
    config
}

fn read_keep(words: &[&Text], problems: &mut Problems) -> Keep {
    let mut keep = Keep::NOTHING;
    for word in words {
        match word.as_str() {
            "key" => keep.key = true,
            "timestamp" => keep.timestamp = true,
            "headers" => keep.headers = true,
            other => {
                let message = format!("rows can keep key, timestamp and headers, not `{other}`");
                problems.error(word.place(), message);
            }
        }
    }
    keep
}

fn list<'n>(node: Option<&'n Node>, what: &str, problems: &mut Problems) -> Option<Vec<&'n Text>> {
    let node = node?;
    let Value::List(nodes) = &node.value else {
        problems.error(&node.place, format!("{what} must be a list (`[a, b]`)"));
        return None;
    };
    Some(nodes.iter().filter_map(|node| yaml::scalar(node, what, problems)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::yaml::parse;

    fn of(source: &str) -> (ArrowConfig, Vec<String>) {
        let mut problems = Problems::default();
        let node = parse(&"topics/t.yaml".into(), source).unwrap().unwrap();
        let config = read(Some(&node), Format::Arrow, &mut problems);
        (config, problems.into_sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_said_is_taken_and_the_rest_stays() {
        let (config, problems) = of("compression: zstd\nkeep: [headers]\ndictionary: [country]\n");
        assert_eq!(problems, [""; 0]);
        assert_eq!(config.compression, Compression::Zstd);
        assert_eq!(config.keep, Keep { headers: true, ..Keep::NOTHING });
        assert_eq!(config.dictionary, ["country"]);
        assert_eq!(of("compression: none\n").0, ArrowConfig::default());
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let (_, problems) = of("compression: gzip\nkeep: [value]\ndictionary: country\n");
        assert_eq!(
            problems,
            [
                "topics/t.yaml:1:14: `compression` must be one of none, lz4, zstd, not `gzip`",
                "topics/t.yaml:2:8: rows can keep key, timestamp and headers, not `value`",
                "topics/t.yaml:3:13: `dictionary` must be a list (`[a, b]`)",
            ]
        );
    }
}
