//! Makes output harmless to a terminal.
//!
//! A terminal obeys what it is shown: sequences set its title, move its cursor over what was
//! said before, put words into its clipboard or its input. What passes: text, tabs, line ends,
//! and colour (`SGR`, ECMA-48 section 8.3.117, but for "concealed"). Everything else is made
//! visible: `^[` for ESC as `cat -v` has it, `<U+202E>` for characters that reorder or hide
//! text, `<9B>` for bytes that are not UTF-8.
//!
//! The terminal is taken to be a UTF-8 one. To one in an 8-bit mode, parts of UTF-8 characters
//! are controls, and this is no protection.

use std::fmt::Write as _;

/// The longest colour sequence that passes; the longest sensible one sets two 24-bit colours.
const LONGEST_SGR: usize = 64;

/// One stream on its way to a terminal; sequences may be cut anywhere between chunks.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    state: State,
    /// The part of a sequence or character that came so far.
    held: Vec<u8>,
    /// Whether colours may be set that the stream has not taken back.
    coloured: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After a carriage return.
    Return,
    /// After ESC.
    Escape,
    /// After ESC `[` and nothing but parameters.
    Sgr,
    /// In a character of this many bytes.
    Char(usize),
}

impl Filter {
    /// Filters a chunk; what cannot be told yet is held until the next.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.step(*byte, out);
        }
    }

    /// The stream has ended: shows what was held, and takes colours back.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.give_up(out);
        if std::mem::take(&mut self.coloured) {
            out.extend_from_slice(b"\x1b[0m");
        }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.state, byte) {
            (State::Text, _) => self.text(byte, out),
            (State::Return, b'\n') => {
                self.hold_nothing();
                out.extend_from_slice(b"\r\n");
            }
            (State::Escape, b'[') => self.hold(byte, State::Sgr),
            (State::Sgr, b'0'..=b';') if self.held.len() < LONGEST_SGR => {
                self.hold(byte, State::Sgr);
            }
            (State::Sgr, b'm') if shows_all(&self.held[2..]) => {
                self.coloured = self.held[2..].iter().any(|byte| *byte != b'0');
                out.append(&mut self.held);
                out.push(b'm');
                self.state = State::Text;
            }
            (State::Char(length), 0x80..=0xbf) => {
                self.hold(byte, State::Char(length));
                if self.held.len() == length {
                    self.character(out);
                }
            }
            _ => {
                self.give_up(out);
                self.text(byte, out);
            }
        }
    }

    fn text(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'\n' | b'\t' | b' '..=b'~' => out.push(byte),
            b'\r' => self.hold(byte, State::Return),
            0x1b => self.hold(byte, State::Escape),
            // The first byte tells the length: RFC 3629, section 4.
            0xc2..=0xdf => self.hold(byte, State::Char(2)),
            0xe0..=0xef => self.hold(byte, State::Char(3)),
            0xf0..=0xf4 => self.hold(byte, State::Char(4)),
            _ => show_byte(byte, out),
        }
    }

    fn hold(&mut self, byte: u8, state: State) {
        self.held.push(byte);
        self.state = state;
    }

    fn hold_nothing(&mut self) {
        self.held.clear();
        self.state = State::Text;
    }

    /// A character is complete.
    fn character(&mut self, out: &mut Vec<u8>) {
        match std::str::from_utf8(&self.held).ok().and_then(|text| text.chars().next()) {
            Some(c) if deceives(c) => out.extend_from_slice(shown(c).as_bytes()),
            Some(_) => out.extend_from_slice(&self.held),
            // Surrogates, overlong forms and what is beyond Unicode.
            None => self.held.iter().for_each(|byte| show_byte(*byte, out)),
        }
        self.hold_nothing();
    }

    /// What is held is not what it began as.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        self.held.iter().for_each(|byte| show_byte(*byte, out));
        self.hold_nothing();
    }
}

