//! What the program tells of itself: log lines on standard error.

mod config;
mod log;

pub use config::{LogConfig, LogFormat};
pub use log::start;
