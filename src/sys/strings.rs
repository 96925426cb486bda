//! The command line and the environment as the kernel laid them out: borrowed for ever, never copied, any bytes.

use std::ffi::{CStr, c_char};
use std::fmt;

/// A NULL-terminated array of C strings that lives as long as the process: argv, or environ.
#[derive(Clone, Copy)]
pub struct Strings {
    first: *const *const c_char,
    len: usize,
}

impl Strings {
    /// # Safety
    /// `first` points to `len` C strings and a NULL after them, all alive and unchanged for ever.
    pub(super) const unsafe fn from_raw(first: *const *const c_char, len: usize) -> Self {
        Self { first, len }
    }

    /// # Safety
    /// `first` is NULL or points to C strings and a NULL after them, all alive and unchanged for ever.
    pub(super) unsafe fn from_terminated(first: *const *const c_char) -> Self {
        if first.is_null() {
            return Self::leak(Vec::new());
        }
        let mut len = 0;
        // SAFETY: the caller's promise; we stop at the NULL.
        while !unsafe { *first.add(len) }.is_null() {
            len += 1;
        }
        Self { first, len }
    }

    /// An array of its own, never given back (the few there are live until the end).
    #[must_use]
    pub fn leak(strings: Vec<&'static CStr>) -> Self {
        let len = strings.len();
        let mut pointers: Vec<*const c_char> = strings.into_iter().map(CStr::as_ptr).collect();
        pointers.push(std::ptr::null());
        Self { first: pointers.leak().as_ptr(), len }
    }

    /// The same for any bytes, of which NULs are left out.
    #[cfg(test)]
    pub(crate) fn leak_bytes(strings: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let leak = |mut bytes: Vec<u8>| -> &'static CStr {
            bytes.retain(|byte| *byte != 0);
            Box::leak(std::ffi::CString::new(bytes).unwrap_or_default().into_boxed_c_str())
        };
        Self::leak(strings.into_iter().map(leak).collect())
    }

    /// How many.
    #[must_use]
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The string at `index`.
    #[must_use]
    pub fn get(self, index: usize) -> Option<&'static CStr> {
        // SAFETY: below `len` each pointer is a C string that lives for ever.
        (index < self.len).then(|| unsafe { CStr::from_ptr(*self.first.add(index)) })
    }

    /// Without the first `count`.
    #[must_use]
    pub fn skip(self, count: usize) -> Self {
        let count = count.min(self.len);
        // SAFETY: at most `len` steps; the NULL is still behind the last.
        Self { first: unsafe { self.first.add(count) }, len: self.len - count }
    }

    /// Each in turn.
    pub fn iter(self) -> impl Iterator<Item = &'static CStr> {
        (0..self.len).filter_map(move |index| self.get(index))
    }

    /// The value of an environment variable, where this is an environment.
    #[must_use]
    pub fn var(self, name: &str) -> Option<&'static [u8]> {
        self.iter().find_map(|entry| entry.to_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    }

    /// For execve(2).
    pub(super) const fn as_ptr(self) -> *const *const c_char {
        self.first
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_by_their_whole_name() {
        let environ = Strings::leak(vec![c"PATHX=1", c"PATH=/bin:/usr/bin", c"EMPTY=", c"ODD"]);
        assert_eq!(environ.var("PATH"), Some(&b"/bin:/usr/bin"[..]));
        assert_eq!(environ.var("EMPTY"), Some(&b""[..]));
        assert_eq!(environ.var("ODD"), None);
        assert_eq!(environ.var("PAT"), None);
    }

    #[test]
    fn skipping_keeps_the_end() {
        let argv = Strings::leak(vec![c"a", c"b", c""]);
        assert_eq!(argv.skip(1).iter().collect::<Vec<_>>(), [c"b", c""]);
        assert!(argv.skip(9).is_empty());
        assert_eq!(argv.get(3), None);
    }
}