/// Whether the parameters of an SGR sequence leave text visible, also on a terminal that does not
/// know all of them: none is 8, "concealed".
fn shows_all(parameters: &[u8]) -> bool {
    let text = String::from_utf8_lossy(parameters);
    let mut attributes = text.split(';');
    while let Some(attribute) = attributes.next() {
        // Parts between colons belong to the number before them (ITU-T T.416), and are nothing to
        // terminals that do not know them: `8:1` is "concealed" too.
        let (number, parts) = attribute.split_once(':').unwrap_or((attribute, ""));
        match number.trim_start_matches('0') {
            "8" => return false,
            // A colour follows: `5;N` or `2;R;G;B`. Not after 58, the colour of the underline, which
            // is so new that many terminals would take what follows for attributes.
            "38" | "48" if parts.is_empty() => {
                let skip = match attributes.next().map(|kind| kind.trim_start_matches('0')) {
                    Some("5") => 1,
                    Some("2") => 3,
                    _ => return false,
                };
                if attributes.by_ref().take(skip).any(|value| value.contains(':')) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

fn show_byte(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'\n' | b'\t' | b' '..=b'~' => out.push(byte),
        // Caret notation: ASCII 64 characters further on.
        0x00..=0x1f | 0x7f => out.extend_from_slice(&[b'^', byte ^ 0x40]),
        0x80..=0xff => out.extend_from_slice(format!("<{byte:02X}>").as_bytes()),
    }
}

/// Characters that a terminal obeys or that make text look like other text: C1 controls, marks
/// and overrides of direction (UAX 9), separators of lines and paragraphs, tags, and interlinear
/// notes; and what has no width, by which text hides from whoever reads it and not from a model.
/// Joiners pass, for some scripts and emoji need them, and so do the first 16 variation selectors.
pub(super) fn deceives(c: char) -> bool {
    matches!(
        c,
        '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e01ef}'
    )
}

fn shown(c: char) -> String {
    format!("<U+{:04X}>", u32::from(c))
}

/// A line of our own with nothing in it that a terminal obeys, also no colour.
pub(crate) fn inert(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\t' => text.push(c),
            '\0'..='\u{1f}' | '\u{7f}' => {
                text.push('^');
                text.push(char::from_u32(u32::from(c) ^ 0x40).unwrap_or('?'));
            }
            c if deceives(c) => {
                // Writing to a string does not fail.
                let _ = write!(text, "{}", shown(c));
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same however the bytes are cut.
    fn check(input: &[u8], want: &str) {
        for cut in 0..=input.len() {
            let (mut filter, mut out) = (Filter::default(), Vec::new());
            let (first, second) = input.split_at(cut);
            filter.push(first, &mut out);
            filter.push(second, &mut out);
            filter.finish(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), want, "cut at {cut}");
        }
    }

    #[test]
    fn text_passes() {
        check("naïve\tcafé 日本 😀 👩‍👩‍👧\r\nnext\n".as_bytes(), "naïve\tcafé 日本 😀 👩‍👩‍👧\r\nnext\n");
    }

    #[test]
    fn colours_pass_and_are_taken_back() {
        check(b"\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m");
        check(b"\x1b[0;31mred", "\x1b[0;31mred\x1b[0m");
        check(b"\x1b[38;5;8mgrey\x1b[m", "\x1b[38;5;8mgrey\x1b[m");
        check(b"\x1b[38;2;8;8;8;48:5:8mx", "\x1b[38;2;8;8;8;48:5:8mx\x1b[0m");
    }

    #[test]
    fn concealed_text_shows() {
        check(b"\x1b[8mx", "^[[8mx");
        check(b"\x1b[1;08mx", "^[[1;08mx");
        check(b"\x1b[38;8mx", "^[[38;8mx");
    }

    #[test]
    fn concealed_text_shows_whatever_stands_behind_a_colon() {
        check(b"\x1b[8:1mx", "^[[8:1mx");
        check(b"\x1b[08:5:8mx", "^[[08:5:8mx");
        check(b"\x1b[38:5;8mx", "^[[38:5;8mx");
        check(b"\x1b[38;2;1:2;3;8mx", "^[[38;2;1:2;3;8mx");
        check(b"\x1b[38:5:8;1mx", "\x1b[38:5:8;1mx\x1b[0m");
    }

    #[test]
    fn concealed_text_shows_where_the_colour_of_underlines_is_not_known() {
        check(b"\x1b[58;5;8mx", "^[[58;5;8mx");
        check(b"\x1b[4;58;2;255;8;0mx", "^[[4;58;2;255;8;0mx");
        check(b"\x1b[58;5;9;58:5:8mx", "\x1b[58;5;9;58:5:8mx\x1b[0m");
    }

    #[test]
    fn sequences_other_than_colour_are_inert() {
        check(b"\x1b[2Jx", "^[[2Jx");
        check(b"\x1b[?25lx", "^[[?25lx");
        check(b"\x1b[>4;1mx", "^[[>4;1mx");
        check(b"\x1b]0;title\x07x", "^[]0;title^Gx");
        check(b"\x1b]52;c;AAAA\x1b\\x", "^[]52;c;AAAA^[\\x");
        check(b"\x1bP$q\"p\x1b\\", "^[P$q\"p^[\\");
        check(b"\x1bcx", "^[cx");
        check(b"\x1b\x1b[31mx", "^[\x1b[31mx\x1b[0m");
        check(b"\x1b[31\x1b[2Jx", "^[[31^[[2Jx");
        check(b"\x1b[3\n1mx", "^[[3\n1mx");
    }

    #[test]
    fn endless_sequence_is_not_held() {
        let mut input = b"\x1b[".to_vec();
        input.extend([b'1'; 100]);
        input.push(b'm');
        let want = format!("^[[{}m", "1".repeat(100));
        check(&input, &want);
    }

    #[test]
    fn end_within_a_sequence_is_shown() {
        check(b"x\x1b", "x^[");
        check(b"x\x1b[31", "x^[[31");
        check(b"x\r", "x^M");
        check(b"x\xe2\x82", "x<E2><82>");
    }

    #[test]
    fn text_cannot_be_written_over() {
        check(b"good\rbad", "good^Mbad");
        check(b"good\x08\x08bad", "good^H^Hbad");
        check(b"\r\r\n", "^M\r\n");
        check(b"a\x00b\x7f\x0b\x0c\x0e", "a^@b^?^K^L^N");
    }

    #[test]
    fn controls_of_eight_bits_are_inert() {
        check("\u{9b}2J".as_bytes(), "<U+009B>2J");
        check(b"\x9b2J", "<9B>2J");
        check(b"\xc0\x9b", "<C0><9B>");
        check(b"\xe2\x1b[2J", "<E2>^[[2J");
        check(b"\xed\xa0\x80", "<ED><A0><80>");
        check(b"\xff", "<FF>");
    }

    #[test]
    fn direction_cannot_be_changed() {
        check("a\u{202e}b\u{2066}".as_bytes(), "a<U+202E>b<U+2066>");
        check("\u{200b}\u{feff}\u{2060}".as_bytes(), "<U+200B><U+FEFF><U+2060>");
        check("\u{e0041}\u{e0100}".as_bytes(), "<U+E0041><U+E0100>");
        check("\u{e0041}".as_bytes(), "<U+E0041>");
        assert_eq!(inert("a\u{202e}\x1b[31m"), "a<U+202E>^[[31m");
    }
}
