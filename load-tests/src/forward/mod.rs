//! What the forwarder is measured against: a backend that does nothing but take
//! events, and a generator that does nothing but post them.
//!
//! ```text
//! events:   events of many runs -> [500,000 records] librdkafka -> lineage topic
//! stand-in: HTTP on loopback, a thread a connection; waits, answers 201, counts;
//!           goes away for a while if told to, and knows each run's order (`taken`)
//! post:     the same events over so many connections: what the stand-in can take
//! ```

pub mod events;
pub mod post;
pub mod stand_in;
mod taken;

use std::io::{self, BufRead};

/// Reads the head of a request or an answer: its first line and the length of
/// the body behind it. `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<(String, usize)>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let text = line.trim_end();
        if text.is_empty() {
            return Ok(Some((first, length)));
        }
        if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| io::Error::other("no length"))?;
        }
    }
}
