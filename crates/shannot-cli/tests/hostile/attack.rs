//! `shannot doctor --attack` in every column: what a user runs to see for themselves.

use std::collections::BTreeMap;

use serde_json::Value;
use shannot::policy::profile::Tier;

use crate::harness::*;

/// What tier L does not hold, and says so.
const GAPS: &[&str] = &[
    "list what the profile hides",
    "open a device node outside /dev",
    "see the host's processes",
    "update a file's access time by reading it",
];

fn nothing_escapes(column: Column) {
    if column.warm {
        // The attacker is a program of one run.
        return;
    }
    let mut kinds = vec![Profile::default(), Profile::host_view()];
    if !column.is_without_scopes() {
        kinds.push(Profile::default().forks());
    }
    for profile in kinds {
        let out = attack(column, &profile).output().expect("shannot starts");
        let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| {
            panic!("no JSON ({e}): {}", String::from_utf8_lossy(&out.stderr));
        });
        assert_eq!(out.status.code(), Some(0), "{report:#}");
        assert_eq!(report["escaped"], 0, "{report:#}");
        let attacked = &report["boxes"].as_array().expect("boxes")[0];
        assert_eq!(attacked["tier"], column.tier.as_str());
        let rows = attacked["attacks"].as_array().expect("attacks");
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let unenforced = rows.iter().filter(|row| row["result"] == "unenforced");
        for row in unenforced {
            assert_eq!(column.tier, Tier::L, "{row}");
            assert!(
                GAPS.contains(&&*text(row, "attack")) && text(row, "reason").len() > 10,
                "{row}"
            );
        }
        // Most of it works outside, or the refusals would prove nothing.
        let proved: BTreeMap<_, _> = rows
            .iter()
            .filter(|row| row["works_outside"] == true)
            .map(|row| (text(row, "attack"), text(row, "result")))
            .collect();
        assert!(proved.len() >= if column.by_root() { 95 } else { 70 }, "{proved:#?}");
        for attack in ["change a file in any way that can be seen", "reach somebody who listens"] {
            assert_eq!(proved.get(attack).map(String::as_str), Some("blocked"), "{attack}");
        }
    }
}

/// Without the words of `run`, for the profile alone decides.
fn attack(column: Column, profile: &Profile) -> std::process::Command {
    let run = shannot(column, profile, &[], &["true"]);
    let words: Vec<_> = run.get_args().map(std::ffi::OsStr::to_owned).collect();
    let at = words.iter().position(|word| word == "run").expect("the subcommand");
    let profile = words.iter().position(|word| word == "--profile").expect("the option") + 1;
    let mut command = std::process::Command::new(run.get_program());
    command.args(&words[..at]).args(["doctor", "--attack", "--json", "--profile"]);
    command.arg(&words[profile]);
    for (name, value) in run.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command
}

// It attacks the machine that it runs on.
in_every_column_here! {
    attacks_are_blocked => nothing_escapes;
}

/// What a far column would be is refused, not done here instead.
#[test]
fn no_other_host_is_attacked() {
    let options = crate::far::options("");
    let mut doctor = as_runner(Column::USER_L, program());
    let out = doctor.args(["doctor", "--attack"]).args(options).output().expect("shannot starts");
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && text.contains("--target"), "{out:?}");
    assert!(out.stdout.is_empty(), "{out:?}");
}
