//! A partition that a task owns, with its account as it is and as it is committed.

use super::Account;

/// The account and the offset of a partition, as they are committed.
pub(super) type Committed = (Account, i64);

/// A partition that the task owns.
#[derive(Debug, Clone)]
pub(super) struct Holding {
    pub(super) account: Account,
    /// The offset to commit.
    pub(super) next_offset: i64,
    /// The two above as they are committed: what a failure goes back to.
    pub(super) committed: Committed,
    /// Not yet committed as it stands here.
    pub(super) changed: bool,
    /// The committed account names the run.
    pub(super) claimed: bool,
}

impl Holding {
    pub(super) fn new(account: Account, next_offset: i64, claimed: bool) -> Self {
        let committed = (account, next_offset);
        Self { account, next_offset, committed, changed: !claimed, claimed }
    }

    pub(super) fn settle(&mut self) {
        self.committed = (self.account, self.next_offset);
        self.claimed = self.account.run.is_some();
        self.changed = false;
    }

    pub(super) fn restore(&mut self) {
        (self.account, self.next_offset) = self.committed;
        self.changed = false;
    }
}
