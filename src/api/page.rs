//! Pages of lists, one after another by a cursor.
//!
//! A cursor names the last row of its page by what the list is ordered by, so that
//! rows which come or go meanwhile neither repeat nor hide others.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

use super::ApiError;

/// Rows of the largest page.
const LIMIT_MAX: usize = 500;

pub(super) fn default_limit() -> usize {
    50
}

/// What rows are ordered by.
pub(super) type Key = (i128, String);

/// Which page is wanted.
#[derive(Debug)]
pub(super) struct PageParams {
    limit: usize,
    after: Option<Key>,
}

impl PageParams {
    pub(super) fn new(limit: usize, cursor: Option<&str>) -> Result<Self, ApiError> {
        if limit == 0 || limit > LIMIT_MAX {
            return Err(ApiError::Invalid(format!("`limit` is from 1 to {LIMIT_MAX}")));
        }
        let after = match cursor {
            None => None,
            Some(cursor) => Some(decode(cursor).ok_or_else(|| {
                ApiError::Invalid("`cursor` is not the `next` of a page".to_owned())
            })?),
        };
        Ok(Self { limit, after })
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The last row of the page before.
    pub(super) fn after(&self) -> Option<&Key> {
        self.after.as_ref()
    }

    /// The page of rows that come in the order of their keys, and the next cursor.
    pub(super) fn cut<T>(
        &self,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> Key,
    ) -> (Vec<T>, Option<String>) {
        if let Some(after) = &self.after {
            rows.retain(|row| key(row) > *after);
        }
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = rows.last().filter(|_| more).map(|row| encode(&key(row)));
        (rows, next)
    }
}

fn encode((number, text): &Key) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{number}/{text}"))
}

fn decode(cursor: &str) -> Option<Key> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (number, text) = text.split_once('/')?;
    Some((number.parse().ok()?, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pages_hold_every_row_once_in_order(
            numbers in proptest::collection::btree_set(-50_i128..50, 0..40), limit in 1_usize..12,
        ) {
            let rows: Vec<i128> = numbers.into_iter().collect();
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let params = PageParams::new(limit, cursor.as_deref()).unwrap();
                let (page, next) = params.cut(rows.clone(), |row| (*row, "x/y".to_owned()));
                seen.extend(page);
                if next.is_none() { break }
                cursor = next;
            }
            prop_assert_eq!(seen, rows);
        }

        #[test]
        fn any_cursor_is_taken_or_refused_without_a_panic(cursor: String) {
            let _ = PageParams::new(1, Some(&cursor));
        }
    }

    #[test]
    fn a_page_of_none_and_one_of_too_many_are_refused() {
        assert!(PageParams::new(0, None).is_err() && PageParams::new(501, None).is_err());
    }
}
