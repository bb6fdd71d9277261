//! Names that clash, reserved topics, and cycles through dead letters.

use super::*;
use crate::pipeline::SettingTopics;

const RAW: (&str, &str) = ("topics/raw.yaml", "topic: raw\nfields: { id: string not null }\n");

fn problems_with(topics: SettingTopics, files: &[(&str, &str)]) -> Vec<String> {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let mut project = Project::from_files(files);
    project.setting_topics = topics;
    let functions = Functions::default();
    let options =
        Options { functions: &functions, transforms: &Transforms::default(), namespace: "shop" };
    check(&project, options).problems.iter().map(ToString::to_string).collect()
}

fn problems(files: &[(&str, &str)]) -> Vec<String> {
    problems_with(SettingTopics::default(), files)
}

/// A pipeline of stages that copy a topic: name, from, to.
fn copying(pipeline: &str, stages: &[(&str, &str, &str)]) -> String {
    let stages = stages.iter().map(|(name, from, to)| {
        format!("  {name}: {{ from: {from}, to: {to}, sql: SELECT id FROM input }}\n")
    });
    format!("pipeline: {pipeline}\nstages:\n{}", stages.collect::<String>())
}

#[test]
fn two_stages_whose_joined_names_are_equal_are_refused() {
    let one = copying("x", &[("a-b", "raw", "y")]);
    let two = copying("x-a", &[("b", "raw", "z"), ("c", "raw", "w")]);
    assert_eq!(
        problems(&[RAW, ("pipelines/x.yaml", &one), ("pipelines/xa.yaml", &two)]),
        ["pipelines/xa.yaml:3:3: stages `x/a-b` and `x-a/b` would share the consumer group \
             `x-a-b`, and each record would go to only one of them; rename one of the stages or \
             pipelines"]
    );
    let fine = copying("x-a", &[("bb", "raw", "z")]);
    assert_eq!(problems(&[RAW, ("pipelines/x.yaml", &one), ("pipelines/xa.yaml", &fine)]), [""; 0]);
}

#[test]
fn the_groups_of_the_program_are_its_own() {
    for (pipeline, stage) in
        [("lineage-hub-forward", "default"), ("lineage-hub", "forward-default")]
    {
        let text = copying(pipeline, &[(stage, "raw", "y")]);
        let shown = problems(&[RAW, ("pipelines/p.yaml", &text)]);
        assert_eq!(
            shown,
            [format!(
                "pipelines/p.yaml:3:3: stage `{pipeline}/{stage}` would have the consumer group \
                 `lineage-hub-forward-default`, and names that begin with `lineage-hub-` are the \
                 program's own; rename the pipeline"
            )]
        );
    }
    let text = copying("lineage-hubs", &[("a", "raw", "y")]);
    assert_eq!(problems(&[RAW, ("pipelines/p.yaml", &text)]), [""; 0]);
}

#[test]
fn names_have_a_length_that_files_allow() {
    let long = "s".repeat(91);
    let text = copying(&long, &[(&long, "raw", "y")]);
    assert_eq!(
        problems(&[RAW, ("pipelines/p.yaml", &text)]),
        [
            "pipelines/p.yaml:1:11: the name of a pipeline has at most 90 characters, and this \
             one has 91; use a shorter name",
            "pipelines/p.yaml:3:3: the name of a stage has at most 90 characters, and this one \
             has 91; use a shorter name",
        ]
    );
    let text = copying(&long[1..], &[(&long[1..], "raw", "y")]);
    assert_eq!(problems(&[RAW, ("pipelines/p.yaml", &text)]), [""; 0]);
}

