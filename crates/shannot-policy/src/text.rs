//! Why a text was refused, and where in it: the same for profiles and for configuration.

use std::fmt;
use std::ops::Range;

use crate::spelling::nearest;

/// Why a text was refused.
///
/// Displayed as `origin:line:column: key: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TextError {
    origin: String,
    line: usize,
    column: usize,
    key: Option<String>,
    message: String,
    hint: Option<String>,
}

impl TextError {
    /// Where the text came from, as the loader named it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The key that is wrong, with the tables it lies in, for example `limits.wall`.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The same error with something to do about it.
    #[must_use]
    pub fn or_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, line, column, key, message, .. } = self;
        write!(f, "{origin}:{line}:{column}: ")?;
        if let Some(key) = key {
            write!(f, "`{key}`: ")?;
        }
        f.write_str(message)
    }
}

/// A text and its name, so that an offset becomes a place.
#[derive(Debug, Clone)]
pub struct Source {
    /// What errors call the text: a path, for most.
    pub origin: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// An error at a byte of the text.
    pub fn error(&self, at: usize, key: Option<&str>, message: impl Into<String>) -> TextError {
        let (line, column) = self.place(at);
        self.at(line, column, key, message)
    }

    /// The line of a byte and its column in characters, both from 1.
    pub fn place(&self, at: usize) -> (usize, usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// An error at a line and a column that are known already.
    pub fn at(
        &self,
        line: usize,
        column: usize,
        key: Option<&str>,
        message: impl Into<String>,
    ) -> TextError {
        TextError {
            origin: self.origin.clone(),
            line,
            column,
            key: key.map(str::to_owned),
            message: message.into(),
            hint: None,
        }
    }

    /// What the TOML parser or serde found.
    pub fn toml_error(&self, mut error: toml::de::Error) -> TextError {
        let at = error.span().unwrap_or(Range { start: 0, end: 0 }).start;
        // Only the display of an error without its input names the keys that lead to it.
        error.set_input(None);
        let shown = error.to_string();
        let keys = shown.trim_end().rsplit_once("\nin `").and_then(|(_, k)| k.strip_suffix('`'));
        let found = self.error(at, keys, error.message().trim().replace('\n', ", "));
        self.with_spelling(found)
    }

    /// Adds the nearest known key where serde tells all that it knows.
    pub(crate) fn with_spelling(&self, error: TextError) -> TextError {
        let quoted: Vec<&str> = error.message.split('`').skip(1).step_by(2).collect();
        let unknown = ["unknown field `", "unknown variant `"];
        let (true, Some((word, known))) =
            (unknown.iter().any(|u| error.message.starts_with(u)), quoted.split_first())
        else {
            return error;
        };
        let hint = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => return error,
        };
        error.or_hint(hint)
    }
}
