//! What an attack's two answers mean.

use serde::Serialize;
use shannot::policy::profile::Tier;
use shannot::sandbox::attack::{Answer, Attack};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// The box refused it.
    Blocked,
    /// The tier does not hold it, and says so.
    Unenforced,
    /// The box let it.
    Escaped,
}

/// One attack on one box.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) area: &'static str,
    pub(super) attack: &'static str,
    pub(super) result: Verdict,
    /// Why the tier does not hold it.
    pub(super) reason: Option<&'static str>,
    /// The error by which it was refused.
    pub(super) refused_with: Option<String>,
    /// Whether the same attack works outside the box, as this user: else the kernel refuses it
    /// everywhere, and the refusal says nothing of the box.
    pub(super) works_outside: bool,
}

impl Row {
    pub(super) fn of_attack(attack: &Attack, tier: Tier, inside: Answer, outside: Answer) -> Self {
        let gap = attack.gap(tier);
        Self {
            area: attack.area,
            attack: attack.what,
            result: verdict(inside == Answer::Let, gap),
            reason: gap.filter(|_| inside == Answer::Let),
            refused_with: match inside {
                Answer::Let => None,
                Answer::Refused(errno) => Some(error_text(errno)),
            },
            works_outside: outside == Answer::Let,
        }
    }

    pub(super) fn of_host(
        what: &'static str,
        gap: Option<&'static str>,
        inside: bool,
        outside: bool,
    ) -> Self {
        Self {
            area: "the host",
            attack: what,
            result: verdict(inside, gap),
            reason: gap.filter(|_| inside),
            refused_with: None,
            works_outside: outside,
        }
    }
}

fn verdict(was_let: bool, gap: Option<&'static str>) -> Verdict {
    match (was_let, gap) {
        (false, _) => Verdict::Blocked,
        (true, Some(_)) => Verdict::Unenforced,
        (true, None) => Verdict::Escaped,
    }
}

/// Without the number, which is the machine's.
fn error_text(errno: i32) -> String {
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_tier_names_may_be_let() {
        assert_eq!(verdict(false, None), Verdict::Blocked);
        assert_eq!(verdict(false, Some("a gap")), Verdict::Blocked);
        assert_eq!(verdict(true, Some("a gap")), Verdict::Unenforced);
        assert_eq!(verdict(true, None), Verdict::Escaped);
    }
}
