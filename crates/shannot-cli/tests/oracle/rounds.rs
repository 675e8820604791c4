//! Rounds of commands, two at a time, with a look at the host before and after each round.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use shannot::policy::profile::Tier;

use crate::bait::Bait;
use crate::chance::Chance;
use crate::commands::{Case, Commands};
use crate::harness::{Column, digest, shannot, word};
use crate::host;
use crate::machine::Machine;
use crate::snapshot::{Difference, Kind, Snapshot};

/// Commands of one column in the normal tests.
const COMMANDS: usize = 120;
/// Between two looks. A difference is of these at the most.
const ROUND: usize = 40;
const AT_A_TIME: usize = 2;
/// The same in every run of the tests, so that one that fails does so for what was changed.
const SEED: u64 = 20_260_101;

/// How runs ended, and what differed.
#[derive(Debug, Default)]
struct Tally {
    /// By outcome, as the result has it.
    outcomes: BTreeMap<String, usize>,
    /// That a result says of reads what tier L has to say.
    told_of_reads: usize,
    differences: BTreeMap<Kind, usize>,
}

/// Runs the column's commands, and fails if the host is not as it was.
pub(crate) fn run(column: Column, machine: &Machine) {
    let commands = number("SHANNOT_ORACLE_COMMANDS")
        .map_or(COMMANDS, |n| usize::try_from(n).expect("a number of commands"));
    let seed = number("SHANNOT_ORACLE_SEED").unwrap_or(SEED);
    let mut chance = Chance::new(seed ^ digest(column.name().as_bytes()));
    let mut bait = Bait::new(column, machine, "oracle");
    let source = Commands::new(&bait);
    if !source.missing.is_empty() {
        println!("not installed here: {}", source.missing.join(", "));
    }
    host::prepare();
    let first = settled(&mut bait);
    println!("{} things are compared", first.len());
    let mut tally = Tally::default();
    let mut wrong = Vec::new();
    let mut done = 0;
    // A box that does not hold is not given much more to run.
    while done < commands && wrong.len() < 3 {
        let cases: Vec<Case> =
            (done..commands).take(ROUND).map(|_| source.next(&bait, &mut chance)).collect();
        done += cases.len();
        bait.forget_reads();
        let before = host::look(&mut bait);
        run_all(column, &bait, &cases, &mut tally);
        let differences = that_stay(&mut bait, &before);
        judge(column, &differences, &cases, &mut tally, &mut wrong);
    }
    // What came about between two rounds: all but the bait, whose times the oracle itself sets.
    let own = word(&bait.path("")).to_owned();
    let late = first.differences(&host::look(&mut bait));
    let late: Vec<_> =
        late.into_iter().filter(|d| !d.what.starts_with(own.trim_end_matches('/'))).collect();
    if wrong.is_empty() {
        judge(column, &late, &[], &mut tally, &mut wrong);
    }
    report(column, done, seed, &tally);
    assert!(wrong.is_empty(), "SHANNOT_ORACLE_SEED={seed}\n{}", wrong.join("\n\n"));
    tally.assert_worth_something(column, commands);
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|n| n.parse().unwrap_or_else(|_| panic!("{variable}={n}")))
}

/// A look that is the same twice: what the start of it all has set off is over.
fn settled(bait: &mut Bait) -> Snapshot {
    let mut last = host::look(bait);
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(200));
        let now = host::look(bait);
        let differences = last.differences(&now);
        if differences.is_empty() {
            return now;
        }
        last = now;
    }
    let end = host::look(bait);
    let restless: Vec<String> = last.differences(&end).iter().map(ToString::to_string).collect();
    assert!(restless.is_empty(), "the host does not come to rest: {}", restless.join("\n"));
    end
}

/// What differs, and still does when the kernel has had time to take apart what has ended.
fn that_stay(bait: &mut Bait, before: &Snapshot) -> Vec<Difference> {
    let mut differences = before.differences(&host::look(bait));
    for _ in 0..5 {
        if differences.iter().all(|d| d.kind == Kind::Atime) {
            break;
        }
        thread::sleep(Duration::from_millis(200));
        differences = before.differences(&host::look(bait));
    }
    differences
}

