//! Starting and stopping a broker.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, lookup_host};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::config::{Config, Fsync};
use crate::node::Node;
use crate::session::Session;
use crate::state::ledger::Change;
use crate::state::{Opened, State};
use crate::{background, server};

/// A broker that runs; stop it with [`Broker::shutdown`].
///
/// Dropping it stops it too, without waiting: what was acknowledged is kept, the
/// next start takes a little longer.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    node: Arc<Node>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Held as long as the data folder is in use.
    session: Option<Session>,
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    #[error(
        "cannot listen on {address}; is another broker running there? `--listen` takes another port, 0 a free one"
    )]
    Listen { address: String, source: io::Error },
    #[error("cannot listen on {address}: it is not an address of this machine")]
    NotHere { address: String, source: io::Error },
    #[error("cannot listen on {address}: its host has no address")]
    NoSuchHost { address: String, source: io::Error },
    #[error(
        "{address} is not a loopback address, and the broker has no authentication; listen on 127.0.0.1 or [::1]"
    )]
    NotLoopback { address: String },
    #[error("{} is in use by another broker", dir.display())]
    InUse { dir: PathBuf },
    #[error("cannot open the data in {}", dir.display())]
    Data { dir: PathBuf, source: io::Error },
}

impl Broker {
    /// A builder with defaults that suit a program of its own: in memory,
    /// on 127.0.0.1:9092.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder { config: Config::default() }
    }

    /// Address that the broker listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients set as `bootstrap.servers`: `host:port`.
    pub fn bootstrap_servers(&self) -> String {
        let (host, port) = (&self.node.host, self.node.port);
        // The colons of an IPv6 address would be taken for the one before the port.
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Ends all connections, writes everything to the disk, and returns.
    pub async fn shutdown(mut self) {
        // Receivers are gone only with the tasks that held them.
        let _ = self.stop.send(true);
        for task in self.tasks.drain(..) {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the broker ended early");
            }
        }
        let node = Arc::clone(&self.node);
        let session = self.session.take();
        let closed = tokio::task::spawn_blocking(move || close(&node, session)).await;
        if let Err(error) = closed.map_err(io::Error::other).and_then(|closed| closed) {
            tracing::error!(%error, "the broker could not be closed cleanly; its next start will recover");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Settings of a broker to be started.
#[derive(Debug, Clone)]
#[must_use]
pub struct BrokerBuilder {
    config: Config,
}

impl BrokerBuilder {
    /// Keeps everything in `dir`, made when missing. One broker at a time.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.data_dir = Some(dir.into());
        self
    }

    /// Keeps everything in memory, and nothing after the end.
    pub fn ephemeral(mut self) -> Self {
        self.config.data_dir = None;
        self
    }

    /// Listens on `host:port`; port 0 takes a free one. Loopback only, unless
    /// [`BrokerBuilder::allow_remote`] is set.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.config.listen = address.into();
        self
    }

    /// Takes a free port of the same host when the one asked for is taken;
    /// [`Broker::address`] tells which.
    pub fn or_free_port(mut self, permit: bool) -> Self {
        self.config.or_free_port = permit;
        self
    }

    /// Tells clients this host instead of the one listened on.
    pub fn advertised_host(mut self, host: impl Into<String>) -> Self {
        self.config.advertised_host = Some(host.into());
        self
    }

    /// Permits to listen on an address that other machines can reach. There is
    /// no authentication: whoever reaches it may read and delete everything.
    pub fn allow_remote(mut self, allow: bool) -> Self {
        self.config.allow_remote = allow;
        self
    }

    /// Makes topics that clients ask for, with the default number of partitions.
    pub fn auto_create_topics(mut self, create: bool) -> Self {
        self.config.auto_create_topics = create;
        self
    }

    /// Partitions of a topic made without saying how many; 1 by default.
    pub fn default_partitions(mut self, partitions: i32) -> Self {
        self.config.default_partitions = partitions.max(1);
        self
    }

    /// When the disk is waited for; at commits of transactions by default.
    pub fn fsync(mut self, fsync: Fsync) -> Self {
        self.config.fsync = fsync;
        self
    }

    /// Unsynced bytes stay so at most this long; 1 s by default.
    pub fn fsync_interval(mut self, interval: Duration) -> Self {
        self.config.fsync_interval = interval;
        self
    }

    /// How often old segments are looked for; 30 s by default.
    pub fn retention_interval(mut self, interval: Duration) -> Self {
        self.config.retention_interval = interval;
        self
    }

    /// A new group waits so long for further members; not at all by default.
    pub fn group_initial_delay(mut self, delay: Duration) -> Self {
        self.config.group_initial_delay = delay;
        self
    }

    /// Most connections at a time; 1,000 by default. Further ones are closed.
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.config.connections_max = connections.max(1);
        self
    }

    /// Largest request in bytes; 100 MiB by default.
    pub fn request_bytes_max(mut self, bytes: usize) -> Self {
        self.config.request_bytes_max = bytes;
        self
    }

    /// Opens the data, recovers what a crash left, and listens.
    pub async fn start(self) -> Result<Broker, StartError> {
        let config = self.config;
        let (listener, address) = listen(&config).await?;
        let host = match &config.advertised_host {
            Some(host) => host.clone(),
            None if address.ip().is_unspecified() => "127.0.0.1".to_owned(),
            None => address.ip().to_string(),
        };
        let dir = config.data_dir.clone();
        let opened =
            tokio::task::spawn_blocking(move || open(config, (host, address.port()))).await;
        let opened = opened.unwrap_or_else(|panic| Err(OpenError::Io(io::Error::other(panic))));
        let (node, session) = opened.map_err(|error| {
            let dir = dir.unwrap_or_default();
            match error {
                OpenError::InUse => StartError::InUse { dir },
                OpenError::Io(source) => StartError::Data { dir, source },
            }
        })?;
        let node = Arc::new(node);
        let (stop, stopped) = watch::channel(false);
        let tasks = vec![
            tokio::spawn(server::run(Arc::clone(&node), listener, stopped.clone())),
            tokio::spawn(background::run(Arc::clone(&node), stopped)),
        ];
        tracing::info!(%address, "broker listens");
        Ok(Broker { address, node, stop, tasks, session })
    }
}

