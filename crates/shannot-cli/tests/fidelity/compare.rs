//! When an answer from inside the box is as good as one from outside.

use std::collections::{BTreeMap, BTreeSet};

/// What a command answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// The exit status; `None` after a signal.
    pub(crate) code: Option<i32>,
}

/// How a row is compared when its two outside runs, one before and one after the inside run, are
/// not equal. When they are, the inside run must be equal to them byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    /// Nothing else counts.
    Bytes,
    /// Equal once every number is masked, with its unit, and runs of blanks are one blank.
    Numbers,
    /// The same, even when both outside runs are equal: the box's own processes, files, sockets
    /// and memory are among what is counted.
    Counts,
    /// Every line that both outside runs have is there inside, and that is at least a third of
    /// the first one's, or two where there are few. Among the others is always the row of the
    /// command itself. A line that is there in some attempt is there: the state of a process
    /// changes, and changes back.
    SteadyLines,
}

/// Why an answer is not the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// For this reason.
    Because(String),
    /// These lines of the host's are missing.
    Missing(BTreeSet<Vec<u8>>),
}

impl Wrong {
    /// What is wrong still, after another attempt.
    pub(crate) fn and(self, before: Option<Self>) -> Result<(), Self> {
        match (self, before) {
            (Self::Missing(now), Some(Self::Missing(before))) => {
                let still: BTreeSet<_> = now.intersection(&before).cloned().collect();
                if still.is_empty() { Ok(()) } else { Err(Self::Missing(still)) }
            }
            (now, _) => Err(now),
        }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Because(why) => f.write_str(why),
            Self::Missing(lines) => {
                let first = lines.first().map(|l| shown(l)).unwrap_or_default();
                write!(f, "{} lines are missing inside, such as {first}", lines.len())
            }
        }
    }
}

