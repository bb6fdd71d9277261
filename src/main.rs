//! The program `lineage-hub`; all it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    lineage_hub::Hub::new().main()
}
