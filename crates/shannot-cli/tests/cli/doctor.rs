use crate::harness::*;
use crate::sshd::*;

#[test]
fn doctor_finds_the_tier_that_run_uses() {
    for user in everyone() {
        for profile in ["minimal", "diagnostics"] {
            let examined = end(shannot(user).args(["doctor", "--json", "--profile", profile]));
            assert_code(&examined, 0);
            let report = examined.json();
            let result =
                end(shannot(user).args(["run", "--json", "--profile", profile, "ls"])).json();
            assert_eq!(report["runs_in"], result["enforcement"]["tier"], "{profile} as {user:?}");
            let tiers: Vec<_> = report["tiers"].as_array().unwrap().iter().collect();
            assert_eq!(tiers.len(), 4);
            for tier in tiers {
                assert_eq!(tier["works"] == true, tier["error"].is_null(), "{tier}");
            }
        }
    }
}

#[test]
fn doctor_says_when_nothing_runs() {
    for user in everyone() {
        let ended = end(&mut with_few_files(user, &["doctor"]));
        assert_code(&ended, 1);
        assert!(ended.text().contains("cannot run here"), "{}", ended.text());
        let ended = end(&mut with_few_files(user, &["run", "ls"]));
        assert_code(&ended, 125);
        assert!(ended.complaint().contains("hint: `shannot doctor`"), "{ended:?}");
    }
}

/// Every tier needs a descriptor that no box can open, above 1000.
fn with_few_files(user: User, words: &[&str]) -> std::process::Command {
    let program = shannot(user);
    let mut limited = shell(user, "ulimit -n 512; exec \"$0\" \"$@\"");
    limited.arg(program.get_program()).args(words);
    limited
}

#[test]
fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = end(shannot(ordinary()).args(["completions", shell]));
        assert!(ended.text().contains("shannot"), "{shell}");
    }
    assert!(end(shannot(ordinary()).arg("man")).text().contains(".TH shannot 1"));
}

/// A terminal of 24 lines.
#[test]
fn short_help_fits_a_screen() {
    for words in [&["-h"][..], &["run", "-h"], &["profile", "-h"], &["doctor", "-h"]] {
        let ended = end(shannot(ordinary()).args(words));
        assert!(ended.text().lines().count() <= 24, "{}", ended.text());
    }
}

#[test]
fn long_help_has_an_example() {
    let commands: [&[&str]; 9] = [
        &["run"],
        &["doctor"],
        &["completions"],
        &["man"],
        &["profile", "list"],
        &["profile", "show"],
        &["profile", "check"],
        &["profile", "explain"],
        &["profile", "convert"],
    ];
    for words in commands {
        let ended = end(shannot(ordinary()).args(words).arg("--help"));
        assert!(ended.text().contains("Example"), "{words:?}");
    }
}

/// A fault in the best tier would otherwise go unseen: the next one would serve.
#[test]
fn best_tier_is_had_and_none_is_passed_over() {
    for user in everyone() {
        let (minimal, diagnostics) = if user.uid == 0 { ("T1", "T1") } else { ("T2", "L") };
        for (profile, tier) in [("minimal", minimal), ("diagnostics", diagnostics)] {
            let words = ["run", "--json", "--profile", profile, "--", "true"];
            let enforcement = &end(shannot(user).args(words)).json()["enforcement"];
            assert_eq!(enforcement["tier"], tier, "{profile} as {user:?}: {enforcement:#}");
            assert_eq!(enforcement["passed_over"], serde_json::json!([]), "{enforcement:#}");
        }
    }
}

/// The helper of another host tells what it would tell there.
#[test]
fn another_host_is_looked_at_by_its_helper() {
    for user in everyone() {
        let sshd = Sshd::new(user);
        let profile = anything().to_str().unwrap();
        let here = end(&mut sshd.shannot(&["doctor", "--json", "--profile", profile])).json();
        let words = ["doctor", "--target", "far", "--json", "--profile", profile];
        let there = end(&mut sshd.shannot(&words));
        assert_code(&there, 0);
        assert_eq!(there.json(), here);
        let text = end(&mut sshd.shannot(&["doctor", "--target", "far"]));
        assert!(text.text().contains("profile `minimal` runs in tier"), "{text:?}");
        let ended = end(&mut sshd.shannot(&["doctor", "--attack", "--target", "far"]));
        assert_code(&ended, 2);
        assert!(ended.complaint().contains("attacks boxes of this machine"), "{ended:?}");
    }
    let sshd = Sshd::with_home(ordinary(), "");
    sshd.configure("deploy = \"never\"\n");
    let ended = end(&mut sshd.shannot(&["doctor", "--target", "far"]));
    assert_code(&ended, 2);
    assert!(ended.complaint().contains("shannot remote deploy far"), "{ended:?}");
    let ended = end(&mut sshd.shannot(&["doctor", "--target", "far,local"]));
    assert!(ended.complaint().contains("one target"), "{ended:?}");
    let sshd = Sshd::with(ordinary(), "", &pin("minimal"));
    let ended = end(&mut sshd.shannot(&["doctor", "--target", "far", "--profile", "network"]));
    assert!(ended.complaint().contains("this login allows the profiles `minimal`"), "{ended:?}");
}

/// The options of a key that is pinned to a profile.
fn pin(profile: &str) -> String {
    format!("restrict,command=\"exec {} agent stdio --pin {profile}\"", helper().display())
}
