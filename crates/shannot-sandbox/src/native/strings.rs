//! The words and the environment of a program, as `execve(2)` takes them.

use std::ffi::CString;

/// An array of the addresses of NUL-terminated strings, ending with a zero. It is made before the
/// clone: a child may not allocate.
#[derive(Debug)]
pub(crate) struct StringArray {
    addresses: Vec<usize>,
    /// What the addresses are of; never changed.
    strings: Vec<CString>,
}

impl StringArray {
    /// Keeps the strings and notes their addresses, which moving the vector does not change.
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let addresses = strings.iter().map(|s| s.as_ptr().expose_provenance()).chain([0]).collect();
        Self { addresses, strings }
    }

    /// The strings.
    pub(super) fn strings(&self) -> &[CString] {
        &self.strings
    }

    /// The addresses, valid as long as this value.
    pub(super) fn addresses(&self) -> &[usize] {
        &self.addresses
    }
}