impl Compare {
    /// Why `inside` is not what the host says; `Ok` when it is.
    pub(crate) fn check(
        self,
        before: &Answer,
        inside: &Answer,
        after: &Answer,
    ) -> Result<(), Wrong> {
        let because = |why: String| Err(Wrong::Because(why));
        if before.code == after.code && inside.code != before.code {
            return because(format!("exit status {:?}, not {:?}", inside.code, before.code));
        }
        let (first, second) = (&before.stdout, &after.stdout);
        if first == second && self != Self::Counts {
            return match first_difference(first, &inside.stdout) {
                None => Ok(()),
                Some(difference) => because(difference),
            };
        }
        match self {
            Self::Bytes => because("the host's own answer changes from run to run".to_owned()),
            Self::Numbers | Self::Counts => {
                let inside = masked(&inside.stdout);
                if inside == masked(first) || inside == masked(second) {
                    return Ok(());
                }
                because(first_difference(&masked(first), &inside).unwrap_or_default())
            }
            Self::SteadyLines => steady_lines(first, &inside.stdout, second),
        }
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

/// How often each line stands in a text.
fn count(text: &[u8]) -> BTreeMap<&[u8], usize> {
    let mut count = BTreeMap::new();
    lines(text).for_each(|line| *count.entry(without_work(line)).or_default() += 1);
    count
}

/// The line of a kernel's worker up to what it works on at the moment, as in
/// `[kworker/0:1-events]`.
fn without_work(line: &[u8]) -> &[u8] {
    const WORKER: &[u8] = b"kworker/";
    let Some(at) = line.windows(WORKER.len()).position(|w| w == WORKER) else { return line };
    let work = line.iter().skip(at).position(|b| matches!(b, b'-' | b'+' | b']'));
    line.get(..at + work.unwrap_or(line.len() - at)).unwrap_or(line)
}

fn steady_lines(before: &[u8], inside: &[u8], after: &[u8]) -> Result<(), Wrong> {
    let (after, inside) = (count(after), count(inside));
    let mut steady = 0;
    let mut missing = BTreeSet::new();
    for (line, times) in count(before) {
        let both = times.min(after.get(line).copied().unwrap_or(0));
        let seen = inside.get(line).copied().unwrap_or(0);
        if seen < both {
            missing.insert(line.to_vec());
        }
        steady += both;
    }
    let all = lines(before).count();
    if steady < 2 || (steady * 3 < all && all > 12) {
        return Err(Wrong::Because(format!("only {steady} of {all} lines are steady outside")));
    }
    if missing.is_empty() { Ok(()) } else { Err(Wrong::Missing(missing)) }
}

/// Every number as `N`, with the fraction and the unit that follow it; runs of blanks as one.
fn masked(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        match first {
            b'0' if tail.starts_with(b"x") => {
                let digits = tail[1..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
                rest = &tail[1 + digits..];
                out.push(b'N');
            }
            b'0'..=b'9' => {
                let number = rest.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
                let after = &rest[number..];
                let unit = usize::from(matches!(after, [b'K' | b'M' | b'G' | b'T' | b'k', ..]));
                let binary = usize::from(unit == 1 && after.get(1) == Some(&b'i'));
                rest = &after[unit + binary..];
                out.push(b'N');
            }
            b' ' | b'\t' => {
                rest = tail;
                if out.last() != Some(&b' ') {
                    out.push(b' ');
                }
            }
            other => {
                rest = tail;
                out.push(*other);
            }
        }
    }
    out
}

/// Where two texts part, as a person would want to see it; `None` when they do not.
pub(crate) fn first_difference(outside: &[u8], inside: &[u8]) -> Option<String> {
    if outside == inside {
        return None;
    }
    let split = |text: &[u8]| text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (outside, inside) = (split(outside), split(inside));
    let at = outside.iter().zip(&inside).take_while(|(o, i)| o == i).count();
    let line = |text: &[Vec<u8>]| text.get(at).map_or("(the end)".to_owned(), |l| shown(l));
    Some(format!(
        "line {} of {} outside: {}\n          of {} inside:  {}",
        at + 1,
        outside.len(),
        line(&outside),
        inside.len(),
        line(&inside)
    ))
}

fn shown(line: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(line).chars().take(160).collect();
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(stdout: &str) -> Answer {
        Answer { stdout: stdout.into(), stderr: Vec::new(), code: Some(0) }
    }

    fn check(how: Compare, before: &str, inside: &str, after: &str) -> bool {
        how.check(&answer(before), &answer(inside), &answer(after)).is_ok()
    }

    #[test]
    fn an_answer_that_the_host_repeats_must_be_repeated_byte_for_byte() {
        for how in [Compare::Bytes, Compare::Numbers, Compare::SteadyLines] {
            assert!(check(how, "a 1\n", "a 1\n", "a 1\n"));
            assert!(!check(how, "a 1\n", "a 2\n", "a 1\n"));
        }
    }

    #[test]
    fn another_exit_status_is_a_difference() {
        let inside = Answer { code: Some(1), ..answer("a") };
        assert!(Compare::Bytes.check(&answer("a"), &inside, &answer("a")).is_err());
    }

    #[test]
    fn numbers_may_change_and_nothing_else() {
        assert!(check(Compare::Numbers, "free  980Mi\n", "free 1.1Gi\n", "free 981Mi\n"));
        assert!(!check(Compare::Numbers, "free  980Mi\n", "used 981Mi\n", "free 981Mi\n"));
        assert!(!check(Compare::Numbers, "a 1\n", "a 1\nb 2\n", "a 2\n"));
    }

    #[test]
    fn lines_that_stay_outside_must_stand_inside() {
        let (before, after) =
            ("1 root init\n2 root kthreadd\n8 ps\n", "1 root init\n2 root kthreadd\n9 ps\n");
        assert!(check(Compare::SteadyLines, before, "1 root init\n2 root kthreadd\n7 sh\n", after));
        assert!(!check(Compare::SteadyLines, before, "1 root init\n2 nobody kthreadd\n", after));
    }

    #[test]
    fn a_kernel_worker_that_goes_on_to_other_work_is_the_same() {
        let now = |work: &str, time: u8| format!("1 init\n9 \\_ [kworker/0:1{work}]\n{time} ps\n");
        let (before, after) = (now("-events", 1), now("-events", 2));
        assert!(check(Compare::SteadyLines, &before, &now("", 3), &after));
        assert!(!check(Compare::SteadyLines, &before, "1 init\n", &after));
    }

    #[test]
    fn a_line_is_missing_only_if_every_attempt_misses_it() {
        let missing = |lines: &[&[u8]]| Wrong::Missing(lines.iter().map(|l| l.to_vec()).collect());
        let first = missing(&[b"1 S init", b"2 S sshd"]);
        assert_eq!(missing(&[b"3 S cron"]).and(Some(first.clone())), Ok(()));
        assert_eq!(missing(&[b"2 S sshd"]).and(Some(first)), Err(missing(&[b"2 S sshd"])));
    }

    #[test]
    fn lines_that_all_change_prove_nothing() {
        assert!(!check(Compare::SteadyLines, "1\n2\n3\n", "x\n", "4\n5\n6\n"));
    }
}
