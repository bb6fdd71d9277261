//! A user's text files: regular and visible, UTF-8, with or without a byte order mark.
//!
//! Anything else has a reason that a person understands, and is never waited
//! for: a pipe without a writer would block its reader.

use std::{
    fs::{self, Metadata},
    io::ErrorKind,
    path::Path,
};

/// Far more than a person writes; a file of it is read into memory several times.
const BYTES_MAX: u64 = 64 << 20;

/// Why a file has no text, and the remedy; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub hint: Option<&'static str>,
}

impl FileProblem {
    fn new(message: impl Into<String>, hint: impl Into<Option<&'static str>>) -> Self {
        Self { line: 1, column: 1, message: message.into(), hint: hint.into() }
    }
}

/// What is at a path.
pub enum Found {
    Text(String),
    /// Neither a file nor a link.
    Nothing,
    /// Something that is not read, such as a folder or a pipe.
    Other(&'static str),
}

/// The text of the regular file at `path`.
pub fn read(path: &Path) -> Result<Found, FileProblem> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match fs::symlink_metadata(path) {
                Ok(_) => Err(FileProblem::new(
                    "a link to a file that does not exist",
                    "remove the link, or restore its file",
                )),
                Err(_) => Ok(Found::Nothing),
            };
        }
        Err(error) => return Err(FileProblem::new(format!("cannot be read: {error}"), None)),
    };
    if let Some(kind) = kind_of(&metadata) {
        return Ok(Found::Other(kind));
    }
    if metadata.len() > BYTES_MAX {
        let message = format!("a file of {} bytes; the limit is {BYTES_MAX}", metadata.len());
        return Err(FileProblem::new(message, None));
    }
    let bytes = fs::read(path);
    let bytes =
        bytes.map_err(|error| FileProblem::new(format!("cannot be read: {error}"), None))?;
    decode(bytes).map(Found::Text)
}

/// `None` for a regular file.
fn kind_of(metadata: &Metadata) -> Option<&'static str> {
    if metadata.is_dir() {
        Some("a folder")
    } else if metadata.is_file() {
        None
    } else {
        Some("a pipe, socket or device")
    }
}

/// The bytes as text, without their byte order mark.
pub fn decode(bytes: Vec<u8>) -> Result<String, FileProblem> {
    const SAVE: &str = "save the file as UTF-8";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(FileProblem::new("text in UTF-16", SAVE));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = String::from_utf8_lossy(&bytes[..valid]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        FileProblem {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            message: format!("the byte 0x{:02X} is not UTF-8", bytes[valid]),
            hint: Some(SAVE),
        }
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_text() {
        assert_eq!(decode(b"\xef\xbb\xbfa: 1".to_vec()), Ok("a: 1".to_owned()));
        assert_eq!(decode(b"a\xef\xbb\xbf".to_vec()), Ok("a\u{feff}".to_owned()));
    }

    #[test]
    fn what_is_not_utf_8_is_named_with_its_place() {
        let problem = decode("a: é\nb: ".bytes().chain([0xe9, b'x']).collect()).unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 4));
        assert_eq!(problem.message, "the byte 0xE9 is not UTF-8");
        assert_eq!(decode(b"\xff\xfea\0".to_vec()).unwrap_err().message, "text in UTF-16");
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("a"), "text").unwrap();
        assert!(matches!(read(&path("a")), Ok(Found::Text(text)) if text == "text"));
        assert!(matches!(read(&path("b")), Ok(Found::Nothing)));
        assert!(matches!(read(dir.path()), Ok(Found::Other("a folder"))));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("b"), path("dangling")).unwrap();
            std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
            let problem = read(&path("dangling")).err().unwrap();
            assert_eq!(problem.message, "a link to a file that does not exist");
            assert!(matches!(read(&path("link")), Ok(Found::Text(_))));
            assert!(matches!(read(Path::new("/dev/null")), Ok(Found::Other(_))));
        }
    }
}
