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

/// An excerpt of bytes, and how many secrets were taken out of them. They are looked for in the whole: what
/// is cut in two would not be known.
pub(super) fn of(bytes: &[u8], most: usize) -> (String, u64) {
    // The kernel's lists of words have NULs between; other text has none.
    if bytes.contains(&0) && std::str::from_utf8(bytes).is_err() {
        return (format!("[binary: {} bytes, not shown]", bytes.len()), 0);
    }
    let text = String::from_utf8_lossy(bytes);
    let (text, redactions) = redact(&text);
    let lines: Vec<String> =
        text.split('\n').map(|line| inert(line.strip_suffix('\r').unwrap_or(line))).collect();
    (shortened(&lines.join("\n"), most), redactions)
}

fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let head = most * HEAD / 3;
    let (start, end) = (at_line(text, at(text, head)), at(text, count - (most - head)));
    let end = text[end..].find('\n').map_or(end, |line| end + line + 1);
    let left_out = &text[start..end];
    let (bytes, lines) = (left_out.len(), left_out.matches('\n').count());
    format!("{}[… {bytes} bytes in {lines} lines left out …]\n{}", &text[..start], &text[end..])
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
        assert_eq!(of("a\nä\n".as_bytes(), 4), ("a\nä\n".to_owned(), 0));
        assert_eq!(of(b"", 4), (String::new(), 0));
    }

    #[test]
    fn beginning_and_end_of_what_is_long_stay() {
        let text: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        let (excerpt, _) = of(text.as_bytes(), 300);
        assert!(excerpt.starts_with("line 0\n") && excerpt.ends_with("line 999\n"), "{excerpt}");
        let (head, rest) = excerpt.split_once("[… ").unwrap();
        let (said, tail) = rest.split_once(" …]\n").unwrap();
        assert!(head.ends_with('\n'));
        let left = text.len() - head.len() - tail.len();
        let lines = 1000 - head.lines().count() - tail.lines().count();
        assert_eq!(said, format!("{left} bytes in {lines} lines left out"));
    }

    #[test]
    fn what_is_no_text_is_not_shown() {
        assert_eq!(of(b"a\0\xffb", 100).0, "[binary: 4 bytes, not shown]");
        // As of /proc/<pid>/cmdline.
        assert_eq!(of(b"a\0b\0", 100).0, "a^@b^@");
        assert_eq!(of(b"\xff\x1b[2J", 100).0, "\u{fffd}^[[2J");
    }
}
