//! Which properties of librdkafka `kafka.properties` may set, and whether librdkafka
//! takes them.

use std::collections::BTreeMap;

use rdkafka::{
    ClientConfig,
    config::FromClientConfigAndContext,
    consumer::BaseConsumer,
    error::{KafkaError, KafkaResult},
    producer::{BaseProducer, DefaultProducerContext},
};

use super::client::QuietConsumer;

/// Properties on which a guarantee of the hub depends, under each of their names.
const RESERVED: [(&str, &str); 35] = [
    ("bootstrap.servers", "set `kafka.bootstrap`"),
    ("metadata.broker.list", "set `kafka.bootstrap`"),
    ("client.id", "set `kafka.client_id`"),
    ("compression.codec", "set `stage.compression`"),
    ("compression.type", "set `stage.compression`"),
    ("session.timeout.ms", "set `stage.session_timeout`"),
    ("heartbeat.interval.ms", "set `stage.session_timeout`"),
    ("max.poll.interval.ms", "set `stage.session_timeout`"),
    ("transaction.timeout.ms", "set `stage.transaction_timeout`"),
    ("message.timeout.ms", "set `stage.transaction_timeout`"),
    ("delivery.timeout.ms", "set `stage.transaction_timeout`"),
    ("linger.ms", "set `stage.commit.interval`; the producer flushes at each commit"),
    ("queue.buffering.max.ms", "set `stage.commit.interval`; the producer flushes at each commit"),
    ("message.max.bytes", "set `max.message.bytes` in the `config` of the topic"),
    ("max.in.flight", "an idempotent producer needs its default"),
    ("max.in.flight.requests.per.connection", "an idempotent producer needs its default"),
    ("message.send.max.retries", "a transaction retries until it times out"),
    ("retries", "a transaction retries until it times out"),
    ("enable.idempotence", "exactly once needs it"),
    ("enable.gapless.guarantee", "exactly once needs its default"),
    ("acks", "exactly once needs `all`"),
    ("request.required.acks", "exactly once needs `all`"),
    ("enable.auto.commit", "offsets are committed with the outputs"),
    ("auto.commit.enable", "offsets are committed with the outputs"),
    ("auto.commit.interval.ms", "offsets are committed with the outputs"),
    ("enable.auto.offset.store", "offsets are committed with the outputs"),
    ("auto.offset.reset", "a new group starts at the earliest record"),
    ("group.id", "the group of a stage has its name"),
    ("group.instance.id", "a replica with `--replica` has its own"),
    ("group.protocol", "stages use the classic protocol"),
    ("partition.assignment.strategy", "stages use `cooperative-sticky`"),
    ("partitioner", "all producers use the partitioner of Java clients"),
    ("isolation.level", "stages read committed records only"),
    ("transactional.id", "each task has its own"),
    ("allow.auto.create.topics", "set the topics up with `lineage-hub topics apply`"),
];

/// Properties that may be set, besides those under [`ALLOWED_SECTIONS`].
const ALLOWED: [&str; 39] = [
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "check.crcs",
    "client.dns.lookup",
    "client.rack",
    "connections.max.idle.ms",
    "debug",
    "enable.metrics.push",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "enable.ssl.certificate.verification",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "log_level",
    "max.partition.fetch.bytes",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "security.protocol",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.timeout.ms",
    "topic.metadata.refresh.interval.ms",
];

/// Of connection security: a name that librdkafka lacks is refused by itself.
const ALLOWED_SECTIONS: [&str; 3] = ["sasl.", "ssl.", "https.ca."];

/// Reports to `problem` (property, what is wrong) what may not be set, and what
/// librdkafka refuses.
pub(super) fn check(properties: &BTreeMap<String, String>, problem: &mut impl FnMut(&str, String)) {
    let mut refused = false;
    for name in properties.keys() {
        let name = name.as_str();
        let reserved = RESERVED.iter().find(|(reserved, _)| *reserved == name);
        let is_allowed = ALLOWED.contains(&name)
            || ALLOWED_SECTIONS.iter().any(|section| name.starts_with(section));
        let message = match reserved {
            Some((_, remedy)) => format!("is reserved: {remedy}"),
            None if is_allowed => continue,
            None => "is not a property that can be passed on; those of connections, TLS, SASL \
                     and fetching can"
                .to_owned(),
        };
        problem(name, message);
        refused = true;
    }
    if properties.is_empty() || refused {
        return;
    }
    if let Err(error) = try_out(properties) {
        match error {
            KafkaError::ClientConfig(_, reason, name, _) => {
                problem(&name, format!("is refused by librdkafka: {reason}"));
            }
            error => problem("", format!("are refused by librdkafka: {error}")),
        }
    }
}

/// Makes a consumer and a producer that know no broker, so nothing is connected.
fn try_out(properties: &BTreeMap<String, String>) -> KafkaResult<()> {
    let mut config = ClientConfig::new();
    for (name, value) in properties {
        config.set(name, value);
    }
    let consumer: BaseConsumer<QuietConsumer> = BaseConsumer::from_config_and_context(
        config.clone().set("group.id", "lineage-hub"),
        QuietConsumer,
    )?;
    drop(consumer);
    let producer: BaseProducer<DefaultProducerContext> = BaseProducer::from_config_and_context(
        config.set("enable.idempotence", "true"),
        DefaultProducerContext,
    )?;
    drop(producer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(properties: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let properties = properties.iter().map(owned).collect();
        let mut problems = Vec::new();
        check(&properties, &mut |name, message| problems.push((name.to_owned(), message)));
        problems
    }

    #[test]
    fn a_reserved_property_is_refused_under_each_of_its_names() {
        for name in [
            "metadata.broker.list",
            "compression.codec",
            "auto.commit.enable",
            "enable.idempotence",
            "acks",
            "request.required.acks",
            "group.instance.id",
            "isolation.level",
        ] {
            let problems = problems(&[(name, "x")]);
            assert_eq!(problems.len(), 1, "{name}");
            assert_eq!(problems[0].0, name);
            assert!(problems[0].1.starts_with("is reserved: "), "{problems:?}");
        }
    }

    #[test]
    fn a_property_that_is_unknown_or_would_disturb_the_clients_is_refused() {
        for name in ["statistics.interval.ms", "plugin.library.paths", "test.mock.num.brokers"] {
            let problems = problems(&[(name, "1")]);
            assert!(problems[0].1.starts_with("is not a property"), "{problems:?}");
        }
    }

    #[test]
    fn a_value_that_librdkafka_refuses_is_reported_with_its_reason() {
        for (name, value) in [
            ("socket.timeout.ms", "soon"),
            ("socket.timeout.ms", "-1"),
            ("security.protocol", "plain"),
            ("sasl.no.such", "x"),
        ] {
            let problems = problems(&[(name, value)]);
            assert_eq!(problems.len(), 1, "{name}");
            assert_eq!(problems[0].0, name);
            assert!(problems[0].1.starts_with("is refused by librdkafka: "), "{problems:?}");
        }
    }

    #[test]
    fn properties_that_do_not_fit_together_are_refused() {
        let problems =
            problems(&[("receive.message.max.bytes", "1000"), ("fetch.max.bytes", "1000000")]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].1.contains("receive.message.max.bytes"), "{problems:?}");
    }

    #[test]
    fn properties_of_connections_are_passed_on() {
        assert_eq!(
            problems(&[
                ("security.protocol", "sasl_plaintext"),
                ("sasl.mechanism", "PLAIN"),
                ("sasl.username", "ada"),
                ("sasl.password", "hunter2"),
                ("socket.keepalive.enable", "true"),
            ]),
            []
        );
    }
}
