//! Names of tools that are made of others' names: every client takes them, and no two are the same.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

/// The longest name: clients put the server's before it, and take 64 together.
const LONGEST: usize = 46;

/// The names that are taken.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Takes a name if it is free.
    pub(super) fn take(&mut self, name: &str) -> bool {
        self.0.insert(name.to_owned())
    }

    /// A free name that is made of this one, always in the same way for the same names before it.
    pub(super) fn made_of(&mut self, wanted: &str) -> String {
        let fit = fit(wanted);
        let numbered = (2_u32..).map(|n| format!("{}_{n}", cut(&fit, LONGEST - 11)));
        let mut all = std::iter::once(fit.clone()).chain(numbered);
        all.find(|name| self.take(name)).unwrap_or(fit)
    }
}

/// With letters, digits, `_` and `-` alone, and no longer than it may be.
fn fit(wanted: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name: String = wanted.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if name.len() <= LONGEST {
        return name;
    }
    // The same beginning does not make the same name.
    let digest = Sha256::digest(wanted.as_bytes());
    let digest: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}_{digest}", cut(&name, LONGEST - 9))
}

fn cut(name: &str, length: usize) -> &str {
    &name[..name.len().min(length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_clients_and_each_is_one() {
        let mut names = Names::default();
        assert_eq!(names.made_of("sandbox_df"), "sandbox_df");
        assert_eq!(names.made_of("sandbox_df"), "sandbox_df_2");
        assert_eq!(names.made_of("sandbox_mkfs.ext4"), "sandbox_mkfs_ext4");
        assert_eq!(names.made_of("sandbox_mkfs_ext4"), "sandbox_mkfs_ext4_2");
        assert_eq!(names.made_of("sandbox_ä/["), "sandbox____");
        let long = |end: &str| format!("sandbox_{}{end}", "x".repeat(100));
        let (one, two) = (names.made_of(&long("a")), names.made_of(&long("b")));
        assert!(one != two && one.len() <= LONGEST && two.len() <= LONGEST, "{one} {two}");
        assert_ne!(names.made_of(&long("a")), one);
    }
}
