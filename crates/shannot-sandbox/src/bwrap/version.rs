//! Which bubblewrap it is.

/// Where distributions put it. No `PATH` is searched: the caller could have set it.
pub(crate) const PATH: &str = "/usr/bin/bwrap";

/// A version of bubblewrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// Reads what `bwrap --version` says, as in `bubblewrap 0.8.0`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().nth(1)?.split('.').map(str::parse);
        Some(Self(numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(Version::parse("bubblewrap 0.8.0\n"), Some(Version(0, 8)));
        assert_eq!(Version::parse("bubblewrap 0.11.1"), Some(Version(0, 11)));
        assert_eq!(Version::parse("bubblewrap"), None);
        assert!(Version(0, 11) > Version(0, 8));
    }
}
