//! A backend that takes every event after a wait, and counts them.
//!
//! It says how many came, and over how long, on a line of stdout each time that
//! `count` of them have.

use super::read_head;
use std::io::{self, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
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
}

/// When the first event came, and how many came since.
#[derive(Default)]
struct Tally {
    since: Option<Instant>,
    events: u64,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(&options.listen)?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let (wait, count) = (Duration::from_millis(options.wait), options.count);
    for stream in listener.incoming() {
        let (stream, tally) = (stream?, Arc::clone(&tally));
        // A connection that breaks is the client's to mend.
        thread::spawn(move || serve(&stream, wait, count, &tally));
    }
    Ok(())
}

fn serve(stream: &TcpStream, wait: Duration, count: u64, tally: &Mutex<Tally>) -> io::Result<()> {
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
            begin(tally);
            if !wait.is_zero() {
                thread::sleep(wait);
            }
        }
        let status = if is_batch { "404 Not Found" } else { "201 Created" };
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
        if !is_batch {
            end(tally, count);
        }
    }
    Ok(())
}

fn begin(tally: &Mutex<Tally>) {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.since.get_or_insert_with(Instant::now);
}

fn end(tally: &Mutex<Tally>, count: u64) {
    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    tally.events += 1;
    if tally.events == count {
        let seconds = tally.since.map_or(0.0, |since| since.elapsed().as_secs_f64());
        println!("{{\"events\":{count},\"seconds\":{seconds:.3}}}");
        *tally = Tally::default();
    }
}
