//! Users and groups of the host, from its files: a static program has no NSS.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The fields of each line of a file in the form of `passwd(5)` and `group(5)`.
fn records(file: &[u8]) -> impl Iterator<Item = impl Iterator<Item = &[u8]>> {
    file.split(|b| *b == b'\n').map(|line| line.split(|b| *b == b':'))
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The id of a group in `group(5)`.
pub(crate) fn group_id(groups: &[u8], name: &str) -> Option<u32> {
    let mut entries =
        records(groups).filter_map(|mut fields| Some((fields.next()?, number(fields.nth(1)?)?)));
    entries.find(|(own, _)| *own == name.as_bytes()).map(|(_, id)| id)
}

/// The users of `passwd(5)` and their homes, without those whose home is `/` or no path.
pub(crate) fn homes(passwd: &[u8]) -> impl Iterator<Item = (u32, PathBuf)> {
    records(passwd).filter_map(|mut fields| {
        let uid = number(fields.nth(2)?)?;
        let home = Path::new(OsStr::from_bytes(fields.nth(2)?));
        // Without a slash too many.
        (home.is_absolute() && home != Path::new("/")).then(|| (uid, home.components().collect()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_of_slash_is_no_home() {
        let passwd = b"root:x:0:0:root:/root//:/bin/bash\nsvc:x:7:7::/:/bin/false\nbroken:x\n";
        assert_eq!(homes(passwd).collect::<Vec<_>>(), [(0, "/root".into())]);
    }

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = b"admin:x:1:\nadm:x:4:a,b\n\nadm:x:5:\n";
        assert_eq!(group_id(groups, "adm"), Some(4));
        assert_eq!(group_id(groups, "systemd-journal"), None);
    }
}
