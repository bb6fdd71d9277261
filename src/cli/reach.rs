//! Whether anybody listens at a URL.

use std::{
    io,
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// Longest that one address is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// `host:port` of a URL, without its secrets; `None` where it names no host.
pub(super) fn place(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next().filter(|host| !host.is_empty())?;
    let has_port = host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
    let port = if scheme == "https" { 443 } else { 80 };
    Some(if has_port { host.to_owned() } else { format!("{host}:{port}") })
}

/// Tries every address of a name: `localhost` is often `::1` first, where nobody may
/// listen.
pub(super) fn connect(place: &str) -> io::Result<()> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_url_is_a_host_and_a_port_without_its_secrets() {
        let place = |url| place(url).unwrap_or_default();
        assert_eq!(place("http://marquez:5000/api"), "marquez:5000");
        assert_eq!(place("https://ada:hunter2@lineage.test/x?y"), "lineage.test:443");
        assert_eq!(place("http://[::1]:4317"), "[::1]:4317");
        assert_eq!((place("marquez"), place("http:///x")), (String::new(), String::new()));
    }

    #[test]
    fn whoever_listens_at_one_address_of_a_name_is_reached() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        connect(&format!("localhost:{port}")).unwrap();
        drop(listener);
        assert!(connect(&format!("localhost:{port}")).is_err());
    }
}
