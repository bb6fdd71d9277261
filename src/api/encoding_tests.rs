use std::{collections::VecDeque, io::Write};

use axum::http::HeaderValue;
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use proptest::prelude::*;

use super::*;

fn headers(values: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
    }
    headers
}

fn encodings(values: &[&'static str]) -> Encodings {
    Encodings::of(&headers(values)).unwrap()
}

/// `raw` is the deflate of clients that leave the zlib stream out.
fn pack(name: &str, bytes: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    match name {
        "gzip" | "x-gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "raw" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::encode_all(bytes, 3).unwrap(),
        _ => panic!("{name}"),
    }
}

async fn unpacked(
    names: &[&'static str],
    packed: Vec<u8>,
    limit: usize,
) -> Result<Vec<u8>, String> {
    let unpacked = encodings(names).unpack_all(packed.into(), limit).await;
    unpacked.map(Vec::from).map_err(|error| error.to_string())
}

#[test]
fn the_header_names_encodings_in_the_order_of_their_use() {
    use Encoding::{Deflate, Gzip, Zstd};
    assert!(encodings(&[]).is_empty());
    assert!(encodings(&["identity", ""]).is_empty());
    assert_eq!(encodings(&["X-Gzip, identity", "ZSTD"]).0, [Gzip, Zstd]);
    assert_eq!(encodings(&["deflate ,gzip"]).0, [Deflate, Gzip]);
    for unknown in ["br", "gzip, snappy", "gzip;q=1", "gzip,gzip,gzip,gzip,gzip"] {
        let refused = Encodings::of(&headers(&[unknown])).unwrap_err();
        assert!(matches!(refused, ApiError::UnsupportedEncoding { .. }), "{unknown}");
    }
}

#[tokio::test]
async fn every_encoding_alone_and_one_over_the_other_gives_the_bytes_back() {
    let text = "an event ".repeat(30_000).into_bytes();
    for name in ["gzip", "x-gzip", "deflate", "zstd"] {
        assert_eq!(unpacked(&[name], pack(name, &text), text.len()).await.unwrap(), text);
    }
    assert_eq!(unpacked(&["deflate"], pack("raw", &text), text.len()).await.unwrap(), text);
    let twice = pack("zstd", &pack("gzip", &text));
    assert_eq!(unpacked(&["gzip, zstd"], twice, text.len()).await.unwrap(), text);
    // Parts packed one after the other are one body.
    for name in ["gzip", "zstd"] {
        let parts = [pack(name, b"{\"a\":"), pack(name, b"1}")].concat();
        assert_eq!(unpacked(&[name], parts, 100).await.unwrap(), b"{\"a\":1}");
    }
}

#[tokio::test]
async fn what_is_cut_off_or_damaged_is_refused_and_nothing_of_it_is_taken() {
    let text = (0..20_000_u32).flat_map(u32::to_be_bytes).collect::<Vec<_>>();
    for name in ["gzip", "deflate", "zstd"] {
        let whole = pack(name, &text);
        for cut in [0, 1, 5, 11, whole.len() / 2, whole.len() - 1] {
            let error = unpacked(&[name], whole[..cut].to_vec(), text.len()).await.unwrap_err();
            assert!(error.contains("incomplete") && error.contains(name), "{name} {cut}: {error}");
        }
        let error = unpacked(&[name], text.clone(), text.len()).await.unwrap_err();
        assert!(error.contains(&format!("not valid {name}")), "{error}");
        let error = unpacked(&[name], [&*whole, b"more"].concat(), text.len()).await.unwrap_err();
        assert!(error.contains(name), "{error}");
    }
}

/// A few kilobytes that hold gigabytes end at the limit.
#[tokio::test]
async fn a_bomb_ends_at_the_limit() {
    let bomb = pack("zstd", &pack("gzip", &vec![0; 64 << 20]));
    assert!(bomb.len() < 10_000, "{}", bomb.len());
    let error = unpacked(&["gzip, zstd"], bomb, 1 << 20).await.unwrap_err();
    assert!(error.contains("1048576"), "{error}");
    let mut wide = zstd::Encoder::new(Vec::new(), 1).unwrap();
    wide.window_log(27).unwrap();
    wide.long_distance_matching(true).unwrap();
    wide.include_contentsize(false).unwrap();
    wide.write_all(&[1; 100]).unwrap();
    let error = unpacked(&["zstd"], wide.finish().unwrap(), 1 << 20).await.unwrap_err();
    assert!(error.contains("not valid zstd"), "{error}");
}

/// Has nothing before each piece.
struct Slow {
    pieces: VecDeque<Vec<u8>>,
    at: usize,
    waits: bool,
}

impl Read for Slow {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Slow {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.waits {
            self.waits = false;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(self.pieces.front().map_or(&[], |piece| &piece[self.at..]))
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
        if self.pieces.front().is_some_and(|piece| piece.len() == self.at) {
            self.pieces.pop_front();
            (self.at, self.waits) = (0, true);
        }
    }
}

proptest! {
    #[test]
    fn a_body_that_comes_in_slow_pieces_is_the_same(
        text: Vec<u8>, size in 1_usize..50, name in "gzip|deflate|zstd|raw",
    ) {
        let packed = pack(&name, &text);
        let pieces = packed.chunks(size).map(<[u8]>::to_vec).collect();
        let wanted = encodings(&[match name.as_str() {
            "gzip" => "gzip",
            "zstd" => "zstd",
            _ => "deflate",
        }]);
        let mut reader = wanted.unpack(Slow { pieces, at: 0, waits: true }).unwrap();
        let mut unpacked = Vec::new();
        while let Err(error) = reader.read_to_end(&mut unpacked) {
            prop_assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
        prop_assert_eq!(unpacked, text);
    }
}
