//! Pages that are written from the code.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::{fs, path::Path};

use lineage_hub::telemetry::{INSTRUMENTS, reference};

/// With `WRITE_DOCS` set it writes the page instead: `make docs`.
#[test]
fn the_page_of_metrics_is_the_list_of_instruments() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    if std::env::var_os("WRITE_DOCS").is_some() {
        fs::write(&path, reference()).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap();
    assert_eq!(page, reference(), "docs/metrics.md is behind; run `make docs`");
}

#[test]
fn every_instrument_is_on_the_page_once() {
    let page = reference();
    for spec in INSTRUMENTS {
        let row = format!("| `{}` |", spec.name);
        assert_eq!(page.matches(&row).count(), 1, "{}", spec.name);
    }
}
