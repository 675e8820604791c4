//! What a change of a file looks like to a person.

/// Lines around a change.
const AROUND: usize = 3;

/// The lines that go and those that come, with some around them. A change here is one piece: what is
/// between its first and its last line is shown whole.
pub(super) fn diff(before: &str, after: &str) -> String {
    let before: Vec<&str> = before.lines().collect();
    let after: Vec<&str> = after.lines().collect();
    let same = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let rest = before.len().min(after.len()) - same;
    let ends = before.iter().rev().zip(after.iter().rev());
    let same_end = ends.take_while(|(one, other)| one == other).count().min(rest);
    let first = same.saturating_sub(AROUND);
    let mut text = String::new();
    for (mark, lines) in [
        (" ", &before[first..same]),
        ("-", &before[same..before.len() - same_end]),
        ("+", &after[same..after.len() - same_end]),
        (
            " ",
            &before[before.len() - same_end..(before.len() - same_end + AROUND).min(before.len())],
        ),
    ] {
        for line in lines {
            text.push_str(mark);
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_shown_with_lines_around_it() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n";
        let after = before.replace("5\n", "five\n5b\n");
        assert_eq!(diff(before, &after), " 2\n 3\n 4\n-5\n+five\n+5b\n 6\n 7\n 8\n");
        assert_eq!(diff("", "a\n"), "+a\n");
        assert_eq!(diff("a\na\n", "a\n"), " a\n-a\n");
        assert_eq!(diff("a\n", "a\n"), " a\n");
    }
}
