//! Requests that no client should send, on bare sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use embedded_kafka::Broker;
use support::*;

fn connect(broker: &TestBroker) -> TcpStream {
    let stream = TcpStream::connect(&broker.bootstrap).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream
}

/// An `ApiVersions` request of version 0.
const ASK: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];

fn is_served(stream: &mut TcpStream) -> bool {
    let mut head = [0; 8];
    if stream.write_all(&ASK).is_err() || stream.read_exact(&mut head).is_err() {
        return false;
    }
    let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    stream.read_exact(&mut vec![0; size - 4]).is_ok() && head[4..] == [0, 0, 0, 7]
}

fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0; 1]), Ok(0)) || stream.write_all(&[0]).is_err()
}

#[test]
fn a_bad_request_ends_its_own_connection_only() {
    let broker = TestBroker::start(Broker::builder().ephemeral().request_bytes_max(1 << 20));
    let mut neighbour = connect(&broker);
    let bad: [&[u8]; 6] = [
        // Larger than the limit; larger than anything.
        &[0, 0x20, 0, 0, 0, 18, 0, 0],
        &[0xff; 8],
        // An unknown request, and a version that is not served.
        &[0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 7, 0xff, 0xff],
        &[0, 0, 0, 10, 0, 0, 0, 99, 0, 0, 0, 7, 0xff, 0xff],
        // Metadata of two thousand million topics.
        &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff],
        // Too short for a header.
        &[0, 0, 0, 2, 0, 18],
    ];
    for request in bad {
        let mut stream = connect(&broker);
        stream.write_all(request).unwrap();
        assert!(is_closed(&mut stream), "{request:?}");
    }
    assert!(is_served(&mut neighbour));
    assert!(is_served(&mut connect(&broker)));
    broker.stop();
}

#[test]
fn connections_over_the_limit_are_closed_and_free_places_are_taken_again() {
    let broker = TestBroker::start(Broker::builder().ephemeral().connections_max(2));
    let (mut first, mut second) = (connect(&broker), connect(&broker));
    assert!(is_served(&mut first) && is_served(&mut second));
    assert!(is_closed(&mut connect(&broker)));
    drop(first);
    eventually("a free place", || is_served(&mut connect(&broker)));
    assert!(is_served(&mut second));
    drop(second);
    broker.stop();
}
