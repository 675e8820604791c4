//! What editors of a format do not keep of a text.

/// How a text is saved: what its editor does not keep.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spelling {
    byte_order_mark: bool,
    /// Whether all lines end as on Windows.
    crlf: bool,
}

impl Spelling {
    const MARK: char = '\u{feff}';

    /// Of a text that was read.
    pub(crate) fn of(text: &str) -> Self {
        let lines = text.matches('\n').count();
        Self {
            byte_order_mark: text.starts_with(Self::MARK),
            crlf: lines > 0 && text.matches("\r\n").count() == lines,
        }
    }

    /// The text without it.
    pub(crate) fn plain(self, text: &str) -> String {
        let text = text.strip_prefix(Self::MARK).unwrap_or(text);
        if self.crlf { text.replace("\r\n", "\n") } else { text.to_owned() }
    }

    /// A changed text, saved as the one that was read.
    pub(crate) fn spell(self, mut text: String) -> String {
        if self.crlf {
            text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        }
        if self.byte_order_mark && !text.starts_with(Self::MARK) {
            text.insert(0, Self::MARK);
        }
        text
    }
}
