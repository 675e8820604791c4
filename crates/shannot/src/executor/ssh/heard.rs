//! Standard error of a box that a far shell has started, and the lines that the shell puts between.

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::sync::Semaphore;

use crate::executor::io::Sink;

/// The longest line of the shell's.
const LONGEST_LINE: usize = 1 << 10;
/// What is kept of the rest for a box that could not be made, the latest.
const MOST_KEPT: usize = 2 << 10;

/// What was heard beside the command's own.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// How the box has ended, if that was told.
    pub(super) end: Option<Told>,
    /// The command's or bwrap's last words.
    pub(super) tail: Vec<u8>,
}

/// How a box has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The command, with this exit code; 128 and more may stand for a signal.
    Exited(i32),
    /// It never came to a command.
    Failed,
}

/// A line of the shell's.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A frame of input has come to the command.
    Fed,
    /// The box has ended.
    End(Told),
}

/// Passes standard error on to its end, without the lines that begin with `mark`. Each frame of input that
/// has `fed` the command is a permit.
pub(super) async fn listen(
    mut stderr: ChildStderr,
    mark: &str,
    sink: &Sink<'_>,
    fed: &Semaphore,
    count: &mut u64,
) -> Heard {
    let mut heard = Heard::default();
    let mut held = BytesMut::new();
    let mut is_read = true;
    loop {
        let at_end = !matches!(stderr.read_buf(&mut held).await, Ok(1..));
        let (own, lines) = split(&mut held, mark.as_bytes(), at_end);
        for line in lines {
            match line {
                Line::Fed => fed.add_permits(1),
                Line::End(told) => heard.end = Some(told),
            }
        }
        *count += own.len() as u64;
        heard.tail.extend_from_slice(&own);
        let old = heard.tail.len().saturating_sub(MOST_KEPT);
        heard.tail.drain(..old);
        if is_read && !own.is_empty() {
            is_read = sink.stderr(own).await.is_ok();
        }
        if at_end {
            return heard;
        }
    }
}

/// Takes what can be told of what was read: the command's own, and the lines between. What may be the
/// beginning of a line stays, but at the end.
fn split(held: &mut BytesMut, mark: &[u8], at_end: bool) -> (Bytes, Vec<Line>) {
    let (mut own, mut lines) = (BytesMut::new(), Vec::new());
    while let Some(at) = held.windows(mark.len()).position(|window| window == mark) {
        own.unsplit(held.split_to(at));
        match held[mark.len()..].iter().position(|byte| *byte == b'\n') {
            Some(length) => {
                let line = held.split_to(mark.len() + length + 1);
                lines.extend(read(&line[mark.len()..mark.len() + length]));
            }
            // It is not whole, and never will be.
            None if at_end || held.len() > mark.len() + LONGEST_LINE => held.clear(),
            None => return (own.freeze(), lines),
        }
    }
    let may_be_begun =
        |held: &BytesMut, length: &usize| mark.starts_with(&held[held.len() - length..]);
    let begun = (1..mark.len().min(held.len() + 1)).rev().find(|length| may_be_begun(held, length));
    let begun = if at_end { 0 } else { begun.unwrap_or(0) };
    own.unsplit(held.split_to(held.len() - begun));
    (own.freeze(), lines)
}

/// Reads ` fed`, or ` 0 {"child-pid": 7, …}{"exit-code": 0 }`.
fn read(line: &[u8]) -> Option<Line> {
    let line = String::from_utf8_lossy(line);
    let line = line.strip_prefix(' ')?;
    if line == "fed" {
        return Some(Line::Fed);
    }
    let (code, status) = line.split_once(' ')?;
    let code = code.parse().ok()?;
    // bwrap writes it when the command that it executed has ended, and only then.
    let told = if status.contains("\"exit-code\"") { Told::Exited(code) } else { Told::Failed };
    Some(Line::End(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "0123456789abcdef";

    /// Wherever the bytes are cut on their way.
    #[test]
    fn the_lines_between_are_taken_out() {
        let said = format!(
            "a 0123{MARK} fed\nb\n0123456789abcde{MARK} fed\n{MARK} 3 {{\"exit-code\": 3 }}\n01234"
        );
        for first in 0..=said.len() {
            for second in first..=said.len() {
                let mut held = BytesMut::new();
                let (mut own, mut lines) = (Vec::new(), Vec::new());
                let parts = [&said[..first], &said[first..second], &said[second..]];
                for (number, part) in parts.into_iter().enumerate() {
                    held.extend_from_slice(part.as_bytes());
                    let (text, more) = split(&mut held, MARK.as_bytes(), number == 2);
                    own.extend_from_slice(&text);
                    lines.extend(more);
                }
                assert_eq!(own, b"a 0123b\n0123456789abcde01234", "{first} {second}");
                assert_eq!(lines, [Line::Fed, Line::Fed, Line::End(Told::Exited(3))]);
            }
        }
    }

    #[test]
    fn a_box_that_was_not_made_is_told_from_a_command_that_failed() {
        assert_eq!(read(b" 1 {\"child-pid\": 7}"), Some(Line::End(Told::Failed)));
        assert_eq!(read(b" 1 "), Some(Line::End(Told::Failed)));
        let exited = b" 1 {\"child-pid\": 7}{\"exit-code\": 1 }";
        assert_eq!(read(exited), Some(Line::End(Told::Exited(1))));
        assert_eq!(read(b" x {}"), None);
    }

    #[test]
    fn a_line_that_never_ends_is_dropped() {
        let mut held =
            BytesMut::from(format!("a{MARK}{}", "x".repeat(2 * LONGEST_LINE)).as_bytes());
        assert_eq!(split(&mut held, MARK.as_bytes(), false), ("a".into(), Vec::new()));
        assert!(held.is_empty());
    }
}
