//! Files of `/proc`, whose size is not known before they are read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Most are read in one piece then.
const USUAL: usize = 16 << 10;

/// Reads a whole file of the kernel's making.
pub(crate) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL);
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}
