//! The test driver of the library, which holds what every lineage topic is held to
//! once a test is done with it.

use std::{
    collections::BTreeSet,
    ops::{Deref, DerefMut},
    path::Path,
};

use lineage_hub::{
    pipeline::Project,
    test_driver::{self, DriverError, DriverOptions},
};

use super::endings::{Open, assert_runs_end_once};

pub(crate) struct TestDriver(test_driver::TestDriver);

impl TestDriver {
    pub(crate) fn new(project: &Project, options: &DriverOptions) -> Result<Self, DriverError> {
        test_driver::TestDriver::new(project, options).map(Self)
    }

    pub(crate) fn from_project(root: impl AsRef<Path>) -> Result<Self, DriverError> {
        test_driver::TestDriver::from_project(root).map(Self)
    }

    pub(crate) fn from_files<N: Into<String>, T: Into<String>>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, DriverError> {
        test_driver::TestDriver::from_files(files).map(Self)
    }

    /// The runs that committed accounts name: who takes the partitions over ends them.
    fn held(&self) -> BTreeSet<String> {
        let accounts = self.stages().flat_map(|stage| self.accounts(stage).into_values());
        accounts.filter_map(|account| Some(account.run?.to_string())).collect()
    }
}

impl Deref for TestDriver {
    type Target = test_driver::TestDriver;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for TestDriver {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Drop for TestDriver {
    /// A run is open only as long as an account names it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_runs_end_once(&self.lineage(), &Open::Only(self.held()));
            self.finish();
            assert_runs_end_once(&self.lineage(), &Open::Only(self.held()));
        }
    }
}
