//! Bytes and text as JSON carries them: what is no text becomes base64, and nothing is left in it
//! that a terminal would obey.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::terminal::deceives;

/// The same JSON with what a terminal obeys escaped like the controls that JSON itself escapes: a
/// reader gets the same text. Outside its strings JSON has no such characters.
pub(crate) fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if c == '\u{7f}' || deceives(c) {
            let escape = |unit: &mut u16| format!("\\u{unit:04x}");
            text.extend(c.encode_utf16(&mut [0; 2]).iter_mut().map(escape));
        } else {
            text.push(c);
        }
    }
    text
}

/// Bytes as text, or as base64 where they are not UTF-8. A character that the output limit has
/// cut is left out.
pub(crate) fn text_or_base64(bytes: Vec<u8>, truncated: bool) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => {
            let cut = error.utf8_error();
            let mut bytes = error.into_bytes();
            if truncated && cut.error_len().is_none() {
                bytes.truncate(cut.valid_up_to());
                return (Some(String::from_utf8_lossy(&bytes).into_owned()), None);
            }
            (None, Some(STANDARD.encode(bytes)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_become_base64() {
        assert_eq!(text_or_base64(b"\xff\x00".to_vec(), false), (None, Some("/wA=".to_owned())));
        assert_eq!(text_or_base64(b"a\xe2\x82".to_vec(), false).0, None);
        assert_eq!(text_or_base64(b"a\xe2\x82".to_vec(), true), (Some("a".to_owned()), None));
    }
}
