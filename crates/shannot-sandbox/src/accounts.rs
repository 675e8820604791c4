//! Users and groups of the host, from its files: a static program has no NSS.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Fields of the lines of a file in the form of `passwd(5)` and `group(5)`.
pub(crate) fn records(file: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    file.split(|b| *b == b'\n').map(|line| line.split(|b| *b == b':').collect())
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The id of a group in `group(5)`.
pub(crate) fn group_id(groups: &[u8], name: &str) -> Option<u32> {
    records(groups)
        .find(|f| f.first().copied() == Some(name.as_bytes()))
        .and_then(|f| number(f.get(2)?))
}

/// The home that `passwd(5)` gives a user; `/` is nobody's.
pub(crate) fn home_of(passwd: &[u8], uid: u32) -> Option<PathBuf> {
    let entry = records(passwd).find(|f| f.get(2).copied().and_then(number) == Some(uid))?;
    let home = PathBuf::from(OsString::from_vec(entry.get(5)?.to_vec()));
    (home.is_absolute() && home != Path::new("/")).then_some(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_of_slash_is_no_home() {
        let passwd = b"root:x:0:0:root:/root:/bin/bash\nsvc:x:7:7::/:/bin/false\n";
        assert_eq!(home_of(passwd, 0), Some("/root".into()));
        assert_eq!(home_of(passwd, 7), None);
        assert_eq!(home_of(passwd, 8), None);
    }
}
