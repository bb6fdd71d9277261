//! Any bytes of a request are answered or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| embedded_kafka::fuzzing::answer(bytes));
