//! The allocator, of C's code as well as of ours.
//!
//! A record is allocated by a thread of librdkafka and freed by one of a stage, which
//! is dear in glibc's allocator: docs/decisions/0015-many-records-a-call.md.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// jemalloc looks for its options under this name. By default there are four arenas
/// for each core, and each keeps what was freed for a while.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "a name that jemalloc gives the program to define")]
#[unsafe(export_name = "malloc_conf")]
static OPTIONS: Option<&'static std::ffi::c_char> = {
    // SAFETY: the text ends in a zero, and stays.
    Some(unsafe { &*c"narenas:2".as_ptr() })
};

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::{ffi::CStr, ptr};

    fn read(name: &CStr) -> u32 {
        let mut value = 0_u32;
        let mut size = size_of::<u32>();
        #[allow(unsafe_code, reason = "jemalloc tells its options by a call")]
        // SAFETY: the name ends in a zero, and both pointers are of what they say.
        let answer = unsafe {
            tikv_jemalloc_sys::mallctl(
                name.as_ptr(),
                (&raw mut value).cast(),
                &raw mut size,
                ptr::null_mut(),
                0,
            )
        };
        assert_eq!(answer, 0);
        value
    }

    #[test]
    fn the_options_are_found() {
        assert_eq!(read(c"opt.narenas"), 2);
    }

    /// What C allocates is freed by the same allocator as what Rust does.
    #[test]
    #[allow(unsafe_code, reason = "this is how C allocates")]
    fn c_has_the_same_allocator() {
        let one: unsafe extern "C" fn(usize) -> *mut std::ffi::c_void = libc::malloc;
        let other: unsafe extern "C" fn(usize) -> *mut std::ffi::c_void = tikv_jemalloc_sys::malloc;
        assert!(ptr::fn_addr_eq(one, other));
    }
}
