//! Output in a size and form fit for a model: the beginning and the end of what is long, with what was left
//! out said between; no secret that is known by its looks, and nothing that a terminal would obey.

use shannot::redact::redact;

use crate::render::terminal::inert;

/// The most characters of a command's output that go into one answer: what is longer, clients put
/// elsewhere.
pub(super) const MOST: usize = 50_000;
/// The most of what is told of an error.
pub(super) const MOST_OF_ERROR: usize = 10_000;
/// Of three parts, how many are of the beginning.
const HEAD: usize = 2;

/// Bytes as a model may see them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) text: String,
    /// All of it, where that is longer.
    pub(super) whole: Option<String>,
    /// How many secrets were taken out.
    pub(super) redactions: u64,
}

/// An excerpt of bytes. Secrets are looked for in the whole: what is cut in two would not be known.
pub(super) fn of(bytes: &[u8], most: usize) -> Excerpt {
    // The kernel's lists of words have NULs between; other text has none.
    if bytes.contains(&0) && std::str::from_utf8(bytes).is_err() {
        let text = format!("[binary: {} bytes, not shown]", bytes.len());
        return Excerpt { text, ..Excerpt::default() };
    }
    let text = String::from_utf8_lossy(bytes);
    let (text, redactions) = redact(&text);
    let mut whole = String::with_capacity(text.len());
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            whole.push('\n');
        }
        whole.push_str(&inert(line.strip_suffix('\r').unwrap_or(line)));
    }
    match shortened(&whole, most) {
        None => Excerpt { text: whole, whole: None, redactions },
        Some(text) => Excerpt { text, whole: Some(whole), redactions },
    }
}

/// The beginning and the end of what is longer.
fn shortened(text: &str, most: usize) -> Option<String> {
    let count = text.chars().count();
    if count <= most {
        return None;
    }
    let head = most * HEAD / 3;
    let (start, end) = (at_line(text, at(text, head)), at(text, count - (most - head)));
    let end = text[end..].find('\n').map_or(end, |line| end + line + 1);
    let left_out = &text[start..end];
    let (bytes, lines) = (left_out.len(), left_out.matches('\n').count());
    let (head, tail) = (&text[..start], &text[end..]);
    Some(format!("{head}[… {bytes} bytes in {lines} lines left out, from byte {start} …]\n{tail}"))
}

/// Where a character begins.
fn at(text: &str, number: usize) -> usize {
    text.char_indices().nth(number).map_or(text.len(), |(at, _)| at)
}

/// The last beginning of a line up to there, if there is one.
fn at_line(text: &str, end: usize) -> usize {
    text[..end].rfind('\n').map_or(end, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_stays_whole() {
        let short = Excerpt { text: "a\nä\n".to_owned(), ..Excerpt::default() };
        assert_eq!(of("a\nä\n".as_bytes(), 4), short);
        assert_eq!(of(b"", 4), Excerpt::default());
    }

    #[test]
    fn beginning_and_end_of_what_is_long_stay() {
        let text: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let Excerpt { text: excerpt, whole, .. } = of(text.as_bytes(), 300);
        assert_eq!(whole.as_ref(), Some(&text));
        assert!(excerpt.starts_with("line 0\n") && excerpt.ends_with("line 999\n"), "{excerpt}");
        let (head, rest) = excerpt.split_once("[… ").unwrap();
        let (said, tail) = rest.split_once(" …]\n").unwrap();
        assert!(head.ends_with('\n'));
        let left = text.len() - head.len() - tail.len();
        let lines = 1000 - head.lines().count() - tail.lines().count();
        let from = head.len();
        assert_eq!(said, format!("{left} bytes in {lines} lines left out, from byte {from}"));
    }

    #[test]
    fn what_is_no_text_is_not_shown() {
        assert_eq!(of(b"a\0\xffb", 100).text, "[binary: 4 bytes, not shown]");
        // As of /proc/<pid>/cmdline.
        assert_eq!(of(b"a\0b\0", 100).text, "a^@b^@");
        assert_eq!(of(b"\xff\x1b[2J", 100).text, "\u{fffd}^[[2J");
    }
}
