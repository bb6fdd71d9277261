//! Does one part of a stage's work so many times, for `scripts/instructions.py` to
//! count its instructions: `instructions PART TIMES`. Without a part, lists them.

mod parts;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cargo gives its own words to every benchmark.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [name, times] = &words[..] else {
        parts::all().iter().for_each(|part| println!("{}", part.name));
        return ExitCode::SUCCESS;
    };
    let part = parts::all().into_iter().find(|part| part.name == *name);
    let (Some(mut part), Ok(times)) = (part, times.parse::<u32>()) else {
        eprintln!("instructions PART TIMES; without words it lists the parts");
        return ExitCode::from(2);
    };
    (0..times).for_each(|_| (part.run)());
    ExitCode::SUCCESS
}
