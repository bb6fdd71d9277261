//! A backend that takes every event after a wait, and counts them.
//!
//! It says how many came, and over how long, on a line of stdout each time that
//! `count` of them have. With `--outage-after` it goes away once in between:
//! connections are closed, the requests on them taken and not answered, and
//! nobody is let in until it is back.

use super::read_head;
use super::taken::Taken;
use serde::Serialize;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Options {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:5055")]
    listen: String,
    /// Milliseconds that each event takes.
    #[arg(long, default_value_t = 0)]
    wait: u64,
    /// Events after which the time is told, and counted anew.
    #[arg(long)]
    count: u64,
    /// Events after which the backend goes away; none: it stays.
    #[arg(long)]
    outage_after: Option<u64>,
    /// Seconds that it stays away.
    #[arg(long, default_value_t = 10)]
    outage_seconds: u64,
}

/// What is told when `count` events have come.
#[derive(Serialize)]
struct Told {
    events: u64,
    seconds: f64,
    repeated: u64,
    out_of_order: u64,
    /// Of what came after the outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    drain: Option<Drain>,
}

#[derive(Serialize)]
struct Drain {
    events: u64,
    seconds: f64,
    /// From the end of the outage to the first event.
    back_after_seconds: f64,
}

/// Since the last line of stdout.
#[derive(Default)]
struct Tally {
    events: u64,
    since: Option<Instant>,
    taken: Taken,
    outage_ends: Option<Instant>,
    /// The first event after the outage, and how many had come before it.
    drain_since: Option<(Instant, u64)>,
}

struct Backend {
    wait: Duration,
    count: u64,
    outage_after: Option<u64>,
    outage: Duration,
    tally: Mutex<Tally>,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(&options.listen)?;
    let backend = Arc::new(Backend {
        wait: Duration::from_millis(options.wait),
        count: options.count,
        outage_after: options.outage_after,
        outage: Duration::from_secs(options.outage_seconds),
        tally: Mutex::default(),
    });
    for stream in listener.incoming() {
        let (stream, backend) = (stream?, Arc::clone(&backend));
        if !backend.is_away() {
            // A connection that breaks is the client's to mend.
            thread::spawn(move || backend.serve(&stream));
        }
    }
    Ok(())
}

impl Backend {
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::with_capacity(64 << 10, stream);
        let mut writer = stream;
        let mut body = Vec::new();
        while let Some((first, length)) = read_head(&mut reader)? {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
            // As Marquez: no batches.
            let is_batch = first.contains("/batch ");
            if !is_batch {
                if !self.begin() {
                    return Ok(());
                }
                if !self.wait.is_zero() {
                    thread::sleep(self.wait);
                }
                if !self.end(&String::from_utf8_lossy(&body)) {
                    return Ok(());
                }
            }
            let status = if is_batch { "404 Not Found" } else { "201 Created" };
            write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
        }
        Ok(())
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_away(&self) -> bool {
        self.tally().outage_ends.is_some_and(|end| Instant::now() < end)
    }

    /// Whether the request is let in.
    fn begin(&self) -> bool {
        let now = Instant::now();
        let mut tally = self.tally();
        tally.since.get_or_insert(now);
        let Some(end) = tally.outage_ends else { return true };
        if now >= end {
            let before = tally.events;
            tally.drain_since.get_or_insert((now, before));
        }
        now >= end
    }

    /// Takes an event; whether it is answered.
    fn end(&self, body: &str) -> bool {
        let mut tally = self.tally();
        // What comes again was counted when it was taken.
        tally.events += u64::from(tally.taken.note(body));
        if self.outage_after.is_some_and(|after| tally.events >= after) {
            tally.outage_ends.get_or_insert_with(|| Instant::now() + self.outage);
        }
        let is_away = tally.outage_ends.is_some_and(|end| Instant::now() < end);
        if tally.events >= self.count && !is_away {
            if let Ok(line) = serde_json::to_string(&tally.told()) {
                println!("{line}");
            }
            *tally = Tally::default();
        }
        !is_away
    }
}

impl Tally {
    fn told(&self) -> Told {
        let drain = self.drain_since.zip(self.outage_ends).map(|((since, before), ended)| Drain {
            events: self.events - before,
            seconds: since.elapsed().as_secs_f64(),
            back_after_seconds: (since - ended).as_secs_f64(),
        });
        Told {
            events: self.events,
            seconds: self.since.map_or(0.0, |since| since.elapsed().as_secs_f64()),
            repeated: self.taken.repeated,
            out_of_order: self.taken.out_of_order,
            drain,
        }
    }
}
