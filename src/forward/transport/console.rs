//! Events to a writer, one a line, for whoever looks on.

use std::{
    fmt, io,
    sync::{Mutex, PoisonError},
};

use futures::future::BoxFuture;

use super::{Failure, Transport, append_line};

/// Writes each event as one line.
pub struct Console(Mutex<Box<dyn io::Write + Send>>);

impl Console {
    pub fn new(writer: Box<dyn io::Write + Send>) -> Self {
        Self(Mutex::new(writer))
    }

    fn write(&self, event: &[u8]) -> io::Result<()> {
        let mut line = Vec::with_capacity(event.len() + 1);
        append_line(&mut line, event);
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(&line)?;
        writer.flush()
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

impl Transport for Console {
    fn send<'a>(&'a self, event: &'a [u8]) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.write(event).map_err(|error| Failure::Passing {
                reason: format!("cannot write to the console: {error}"),
                retry_after: None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn an_event_over_several_lines_becomes_one() {
        let shown = Shared::default();
        let console = Console::new(Box::new(shown.clone()));
        console.send(b"{\r\n \"a\": \"x\\ny\"\n}").await.unwrap();
        console.send(b"{}").await.unwrap();
        assert_eq!(*shown.0.lock().unwrap(), b"{   \"a\": \"x\\ny\" }\n{}\n");
    }

    #[tokio::test]
    async fn a_closed_console_is_a_passing_failure() {
        struct Closed;
        impl io::Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let failure = Console::new(Box::new(Closed)).send(b"{}").await.unwrap_err();
        assert!(matches!(failure, Failure::Passing { retry_after: None, .. }), "{failure:?}");
    }
}