#[test]
fn topics_that_kafka_takes_for_one_are_refused_once() {
    let text = copying("p", &[("a", "raw", "a.b"), ("b", "raw", "a_b"), ("c", "raw", "c")]);
    let file = ("topics/raw_dlq.yaml", "topic: raw_dlq\nfields: { a: int }\n");
    assert_eq!(
        problems(&[RAW, ("pipelines/p.yaml", &text), file]),
        [
            "pipelines/p.yaml:3:14: topics `raw_dlq` and `raw.dlq` differ only in `.` and `_`, \
             and Kafka refuses the second; rename one of them; the other is \
             topics/raw_dlq.yaml:1:8",
            "pipelines/p.yaml:4:23: topics `a.b` and `a_b` differ only in `.` and `_`, and Kafka \
             refuses the second; rename one of them; the other is pipelines/p.yaml:3:23",
        ]
    );
    let text = copying("p", &[("a", "raw", "lineage_dlq")]);
    assert_eq!(
        problems(&[RAW, ("pipelines/p.yaml", &text)]),
        ["pipelines/p.yaml:3:23: topics `lineage.dlq` and `lineage_dlq` differ only in `.` and \
             `_`, and Kafka refuses the second; rename one of them; the other is the topic of \
             `forward.dead_letter_topic` (default)"]
    );
}

#[test]
fn topics_of_the_program_and_of_kafka_are_not_for_stages() {
    let text = "pipeline: p\nstages:\n\
        \x20 a: { from: raw, to: lineage, sql: SELECT id FROM input }\n\
        \x20 b: { from: raw, to: lineage.dlq, sql: SELECT id FROM input }\n\
        \x20 c: { from: raw, to: c, sql: SELECT id FROM input, dead_letter: { topic: lineage } }\n\
        \x20 d: { from: raw, to: __consumer_offsets, sql: SELECT id FROM input }\n\
        \x20 e: { from: raw, to: e, sql: SELECT id FROM input, dead_letter: { topic: __x } }\n";
    let internal = "names that begin with `__` are Kafka's internal topics; use another topic";
    let own = "use another topic, or set";
    assert_eq!(
        problems(&[RAW, ("pipelines/p.yaml", text)]),
        [
            format!(
                "pipelines/p.yaml:3:23: topic `lineage` holds lineage events (`lineage.topic`, \
                 default), so no stage can write it; {own} `lineage.topic` to another name"
            ),
            format!(
                "pipelines/p.yaml:4:23: topic `lineage.dlq` holds parked lineage events \
                 (`forward.dead_letter_topic`, default), so no stage can write it; {own} \
                 `forward.dead_letter_topic` to another name"
            ),
            format!(
                "pipelines/p.yaml:5:75: topic `lineage` holds lineage events (`lineage.topic`, \
                 default), so it cannot take the dead letters of a stage; {own} `lineage.topic` \
                 to another name"
            ),
            "pipelines/p.yaml:5:75: `lineage` cannot take dead letters and records; name another \
             topic as `dead_letter.topic`"
                .to_owned(),
            format!("pipelines/p.yaml:6:23: `__consumer_offsets`: {internal}"),
            format!("pipelines/p.yaml:7:75: `__x`: {internal}"),
        ]
    );
    for from in ["__consumer_offsets", "__transaction_state"] {
        let shown = problems(&[("pipelines/p.yaml", &copying("p", &[("a", from, "b")]))]);
        assert!(shown[0].contains(internal), "{shown:?}");
    }
    let file = ("topics/__x.yaml", "topic: __x\nfields: { a: int }\n");
    assert_eq!(problems(&[file]), [format!("topics/__x.yaml:1:8: `__x`: {internal}")]);
}