fn run_all(column: Column, bait: &Bait, cases: &[Case], tally: &mut Tally) {
    let next = AtomicUsize::new(0);
    let shared = Mutex::new(tally);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run_one(column, bait, case);
                    let mut tally = shared.lock().expect("no panic");
                    tally.count(column, case, &result);
                }
            });
        }
    });
}

/// The result as JSON. In the bait's directory, where names without a path are.
fn run_one(column: Column, bait: &Bait, case: &Case) -> serde_json::Value {
    // Where nothing may fork, what would is run as far as it comes alone.
    let profile = if column.is_without_scopes() {
        case.profile.clone().without_children()
    } else {
        case.profile.clone()
    };
    let mut command = shannot(column, &profile, &["--json", "--timeout", "5s"], &case.words);
    let out = command.current_dir(bait.path("")).output().expect("shannot starts");
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| {
        let stderr = String::from_utf8_lossy(&out.stderr);
        panic!("no JSON ({e}), {}: {:?}: {stderr}", out.status, case.words)
    })
}

fn judge(
    column: Column,
    differences: &[Difference],
    cases: &[Case],
    tally: &mut Tally,
    wrong: &mut Vec<String>,
) {
    for difference in differences {
        *tally.differences.entry(difference.kind).or_default() += 1;
    }
    let allowed = |d: &&Difference| column.tier == Tier::L && d.kind == Kind::Atime;
    let bad: Vec<String> =
        differences.iter().filter(|d| !allowed(d)).map(ToString::to_string).collect();
    if !bad.is_empty() {
        let lines = cases.iter().map(|c| format!("  {}", shlex_join(&c.words)));
        let lines = lines.collect::<Vec<_>>().join("\n");
        wrong.push(format!("{}\nin this round of commands:\n{lines}", bad.join("\n")));
    }
}

fn shlex_join(words: &[String]) -> String {
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| format!("{words:?}"))
}

/// One line, which `cargo xtask oracle` reads too.
fn report(column: Column, commands: usize, seed: u64, tally: &Tally) {
    let outcomes: Vec<_> = tally.outcomes.iter().map(|(o, n)| format!("{o} {n}")).collect();
    let of_kind = tally.differences.iter().map(|(kind, n)| format!("{kind:?} {n}"));
    let of_kind: Vec<_> = of_kind.collect();
    let differences: usize = tally.differences.values().sum();
    println!(
        "oracle\t{}\t{commands}\t{differences}\t{}\t{}\tseed {seed}",
        column.name(),
        if of_kind.is_empty() { "none".to_owned() } else { of_kind.join(", ") },
        outcomes.join(", "),
    );
}

impl Tally {
    fn count(&mut self, column: Column, case: &Case, result: &serde_json::Value) {
        let outcome = result["outcome"].as_str().expect("an outcome");
        *self.outcomes.entry(outcome.to_owned()).or_default() += 1;
        if result["enforcement"].is_null() {
            return;
        }
        assert_eq!(result["enforcement"]["tier"], column.tier.as_str(), "{:?}", case.words);
        let layers = result["enforcement"]["layers"].as_array().expect("layers");
        let layer = layers.iter().find(|l| l["name"] == "read_only").expect("a layer");
        let told = layer["detail"].as_str().expect("words").contains("reads update atime");
        assert_eq!(told, column.tier == Tier::L, "{layer}");
        self.told_of_reads += usize::from(told);
    }

    /// A host that nothing has run on proves nothing.
    fn assert_worth_something(&self, column: Column, commands: usize) {
        let ran = self.outcomes.get("exited").copied().unwrap_or_default();
        assert!(ran * 10 >= commands * 6, "most commands did not run: {:?}", self.outcomes);
        if column.tier == Tier::L {
            let reads = self.differences.get(&Kind::Atime).copied().unwrap_or_default();
            assert!(reads > 0, "reads leave no trace in tier L by now: say so, and expect none");
        }
    }
}
