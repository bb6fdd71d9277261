//! The embedded broker: a real Kafka port on loopback, in this process.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

pub use embedded_kafka::PARTITIONS_MAX;
use embedded_kafka::{Broker as Server, StartError};

/// Where its address is written for other commands of the same project.
const ADDRESS_FILE: &str = "broker.address";
/// Kafka's own port, unless it is taken.
const PORT: u16 = 9092;

/// How to start it.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedOptions {
    /// `host:port`; left out: 127.0.0.1:9092, or a free port where that is taken.
    pub listen: Option<String>,
    /// The project's data directory; the broker keeps its own beneath it.
    pub data_dir: PathBuf,
    /// Nothing is kept on disk.
    pub ephemeral: bool,
}

/// Why the embedded broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    #[error("the embedded broker does not start")]
    Start(#[from] StartError),
    #[error("cannot write to the data directory {}; make it writable or set `data_dir`", path.display())]
    DataDir { path: PathBuf, source: io::Error },
}

/// A broker that runs as long as this value is not shut down.
pub struct Embedded {
    server: Server,
    address_file: PathBuf,
    /// The usual port was taken, so another one was.
    pub moved: bool,
}

impl Embedded {
    pub async fn start(options: &EmbeddedOptions) -> Result<Self, EmbeddedError> {
        let path = &options.data_dir;
        let unusable = |source| EmbeddedError::DataDir { path: path.clone(), source };
        fs::create_dir_all(path).map_err(unusable)?;
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        // Only asked for, not held: whoever comes between gets a clear error.
        let moved = options.listen.is_none() && TcpListener::bind(usual).is_err();
        let listen = match &options.listen {
            Some(listen) => listen.clone(),
            None if moved => "127.0.0.1:0".to_owned(),
            None => usual.to_string(),
        };
        let builder = Server::builder().listen(listen);
        let builder = if options.ephemeral {
            builder.ephemeral()
        } else {
            builder.data_dir(path.join("broker"))
        };
        let server = builder.start().await?;
        let address_file = path.join(ADDRESS_FILE);
        fs::write(&address_file, server.bootstrap_servers()).map_err(unusable)?;
        Ok(Self { server, address_file, moved })
    }

    /// `host:port`, as clients of any kind take it.
    pub fn bootstrap(&self) -> String {
        self.server.bootstrap_servers()
    }

    /// Writes what is to be kept, and ends.
    pub async fn shutdown(self) {
        if let Err(error) = fs::remove_file(&self.address_file) {
            tracing::debug!(%error, "the address of the broker is left behind");
        }
        self.server.shutdown().await;
    }
}

/// The address of a broker that runs for the project with this data directory.
pub fn running_at(data_dir: &Path) -> Option<String> {
    let address = fs::read_to_string(data_dir.join(ADDRESS_FILE)).ok()?;
    // A broker that was killed leaves its address behind.
    let reached: SocketAddr = address.trim().parse().ok()?;
    std::net::TcpStream::connect_timeout(&reached, std::time::Duration::from_millis(500)).ok()?;
    Some(address.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_running_broker_is_found_by_its_data_directory_and_a_stopped_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let options = EmbeddedOptions {
            listen: Some("127.0.0.1:0".to_owned()),
            data_dir: dir.path().to_owned(),
            ephemeral: true,
        };
        let broker = Embedded::start(&options).await.unwrap();
        assert_eq!(running_at(dir.path()), Some(broker.bootstrap()));
        broker.shutdown().await;
        assert_eq!(running_at(dir.path()), None);
    }
}
