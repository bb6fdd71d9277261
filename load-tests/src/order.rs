//! The orders: a sequence that a seed fixes, with one in 200 malformed.
//!
//! The order of the draws is part of the workload. A draw added, dropped or
//! moved gives other orders, and figures that do not compare with earlier ones.

use std::fmt::Write;

const COUNTRIES: [&str; 8] = ["DE", "fr", "GB", "us", "IT", "es", "NL", "pl"];

/// Currencies and the rate by which the pipeline multiplies a total.
const CURRENCIES: [(&str, f64); 3] = [("EUR", 1.0), ("USD", 0.92), ("GBP", 1.17)];

/// Where the 36 characters of the order id stand in a record's JSON.
const ORDER_ID: std::ops::Range<usize> = 13..49;

/// What is wrong with a malformed record.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// The JSON ends too early.
    Truncated,
    /// The customer id is a word.
    WrongType,
    /// There are no items.
    ItemsMissing,
}

/// What a right pipeline makes of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Paid: reaches the last topic, with this total.
    Loaded(f64),
    /// Not paid: filtered.
    Filtered,
    /// Malformed: a dead letter.
    DeadLettered,
}

/// The generator and the JSON of the latest order.
pub struct Orders {
    random: XorShift,
    json: String,
    /// Bytes that lengthen the email, which stages parse, copy and hash.
    padding: usize,
    /// Where they are drawn from: the orders stay those of the seed.
    filler: XorShift,
}

impl Orders {
    pub fn new(seed: u64) -> Self {
        Self::padded(seed, 0)
    }

    /// The same orders, each larger by so many bytes.
    pub fn padded(seed: u64, bytes: usize) -> Self {
        let json = String::with_capacity(512 + bytes);
        let (random, filler) = (XorShift::new(seed), XorShift::new(!seed));
        Self { random, json, padding: bytes, filler }
    }

