//! Where a host is reached over SSH.
//!
//! Host and user become words of an `ssh` command line, and ssh_config(5) may hand them on to a shell
//! (`ProxyCommand %h`, `Match exec`; CVE-2023-51385) and writes a host into known_hosts, where `*` and
//! `!` are patterns. OpenSSH refuses some characters in them since 9.6; here is a list of those that
//! they may have.

use std::fmt;
use std::net::Ipv6Addr;
use std::num::NonZeroU16;
use std::str::FromStr;

/// What a name may have beside letters and digits: a shell takes none of it for anything else.
const IN_A_HOST: &str = ".-_+";
const IN_A_USER: &str = ".-_+@";

/// Why a text is no destination, or no part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// Nothing where a host or user should be.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// `ssh` would take it for an option.
    #[error("the {what} `{text}` begins with `-`")]
    Option {
        /// `host` or `user`.
        what: &'static str,
        /// The text.
        text: String,
    },
    /// A character that cannot be in such a name; a colon is none of a host's, but of an IPv6
    /// address.
    #[error("the {what} `{}` contains {found:?}", .text.escape_debug())]
    Character {
        /// `host` or `user`.
        what: &'static str,
        /// The text.
        text: String,
        /// The first such character.
        found: char,
    },
    /// Longer than 255 bytes, the most of a name in the DNS, RFC 1035.
    #[error("the {0} is longer than 255 bytes")]
    TooLong(&'static str),
    /// Not a number from 1 to 65535.
    #[error("`{0}` is not a port: give a number from 1 to 65535")]
    Port(String),
    /// A bracket that is not closed, or something else than a port after it.
    #[error("`{0}` is not an address: write `[::1]` or `[::1]:22`")]
    Brackets(String),
}

/// The name of a host, an address, or an alias of ssh_config(5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// A user's name on another host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(String);

/// A TCP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port(NonZeroU16);

impl HostName {
    /// The name, an IPv6 address without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl UserName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Port {
    /// The number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for HostName {
    type Err = DestinationError;
    fn from_str(text: &str) -> Result<Self, DestinationError> {
        // With a zone, RFC 4007, which is the name of an interface.
        let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
        match address.parse::<Ipv6Addr>() {
            Ok(_) => check("host", zone, IN_A_HOST)?,
            Err(_) => check("host", text, IN_A_HOST)?,
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for UserName {
    type Err = DestinationError;
    fn from_str(text: &str) -> Result<Self, DestinationError> {
        check("user", text, IN_A_USER)?;
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Port {
    type Err = DestinationError;
    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number.map(Self).ok_or_else(|| DestinationError::Port(text.to_owned()))
    }
}

impl TryFrom<i64> for Port {
    type Error = DestinationError;
    fn try_from(number: i64) -> Result<Self, DestinationError> {
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        port.map(Self).ok_or_else(|| DestinationError::Port(number.to_string()))
    }
}

fn check(what: &'static str, text: &str, more: &str) -> Result<(), DestinationError> {
    if text.is_empty() {
        return Err(DestinationError::Empty(what));
    }
    if text.starts_with('-') {
        return Err(DestinationError::Option { what, text: text.to_owned() });
    }
    let is_wrong = |c: &char| !c.is_ascii_alphanumeric() && !more.contains(*c);
    if let Some(found) = text.chars().find(is_wrong) {
        return Err(DestinationError::Character { what, text: text.to_owned(), found });
    }
    if text.len() > 255 {
        return Err(DestinationError::TooLong(what));
    }
    Ok(())
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A host, and how to reach it where that is not left to ssh_config(5).
///
/// Written `[user@]host[:port]`, the host in brackets where it is an IPv6 address with a port. All
/// before the last `@` is the user, as `ssh` reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Who to be there.
    pub user: Option<UserName>,
    /// The host.
    pub host: HostName,
    /// Where its sshd listens.
    pub port: Option<Port>,
}

impl FromStr for Destination {
    type Err = DestinationError;
    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user.parse()?), rest),
            None => (None, text),
        };
        let (host, port) = split_port(rest)?;
        let port = port.map(str::parse).transpose()?;
        Ok(Self { user, host: host.parse()?, port })
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), DestinationError> {
    let wrong = || DestinationError::Brackets(text.to_owned());
    if let Some(inside) = text.strip_prefix('[') {
        let (host, after) = inside.split_once(']').ok_or_else(wrong)?;
        if !host.contains(':') {
            return Err(wrong());
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(wrong()),
        };
    }
    Ok(match text.split_once(':') {
        // Several colons are an IPv6 address.
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    })
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.0.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_read_and_shown() {
        for (text, user, host, port) in [
            ("prod", None, "prod", None),
            ("admin@prod.example.com", Some("admin"), "prod.example.com", None),
            ("admin@prod:2222", Some("admin"), "prod", Some(2222)),
            ("a@corp.example@prod", Some("a@corp.example"), "prod", None),
            ("::1", None, "::1", None),
            ("fe80::1%eth0", None, "fe80::1%eth0", None),
            ("root@[::1]:22", Some("root"), "::1", Some(22)),
            ("my_alias+x", None, "my_alias+x", None),
        ] {
            let read: Destination = text.parse().unwrap();
            assert_eq!(read.user.as_ref().map(UserName::as_str), user, "{text}");
            assert_eq!(read.host.as_str(), host, "{text}");
            assert_eq!(read.port.map(Port::get), port, "{text}");
            assert_eq!(read.to_string(), text);
        }
        // The host's own text has neither port nor brackets.
        for host in ["db:2222", "[::1]", "::1]"] {
            assert!(host.parse::<HostName>().is_err(), "{host}");
        }
        assert_eq!("[::1]".parse::<Destination>().unwrap().to_string(), "::1");
    }

    #[test]
    fn what_ssh_or_a_shell_would_take_for_something_else_is_refused() {
        for text in [
            "",
            "@prod",
            "admin@",
            "-oProxyCommand=id",
            "-l@prod",
            "admin@-oProxyCommand=id",
            "prod:0",
            "prod:70000",
            "prod:+22",
            "prod:",
            "prod:ssh",
            "[::1",
            "[::1]22",
            "a b@prod",
            "a:b@prod",
            "prod example",
            "prod\n",
            "prod\0",
            "$(id)",
            "`id`",
            "prod;id",
            "prod|id",
            "prod,web",
            "ssh://prod",
            "pro\u{a0}d",
            "*",
            "*.example.com",
            "!prod",
            "?",
            "[a-z]",
            "~root",
            "#x",
            "x%h",
            "a=b",
            "*@prod",
            "%r@prod",
            "h:22:33",
            "a:b:c",
            "fe80::1%",
            "fe80::1%*",
            "[prod",
            &"x".repeat(256),
        ] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }
}
