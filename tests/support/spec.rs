//! Where OpenLineage's schemas and example documents are: in the folder that
//! `OPENLINEAGE_SPEC_DIR` names, or the copy in this repository.

use std::{env, path::PathBuf};

pub(crate) fn folder() -> PathBuf {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/openlineage-spec");
    env::var_os("OPENLINEAGE_SPEC_DIR").map_or_else(own, PathBuf::from)
}
