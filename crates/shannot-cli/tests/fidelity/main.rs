//! Whether a command says inside the box what it says outside.
//!
//! [`table`] is what is promised; a row that does not keep its promise fails, and so does an
//! excuse that is not needed. `docs/fidelity.md` is the table for people.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "../support/account.rs"]
mod account;
mod compare;
mod host;
mod packages;
mod report;
mod row;
mod table;

use shannot::policy::profile::Tier;

use account::Account;
use compare::{Answer, Wrong};
use host::Host;
use row::{Promise, Row};

const ATTEMPTS: usize = 3;

#[test]
#[expect(clippy::print_stderr, reason = "what was not checked must be said")]
fn root_sees_what_the_host_shows_root() {
    if Account::ordinary() == Account::Caller {
        eprintln!("not run by root: the rows of tier T1 are NOT checked");
        return;
    }
    check(Tier::T1, Account::Caller);
}

#[test]
fn user_sees_what_the_host_shows_the_user() {
    check(Tier::L, Account::ordinary());
}

#[test]
fn user_in_a_user_namespace_sees_what_is_promised() {
    check(Tier::T2, Account::ordinary());
}

#[test]
fn excuses_are_entries_of_the_published_list() {
    let bad: Vec<String> = rows().iter().flat_map(Row::bad_excuses).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The promise of the project: 90 everyday diagnostics at least, for root and for a user.
#[test]
fn ninety_diagnostics_are_the_same_for_root_and_for_a_user() {
    let both = |row: &&Row| [Tier::T1, Tier::L].iter().all(|t| row.promise(*t) == Promise::Same);
    let count = rows().iter().filter(both).count();
    assert!(count >= 90, "only {count}");
}

fn rows() -> Vec<Row> {
    table::areas().into_iter().flat_map(|(_, rows)| rows).collect()
}

fn check(tier: Tier, account: Account) {
    let rows = rows();
    let missing = packages::missing(&rows);
    assert!(missing.is_empty(), "commands are missing: apt-get install {missing:?}");
    let host = Host::new(tier, account);
    assert_eq!(host.tier(), tier.as_str(), "the box is in another tier");
    let wrong: Vec<String> = rows.iter().filter_map(|row| judge(row, tier, &host).err()).collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

/// Runs a row until the box answers as the host does, a few times at most: processes and sockets
/// come and go.
fn judge(row: &Row, tier: Tier, host: &Host) -> Result<(), String> {
    let words = row.words(host.logs());
    let differs = matches!(row.promise(tier), Promise::Differs(_));
    let mut seen = None;
    for _ in 0..ATTEMPTS {
        let before = host.outside(&words);
        let inside = host.inside(&words);
        let after = host.outside(&words);
        if ours(&inside) {
            let why = String::from_utf8_lossy(&inside.stderr);
            return Err(format!("`{}` was not run: {why}", row.line));
        }
        let mut now = row.compare.check(&before, &inside, &after);
        if row.stderr && inside.stderr != before.stderr {
            now = Err(Wrong::Because("standard error differs".to_owned()));
        }
        seen = match now {
            Ok(()) => None,
            Err(wrong) => wrong.and(seen).err(),
        };
        // While the host's own answer changes, its numbers are masked, and a difference among them is
        // not seen: process 1 counts how often it was switched.
        if seen.is_none() != differs {
            break;
        }
    }
    match (row.promise(tier), seen) {
        (Promise::Same, Some(wrong)) => Err(format!("`{}`\n  {wrong}", row.line)),
        (Promise::Differs(id), None) => {
            Err(format!("`{}` is the same, and has the stale excuse `{id}`", row.line))
        }
        _ => Ok(()),
    }
}

/// Whether the answer is a refusal of Shannot's own.
fn ours(answer: &Answer) -> bool {
    matches!(answer.code, Some(125..=127)) && answer.stderr.starts_with(b"shannot: ")
}