async fn listen(config: &Config) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source: io::Error| {
        let address = config.listen.clone();
        match source.kind() {
            io::ErrorKind::AddrNotAvailable => StartError::NotHere { address, source },
            _ => StartError::Listen { address, source },
        }
    };
    let unknown = |source| StartError::NoSuchHost { address: config.listen.clone(), source };
    let addresses: Vec<SocketAddr> = lookup_host(&config.listen).await.map_err(unknown)?.collect();
    if !config.allow_remote && addresses.iter().any(|address| !address.ip().is_loopback()) {
        return Err(StartError::NotLoopback { address: config.listen.clone() });
    }
    let bound = match TcpListener::bind(addresses.as_slice()).await {
        Err(error) if config.or_free_port && error.kind() == io::ErrorKind::AddrInUse => {
            let free: Vec<_> = addresses.iter().map(|a| SocketAddr::new(a.ip(), 0)).collect();
            TcpListener::bind(free.as_slice()).await
        }
        bound => bound,
    };
    let listener = bound.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

enum OpenError {
    InUse,
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn open(config: Config, address: (String, u16)) -> Result<(Node, Option<Session>), OpenError> {
    let Some(dir) = config.data_dir.clone() else {
        let node = Node::new(config, address, State::in_memory(), Catalog::new(None));
        name_cluster(&node)?;
        return Ok((node, None));
    };
    let (session, last_end) = Session::begin(&dir)?.ok_or(OpenError::InUse)?;
    let Opened { state, written, was_torn } = State::open(&dir.join("journal"))?;
    let catalog = Catalog::open(dir.join("topics"), &state.lock().topics, !was_torn, last_end)?;
    let node = Node::new(config, address, state, catalog);
    name_cluster(&node)?;
    node.recover_transactions(&written, last_end)?;
    Ok((node, Some(session)))
}

fn name_cluster(node: &Node) -> io::Result<()> {
    let mut state = node.state.lock();
    if state.cluster_id.is_empty() {
        let id = Uuid::new_v4().simple().to_string();
        state.commit(Change::Cluster { id }).map_err(io::Error::other)?;
    }
    Ok(())
}

fn close(node: &Node, session: Option<Session>) -> io::Result<()> {
    for partition in node.catalog.partitions() {
        partition.close()?;
    }
    node.rewrite_journal()?;
    session.map_or(Ok(()), Session::end)
}
