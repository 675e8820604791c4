//! The way of output to a terminal and into JSON: nothing is obeyed, nothing depends on where the
//! stream was cut, and a reader of the JSON has the bytes again.
//!
//! The code is the program's own, which has no library: the files are compiled here too.
#![no_main]
#![allow(dead_code, unused_imports, reason = "the program uses the rest of these files")]

/// Two files of the program's.
#[path = "../../crates/shannot-cli/src/render"]
mod render {
    pub(crate) mod encode;
    pub(crate) mod terminal;
}

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use render::encode::{harmless, text_or_base64};
use render::terminal::{Filter, inert};
use shannot_fuzz::is_obeyed;

fuzz_target!(|bytes: &[u8]| {
    let whole = filtered(bytes, bytes.len().max(1));
    for chunk in [1, 2, 3, 7] {
        assert_eq!(filtered(bytes, chunk), whole, "cut every {chunk} bytes");
    }
    let screen = Screen::show(&whole);
    assert!(!screen.coloured, "colours are left set");
    if let Ok(text) = std::str::from_utf8(bytes) {
        if !text.contains(|c: char| is_obeyed(c) && !"\n\t".contains(c) || is_out_of_sight(c)) {
            assert_eq!(whole, bytes, "text must pass as it is");
        }
        text.lines().for_each(our_own_line);
        json(text);
    }
    let lossy = String::from_utf8_lossy(bytes);
    our_own_line(&lossy);
    json(&lossy);
    held(bytes);
});

fn filtered(bytes: &[u8], chunk: usize) -> Vec<u8> {
    let (mut filter, mut out) = (Filter::default(), Vec::new());
    bytes.chunks(chunk).for_each(|chunk| filter.push(chunk, &mut out));
    filter.finish(&mut out);
    out
}

/// Text that may be drawn elsewhere or not at all: interlinear notes, and what has no width.
fn is_out_of_sight(c: char) -> bool {
    let widthless = ['\u{180e}', '\u{200b}', '\u{feff}'].contains(&c);
    let of_words = ('\u{2060}'..='\u{2065}').contains(&c);
    let selectors = ('\u{e0080}'..='\u{e01ef}').contains(&c);
    widthless || of_words || selectors || ('\u{fff9}'..='\u{fffb}').contains(&c)
}

/// A terminal that knows text, line ends and colours, and stops at everything else.
#[derive(Default)]
struct Screen {
    coloured: bool,
}

impl Screen {
    fn show(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("a UTF-8 terminal is shown UTF-8");
        let mut screen = Self::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\n' | '\t' => {}
                '\r' => assert!(rest.starts_with('\n'), "a line is written over"),
                '\x1b' => {
                    let end = rest.find('m').expect("a sequence ends");
                    let parameters = rest[..end].strip_prefix('[').expect("only CSI passes");
                    screen.colour(parameters);
                    rest = &rest[end + 1..];
                }
                c => assert!(!is_obeyed(c) && !is_out_of_sight(c), "{c:?} reaches the terminal"),
            }
        }
        screen
    }

    /// ECMA-48, 8.3.117, and ITU-T T.416 for parts between colons. Terminals differ in which they
    /// know: text must be visible to those that do not know one, too.
    fn colour(&mut self, parameters: &str) {
        let known = |c: char| c.is_ascii_digit() || c == ';' || c == ':';
        assert!(parameters.chars().all(known), "{parameters:?} is no colour");
        let mut rest = parameters.split(';');
        while let Some(parameter) = rest.next() {
            let (first, parts) = parameter.split_once(':').unwrap_or((parameter, ""));
            // What is left out is 0; what does not fit is no number that any terminal knows.
            let number = if first.is_empty() { 0 } else { first.parse().unwrap_or(u64::MAX) };
            assert_ne!(number, 8, "{parameters:?} conceals text");
            self.coloured = number != 0;
            // Every terminal with colours knows these two.
            if matches!(number, 38 | 48) && parts.is_empty() {
                let values = match rest.next().map(str::parse) {
                    Some(Ok(5)) => 1,
                    Some(Ok(2)) => 3,
                    kind => panic!("{parameters:?} has a colour of kind {kind:?}"),
                };
                let mixed = rest.by_ref().take(values).any(|value| value.contains(':'));
                assert!(!mixed, "{parameters:?} can be read in two ways");
            }
        }
    }
}

/// What the program itself says.
fn our_own_line(line: &str) {
    let shown = inert(line);
    assert!(!shown.contains(|c| (is_obeyed(c) && c != '\t') || is_out_of_sight(c)), "{shown:?}");
    assert_eq!(inert(&shown), shown, "what is harmless stays as it is");
}

/// JSON of any text is read back as the same, and a terminal obeys nothing in it.
fn json(text: &str) {
    let written = serde_json::to_string(&[text]).expect("text is JSON");
    let shown = harmless(&written);
    assert!(!shown.contains(is_obeyed), "{shown:?}");
    let [read]: [String; 1] = serde_json::from_str(&shown).expect("it is JSON still");
    assert_eq!(read, text);
}

/// Output that is held comes back byte for byte, or up to a character that the limit cut.
fn held(bytes: &[u8]) {
    match text_or_base64(bytes.to_vec(), false) {
        (Some(text), None) => assert_eq!(text.as_bytes(), bytes),
        (None, Some(coded)) => {
            assert!(std::str::from_utf8(bytes).is_err(), "text is given as text");
            assert_eq!(STANDARD.decode(coded).expect("it is base64"), bytes);
        }
        both => panic!("{both:?} is not one of the two"),
    }
    match text_or_base64(bytes.to_vec(), true) {
        (Some(text), None) => {
            assert!(bytes.starts_with(text.as_bytes()) && bytes.len() - text.len() < 4);
        }
        (None, Some(coded)) => assert_eq!(STANDARD.decode(coded).expect("it is base64"), bytes),
        both => panic!("{both:?} is not one of the two"),
    }
}
