//! Events to a file, one a line (NDJSON), set aside when it is large.
//!
//! A line is whole or it is not there: what a crash left of one is cut off
//! when the file is opened again, and the event comes again, as its offset
//! was not committed.

use std::{
    ffi::OsString,
    fs, io,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::BoxFuture;

use super::{Failure, OpenError, Transport, append_line};
use crate::forward::config::FileConfig;

/// Appends each event as one line.
#[derive(Debug)]
pub struct File(Arc<Mutex<Appender>>);

#[derive(Debug)]
struct Appender {
    config: FileConfig,
    file: fs::File,
    size: u64,
    line: Vec<u8>,
}

impl File {
    /// Opens the file to append to, and makes it and its folder where they are not.
    pub fn open(config: &FileConfig) -> Result<Self, OpenError> {
        let appender = Appender::open(config.clone())
            .map_err(|source| OpenError::File { path: config.path.clone(), source })?;
        Ok(Self(Arc::new(Mutex::new(appender))))
    }

    /// Runs `work` where a slow disk holds nothing else up.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Appender) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let appender = Arc::clone(&self.0);
        let work = move || work(&mut appender.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

impl Transport for File {
    fn send<'a>(&'a self, event: &'a [u8]) -> BoxFuture<'a, Result<(), Failure>> {
        let event = event.to_vec();
        Box::pin(async move {
            let written = self.blocking(move |appender| appender.append(&event)).await;
            written.map_err(|error| Failure::Passing {
                reason: format!("cannot write to the lineage file: {error}"),
                retry_after: None,
            })
        })
    }

    fn sync(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(self.blocking(|appender| appender.file.sync_data()))
    }
}

impl Appender {
    fn open(config: FileConfig) -> io::Result<Self> {
        if let Some(folder) = config.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut options = fs::OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&config.path)?;
        let size = end_of_last_line(&mut file)?;
        file.set_len(size)?;
        Ok(Self { config, file, size, line: Vec::new() })
    }

    fn append(&mut self, event: &[u8]) -> io::Result<()> {
        if self.size >= self.config.rotate_bytes {
            self.rotate()?;
        }
        self.line.clear();
        append_line(&mut self.line, event);
        let written = self.file.write_all(&self.line);
        if written.is_err() {
            // Half a line would spoil the next one, which is tried right after.
            self.file.set_len(self.size)?;
        } else {
            self.size += self.line.len() as u64;
        }
        written
    }

    /// Sets the file aside under the next number, and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        // What is set aside is not synced later: the commit syncs the new file.
        self.file.sync_data()?;
        let mut aside = set_aside(&self.config.path)?;
        let number = aside.last().map_or(1, |(number, _)| number + 1);
        let path = numbered(&self.config.path, number);
        match fs::rename(&self.config.path, &path) {
            Ok(()) => aside.push((number, path)),
            // It is set aside already, and then no new one could be opened.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        *self = Self::open(self.config.clone())?;
        let most = self.config.files_max.unwrap_or(usize::MAX);
        let too_many = aside.len().saturating_sub(most);
        aside.drain(..too_many).try_for_each(|(_, path)| fs::remove_file(path))
    }
}

/// The offset behind the last line end.
fn end_of_last_line(file: &mut fs::File) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut chunk = vec![0; 64 << 10];
    while end > 0 {
        let start = end.saturating_sub(chunk.len() as u64);
        let part = &mut chunk[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = memchr::memrchr(b'\n', part) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn numbered(path: &Path, number: u64) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

/// The files set aside, oldest first.
fn set_aside(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut aside = Vec::new();
    for entry in fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let file_name = entry.file_name();
        let rest = file_name.to_str().and_then(|other| other.strip_prefix(name.as_ref()));
        let number = rest.and_then(|rest| rest.strip_prefix('.')).and_then(|n| n.parse().ok());
        if let Some(number) = number {
            aside.push((number, entry.path()));
        }
    }
    aside.sort_unstable();
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path) -> FileConfig {
        FileConfig { path: folder.join("new/lineage.ndjson"), ..FileConfig::default() }
    }

    #[tokio::test]
    async fn events_are_appended_to_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        for event in [&b"{\"a\":\n1}"[..], b"{}"] {
            let file = File::open(&config).unwrap();
            file.send(event).await.unwrap();
            file.sync().await.unwrap();
        }
        assert_eq!(fs::read_to_string(&config.path).unwrap(), "{\"a\": 1}\n{}\n");
    }

    #[tokio::test]
    async fn what_a_crash_left_of_a_line_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        fs::create_dir_all(config.path.parent().unwrap()).unwrap();
        for (left, kept) in [("{}\n{\"half", "{}\n"), ("{\"half", ""), ("{}\n", "{}\n"), ("", "")] {
            // Longer than what is looked at in one go.
            let left = if left.ends_with("half") {
                left.to_owned() + &"x".repeat(200_000)
            } else {
                left.into()
            };
            fs::write(&config.path, left).unwrap();
            let file = File::open(&config).unwrap();
            file.send(b"{\"b\":2}").await.unwrap();
            let text = fs::read_to_string(&config.path).unwrap();
            assert_eq!(text, format!("{kept}{{\"b\":2}}\n"));
        }
    }

    #[tokio::test]
    async fn a_large_file_is_set_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let config = FileConfig { rotate_bytes: 1, files_max: Some(2), ..config(folder.path()) };
        let file = File::open(&config).unwrap();
        for number in 0..12 {
            file.send(format!("{{\"n\":{number}}}").as_bytes()).await.unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(config.path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["lineage.ndjson", "lineage.ndjson.10", "lineage.ndjson.11"]);
        assert_eq!(fs::read_to_string(&config.path).unwrap(), "{\"n\":11}\n");
        assert_eq!(fs::read_to_string(numbered(&config.path, 11)).unwrap(), "{\"n\":10}\n");
    }

    /// As where the disk was full, or no more files could be open, right between
    /// setting the old file aside and beginning the new one.
    #[tokio::test]
    async fn a_rotation_that_broke_off_is_gone_on_with() {
        let folder = tempfile::tempdir().unwrap();
        let config = FileConfig { rotate_bytes: 1, ..config(folder.path()) };
        let file = File::open(&config).unwrap();
        file.send(b"{\"n\":0}").await.unwrap();
        let parent = config.path.parent().unwrap().to_owned();
        let away = folder.path().join("away");
        fs::rename(&config.path, numbered(&config.path, 1)).unwrap();
        fs::rename(&parent, &away).unwrap();
        fs::write(&parent, "in the way").unwrap();
        file.send(b"{\"n\":1}").await.unwrap_err();

        fs::remove_file(&parent).unwrap();
        fs::rename(&away, &parent).unwrap();
        file.send(b"{\"n\":1}").await.unwrap();
        assert_eq!(fs::read_to_string(numbered(&config.path, 1)).unwrap(), "{\"n\":0}\n");
        assert_eq!(fs::read_to_string(&config.path).unwrap(), "{\"n\":1}\n");
    }

    #[test]
    fn a_path_that_cannot_be_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = FileConfig { path: folder.path().to_owned(), ..FileConfig::default() };
        assert!(matches!(File::open(&config), Err(OpenError::File { .. })));
    }
}
