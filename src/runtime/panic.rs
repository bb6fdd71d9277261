//! A thread that panics must not leave a process behind that only looks alive.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, JoinHandle},
};

use super::Shutdown;

static PANICKED: AtomicBool = AtomicBool::new(false);

/// Whether a thread or task that held a [`PanicGuard`] has panicked.
pub fn has_panicked() -> bool {
    PANICKED.load(Ordering::Relaxed)
}

/// Cancels its shutdown if the thread or task that holds it panics.
pub struct PanicGuard(Shutdown);

impl PanicGuard {
    pub fn new(shutdown: &Shutdown) -> Self {
        Self(shutdown.clone())
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            PANICKED.store(true, Ordering::Relaxed);
            self.0.cancel();
        }
    }
}

/// Starts a thread that cancels `shutdown` if it panics.
pub fn spawn_guarded<T: Send + 'static>(
    name: impl Into<String>,
    shutdown: &Shutdown,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let guard = PanicGuard::new(shutdown);
    thread::Builder::new().name(name.into()).spawn(move || {
        let _guard = guard;
        body()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_panics_cancels_the_shutdown_and_one_that_ends_does_not() {
        let (ends, panics) = (Shutdown::new(), Shutdown::new());
        assert_eq!(spawn_guarded("ends", &ends, || 7).unwrap().join().unwrap(), 7);
        assert!(!ends.is_cancelled());

        let panicked = spawn_guarded("panics", &panics, || {
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(panicked.unwrap().join().is_err());
        assert!(panics.is_cancelled() && has_panicked());
    }
}
