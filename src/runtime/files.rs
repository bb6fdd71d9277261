//! How many files the process may have open.

/// What is assumed where the system does not say.
const USUAL: usize = 1024;

/// Raises the limit as far as the system lets the process; the limit. The usual one,
/// of 1024, is for programs that call `select`, and fewer connections than a hub has.
pub fn raise_open_files() -> usize {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        #[allow(unsafe_code, reason = "only the system knows the limit, and changes it")]
        // SAFETY: both calls take a pointer to a struct that outlives them.
        unsafe {
            if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
                return USUAL;
            }
            let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) == 0 {
                limit = raised;
            }
        }
        return usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX);
    }
    #[allow(unreachable_code, reason = "where the system is another")]
    USUAL
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_is_raised_once() {
        let limit = super::raise_open_files();
        assert!(limit >= 64, "{limit}");
        assert_eq!(super::raise_open_files(), limit);
    }
}
