//! The address of an agent.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use http::Uri;
use shannot::destination::HostName;

/// The address of an agent: `https`, or `http` on this machine only, for a token that travels in the
/// clear is anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentUrl(String);

impl FromStr for AgentUrl {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.escape_debug();
        let uri: Uri = text.parse().map_err(|why| format!("`{shown}` is not a URL: {why}"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(format!("`{shown}` is not a URL such as `https://host:7443`"));
        };
        if authority.as_str().contains('@') {
            return Err("a URL shows its password to everybody; use `token_file`".to_owned());
        }
        // A port that is none is not told from a missing one.
        let has_port = authority.as_str().len() > authority.host().len();
        let port = authority.port_u16().filter(|port| *port > 0);
        if !is_host(authority.host()) || has_port && port.is_none() {
            return Err(format!("`{shown}` names no host or port"));
        }
        // The parser cuts a fragment off.
        if uri.query().is_some() || text.contains('#') {
            let what = "has a query or a fragment, and the address of an agent has neither";
            return Err(format!("`{shown}` {what}"));
        }
        match scheme {
            "https" => Ok(Self(text.to_owned())),
            "http" if is_loopback(authority.host()) => Ok(Self(text.to_owned())),
            "http" => Err(format!("`{shown}` is not encrypted: use https, but for this machine")),
            _ => Err(format!("`{shown}` is neither https nor http")),
        }
    }
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()),
        None => host.parse::<HostName>().is_ok(),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_reached_encrypted_or_on_this_machine() {
        for text in [
            "https://edge.example.com:7443",
            "https://edge.example.com/agent",
            "http://localhost:7443",
            "http://127.0.0.1",
            "http://[::1]:7443",
        ] {
            assert!(text.parse::<AgentUrl>().is_ok(), "{text}");
        }
        for text in [
            "",
            "edge.example.com",
            "/agent",
            "ftp://edge",
            "http://edge.example.com",
            "http://127.0.0.1.example.com",
            "https://user:secret@edge",
            "https://edge:0",
            "https://edge:70000",
            "https://:7443",
            "https://edge/?token=x",
            "https://ed ge",
            "https://edge#x",
            "https://edge/#",
            "https://[zz]",
            "https://-edge",
            "https://edge,other",
        ] {
            assert!(text.parse::<AgentUrl>().is_err(), "{text}");
        }
    }
}
