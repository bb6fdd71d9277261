//! A key goes to the partition that Java's producer sends it to.

use crate::support::{
    Project, orders,
    reading::{Tail, read_all},
};

/// Kafka's 32 bit murmur2 (seed 0x9747b28c), written from its description.
fn murmur2(bytes: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut word = u32::from_le_bytes(*word).wrapping_mul(M);
        word = (word ^ (word >> 24)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ word;
    }
    for (index, byte) in rest.iter().enumerate() {
        hash ^= u32::from(*byte) << (8 * index);
    }
    if !rest.is_empty() {
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

fn partition(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & i32::MAX) % partitions
}

/// Keys and what Java's `Utils.murmur2` gives for them.
const KNOWN: [(&str, i32); 6] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
];

#[test]
fn keys_that_are_sent_go_where_java_sends_them() {
    for (key, hash) in KNOWN {
        assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
    }
    let project = Project::new("keys");
    project.edit(
        &format!("topics/{}.yaml", project.name("raw.orders")),
        "partitions: 4",
        "partitions: 13",
    );
    project.run(&["topics", "apply"]).ok();
    let names = (0..200).map(|number| format!("customer-{number}"));
    let keys: Vec<String> = KNOWN
        .iter()
        .map(|(key, _)| (*key).to_owned())
        .chain(names)
        .chain(["schön ☃".to_owned()])
        .collect();
    let lines: Vec<String> = keys.iter().map(|key| format!("{key}\t{{}}\n")).collect();
    project.write("lines", &lines.concat());
    let file = project.path("lines");
    let topic = project.name("raw.orders");
    let said = project.run(&["produce", &topic, file.to_str().unwrap(), "--with-keys"]).ok();
    assert_eq!(said, format!("{} records sent to {topic}\n", keys.len()));

    let records = read_all(&project.cluster, &topic);
    assert_eq!(records.len(), keys.len());
    for record in records {
        let key = record.key.unwrap();
        assert_eq!(record.partition, partition(&key, 13), "{}", String::from_utf8_lossy(&key));
        assert_eq!(record.value.as_deref(), Some(&b"{}"[..]));
    }
}

/// With other partition counts than the input has, so that nothing is by chance
/// where it was; the last topic names a key of its own.
#[test]
fn keys_that_a_stage_writes_go_where_java_sends_them() {
    let project = Project::new("stagekeys");
    let widen = |topic: &str, lines: &str| {
        let file = format!("topics/{}.yaml", project.name(topic));
        project.edit(&file, "owner: team:shop\n", &format!("owner: team:shop\n{lines}"));
    };
    widen("orders.extracted", "partitions: 7\n");
    widen("orders.loaded", "partitions: 5\nkey: customer_id\n");
    project.run(&["topics", "apply"]).ok();
    let hub = project.start(&["up", "--no-forward"]);
    let workload = orders::send(&project, 2_000, 8);
    Tail::open(&project.cluster, &project.name("orders.loaded")).wait_for(workload.loaded().len());
    hub.stop();

    for record in read_all(&project.cluster, &project.name("orders.extracted")) {
        let key = record.key.as_deref().unwrap();
        assert_eq!(key, record.json()["order_id"].as_str().unwrap().as_bytes());
        assert_eq!(record.partition, partition(key, 7));
    }
    for record in read_all(&project.cluster, &project.name("orders.loaded")) {
        let key = record.key.as_deref().unwrap();
        assert_eq!(key, record.json()["customer_id"].to_string().as_bytes());
        assert_eq!(record.partition, partition(key, 5));
    }
}
