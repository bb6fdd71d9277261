//! Why rows could not be worked on.

use crate::record::Recovery;

/// Most characters of a message: it may hold a value of the row.
const MESSAGE_CHARS_MAX: usize = 200;

/// Why a transform could not work on its rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// Some row's values cannot be computed with: overflow, division by zero, a bad cast.
    #[error("cannot compute {what}: {message}")]
    Compute { what: String, message: String },
    /// The rows that were worked on one by one make too much together.
    #[error("the rows make an output of over {bytes_max} bytes together")]
    TooLarge { bytes_max: usize },
    /// The batch is not what was planned for.
    #[error("{message}; the batch and the plan must be of one schema")]
    Input { message: String },
}

impl TransformError {
    /// `what` names the part that failed (`` `total` ``, `WHERE`); the message is cut to 200 characters.
    pub fn compute(what: impl Into<String>, message: &str) -> Self {
        Self::Compute { what: what.into(), message: shorten(message) }
    }

    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Compute { .. } => Recovery::DeadLetter,
            // No record is at fault: our mistake, or too many records at a time.
            Self::Input { .. } | Self::TooLarge { .. } => Recovery::Stop,
        }
    }
}

/// The first line, of at most 200 characters.
pub(super) fn shorten(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    match line.char_indices().nth(MESSAGE_CHARS_MAX - 1) {
        Some((end, _)) if line.len() > end + 1 => format!("{}…", &line[..end]),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_message_is_one_line_of_at_most_200_characters(text in "\\PC{0,300}(\n\\PC{0,10})?") {
            let short = shorten(&text);
            prop_assert!(short.chars().count() <= MESSAGE_CHARS_MAX);
            prop_assert!(!short.contains('\n'));
            let first = text.lines().next().unwrap_or_default();
            if first.chars().count() < MESSAGE_CHARS_MAX {
                prop_assert_eq!(short, first);
            }
        }
    }
}
