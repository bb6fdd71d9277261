//! The account of an input partition: what became of its records, all told.
//!
//! It travels in the metadata of the committed offset, inside the transaction,
//! so it is exact after any crash and passes with the partition to whoever
//! takes it over:
//!
//! ```text
//! lh1 <run that holds the partition, or -> in/mapped/out/filtered/dead/bytes in/bytes out <the same, when that run took it>
//! ```

use std::{fmt, str::FromStr};

use uuid::Uuid;

use crate::lineage::Counts;

/// Marks the format; a later one changes the number.
const FORMAT: &str = "lh1";

/// What became of a partition's records since the group began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// All records ever, across runs and replicas.
    pub total: Counts,
    /// The total when the holding run took the partition over.
    pub taken_at: Counts,
    /// The run that holds the partition; none after a clean handing over.
    pub run: Option<Uuid>,
}

impl Account {
    /// Begins to count for `run`.
    pub fn take_over(&mut self, run: Uuid) {
        self.taken_at = self.total;
        self.run = Some(run);
    }

    /// Ends the holding: nobody needs to close the run.
    pub fn hand_over(&mut self) {
        self.run = None;
    }

    /// Counts what the holding run did when it held the partition before as its
    /// own again, so that whoever has to close the run knows of all of it.
    pub fn count_again(&mut self, before: Counts) {
        self.taken_at = difference(self.taken_at, before);
    }

    /// What the holding run did.
    pub fn of_run(&self) -> Counts {
        difference(self.total, self.taken_at)
    }
}

/// Never under zero: a group whose offsets somebody set back has lost its accounts.
fn difference(all: Counts, part: Counts) -> Counts {
    Counts {
        read: all.read.saturating_sub(part.read),
        mapped: all.mapped.saturating_sub(part.mapped),
        out: all.out.saturating_sub(part.out),
        filtered: all.filtered.saturating_sub(part.filtered),
        dead_lettered: all.dead_lettered.saturating_sub(part.dead_lettered),
        bytes_in: all.bytes_in.saturating_sub(part.bytes_in),
        bytes_out: all.bytes_out.saturating_sub(part.bytes_out),
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORMAT} ")?;
        match self.run {
            Some(run) => write!(f, "{run}")?,
            None => f.write_str("-")?,
        }
        for counts in [self.total, self.taken_at] {
            let Counts { read, mapped, out, filtered, dead_lettered, bytes_in, bytes_out } = counts;
            write!(f, " {read}/{mapped}/{out}/{filtered}/{dead_lettered}/{bytes_in}/{bytes_out}")?;
        }
        Ok(())
    }
}

/// The text is no account: somebody else set the group's offsets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no account of a partition; counting begins anew")]
pub struct NoAccount {
    text: String,
}

impl FromStr for Account {
    type Err = NoAccount;

    fn from_str(text: &str) -> Result<Self, NoAccount> {
        let parse = || {
            let mut words = text.split(' ');
            words.next().filter(|word| *word == FORMAT)?;
            let run = match words.next()? {
                "-" => None,
                run => Some(run.parse().ok()?),
            };
            let total = counts(words.next()?)?;
            let taken_at = counts(words.next()?)?;
            let sound = total.read >= taken_at.read && words.next().is_none();
            sound.then_some(Self { total, taken_at, run })
        };
        parse().ok_or_else(|| NoAccount { text: text.chars().take(80).collect() })
    }
}

fn counts(text: &str) -> Option<Counts> {
    let mut numbers = text.split('/').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten();
    let counts = Counts {
        read: next()?,
        mapped: next()?,
        out: next()?,
        filtered: next()?,
        dead_lettered: next()?,
        bytes_in: next()?,
        bytes_out: next()?,
    };
    next().is_none().then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts_of(numbers: [u32; 7]) -> Counts {
        let [read, mapped, out, filtered, dead_lettered, bytes_in, bytes_out] =
            numbers.map(u64::from);
        Counts { read, mapped, out, filtered, dead_lettered, bytes_in, bytes_out }
    }

    proptest! {
        #[test]
        fn an_account_survives_its_text(total: [u32; 7], run: Option<u128>) {
            let mut account = Account { total: counts_of(total), ..Account::default() };
            if let Some(run) = run {
                account.take_over(Uuid::from_u128(run));
            }
            let text = account.to_string();
            prop_assert!(text.len() < 4096, "the broker's limit for metadata");
            prop_assert_eq!(text.parse(), Ok(account));
        }

        #[test]
        fn any_other_text_is_refused_without_a_panic(text in "\\PC{0,60}") {
            prop_assert!(text.parse::<Account>().is_err());
        }
    }

    #[test]
    fn a_run_counts_from_where_it_took_the_partition_over() {
        let mut account =
            Account { total: counts_of([9, 5, 5, 3, 1, 90, 50]), ..Account::default() };
        account.take_over(Uuid::from_u128(1));
        account.total += counts_of([2, 1, 1, 1, 0, 20, 10]);
        assert_eq!(account.of_run(), counts_of([2, 1, 1, 1, 0, 20, 10]));
        account.hand_over();
        assert_eq!(account.run, None);
    }
    #[test]
    fn a_run_that_gets_a_partition_back_counts_what_it_did_before() {
        let mut account = Account::default();
        account.take_over(Uuid::from_u128(1));
        account.total += counts_of([5, 5, 5, 0, 0, 50, 50]);
        let first = account.of_run();
        account.take_over(Uuid::from_u128(2));
        account.total += counts_of([9, 9, 9, 0, 0, 90, 90]);

        account.take_over(Uuid::from_u128(1));
        account.count_again(first);
        account.total += counts_of([2, 1, 1, 1, 0, 20, 10]);
        assert_eq!(account.of_run(), counts_of([7, 6, 6, 1, 0, 70, 60]));
    }
}
