//! Names by OpenLineage's conventions: jobs, and the datasets that topics are.

/// The name of a stage's job.
pub fn job_name(pipeline: &str, stage: &str) -> String {
    format!("{pipeline}.{stage}")
}

/// Why a broker has no namespace.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NamingError {
    #[error("no broker in `{bootstrap}`; set `lineage.broker` to host:port")]
    NoBroker { bootstrap: String },
    #[error("`{port}` is no port in `{broker}`; set `lineage.broker` to host:port")]
    Port { broker: String, port: String },
}

/// The namespace of a broker's topics: `kafka://host:port`, from the first of
/// the `bootstrap` servers. The host is in lower case and without a listener's
/// name, and the port is always there, so that two spellings of one broker do
/// not become two namespaces.
pub fn kafka_namespace(bootstrap: &str) -> Result<String, NamingError> {
    let none = || NamingError::NoBroker { bootstrap: bootstrap.to_owned() };
    let broker = bootstrap.split(',').map(str::trim).find(|broker| !broker.is_empty());
    let broker = broker.ok_or_else(none)?;
    let address = broker.split_once("://").map_or(broker, |(_listener, address)| address);
    let address = address.trim_end_matches('/');

    // The colons of a bare IPv6 address are none before a port.
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(text) => text.parse().map_err(|_not_a_number| NamingError::Port {
            broker: broker.to_owned(),
            port: text.to_owned(),
        })?,
    };
    let host = host.trim_start_matches('[').trim_end_matches([']', '.']);
    if host.is_empty() || host.contains('\0') {
        return Err(none());
    }
    let host = host.to_lowercase();
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    Ok(format!("kafka://{open}{host}{close}:{port}"))
}

/// The port that a broker without one in its address is on.
const DEFAULT_PORT: u16 = 9092;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_broker_are_one_namespace() {
        for bootstrap in [
            "kafka.shop:9092",
            "Kafka.Shop:9092",
            "kafka.shop",
            "kafka.shop.:9092",
            "PLAINTEXT://kafka.shop:9092/",
            " kafka.shop:9092 , other:9093",
            ",kafka.shop:9092",
        ] {
            assert_eq!(
                kafka_namespace(bootstrap).as_deref(),
                Ok("kafka://kafka.shop:9092"),
                "{bootstrap}"
            );
        }
    }

    #[test]
    fn an_ipv6_broker_keeps_its_brackets() {
        assert_eq!(kafka_namespace("[::1]:19092").as_deref(), Ok("kafka://[::1]:19092"));
        assert_eq!(kafka_namespace("fe80::1").as_deref(), Ok("kafka://[fe80::1]:9092"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_remedy() {
        assert_eq!(
            kafka_namespace(" , "),
            Err(NamingError::NoBroker { bootstrap: " , ".to_owned() })
        );
        for nothing in [":9092", "].", "[]:9092"] {
            assert!(matches!(kafka_namespace(nothing), Err(NamingError::NoBroker { .. })));
        }
        let error = kafka_namespace("kafka:http").unwrap_err().to_string();
        assert_eq!(error, "`http` is no port in `kafka:http`; set `lineage.broker` to host:port");
    }

    proptest::proptest! {
        /// A namespace that is taken as an address again is itself.
        #[test]
        fn naming_is_idempotent(bootstrap in "\\PC{0,30}") {
            if let Ok(namespace) = kafka_namespace(&bootstrap) {
                proptest::prop_assert_eq!(kafka_namespace(&namespace), Ok(namespace.clone()));
            }
        }
    }
}
