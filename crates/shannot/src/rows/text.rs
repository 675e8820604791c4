//! Lines and words of an output, and what is kept of them.

use std::str::FromStr;

use super::ParseError;

/// The most bytes that are kept of one text, such as a command line.
const MOST_TEXT: usize = 4096;

/// The lines of an output.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    /// The lines of a text.
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (whole, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number += 1;
        Some(Line { number: self.number, whole, rest: whole })
    }
}

/// One line, read from its left.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    number: usize,
    whole: &'a str,
    rest: &'a str,
}

impl<'a> Line<'a> {
    /// All of it.
    pub(super) fn whole(&self) -> &'a str {
        self.whole
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next word.
    pub(super) fn word(&mut self, expected: &'static str) -> Result<&'a str, ParseError> {
        let text = self.rest.trim_start_matches(' ');
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if word.is_empty() {
            return Err(self.error(expected));
        }
        self.rest = rest;
        Ok(word)
    }

    /// The next word, as a number.
    pub(super) fn number<T: FromStr>(&mut self, expected: &'static str) -> Result<T, ParseError> {
        let before = *self;
        self.word(expected)?.parse().map_err(|_| before.error(expected))
    }

    /// That something else was expected where the rest begins.
    pub(super) fn error(&self, expected: &'static str) -> ParseError {
        let found = if self.rest.trim().is_empty() { self.whole } else { self.rest };
        ParseError::at(self.number, expected, found)
    }
}

/// A text that is kept: what is longer than a row should be is cut, and says so.
pub(super) fn kept(text: &str) -> String {
    if text.len() <= MOST_TEXT {
        return text.to_owned();
    }
    let cut = text.floor_char_boundary(MOST_TEXT);
    format!("{}… ({} bytes more)", &text[..cut], text.len() - cut)
}
