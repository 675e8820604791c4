//! An address that only this machine reaches.

use std::net::SocketAddr;
use std::str::FromStr;

/// A port of the loopback interface; 0 is for any that is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loopback(SocketAddr);

/// Why an address is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is served to this machine only: give 127.0.0.1:PORT or [::1]:PORT")]
pub(crate) struct NotLoopback;

impl Loopback {
    pub(super) fn address(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for Loopback {
    type Err = NotLoopback;

    fn from_str(text: &str) -> Result<Self, NotLoopback> {
        let address: SocketAddr = text.parse().map_err(|_| NotLoopback)?;
        match address.ip().is_loopback() {
            true => Ok(Self(address)),
            false => Err(NotLoopback),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_served() {
        for text in ["127.0.0.1:0", "127.0.0.2:80", "[::1]:65535"] {
            assert!(text.parse::<Loopback>().is_ok(), "{text}");
        }
        for text in [
            "0.0.0.0:80",
            "[::]:80",
            "10.0.0.1:80",
            "[::ffff:127.0.0.1]:80",
            "localhost:80",
            "127.0.0.1",
            ":80",
            "80",
            "127.0.0.1:65536",
            "",
        ] {
            assert_eq!(text.parse::<Loopback>(), Err(NotLoopback), "{text}");
        }
    }
}
