//! The broker of a test: one of its own in this process, or a real Kafka.

use std::{
    env,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use embedded_kafka::Broker;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use tokio::runtime::{Builder, Runtime};

/// A broker, and the prefix by which this test's names on it differ from all others.
pub(crate) struct Cluster {
    pub(crate) bootstrap: String,
    pub(crate) prefix: String,
    runtime: Runtime,
    /// None where a real Kafka is used.
    embedded: Option<Broker>,
}

impl Cluster {
    /// With `KAFKA_BOOTSTRAP_SERVERS` that broker, otherwise an embedded one.
    pub(crate) fn start(test: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let real = env::var("KAFKA_BOOTSTRAP_SERVERS").ok().filter(|servers| !servers.is_empty());
        let (bootstrap, embedded) = if let Some(bootstrap) = real {
            (bootstrap, None)
        } else {
            let builder = Broker::builder().ephemeral().listen("127.0.0.1:0");
            let broker = runtime.block_on(builder.start()).unwrap();
            (broker.bootstrap_servers(), Some(broker))
        };
        Self { bootstrap, prefix: unique_prefix(test), runtime, embedded }
    }

    /// On a broker that somebody else runs.
    pub(crate) fn at(test: &str, bootstrap: &str) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let bootstrap = bootstrap.to_owned();
        Self { bootstrap, prefix: unique_prefix(test), runtime, embedded: None }
    }

    /// Whether it answers: some tests end their broker.
    pub(crate) fn is_up(&self) -> bool {
        std::net::TcpStream::connect(self.bootstrap.split(',').next().unwrap()).is_ok()
    }

    pub(crate) fn delete_topic(&self, name: &str) {
        let deleted = self.block_on(self.admin().delete_topics(&[name], &admin_options()));
        deleted.unwrap().remove(0).unwrap();
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// The topics of this test that there are, in order.
    pub(crate) fn topics(&self) -> Vec<String> {
        let consumer: BaseConsumer = self.client().create().unwrap();
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(30)).unwrap();
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(&self.prefix)).collect();
        names.sort();
        names
    }

    /// The value of a topic's setting.
    pub(crate) fn setting(&self, topic: &str, key: &str) -> String {
        use rdkafka::admin::ResourceSpecifier;
        let answers = self.runtime.block_on(
            self.admin().describe_configs([&ResourceSpecifier::Topic(topic)], &admin_options()),
        );
        let resource = answers.unwrap().remove(0).unwrap();
        let entry = resource.entries.into_iter().find(|entry| entry.name == key);
        entry.and_then(|entry| entry.value).unwrap()
    }

    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(broker) = self.embedded.take() {
            self.runtime.block_on(broker.shutdown());
        } else if !std::thread::panicking() {
            // A failed test leaves its topics for whoever looks into it.
            let topics = self.topics();
            let names: Vec<&str> = topics.iter().map(String::as_str).collect();
            let deleted =
                self.runtime.block_on(self.admin().delete_topics(&names, &admin_options()));
            if let Err(error) = deleted {
                eprintln!("topics of {} remain: {error}", self.prefix);
            }
        }
    }
}

fn admin_options() -> AdminOptions {
    let timeout = Some(Duration::from_secs(30));
    AdminOptions::new().operation_timeout(timeout).request_timeout(timeout)
}

/// Good in the names of topics, pipelines and groups.
fn unique_prefix(test: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{test}-{:x}-{count}-", now.as_millis() as u64 & 0xff_ffff_ffff)
}
