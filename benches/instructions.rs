//! Does one part of a stage's work so many times, for `scripts/instructions.py` to
//! count its instructions: `instructions PART TIMES`. Without a part, lists them.

mod parts;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

fn main() -> ExitCode {
    // Cargo gives its own words to every benchmark.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [name, times] = &words[..] else {
        let names: Vec<_> = parts::all().iter().map(|part| part.name).collect();
        return match writeln!(io::stdout(), "{}", names.join("\n")) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    };
    let part = parts::all().into_iter().find(|part| part.name == *name);
    let (Some(mut part), Ok(times)) = (part, times.parse::<u32>()) else {
        let _ = writeln!(io::stderr(), "instructions PART TIMES; without words it lists the parts");
        return ExitCode::from(2);
    };
    for _ in 0..times {
        (part.run)();
    }
    ExitCode::SUCCESS
}
