//! Whole projects: what is reported, and what is planned.

use std::sync::Arc;

use super::*;
use crate::{
    codec::schema::format_type,
    pipeline::plan::TopicPlan,
    transform::{Input, Origin, Output, SchemaRef, Transform, TransformError},
};

const RAW: (&str, &str) = (
    "topics/raw.yaml",
    "topic: raw\npartitions: 4\nfields:\n  id: string not null\n  amount: double\n  tags: list<string>\n",
);

fn check_files(files: &[(&str, &str)]) -> Checked {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let project = Project::from_files(files);
    let functions = Functions::default();
    check(
        &project,
        Options {
            functions: &functions,
            transforms: &Transforms::default(),
            namespace: "fallback",
        },
    )
}

/// Names its columns after those that it reads.
#[derive(Clone)]
struct Named(SchemaRef);

impl Transform for Named {
    fn output_schema(&self) -> SchemaRef {
        Arc::clone(&self.0)
    }

    fn apply(&mut self, input: &Input<'_>) -> Result<Output, TransformError> {
        Ok(Output { batch: input.batch.clone(), origin: Origin::Identity })
    }
}

#[test]
fn a_stage_in_rust_is_planned_by_its_name_and_an_unknown_name_is_told_with_its_place() {
    let mut transforms = Transforms::default();
    transforms.register("as_is", |input| Ok(Named(Arc::clone(input))));
    transforms.register("never", |_| Err::<Named, _>("there is no `price`".into()));
    let stage = |rust: &str| format!("{{ from: raw, to: out, rust: {rust} }}");
    let pipeline = |work: &str| format!("pipeline: p\nstages:\n  s: {work}\n");
    let check_with = |pipeline: String, transforms: &Transforms| {
        let files = [RAW, ("pipelines/p.yaml", &pipeline)]
            .map(|(name, text)| (name.to_owned(), text.to_owned()));
        let functions = Functions::default();
        let options = Options { functions: &functions, transforms, namespace: "fallback" };
        check(&Project::from_files(files), options)
    };
    let told = |name: &str, transforms: &Transforms| {
        let problems = check_with(pipeline(&stage(name)), transforms).problems;
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let planned = check_with(pipeline(&stage("as_is")), &transforms);
    assert_eq!(planned.problems, []);
    let planned = planned.plan.stage("p/s").unwrap().clone();
    assert_eq!((planned.sql.as_deref(), planned.plan.rust()), (None, Some("as_is")));
    assert_eq!(
        schema(&planned.to),
        ["id: string not null", "amount: double", "tags: list<string>"]
    );

    let place = "pipelines/p.yaml:3:34:";
    assert_eq!(
        told("score", &transforms),
        [format!("{place} no transform `score` is registered; there are as_is, never")]
    );
    assert_eq!(
        told("never", &transforms),
        [format!("{place} transform `never`: there is no `price`")]
    );
    assert_eq!(
        told("as_is", &Transforms::default()),
        [format!(
            "{place} no transform `as_is` is registered; this program has none; one that uses the \
             library registers them"
        )]
    );
}

fn problems(files: &[(&str, &str)]) -> Vec<String> {
    check_files(files).problems.iter().map(ToString::to_string).collect()
}

fn schema(topic: &TopicPlan) -> Vec<String> {
    let fields = topic.schema.fields().iter();
    fields.map(|field| format!("{}: {}", field.name(), format_type(field))).collect()
}

#[test]
fn the_projects_own_samples_have_no_problems() {
    let project = Project::load(std::path::Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let functions = Functions::default();
    let checked = check(
        &project,
        Options {
            functions: &functions,
            transforms: &Transforms::default(),
            namespace: "fallback",
        },
    );
    assert_eq!(checked.problems, []);
    let plan = checked.into_plan().unwrap().0;
    let ids: Vec<_> = plan.stages().map(|stage| stage.id()).collect();
    assert_eq!(ids, ["orders/extract", "orders/transform", "orders/load"]);
    let extract = plan.stage("orders/extract").unwrap();
    assert_eq!(extract.namespace, "shop");
    assert_eq!(extract.expectations.iter().len(), 3);
    assert_eq!(extract.dead_letters.name, "raw.orders.dlq");
    assert_eq!((extract.to.partitions, extract.dead_letters.partitions), (4, 4));
    assert!(plan.topics["raw.orders.dlq"].schema.fields().is_empty());
    assert_eq!(extract.downstream, ["orders/transform"]);
}

#[test]
fn fields_flow_down_the_chain_in_whatever_order_it_is_written() {
    let checked = check_files(&[
        RAW,
        ("topics/out.yaml", "topic: out\npartitions: 2\nkey: twice\n"),
        (
            "pipelines/p.yaml",
            "pipeline: p\nstages:\n\
             \x20 last: { from: mid, to: out, sql: 'SELECT twice, id FROM input' }\n\
             \x20 first:\n    from: raw\n    to: mid\n    sql: SELECT id, amount * 2 AS twice FROM input\n",
        ),
    ]);
    assert_eq!(checked.problems, []);
    let (plan, warnings) = checked.into_plan().unwrap();
    assert_eq!(warnings, []);
    let ids: Vec<_> = plan.stages().map(|stage| stage.id()).collect();
    assert_eq!(ids, ["p/first", "p/last"]);
    let mid = &plan.topics["mid"];
    assert_eq!(schema(mid), ["id: string not null", "twice: double"]);
    assert!(!mid.declared);
    assert_eq!(mid.partitions, 4, "as many as its input");
    let last = plan.stage("p/last").unwrap();
    assert_eq!(last.namespace, "fallback");
    assert_eq!(last.key.as_ref().unwrap().name(), "twice");
    assert_eq!(last.to.partitions, 2);
    assert_eq!(last.upstream, ["p/first"]);
    assert!(plan.stage("p/other").is_none() && plan.stage("last").is_none());
}

#[test]
fn an_error_in_a_select_is_reported_at_its_place_in_the_file() {
    let pipeline = "pipeline: p\nstages:\n  s:\n    from: raw\n    to: out\n    sql: |\n      SELECT id,\n             amuont\n      FROM input\n    expect:\n      ok: { that: idd > 1, otherwise: warn }\n";
    assert_eq!(
        problems(&[RAW, ("pipelines/p.yaml", pipeline)]),
        ["pipelines/p.yaml:8:14: no column `amuont`; \
          did you mean `amount`? Columns: id, amount, tags"]
    );
    let mended = pipeline.replace("amuont", "amount");
    let problems = problems(&[RAW, ("pipelines/p.yaml", &mended)]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("pipelines/p.yaml:11:19: expectation `ok`: no column `idd`"));
}

#[test]
fn what_a_stage_gives_is_held_to_the_declared_fields() {
    let topic = "topic: out\nfields:\n  id: bigint\n  amount: double not null\n  totl: double\n";
    let sql = "SELECT id, amount, amount AS total FROM input";
    let pipeline = format!("pipeline: p\nstages:\n  s: {{ from: raw, to: out, sql: '{sql}' }}\n");
    assert_eq!(
        problems(&[RAW, ("topics/out.yaml", topic), ("pipelines/p.yaml", &pipeline)]),
        [
            "topics/out.yaml:1:8: stage `p/s` gives column `total` (double), which `fields` does \
             not declare; declare it, or leave it out of the SELECT",
            "topics/out.yaml:3:7: column `id` is declared as `bigint`, and stage `p/s` gives \
             `string not null`",
            "topics/out.yaml:4:11: column `amount` is declared as `double not null`, and stage \
             `p/s` gives `double`; leave out `not null`, or give a value in the SELECT with coalesce",
            "topics/out.yaml:5:3: column `totl` is declared, and stage `p/s` does not give it; \
             did you mean `total`?",
        ]
    );
}

#[test]
fn behind_a_stage_that_does_not_plan_only_a_contract_is_judged() {
    let pipeline = "pipeline: p\nstages:\n\
        \x20 a: { from: raw, to: mid, sql: SELECT x FROM input }\n\
        \x20 b: { from: mid, to: end, sql: SELECT y FROM input }\n";
    let without = problems(&[RAW, ("pipelines/p.yaml", pipeline)]);
    assert_eq!(without.len(), 1, "{without:?}");
    let contract = ("topics/mid.yaml", "topic: mid\nfields: { z: int }\n");
    let with = problems(&[RAW, contract, ("pipelines/p.yaml", pipeline)]);
    assert_eq!(with.len(), 2, "{with:?}");
    assert!(with[1].contains("no column `y`"), "{with:?}");
}

#[test]
fn topics_that_do_not_fit_are_reported() {
    let pipeline = "pipeline: p\nstages:\n\
        \x20 a: { from: rav, to: x, sql: SELECT 1 AS a FROM input }\n\
        \x20 b: { from: bare, to: y, sql: SELECT 1 AS a FROM input }\n\
        \x20 c: { from: raw, to: y, sql: SELECT id FROM input, dead_letter: { topic: y } }\n";
    let bare = ("topics/bare.yaml", "topic: bare\n");
    let again = ("topics/raw2.yaml", "topic: raw\n");
    assert_eq!(
        problems(&[RAW, bare, again, ("pipelines/p.yaml", pipeline)]),
        [
            "pipelines/p.yaml:3:14: unknown topic `rav`; did you mean `raw`?",
            "pipelines/p.yaml:5:23: warning: `y` is also written by `p/b`",
            "pipelines/p.yaml:5:75: `y` cannot take dead letters and records; name another topic as \
             `dead_letter.topic`",
            "topics/bare.yaml:1:8: topic `bare` has no `fields`, and no stage writes it; \
             stage `p/b` needs them",
            "topics/raw2.yaml:1:8: a second file for topic `raw`; the first is topics/raw.yaml",
            "topics/raw2.yaml:1:8: warning: topic `raw` in a file named `raw2`",
        ]
    );
}

#[test]
fn two_writers_of_a_topic_are_a_warning_if_their_columns_agree() {
    let files = |second: &str| {
        let text = format!(
            "pipeline: p\nstages:\n\
             \x20 a: {{ from: raw, to: y, sql: SELECT id FROM input }}\n\
             \x20 b: {{ from: raw, to: y, sql: SELECT {second} FROM input }}\n"
        );
        problems(&[RAW, ("pipelines/p.yaml", &text)])
    };
    assert_eq!(files("id"), ["pipelines/p.yaml:4:23: warning: `y` is also written by `p/a`"]);
    assert_eq!(
        files("amount"),
        [
            "pipelines/p.yaml:4:23: `y` is written with other columns by another stage; \
             declare its fields in topics/y.yaml",
            "pipelines/p.yaml:4:23: warning: `y` is also written by `p/a`",
        ]
    );
}

#[test]
fn a_cycle_is_one_problem_and_leaves_other_stages_alone() {
    let checked = check_files(&[
        RAW,
        (
            "pipelines/p.yaml",
            "pipeline: p\nstages:\n\
             \x20 a: { from: x, to: y, sql: SELECT 1 FROM input }\n\
             \x20 b: { from: y, to: x, sql: SELECT 1 FROM input }\n\
             \x20 c: { from: raw, to: z, sql: SELECT id FROM input }\n",
        ),
    ]);
    let problems: Vec<_> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["pipelines/p.yaml:3:14: a cycle: p/a -> p/b -> p/a; \
          records would go round for ever; let one stage write another topic"]
    );
    assert!(checked.plan.stage("p/c").is_some());
    assert!(checked.plan.stage("p/a").is_none());
    assert!(checked.into_plan().is_err());
}

#[test]
fn types_and_keys_that_do_not_read_are_reported_with_their_place() {
    let topic = "topic: t\nkey: idd\nfields:\n  id: string\n  items: list<struct<a: int, b: strin>>\n  n: dat not null\n";
    let types = problems(&[("topics/t.yaml", topic)]);
    assert_eq!(types.len(), 2, "{types:?}");
    assert!(
        types[0].starts_with("topics/t.yaml:5:33: type of `items`: found `strin`"),
        "{types:?}"
    );
    assert!(types[0].ends_with("did you mean `string`?"), "{types:?}");
    assert!(types[1].starts_with("topics/t.yaml:6:6: type of `n`"), "{types:?}");
    let key = |key: &str| {
        let text = format!("topic: t\nkey: {key}\nfields: {{ id: string, l: list<int> }}\n");
        problems(&[("topics/t.yaml", &text)])
    };
    assert_eq!(key("id"), [""; 0]);
    assert_eq!(key("idd"), ["topics/t.yaml:2:6: the key `idd` is no field; did you mean `id`?"]);
    assert_eq!(
        key("l"),
        ["topics/t.yaml:2:6: `l` cannot be the key: a key is one text, number, date or time"]
    );
}

#[test]
fn columns_that_have_no_form_in_json_are_reported() {
    let select = "SELECT id, map([1], [id]) AS m FROM input";
    let pipeline =
        format!("pipeline: p\nstages: {{ s: {{ from: raw, to: y, sql: \"{select}\" }} }}\n");
    let problems = problems(&[RAW, ("pipelines/p.yaml", &pipeline)]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("pipelines/p.yaml:2:39: field `m` has type Map("));
}

#[test]
fn a_dead_letter_topic_may_have_a_file_and_a_stage_that_reads_it_needs_its_fields() {
    let pipeline = (
        "pipelines/p.yaml",
        "pipeline: p\nstages:\n  s: { from: raw, to: y, sql: SELECT id FROM input }\n",
    );
    let file = ("topics/raw.dlq.yaml", "topic: raw.dlq\npartitions: 2\n");
    let spare = ("topics/spare.yaml", "topic: spare\n");
    let checked = check_files(&[RAW, file, spare, pipeline]);
    let shown: Vec<_> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["topics/spare.yaml:1:8: warning: topic `spare` has no `fields`, and no stage uses it"]
    );
    assert_eq!(checked.plan.stage("p/s").unwrap().dead_letters.partitions, 2);
    assert!(!checked.plan.topics.contains_key("spare"));

    let mend = (
        "pipelines/mend.yaml",
        "pipeline: m\nstages:\n  s: { from: raw.dlq, to: z, sql: SELECT id FROM input }\n",
    );
    let shown = problems(&[RAW, file, pipeline, mend]);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].starts_with("topics/raw.dlq.yaml:1:8: topic `raw.dlq` has no `fields`"));
}

