//! A model of word patterns: tries every way to match, and is only for short texts.

/// Whether a pattern, as `docs/profiles.md` and `Glob` describe it, matches the whole text. None
/// where the pattern has a set, which the model does not know.
pub fn matches(pattern: &str, text: &str) -> Option<bool> {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    if pattern.contains(&'[') {
        return None;
    }
    // `reached[i]`: whether what was read of the pattern matches the first i characters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern.iter();
    while let Some(c) = rest.next() {
        let literal = match c {
            '*' => {
                let first = reached.iter().position(|r| *r).unwrap_or(reached.len());
                reached[first..].fill(true);
                continue;
            }
            '?' => None,
            '\\' => Some(*rest.next()?),
            c => Some(*c),
        };
        for at in (0..text.len()).rev() {
            reached[at + 1] = reached[at] && literal.is_none_or(|c| c == text[at]);
        }
        reached[0] = false;
    }
    Some(reached[text.len()])
}

/// Whether a sequence of word patterns takes exactly these operands.
pub fn takes(sequence: &str, operands: &[String]) -> Option<bool> {
    let mut words: Vec<&str> = sequence.split_whitespace().collect();
    let rest = words.last() == Some(&"**");
    if rest {
        words.pop();
    }
    let count = operands.len() == words.len() || (rest && operands.len() > words.len());
    let mut all = count;
    for (word, operand) in words.iter().zip(operands) {
        all &= matches(word, operand)?;
    }
    Some(all)
}
