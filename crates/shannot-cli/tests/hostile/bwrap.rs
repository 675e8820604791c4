//! A box that bwrap alone makes of the same plan, as on a host that has nothing of ours. Where it lets
//! what tier T3 refuses, the difference is known, and stands in the Enforcement.

use std::process::Stdio;

use serde_json::Value;

use crate::harness::*;

/// What only Landlock refuses, and the layer that says so. That a program can be executed again, for
/// which the probe would have to end, is said by `exec`.
const DIFFERENCES: &[(&str, &str)] =
    &[("execve", "exec"), ("write a FIFO", "landlock"), ("open a FIFO", "landlock")];

fn one_line_holds_what_tier_t3_does(column: Column) {
    let fixture = Fixture::new(column, "bwrap");
    let file = fixture.file(column, "file", "content");
    let fifo = fixture.path("fifo");
    let made = std::process::Command::new("mkfifo").args(["-m", "666"]).arg(&fifo).status();
    assert!(made.expect("mkfifo").success());
    let attacks = [
        &["create", word(&fixture.dir)][..],
        &["metadata", word(&file)],
        &["kernel", "/etc/passwd"],
        &["machine", "/etc/passwd"],
        &["namespaces"],
        &["raw-sockets"],
        &["netlink-writes"],
        &["write-fifo", word(&fifo)],
        &["proc-write"],
        &["outlive"],
    ];
    for profile in [Profile::default(), Profile::host_view()] {
        for words in attacks {
            let before = seen(&file);
            let t3 = inside(column, &profile, words).report;
            let (alone, enforcement) = alone(column, &profile, words);
            assert_eq!(alone.errors, [""; 0], "{words:?}");
            assert!(!alone.blocked.is_empty(), "{words:?}: {alone:?}");
            let known = |what: &str| DIFFERENCES.iter().find(|(call, _)| what.starts_with(call));
            for what in alone.escaped.iter().filter(|what| !t3.escaped.contains(what)) {
                let (_, layer) = known(what).unwrap_or_else(|| panic!("{words:?}: {what}"));
                assert_eq!(status(&enforcement, layer), "not_enforced", "{what}");
            }
            assert_eq!(seen(&file), before, "{words:?}");
        }
    }
}

/// Runs the probe in the box that `profile explain --bwrap` prints.
fn alone(column: Column, profile: &Profile, words: &[&str]) -> (Report, Value) {
    let probe = probe();
    let all: Vec<&str> = [word(&probe)].into_iter().chain(words.iter().copied()).collect();
    let run = shannot(column, profile, &[], &all);
    let args = run.get_args().skip_while(|arg| *arg != "--profile");
    let mut explain = as_runner(column, program());
    explain.args(["profile", "explain", "--json", "--bwrap"]).args(args);
    let out = explain.output().expect("shannot starts");
    let said: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("no JSON ({e}): {}", String::from_utf8_lossy(&out.stderr)));
    let line = said["line"].as_str().expect("a line");
    // As the far user's shell gets it.
    let mut shell = as_runner(column, "sh");
    let out = shell.arg("-c").arg(line).stdin(Stdio::null()).output().expect("sh starts");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(
        out.status.code(),
        Some(0),
        "{words:?}: {text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    (Report::read(&text), said["enforcement"].clone())
}

fn status<'v>(enforcement: &'v Value, layer: &str) -> &'v str {
    let layers = enforcement["layers"].as_array().expect("layers");
    let layer = layers.iter().find(|l| l["name"] == layer).expect("a layer of that name");
    layer["status"].as_str().expect("a status")
}

/// What a command line cannot say, a profile can insist on.
fn what_is_required_is_refused(column: Column) {
    for layer in ["landlock", "exec", "limits"] {
        let profile = Profile { top: format!("require = [{layer:?}]"), ..Profile::default() };
        let run = shannot(column, &profile, &[], &["true"]);
        assert!({ run }.output().expect("shannot starts").status.success(), "T3 has {layer}");
        let run = shannot(column, &profile, &[], &["true"]);
        let args = run.get_args().skip_while(|arg| *arg != "--profile");
        let mut explain = as_runner(column, program());
        let out = explain.args(["profile", "explain", "--bwrap"]).args(args).output();
        let out = out.expect("shannot starts");
        let text = String::from_utf8_lossy(&out.stderr);
        let want = format!("the profile requires `{layer}`, which is not_enforced");
        assert!(!out.status.success() && text.contains(&want), "{text}");
    }
}

#[test]
fn the_same_plan_as_root() {
    in_column(Column::ROOT_T3, one_line_holds_what_tier_t3_does);
}

#[test]
fn the_same_plan_as_a_user() {
    in_column(Column::USER_T3, one_line_holds_what_tier_t3_does);
}

#[test]
fn a_profile_can_refuse_it() {
    in_column(Column::USER_T3, what_is_required_is_refused);
}