    /// Writes the next order; `json` and `key` are of that one from here on.
    pub fn next(&mut self) -> Outcome {
        self.json.clear();
        let fault = self.draw_fault();
        let (high, low) = (self.random.next(), self.random.next());
        let status = match self.random.below(10) {
            0..=6 => "paid",
            7 | 8 => "pending",
            _ => "cancelled",
        };
        let (currency, rate) = self.pick(&CURRENCIES);
        let customer = self.random.below(200_000);
        let time = self.random.below(28 * 86_400);

        self.open(high, low);
        if fault == Some(Fault::WrongType) {
            self.json.push_str(r#""customer_id":"n/a","#);
        } else {
            self.write(format_args!(r#""customer_id":{customer},"#));
        }
        let country = self.pick(&COUNTRIES);
        let (day, hour, minute, second) =
            (1 + time / 86_400, time / 3_600 % 24, time / 60 % 60, time % 60);
        self.write(format_args!(
            r#""ts":"2026-01-{day:02}T{hour:02}:{minute:02}:{second:02}Z","country":"{country}","status":"{status}","currency":"{currency}","#
        ));
        let items = 1 + self.random.below(3);
        let sum = if fault == Some(Fault::ItemsMissing) { 0.0 } else { self.items(items) };
        self.write(format_args!(r#""email":"customer{customer}"#));
        self.pad();
        self.json.push_str(r#"@example.com"}"#);

        match fault {
            Some(Fault::Truncated) => self.json.truncate(self.json.len() - 20),
            Some(Fault::WrongType | Fault::ItemsMissing) => {}
            None if status == "paid" => return Outcome::Loaded(sum * rate),
            None => return Outcome::Filtered,
        }
        Outcome::DeadLettered
    }

    /// The latest order as bytes of a record.
    pub fn json(&self) -> &[u8] {
        self.json.as_bytes()
    }

    /// The order id of the latest order, which is its record's key.
    pub fn key(&self) -> &[u8] {
        &self.json.as_bytes()[ORDER_ID]
    }

    fn draw_fault(&mut self) -> Option<Fault> {
        if self.random.below(1000) >= 5 {
            return None;
        }
        Some(match self.random.below(3) {
            0 => Fault::Truncated,
            1 => Fault::WrongType,
            _ => Fault::ItemsMissing,
        })
    }

    /// The order id has the form of a random UUID.
    fn open(&mut self, high: u64, low: u64) {
        let (first, second, third) = (high >> 32, high & 0xffff, (high >> 16) & 0xfff);
        let (fourth, fifth) = (low >> 52, low & 0xffff_ffff_ffff);
        self.write(format_args!(
            r#"{{"order_id":"{first:08x}-{second:04x}-4{third:03x}-8{fourth:03x}-{fifth:012x}","#
        ));
    }

    /// Writes the items and returns the sum of quantity times price.
    fn items(&mut self, count: u64) -> f64 {
        let mut sum = 0.0;
        self.json.push_str(r#""items":["#);
        for index in 0..count {
            let (sku, quantity) = (self.random.below(50_000), 1 + self.random.below(5));
            let cents = 99 + self.random.below(20_000);
            let comma = if index > 0 { "," } else { "" };
            let (whole, part) = (cents / 100, cents % 100);
            self.write(format_args!(
                r#"{comma}{{"sku":"SKU-{sku:06}","qty":{quantity},"price":{whole}.{part:02}}}"#
            ));
            // Division rounds as reading the digits does: the pipeline sees this price.
            sum += quantity as f64 * (cents as f64 / 100.0);
        }
        self.json.push_str("],");
        sum
    }

    /// Of one letter it would cost less than it shows: compression leaves nothing of it.
    fn pad(&mut self) {
        let end = self.json.len() + self.padding;
        while self.json.len() < end {
            let letters = self.filler.next();
            self.write(format_args!("{letters:016x}"));
        }
        self.json.truncate(end);
    }

    fn pick<T: Copy, const N: usize>(&mut self, choices: &[T; N]) -> T {
        let index = self.random.below(N as u64);
        choices[usize::try_from(index).unwrap_or(0)]
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.json.write_fmt(arguments);
    }
}

/// xorshift64*: small, fast, and the same on every machine.
struct XorShift(u64);

impl XorShift {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds are spread out, and the state is never zero.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_orders_of_a_seed_stay_what_they_were() {
        let (mut loaded, mut dead_lettered, mut total) = (0, 0, 0.0);
        let mut orders = Orders::new(42);
        for _ in 0..1_000_000 {
            match orders.next() {
                Outcome::Loaded(sum) => (loaded, total) = (loaded + 1, total + sum),
                Outcome::DeadLettered => dead_lettered += 1,
                Outcome::Filtered => {}
            }
        }
        assert_eq!((loaded, dead_lettered), (696_352, 5_086));
        assert_eq!(format!("{total:.2}"), "434673486.87");
    }

    #[test]
    fn padding_lengthens_every_order_and_changes_nothing_else() {
        let (mut plain, mut padded) = (Orders::new(7), Orders::padded(7, 100));
        for _ in 0..1000 {
            assert_eq!(plain.next(), padded.next());
            assert_eq!(plain.key(), padded.key());
            assert_eq!(plain.json().len() + 100, padded.json().len());
        }
    }

    #[test]
    fn only_a_truncated_order_is_no_json_and_every_key_is_its_order_id() {
        let mut orders = Orders::new(7);
        for _ in 0..20_000 {
            let outcome = orders.next();
            let parsed = serde_json::from_slice::<serde_json::Value>(orders.json());
            match parsed {
                Ok(order) => {
                    assert_eq!(order["order_id"].as_str().map(str::as_bytes), Some(orders.key()));
                }
                Err(_) => assert_eq!(outcome, Outcome::DeadLettered),
            }
            assert_eq!(orders.key().len(), 36);
        }
    }
}
