//! The document of the table: verdicts, not outputs. The other tests prove what it says.

use std::fmt::Write as _;

use shannot::policy::plan::differences::{DIFFERENCES, Seen};
use shannot::policy::profile::Tier;

use crate::compare::Compare;
use crate::row::{Promise, Row, TIERS};
use crate::table;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/fidelity.md");

/// Set to a path, it makes the test write the document there.
const WRITE: &str = "SHANNOT_FIDELITY_REPORT";

const INTRODUCTION: &str = "\
# Fidelity: is it the host that a command sees?

A diagnosis is only as good as what the commands show. Each command of this table is run on the
host, in the box, and on the host again, under the shipped profile `diagnostics`; standard output
and exit status from inside must be those from outside. Both sides have the same short
environment, `/` as directory, pipes for output, nothing on standard input and no terminal, so
that only the box can make a difference.

- **same**: byte for byte.
- **same but for time**: the host's own answer changes from run to run. Where it did not, the
  answer must be the same byte for byte; where it did, all but what changes must be the same:
  *numbers* (they are masked, nothing else is), *counts* (the same, and the box's own processes
  are among what is counted), or *lines* (every line that the host repeats must be there).
- **differs**, *may differ*: for the reason of that entry of the list below, always or on some
  hosts. The tests fail on a difference that has no entry, and on an entry that is not needed.

Run by root the box is in tier T1. Run by an ordinary user it is in tier L, which `diagnostics`
prefers, or with `prefer = \"isolation\"` in tier T2.
";

const REPEAT: &str = "\
To repeat it, as root for all three columns, or as a user for the last two:

```sh
xargs -a crates/shannot-cli/tests/fidelity/packages.txt apt-get install -y
cargo test -p shannot-cli --test fidelity
```

This document is written by `SHANNOT_FIDELITY_REPORT=docs/fidelity.md cargo test -p shannot-cli
--test fidelity document` with the path in full, and is checked by the same test without it.
";

fn verdict(row: &Row, tier: Tier) -> String {
    match (row.promise(tier), row.compare) {
        (Promise::Same, Compare::Bytes) => "same".to_owned(),
        (Promise::Same, _) => "same but for time".to_owned(),
        (Promise::Differs(id), _) => format!("**differs**: {id}"),
        (Promise::MayDiffer(id), _) => format!("*may differ*: {id}"),
    }
}

fn compared(row: &Row) -> &'static str {
    match row.compare {
        Compare::Bytes => "bytes",
        Compare::Numbers => "numbers",
        Compare::Counts => "counts",
        Compare::SteadyLines => "lines",
    }
}

fn document() -> String {
    let areas = table::areas();
    let rows: Vec<&Row> = areas.iter().flat_map(|(_, rows)| rows).collect();
    let mut text = INTRODUCTION.to_owned();
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    line(format!(
        "\n| {} commands | root, T1 | user, L | user, T2 |\n|---|---|---|---|",
        rows.len()
    ));
    for kind in ["same", "same but for time", "*may differ*", "**differs**"] {
        let count =
            |tier| rows.iter().filter(|r| verdict(r, tier).split(':').next() == Some(kind)).count();
        let [t1, l, t2] = TIERS.map(count);
        line(format!("| {kind} | {t1} | {l} | {t2} |"));
    }
    line(format!("\n{REPEAT}"));
    for (area, rows) in &areas {
        line(format!("## {area}\n\n| command | compared | root, T1 | user, L | user, T2 |"));
        line("|---|---|---|---|---|".to_owned());
        for row in rows {
            let [t1, l, t2] = TIERS.map(|tier| verdict(row, tier));
            let command = row.line.replace('|', "\\|");
            line(format!("| `{command}` | {} | {t1} | {l} | {t2} |", compared(row)));
        }
        line(String::new());
    }
    text.push_str(&list());
    text
}

/// The published list, in its own words.
fn list() -> String {
    let mut text = "## What differs, and why\n\nIn all profiles, not only in this one.\n\n\
                    | entry | tiers | view | what | why |\n|---|---|---|---|---|\n"
        .to_owned();
    for entry in DIFFERENCES {
        let tiers: Vec<&str> = entry.tiers.iter().map(|tier| tier.as_str()).collect();
        let view = match entry.view {
            Seen::Always => "every",
            Seen::OwnProcesses => "own processes",
            Seen::HostProcesses => "the host's processes",
            Seen::NoNetwork => "no network",
            Seen::NetworkTables => "network tables",
        };
        let (id, tiers) = (entry.id, tiers.join(", "));
        let _ = writeln!(text, "| {id} | {tiers} | {view} | {} | {} |", entry.what, entry.why);
    }
    text
}

#[test]
fn document_is_the_table_and_the_list_of_differences() {
    let wanted = document();
    if let Some(path) = std::env::var_os(WRITE) {
        std::fs::write(&path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(DOCUMENT).unwrap();
    assert!(
        written == wanted,
        "docs/fidelity.md is not what the suite says; write it with {WRITE}"
    );
}
