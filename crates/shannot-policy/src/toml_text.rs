//! Strings and keys as TOML wants them written.

/// A basic string, in quotes.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A key: bare where that is possible.
pub(crate) fn key(text: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if !text.is_empty() && text.bytes().all(bare) { text.to_owned() } else { string(text) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_and_keys_read_back() {
        for text in ["", "a-b_1", "/usr/bin/*", "a\"b\\c", "tab\t nul\0 del\x7f", "ä.b"] {
            let toml = format!("{} = {}", super::key(text), super::string(text));
            let read: std::collections::BTreeMap<String, String> = toml::from_str(&toml).unwrap();
            assert_eq!(read.get(text).map(String::as_str), Some(text), "{toml}");
        }
    }
}
