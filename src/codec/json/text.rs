//! Strings: where they end, what their escapes stand for, and back.

/// Bytes that are compared and copied as one; most keys and many values are shorter.
pub(super) const WORD: usize = 16;

/// What stands between a string's quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    /// Escapes as they are written, checked.
    pub(super) inside: &'a [u8],
    pub(super) escaped: bool,
    /// So many bytes from its start on, whatever they belong to, where there are as many.
    head: Option<&'a [u8; WORD]>,
}

impl<'a> Span<'a> {
    /// The first `length` bytes of `text`.
    pub(super) fn new(text: &'a [u8], length: usize, escaped: bool) -> Self {
        Self { inside: &text[..length], escaped, head: text.first_chunk() }
    }

    /// Appends the text that the span stands for.
    pub(super) fn append_to(self, out: &mut Vec<u8>) {
        match self.head {
            _ if self.escaped => unescape(self.inside, out),
            // To copy as many bytes as are known to the compiler, and to forget those
            // behind the end, costs less than to call what copies any number.
            Some(head) if self.inside.len() <= WORD => {
                let end = out.len() + self.inside.len();
                out.extend_from_slice(head);
                out.truncate(end);
            }
            _ => out.extend_from_slice(self.inside),
        }
    }
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// Bytes before the first that a string cannot hold as it is: a quote, a
/// backslash or a control character. Eight at a time.
pub(super) fn clean_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let clean = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    words.len() * 8 + clean
}

/// The high bit of each special byte; above the lowest one others may be set
/// too (a subtraction borrows upwards), so only the lowest counts.
fn special_bytes(word: u64) -> u64 {
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero_in(word ^ (ONES * u64::from(b'"')));
    let backslash = zero_in(word ^ (ONES * u64::from(b'\\')));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGHS
}

/// The length of the escape at the start of `bytes`, or what was expected.
/// A surrogate pair is one escape; half of one stands for nothing.
pub(super) fn escape_length(bytes: &[u8]) -> Result<usize, &'static str> {
    const PAIR: &str = "both halves of a surrogate pair";
    match bytes.get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => match hex(bytes.get(2..6)) {
            None => Err("four hexadecimal digits behind `\\u`"),
            Some(0xDC00..=0xDFFF) => Err(PAIR),
            Some(0xD800..=0xDBFF) => match (bytes.get(6..8), hex(bytes.get(8..12))) {
                (Some(b"\\u"), Some(0xDC00..=0xDFFF)) => Ok(12),
                _ => Err(PAIR),
            },
            Some(_) => Ok(6),
        },
        _ => Err("an escape that JSON knows"),
    }
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |value, digit| Some((value << 4) | char::from(*digit).to_digit(16)?))
}

/// Appends checked text with its escapes replaced.
fn unescape(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(clean) = memchr::memchr(b'\\', text) {
        out.extend_from_slice(&text[..clean]);
        text = &text[clean..];
        let length = escape_length(text).unwrap_or(text.len());
        match text.get(1) {
            Some(b'u') => {
                let mut utf8 = [0; 4];
                out.extend_from_slice(escaped_char(text).encode_utf8(&mut utf8).as_bytes());
            }
            Some(b'b') => out.push(0x08),
            Some(b'f') => out.push(0x0C),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(byte) => out.push(*byte),
            None => {}
        }
        text = &text[length..];
    }
    out.extend_from_slice(text);
}

/// The character of a checked `\u` escape.
fn escaped_char(escape: &[u8]) -> char {
    let unit = hex(escape.get(2..6)).unwrap_or_default();
    let code = match hex(escape.get(8..12)) {
        Some(low) if (0xD800..0xDC00).contains(&unit) => {
            0x1_0000 + ((unit - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF)
        }
        _ => unit,
    };
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Appends `text` in quotes, with no more escapes than JSON asks for.
pub(in crate::codec) fn write_string(out: &mut Vec<u8>, mut text: &[u8]) {
    out.push(b'"');
    loop {
        let clean = clean_length(text);
        out.extend_from_slice(&text[..clean]);
        let Some(special) = text.get(clean) else { break };
        write_escape(out, *special);
        text = &text[clean + 1..];
    }
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, special: u8) {
    let letter = match special {
        0x08 => b'b',
        0x0C => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        b'"' | b'\\' => special,
        _ => {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value & 15)];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(special >> 4), digit(special)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clean_length_by_byte(bytes: &[u8]) -> usize {
        bytes.iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..0x20)).count()
    }

    proptest! {
        #[test]
        fn eight_at_a_time_stops_where_one_at_a_time_does(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(b'"'), 0x1E..0x24_u8, 0x5A..0x5E_u8, 0x7E..0x82_u8],
                0..40,
            ),
        ) {
            prop_assert_eq!(clean_length(&bytes), clean_length_by_byte(&bytes));
        }

        #[test]
        fn a_written_string_reads_back_and_is_what_serde_json_reads(text in any::<String>()) {
            let mut written = Vec::new();
            write_string(&mut written, text.as_bytes());
            prop_assert_eq!(serde_json::from_slice::<String>(&written).ok(), Some(text.clone()));

            let mut read = Vec::new();
            Span::new(&written[1..], written.len() - 2, true).append_to(&mut read);
            prop_assert_eq!(String::from_utf8(read).ok(), Some(text));
        }
    }

    #[test]
    fn text_of_any_length_is_copied_and_nothing_behind_it() {
        let text: Vec<u8> = (b'a'..=b'z').cycle().take(60).collect();
        for length in 0..40 {
            for end in length..text.len() {
                let mut out = b"before".to_vec();
                Span::new(&text[..end], length, false).append_to(&mut out);
                assert_eq!(out, [b"before", &text[..length]].concat(), "{length} of {end}");
            }
        }
    }

    #[test]
    fn escapes_are_measured_and_halves_of_pairs_refused() {
        for (escape, length) in [(r"\n", 2), (r"\/", 2), (r"\u0041", 6), (r"\ud83d\ude00", 12)] {
            assert_eq!(escape_length(escape.as_bytes()), Ok(length), "{escape}");
        }
        for bad in
            [r"\", r"\x", r"\u", r"\u12", r"\u12g4", r"\ud83d", r"\ude00", r"\ud83d\n", r"\ud83dA"]
        {
            assert!(escape_length(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        let inside = br#"a\"\\\/\b\f\n\r\t\u0000\u00e9\ud83d\ude00z"#;
        let mut read = Vec::new();
        Span::new(inside, inside.len(), true).append_to(&mut read);
        assert_eq!(read, "a\"\\/\u{8}\u{c}\n\r\t\0é😀z".as_bytes());
    }
}