#[test]
fn pipelines_have_names_of_their_own() {
    let pipeline = "pipeline: p\nstages: { s: { from: raw, to: y, sql: SELECT id FROM input } }\n";
    let problems = problems(&[RAW, ("pipelines/a.yaml", pipeline), ("pipelines/b.yaml", pipeline)]);
    assert_eq!(
        problems[0],
        "pipelines/b.yaml:1:11: a second pipeline `p`; the first is at pipelines/a.yaml:1:11"
    );
}

#[test]
fn what_sets_parts_of_the_record_is_no_field_of_its_topic() {
    let pipeline = |select: &str| {
        format!(
            "pipeline: p\nstages:\n  s:\n    from: raw\n    to: out\n    sql: SELECT {select} FROM input\n    expect: {{ keyed: {{ that: _key IS NOT NULL, otherwise: warn }} }}\n"
        )
    };
    let select = "id, amount, id AS _key, now() AS _timestamp, _headers";
    let fields = "fields: { id: string not null, amount: double }\n";
    let declared = format!("topic: out\n{fields}");
    for topic in ["topic: out\n", &declared] {
        let text = pipeline(select);
        let files = [RAW, ("topics/out.yaml", topic), ("pipelines/p.yaml", &text)];
        let checked = check_files(&files);
        assert_eq!(checked.problems, []);
        let stage = Arc::clone(checked.plan.stage("p/s").unwrap());
        assert_eq!(schema(&stage.to), ["id: string not null", "amount: double"]);
        assert!(stage.key.is_none());
    }

    let (text, keyed) = (pipeline("id, id AS _key"), "topic: out\nkey: id\n");
    assert_eq!(
        problems(&[RAW, ("topics/out.yaml", keyed), ("pipelines/p.yaml", &text)]),
        ["pipelines/p.yaml:6:10: the SELECT sets `_key`, and topic `out` has a key; \
          leave out one of them; the topic's is `id`"]
    );
    let arrow = "topic: out\nformat: arrow\nkey: id\n";
    let plain = pipeline("id").replace("_key IS", "id IS");
    for (topic, text) in [("topic: out\nformat: arrow\n", &text), (arrow, &plain)] {
        let files = [RAW, ("topics/out.yaml", topic), ("pipelines/p.yaml", text)];
        assert_eq!(problems(&files), [""; 0], "rows of an Arrow record have keys too");
    }
    let text = pipeline("id, tags AS _key");
    let shown = problems(&[RAW, ("pipelines/p.yaml", &text)]);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].starts_with("pipelines/p.yaml:6:21: `_key` takes one text"), "{shown:?}");
}

