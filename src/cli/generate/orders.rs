//! The orders workload: what a shop writes to `raw.orders`, half a percent of it malformed.
//!
//! This is the definition of the workload that the load tests and the sample
//! use, so every draw below and its order are part of it. A well-formed record:
//!
//! ```json
//! {"order_id":"…","customer_id":7,"ts":"2026-01-05T10:00:00Z","country":"fr","status":"paid",
//!  "currency":"EUR","items":[{"sku":"SKU-000042","qty":2,"price":9.99}],"email":"customer7@example.com"}
//! ```
//!
//! Malformed in one of three ways: cut 20 bytes before its end, `customer_id`
//! that is text, or no `items`. Of the others seven in ten are paid.

use std::io::Write as _;
use std::str;

/// Currencies and their rates to EUR.
const CURRENCIES: [(&str, f64); 3] = [("EUR", 1.0), ("USD", 0.92), ("GBP", 1.17)];
const COUNTRIES: [&str; 8] = ["DE", "fr", "GB", "us", "IT", "es", "NL", "pl"];

/// Bytes of the value before the order id, and of the order id (a UUID).
const KEY_START: usize = "{\"order_id\":\"".len();
const KEY_LENGTH: usize = 36;

/// Bytes that a cut record lacks at its end.
const CUT: usize = 20;

/// What [`Orders::write_next`] wrote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// Whether the record belongs in the dead letters.
    pub malformed: bool,
    /// The order's total in EUR, where it reaches the last topic.
    pub total: Option<f64>,
}

/// An endless stream of orders.
#[derive(Debug, Clone)]
pub struct Orders {
    random: Random,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    Cut,
    CustomerIsText,
    NoItems,
}

impl Orders {
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// Writes the next value into `out`, in place of what it held.
    pub fn write_next(&mut self, out: &mut Vec<u8>) -> Order {
        out.clear();
        let random = &mut self.random;
        let flaw = random.flaw();
        let (high, low) = (random.next(), random.next());
        let status = match random.below(10) {
            0..=6 => "paid",
            7..=8 => "pending",
            _ => "cancelled",
        };
        let (currency, rate) = CURRENCIES[random.below(3) as usize];
        let customer = random.below(200_000);
        let second = random.below(28 * 86_400);
        let country = COUNTRIES[random.below(8) as usize];
        let items = 1 + random.below(3);

        append_order_id(out, high, low);
        if flaw == Flaw::CustomerIsText {
            out.extend_from_slice(b",\"customer_id\":\"n/a\",");
        } else {
            append(out, format_args!(",\"customer_id\":{customer},"));
        }
        append_timestamp(out, second);
        append(
            out,
            format_args!(
                "\"country\":\"{country}\",\"status\":\"{status}\",\"currency\":\"{currency}\","
            ),
        );
        let mut sum = 0.0;
        if flaw != Flaw::NoItems {
            sum = self.append_items(out, items);
        }
        append(out, format_args!("\"email\":\"customer{customer}@example.com\"}}"));
        if flaw == Flaw::Cut {
            out.truncate(out.len() - CUT);
        }
        let loaded = flaw == Flaw::None && status == "paid";
        Order { malformed: flaw != Flaw::None, total: loaded.then_some(sum * rate) }
    }

    /// Returns the sum of quantity times price, added up in the order of the items.
    fn append_items(&mut self, out: &mut Vec<u8>, items: u64) -> f64 {
        let mut sum = 0.0;
        out.extend_from_slice(b"\"items\":[");
        for item in 0..items {
            let sku = self.random.below(50_000);
            let quantity = 1 + self.random.below(5);
            let cents = 99 + self.random.below(20_000);
            if item > 0 {
                out.push(b',');
            }
            append(out, format_args!("{{\"sku\":\"SKU-{sku:06}\",\"qty\":{quantity},\"price\":"));
            let start = out.len();
            append(out, format_args!("{}.{:02}", cents / 100, cents % 100));
            sum += quantity as f64 * read_price(&out[start..]);
            out.push(b'}');
        }
        out.extend_from_slice(b"],");
        sum
    }
}

/// The record key of a value: its order id. Every value has one, malformed or not.
pub fn key(value: &[u8]) -> &[u8] {
    &value[KEY_START..KEY_START + KEY_LENGTH]
}

/// A version 4 UUID out of two draws.
fn append_order_id(out: &mut Vec<u8>, high: u64, low: u64) {
    append(
        out,
        format_args!(
            "{{\"order_id\":\"{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}\"",
            high >> 32,
            high & 0xffff,
            high >> 16 & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        ),
    );
}

/// `second` counts from the start of January 2026; it stays within the month.
fn append_timestamp(out: &mut Vec<u8>, second: u64) {
    let (day, hour) = (1 + second / 86_400, second / 3600 % 24);
    let (minute, second) = (second / 60 % 60, second % 60);
    append(out, format_args!("\"ts\":\"2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z\","));
}

/// The double that a reader of the JSON gets, which need not be `cents / 100`.
fn read_price(digits: &[u8]) -> f64 {
    let digits = str::from_utf8(digits).expect("digits and a point were written");
    digits.parse().expect("digits and a point were written")
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a vector cannot fail");
}

/// xorshift64*: small, fast, and easy to write again in another language.
#[derive(Debug, Clone)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Spreads small seeds; the state must never be zero.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    fn flaw(&mut self) -> Flaw {
        if self.below(1000) >= 5 {
            return Flaw::None;
        }
        match self.below(3) {
            0 => Flaw::Cut,
            1 => Flaw::CustomerIsText,
            _ => Flaw::NoItems,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::generate::{Summary, summarise};

    /// FNV-1a over each value and a line feed.
    fn fingerprint(count: u64, seed: u64) -> u64 {
        let mut orders = Orders::new(seed);
        let mut value = Vec::new();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for _ in 0..count {
            orders.write_next(&mut value);
            for byte in value.iter().chain(b"\n") {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        hash
    }

    /// Held to figures of the load tests' own generator, which is another program.
    #[test]
    fn the_stream_is_the_load_tests_stream_byte_for_byte() {
        assert_eq!(fingerprint(10_000, 42), 0x9d88_6444_7b80_bd42);
        assert_eq!(fingerprint(10_000, 7), 0xb2b8_e112_b8a7_3477);
        assert_eq!(
            summarise(10_000, 42),
            Summary { records: 10_000, malformed: 42, loaded: 6_934, total: 4_305_649.250_699_999 }
        );
    }

    #[test]
    fn exactly_the_malformed_records_break_a_reader() {
        let mut orders = Orders::new(3);
        let mut value = Vec::new();
        let mut kinds = [0; 4];
        for _ in 0..20_000 {
            let order = orders.write_next(&mut value);
            let read = serde_json::from_slice::<serde_json::Value>(&value).ok();
            let kind = match &read {
                None => 1,
                Some(read) if !read["customer_id"].is_u64() => 2,
                Some(read) if read.get("items").is_none() => 3,
                Some(_) => 0,
            };
            kinds[kind] += 1;
            assert_eq!(order.malformed, kind != 0);
            let paid = read.is_some_and(|read| read["status"] == "paid");
            assert_eq!(order.total.is_some(), kind == 0 && paid);
        }
        assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    }

    #[test]
    fn the_key_is_the_order_id_even_of_a_malformed_record() {
        let mut orders = Orders::new(5);
        let mut value = Vec::new();
        for _ in 0..1000 {
            orders.write_next(&mut value);
            let key = str::from_utf8(key(&value)).unwrap();
            assert!(uuid::Uuid::try_parse(key).is_ok(), "{key}");
        }
    }
}
