//! Whether a command says inside the box what it says outside.

#[path = "../support/account.rs"]
mod account;
mod compare;
mod host;
mod row;
mod table;

use shannot::policy::profile::Tier;

use account::Account;
use compare::Answer;
use host::Host;
use row::{Promise, Row};

const ATTEMPTS: usize = 3;

#[test]
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

fn check(tier: Tier, account: Account) {
    let host = Host::new(tier, account);
    assert_eq!(host.tier(), tier.as_str(), "the box is in another tier");
    let rows: Vec<Row> = table::areas().into_iter().flat_map(|(_, rows)| rows).collect();
    let only = std::env::var("FID").unwrap_or_default();
    let wrong: Vec<String> = rows
        .iter()
        .filter(|r| r.line.contains(&only))
        .filter_map(|row| judge(row, tier, &host).err())
        .collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

/// Runs a row until the box answers as the host does, a few times at most: processes and sockets
/// come and go.
fn judge(row: &Row, tier: Tier, host: &Host) -> Result<(), String> {
    let words = row.words(host.logs());
    let mut seen = Err(String::new());
    for _ in 0..ATTEMPTS {
        let before = host.outside(&words);
        let inside = host.inside(&words);
        let after = host.outside(&words);
        if ours(&inside) {
            return Err(format!(
                "`{}` was not run: {}",
                row.line,
                String::from_utf8_lossy(&inside.stderr)
            ));
        }
        seen = row.compare.check(&before, &inside, &after);
        if row.stderr && inside.stderr != before.stderr {
            seen = Err("standard error differs".to_owned());
        }
        if seen.is_err() {
            seen = seen.map_err(|e| {
                format!(
                    "{e}\n  stderr out {:?}\n  stderr in  {:?}",
                    String::from_utf8_lossy(&before.stderr).chars().take(200).collect::<String>(),
                    String::from_utf8_lossy(&inside.stderr).chars().take(300).collect::<String>()
                )
            });
        }
        if seen.is_ok() {
            break;
        }
    }
    match (row.promise(tier), seen) {
        (Promise::Same, Err(difference)) => Err(format!("`{}`\n  {difference}", row.line)),
        (Promise::Differs(id), Ok(())) => Err(format!("`{}`: stale excuse `{id}`", row.line)),
        _ => Ok(()),
    }
}

/// Whether the answer is a refusal of Shannot's own.
fn ours(answer: &Answer) -> bool {
    matches!(answer.code, Some(125..=127)) && answer.stderr.starts_with(b"shannot: ")
}