#[test]
fn an_inferred_type_has_the_levels_that_a_declared_one_may_have() {
    let nested = |levels: usize| {
        let list = (1..levels).fold("id".to_owned(), |inner, _| format!("make_array({inner})"));
        let text = format!(
            "pipeline: p\nstages:\n  s: {{ from: raw, to: y, sql: 'SELECT {list} AS l FROM input' }}\n"
        );
        problems(&[RAW, ("pipelines/p.yaml", &text)])
    };
    assert_eq!(nested(32), [""; 0]);
    assert_eq!(
        nested(33),
        ["pipelines/p.yaml:3:31: the type of column `l` has 33 levels, and at most 32 are \
          allowed; leave out the inner levels"]
    );
}

#[test]
fn a_compacted_topic_needs_keys() {
    let shown = |topic: &str, select: &str, raw: &str| {
        let topic = format!("topic: out\nconfig: {{ cleanup.policy: compact }}\n{topic}");
        let raw = format!("topic: raw\nfields: {{ id: string }}\n{raw}");
        let text = format!(
            "pipeline: p\nstages:\n  s: {{ from: raw, to: out, sql: 'SELECT {select} FROM input' }}\n"
        );
        problems(&[
            ("topics/raw.yaml", &raw),
            ("topics/out.yaml", &topic),
            ("pipelines/p.yaml", &text),
        ])
    };
    for (topic, select, raw) in
        [("key: id\n", "id", ""), ("", "id, id AS _key", ""), ("", "id", "key: id\n")]
    {
        assert_eq!(shown(topic, select, raw), [""; 0]);
    }
    assert_eq!(
        shown("", "id", ""),
        ["pipelines/p.yaml:3:23: warning: topic `out` is compacted, so Kafka refuses a record \
          without a key, and the stage stops; declare the `key` of `raw` or `out`, or set `_key` \
          in the SELECT"]
    );
    assert_eq!(
        shown("key: id\nformat: arrow\n", "id", ""),
        ["pipelines/p.yaml:3:23: topic `out` is compacted, and Arrow records have no key; use \
          `format: json`, or `cleanup.policy: delete`"]
    );
}
