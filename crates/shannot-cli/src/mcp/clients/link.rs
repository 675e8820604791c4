//! Addresses that ask a client to add a server: a person clicks, and the client asks again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::entry::Launch;
use super::table::{Client, Link};

/// The address for a server; `None` where the client has none.
pub(super) fn link(client: &Client, name: &str, launch: &Launch) -> Option<String> {
    let Launch { program, args } = launch;
    Some(match client.link? {
        Link::Base64(start) => {
            let config = json!({ "command": program, "args": args }).to_string();
            format!("{start}name={name}&config={}", escaped(&STANDARD.encode(config)))
        }
        Link::Json(start) => format!("{start}{}", escaped(&whole(name, launch).to_string())),
    })
}

/// A server with its name, as VS Code takes it.
pub(super) fn whole(name: &str, launch: &Launch) -> Value {
    json!({ "name": name, "type": "stdio", "command": launch.program, "args": launch.args })
}

/// All but what RFC 3986 calls unreserved.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
