//! The bare load generator: events over so many connections, one after the other
//! on each, and nothing else.

use super::{events::event, read_head};
use anyhow::{Context, ensure};
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

#[derive(clap::Args)]
pub struct Options {
    /// Address of the backend.
    #[arg(long, default_value = "127.0.0.1:5055")]
    to: String,
    /// Connections side by side.
    #[arg(long, default_value_t = 16)]
    connections: u64,
    /// Events to post.
    #[arg(long)]
    count: u64,
}

pub fn run(options: &Options) -> anyhow::Result<()> {
    let next = AtomicU64::new(0);
    thread::scope(|scope| {
        let posts: Vec<_> =
            (0..options.connections).map(|_| scope.spawn(|| post(options, &next))).collect();
        posts.into_iter().try_for_each(|post| {
            post.join().unwrap_or_else(|_| anyhow::bail!("a connection's thread panicked"))
        })
    })
}

fn post(options: &Options, next: &AtomicU64) -> anyhow::Result<()> {
    let stream =
        TcpStream::connect(&options.to).with_context(|| format!("no backend at {}", options.to))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(&stream);
    let mut request = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= options.count {
            return Ok(());
        }
        let (_, body) = event(number, 1);
        request.clear();
        write!(
            request,
            "POST /api/v1/lineage HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            options.to,
            body.len()
        )?;
        (&stream).write_all(&request)?;
        let answer = read_head(&mut reader)?;
        let is_taken = answer.as_ref().is_some_and(|(first, _)| first.contains(" 201 "));
        ensure!(is_taken, "the backend answered {answer:?}");
    }
}
