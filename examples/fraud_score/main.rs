//! The program `lineage-hub` with a stage in Rust, and a function for SELECTs.
//!
//! ```console
//! $ cargo run --example fraud_score -- --project examples/fraud_score explain fraud
//! $ cargo run --example fraud_score -- --project examples/fraud_score up
//! ```

mod score;

use std::process::ExitCode;

use lineage_hub::Hub;

fn main() -> ExitCode {
    Hub::new().transform("fraud_score", score::FraudScore::over).function(score::percent()).main()
}
