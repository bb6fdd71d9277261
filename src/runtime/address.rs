//! `host:port` as people write it: a name, an IPv4 address or an IPv6 address in
//! brackets, and a port.

/// Why a text is not `host:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("has a scheme; write `host:port` without `://`")]
    Scheme,
    #[error("has no port; write `host:port`")]
    NoPort,
    #[error("has a port that is not a number from 0 to 65535")]
    Port,
    #[error("has an IPv6 address without brackets; write `[::1]:9092`")]
    Brackets,
    #[error("has a host that is not a name or an IP address")]
    Host,
}

/// Host and port; an IPv6 host without its brackets. Port 0 is allowed: where a
/// program listens, it means a free port.
pub fn parse_address(text: &str) -> Result<(&str, u16), AddressError> {
    if text.contains("://") {
        return Err(AddressError::Scheme);
    }
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        inner.parse::<std::net::Ipv6Addr>().map_err(|_| AddressError::Host)?;
        return Ok((inner, parse_port(port)?));
    }
    if host.contains(':') {
        return Err(AddressError::Brackets);
    }
    if !is_name(host) {
        return Err(AddressError::Host);
    }
    Ok((host, parse_port(port)?))
}

/// Digits only: `parse` would also take `+1`.
fn parse_port(text: &str) -> Result<u16, AddressError> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or(AddressError::Port)
}

/// Letters of every alphabet, as host names have; underscores, as containers have.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_parsed_and_the_reason_is_given_otherwise() {
        for (text, expected) in [
            ("localhost:9092", Ok(("localhost", 9092))),
            ("kafka_1.shop.:1", Ok(("kafka_1.shop.", 1))),
            ("10.0.0.7:0", Ok(("10.0.0.7", 0))),
            ("[::1]:65535", Ok(("::1", 65535))),
            ("http://a:9092", Err(AddressError::Scheme)),
            ("a", Err(AddressError::NoPort)),
            ("", Err(AddressError::NoPort)),
            ("a:", Err(AddressError::Port)),
            ("a:+1", Err(AddressError::Port)),
            ("a:65536", Err(AddressError::Port)),
            ("a:1;b:2", Err(AddressError::Brackets)),
            ("::1:9092", Err(AddressError::Brackets)),
            ("[::x]:1", Err(AddressError::Host)),
            (":1", Err(AddressError::Host)),
            ("a b:1", Err(AddressError::Host)),
            ("a..b:1", Err(AddressError::Host)),
            ("a;b:1", Err(AddressError::Host)),
        ] {
            assert_eq!(parse_address(text), expected, "{text}");
        }
    }
}
