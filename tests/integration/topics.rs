//! `topics`: make and change what is declared, never lose anything.

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use crate::support::{Project, cluster::Cluster};

fn raw_file(project: &Project) -> String {
    format!("topics/{}.yaml", project.name("raw.orders"))
}

fn partitions(project: &Project, topic: &str) -> u64 {
    let rows = project.run(&["topics", "list", "--output", "json"]).json_lines();
    let row = rows.iter().find(|row| row["topic"] == project.name(topic)).unwrap();
    assert_eq!(row["exists"], true);
    row["partitions"].as_u64().unwrap()
}

/// As somebody else may do, past the project's files.
fn set_from_outside(cluster: &Cluster, topic: &str, key: &str, value: &str) {
    let admin: AdminClient<DefaultClientContext> = cluster.client().create().unwrap();
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
    let answers = cluster.block_on(admin.alter_configs([&change], &AdminOptions::new()));
    answers.unwrap().remove(0).unwrap();
}

#[test]
fn applying_twice_does_nothing_the_second_time() {
    let project = Project::new("apply");
    let before = project.run(&["topics", "list", "--output", "json"]).json_lines();
    assert!(before.iter().all(|row| row["exists"] == false), "{before:?}");
    let planned = project.run(&["topics", "diff", "--output", "json"]).json_lines();
    let first = project.run(&["topics", "apply", "--output", "json"]).json_lines();
    // Four topics, their dead letters, lineage and its dead letters.
    assert_eq!(first.len(), 4 + 3 + 2);
    assert_eq!(planned.len(), first.len());
    for row in &first {
        assert_eq!(row["state"], "done");
        assert!(row["change"].as_str().unwrap().starts_with("create "), "{row}");
    }
    assert_eq!(project.cluster.topics().len(), first.len());

    let second = project.run(&["topics", "apply"]).ok();
    assert_eq!(second, "the cluster has all topics as declared\n");
    assert_eq!(project.run(&["topics", "diff", "--output", "json"]).ok(), "");
}

#[test]
fn partitions_are_added_and_fewer_are_refused_with_the_reason() {
    let project = Project::with_topics("partitions");
    project.edit(&raw_file(&project), "partitions: 4", "partitions: 6");
    let name = project.name("raw.orders");
    let widened = project.run(&["topics", "apply"]).ok();
    assert!(widened.contains(&format!("widen {name} from 4 to 6 partitions")), "{widened}");
    assert_eq!(partitions(&project, "raw.orders"), 6);

    project.edit(&raw_file(&project), "partitions: 6", "partitions: 2");
    let refused = project.run(&["topics", "apply"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.out.contains("Kafka cannot take partitions away"), "{refused:?}");
    assert!(refused.out.contains("declare 6 or make a new topic"), "{refused:?}");
    assert_eq!(partitions(&project, "raw.orders"), 6);
}

#[test]
fn a_setting_that_is_applied_leaves_the_topics_other_settings_alone() {
    let project = Project::new("settings");
    let declare = |config: &str| format!("owner: team:shop\nconfig: {config}\n");
    project.edit(&raw_file(&project), "owner: team:shop\n", &declare("{ retention.ms: 3600000 }"));
    project.run(&["topics", "apply"]).ok();
    let name = project.name("raw.orders");
    let setting = |key: &str| project.cluster.setting(&name, key);
    assert_eq!(setting("retention.ms"), "3600000");
    let segment = setting("segment.bytes");
    // This request replaces all settings of the topic: both must be in it.
    set_from_outside(&project.cluster, &name, "max.message.bytes", "2000000");
    assert_eq!(setting("max.message.bytes"), "2000000");

    let applied = project.run(&["topics", "apply"]).ok();
    assert!(applied.contains(&format!("set retention.ms of {name}")), "{applied}");
    assert!(!applied.contains("max.message.bytes"), "{applied}");
    assert_eq!(setting("retention.ms"), "3600000");
    assert_eq!(setting("max.message.bytes"), "2000000");
    assert_eq!(setting("segment.bytes"), segment);

    let described = project.run(&["topics", "describe", &name, "--output", "json"]).json_lines();
    let says = |key: &str| {
        let row = described.iter().find(|row| row["what"] == key);
        row.map(|row| row["value"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(says("partitions").as_deref(), Some("4"));
    assert_eq!(says("retention.ms").as_deref(), Some("3600000"));
    assert_eq!(says("segment.bytes"), None, "an inherited setting is not the topic's own");
    assert_eq!(says("field order_id").as_deref(), Some("string not null"));
}
