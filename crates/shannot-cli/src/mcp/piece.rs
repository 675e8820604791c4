//! A piece of an output that was too long for an answer.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::excerpt::MOST;
use super::results::Results;

/// Which piece is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Piece {
    id: String,
    /// Bytes before it.
    #[serde(default)]
    offset: usize,
}

impl Piece {
    /// Reads it.
    pub(super) fn read(&self, results: &Results) -> CallToolResult {
        let Some(text) = results.find(&self.id) else {
            let why = "there is no such result: it is kept for a while only; call the tool again";
            return Answer::refused(why).into_result();
        };
        let total = text.len();
        let start = text.ceil_char_boundary(self.offset.min(total));
        let rest = &text[start..];
        let end = start + rest.char_indices().nth(MOST).map_or(rest.len(), |(at, _)| at);
        // A piece ends where a line does, unless one line is longer.
        let end = match end < total {
            true => text[start..end].rfind('\n').map_or(end, |line| start + line + 1),
            false => end,
        };
        let piece = &text[start..end];
        let next = (end < total).then_some(end);
        let more = match next {
            Some(next) => format!("[more] {} bytes from offset {next}", total - next),
            None => "[end]".to_owned(),
        };
        let break_ = if piece.is_empty() || piece.ends_with('\n') { "" } else { "\n" };
        let shown = format!("{piece}{break_}{more}");
        let mut result = CallToolResult::success(vec![ContentBlock::text(shown)]);
        let mut data = json!({"text": piece, "offset": start, "total_bytes": total});
        if let Some(next) = next {
            data["next_offset"] = json!(next);
        }
        result.structured_content = Some(data);
        result
    }
}

/// The form of a piece as data.
pub(super) fn schema() -> Value {
    let number = json!({"type": "integer"});
    json!({"type": "object", "properties": {"text": {"type": "string"}, "next_offset": number}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_together() {
        let results = Results::default();
        let text: String = (0..20_000).map(|n| format!("line {n} ä\n")).collect();
        let id = results.keep(text.clone()).unwrap().unwrap();
        let (mut read, mut offset) = (String::new(), 0);
        loop {
            let result = Piece { id: id.clone(), offset }.read(&results);
            let data = result.structured_content.unwrap();
            read.push_str(data["text"].as_str().unwrap());
            let Some(next) = data["next_offset"].as_u64() else { break };
            offset = usize::try_from(next).unwrap();
        }
        assert_eq!(read, text);
        let beyond = Piece { id: id.clone(), offset: usize::MAX }.read(&results);
        assert_eq!(beyond.structured_content.unwrap()["text"], "");
        let unknown = Piece { id: "x".to_owned(), offset: 0 }.read(&results);
        assert_eq!(unknown.is_error, Some(true));
    }
}