#[test]
fn a_setting_cannot_name_a_topic_of_the_project() {
    let text = copying("p", &[("a", "raw", "out")]);
    let files = [RAW, ("pipelines/p.yaml", text.as_str())];
    let set = |lineage: &str, parked: &str| {
        let topics = SettingTopics::new(lineage, parked, |_| "hub.yaml:2".to_owned());
        problems_with(topics, &files)
    };
    assert_eq!(set("events", "events.dlq"), [""; 0]);
    let remedy = "use another topic, or set `lineage.topic` to another name";
    let head = |column: usize, name: &str| {
        format!(
            "pipelines/p.yaml:3:{column}: topic `{name}` holds lineage events (`lineage.topic`, \
             hub.yaml:2), so"
        )
    };
    assert_eq!(set("raw", "x"), [format!("{} no stage can read it; {remedy}", head(14, "raw"))]);
    assert_eq!(set("out", "x"), [format!("{} no stage can write it; {remedy}", head(23, "out"))]);
    assert_eq!(
        set("raw.dlq", "x"),
        [format!("{} it cannot take the dead letters of a stage; {remedy}", head(14, "raw.dlq"))]
    );
    assert_eq!(set("x", "out").len(), 1);
    assert_eq!(set("raw_dlq", "x").len(), 1, "similar names");
}

#[test]
fn a_topic_file_may_describe_the_topic_of_lineage_events() {
    let file = ("topics/lineage.yaml", "topic: lineage\nfields: { eventType: string }\n");
    assert_eq!(problems(&[RAW, file]), [""; 0]);
}

#[test]
fn a_cycle_through_dead_letters_is_an_error_with_its_path() {
    let letters = ("topics/raw.dlq.yaml", "topic: raw.dlq\nfields: { id: string not null }\n");
    let main = copying("p", &[("load", "raw", "out")]);
    let fix = |to: &str| copying("m", &[("fix", "raw.dlq", "fixed"), ("back", "fixed", to)]);
    let back = fix("raw");
    assert_eq!(
        problems(&[RAW, letters, ("pipelines/p.yaml", &main), ("pipelines/m.yaml", &back)]),
        ["pipelines/m.yaml:3:29: a cycle through dead letters: p/load -> dead letters raw.dlq \
             -> m/fix -> fixed -> m/back -> raw -> p/load; a record that fails again would go \
             round for ever; let `m/fix` write a topic that does not lead back, or use \
             `lineage-hub dlq replay`"]
    );
    let elsewhere = fix("repaired");
    assert_eq!(
        problems(&[RAW, letters, ("pipelines/p.yaml", &main), ("pipelines/m.yaml", &elsewhere)]),
        [""; 0],
        "a stage may read dead letters"
    );
}

#[test]
fn stages_that_send_each_other_their_dead_letters_are_a_cycle() {
    let topics = [
        ("topics/a.yaml", "topic: a\nfields: { id: string }\n"),
        ("topics/b.yaml", "topic: b\nfields: { id: string }\n"),
    ];
    let text = "pipeline: p\nstages:\n\
        \x20 s: { from: a, to: x, sql: SELECT id FROM input, dead_letter: { topic: b } }\n\
        \x20 t: { from: b, to: y, sql: SELECT id FROM input, dead_letter: { topic: a } }\n";
    let shown = problems(&[topics[0], topics[1], ("pipelines/p.yaml", text)]);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(
        shown[0].contains("p/s -> dead letters b -> p/t -> dead letters a -> p/s"),
        "{shown:?}"
    );
}

#[test]
fn ten_thousand_stages_are_judged_at_once() {
    let names: Vec<[String; 3]> = (0..10_000)
        .map(|at| [format!("s{at}"), format!("topic-{at}"), format!("topic-{}", at + 1)])
        .rev()
        .collect();
    let chain: Vec<_> =
        names.iter().map(|[name, from, to]| (name.as_str(), from.as_str(), to.as_str())).collect();
    let apart: Vec<String> = (0..10_000).map(|at| format!("unknown-{at}")).collect();
    let apart: Vec<_> = names
        .iter()
        .zip(&apart)
        .map(|([name, _, to], from)| (name.as_str(), from.as_str(), to.as_str()))
        .collect();
    let begun = std::time::Instant::now();
    assert_eq!(problems(&[("pipelines/p.yaml", &copying("p", &chain))]).len(), 1);
    assert_eq!(problems(&[("pipelines/p.yaml", &copying("p", &apart))]).len(), 10_000);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}
