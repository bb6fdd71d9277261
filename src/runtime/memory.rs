//! Bounds what glibc's allocator keeps for itself.

/// Lets all threads share two arenas. By default glibc gives each of some dozens
/// of threads, librdkafka's among them, an arena of its own, which keeps what was
/// freed: a tenth of the memory of three stages.
///
/// To be called before threads are started; elsewhere than on glibc it does nothing.
pub fn bound_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// As many as there are threads of a task that allocate much.
        const ARENAS: i32 = 2;
        #[allow(unsafe_code, reason = "glibc takes this setting by a call or by the environment")]
        // SAFETY: takes two numbers, and is called while there is one thread.
        let taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS) };
        // Refused: memory is as it would have been.
        debug_assert_eq!(taken, 1, "glibc knows the setting");
    }
}

#[cfg(test)]
mod tests {
    /// glibc takes the setting, and memory can still be had of many threads.
    #[test]
    fn arenas_are_bounded_and_serve_many_threads() {
        super::bound_arenas();
        let threads: Vec<_> =
            (0..16_u8).map(|fill| std::thread::spawn(move || vec![fill; 1 << 16])).collect();
        for (fill, thread) in threads.into_iter().enumerate() {
            assert!(thread.join().unwrap().iter().all(|byte| usize::from(*byte) == fill));
        }
    }
}
