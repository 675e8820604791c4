//! /proc is for reading, and shows no other process's secrets.

use std::fs;

use shannot::policy::profile::Tier;

use crate::harness::*;
use crate::host::*;

/// In two halves, so that no command line holds it.
const SECRET: [&str; 2] = ["not-for-", "the-box-7f3a"];

fn both_views() -> [Profile; 2] {
    [Profile::default(), Profile::host_view()]
}

fn kernel_settings_cannot_be_written(column: Column) {
    let mut victim = Victim::sleeping(column);
    let pid = victim.pid();
    for profile in both_views() {
        let ran = refused(column, &profile, &["proc-write", "self", "1", &pid]);
        let control = outside(column, &["proc-write", "self", &pid, &pid]);
        let except = ["open for writing /", "open for writing 1"];
        assert_control(&ran.report, &control, &except);
        victim.assert_unharmed();
        if let Some(control) = outside_as_root(&["proc-write", "self", &pid, &pid]) {
            assert_control(&ran.report, &control, &["open for writing 1"]);
        }
    }
}

fn other_processes_cannot_be_looked_into(column: Column) {
    let mut sleep = as_runner(column, "sleep");
    let secret = SECRET.concat();
    let victim = Victim::start(sleep.arg("300").env("SECRET", &secret));
    let pid = victim.pid();
    for profile in both_views() {
        // The box's first process runs on its supervisor's memory.
        let target = if profile.host_processes { pid.as_str() } else { "1" };
        let ran = refused(column, &profile, &["proc-peek", "SECRET=", target]);
        let outer = ["proc-peek", "SECRET=", &pid];
        let control = outside(column, &outer);
        assert_eq!(control.fact("found-secret"), "1 environ", "{control:?}");
        let mut except = vec![
            "read 1 mem",
            "read 1 stack",
            "read 1 map_files",
            "read 1 timers",
            "read 1 pagemap",
        ];
        if column.tier == Tier::L && !profile.host_processes {
            // In tier L this is the host's own first process, of another user.
            except.push("");
        }
        assert_control(&ran.report, &control, &except);
    }
}

fn supervisors_cannot_be_looked_into(column: Column) {
    for profile in both_views() {
        let probe = probe();
        let note = Note::new(column);
        let lines = format!("export SECRET={}\n{}", SECRET.concat(), note.lines());
        let words = [word(&probe), "proc-peek", "SECRET=", note.word()];
        let mut command = shannot_after(&lines, column, &profile, &["--json"], &words);
        let out = command.output().expect("shannot starts");
        let ran = Ran::read(&out);
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        ran.report.assert_blocked();
    }
}

const CALLERS: [&str; 12] = [
    "AWS_SECRET_ACCESS_KEY",
    "GITHUB_TOKEN",
    "SSH_AUTH_SOCK",
    "LD_PRELOAD",
    "BASH_ENV",
    "PAGER",
    "BASH_FUNC_x%%",
    "LESSOPEN",
    "GIT_PAGER",
    "SYSTEMD_PAGER",
    "LD_LIBRARY_PATH",
    "HOME",
];

fn no_secret_of_the_caller_shows(column: Column) {
    let secret = SECRET.concat();
    let mut sleep = as_runner(column, "sleep");
    let _victim = Victim::start(sleep.arg("300").env("SECRET", &secret));
    for profile in both_views() {
        let probe = probe();
        let words = [word(&probe), "proc-search", SECRET[0], SECRET[1]];
        // Of the agent's too, where that is another's than the caller's; no shell has the last one.
        let exported = CALLERS.iter().filter(|n| !n.starts_with("LD_") && !n.contains('%'));
        let lines: Vec<_> = exported.map(|name| format!("export {name}={secret}")).collect();
        let mut command = shannot_with(column, &profile, &["--json"], &words, &lines.join("\n"));
        for name in CALLERS.into_iter().filter(|n| !n.starts_with("LD_")) {
            command.env(name, &secret);
        }
        let ran = Ran::read(&command.output().expect("shannot starts"));
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        ran.report.assert_blocked();
        // The profile's, and of the caller's only what says how to write text and time.
        let text = ["HOME", "PATH", "LANG", "TZ", "TERM", "COLUMNS", "LINES"];
        let known = |n: &&str| text.contains(n) || n.starts_with("LC_");
        let names = ran.report.facts.keys().filter_map(|k| k.strip_prefix("env-"));
        let unknown: Vec<_> = names.filter(|n| !known(n)).collect();
        assert!(unknown.is_empty(), "of the caller's environment: {unknown:?}");
        if profile.host_processes {
            let seen: usize = ran.report.fact("processes").parse().expect("a number");
            assert!(seen > 3, "the host's processes show");
        }
    }
    let control = outside(column, &["proc-search", SECRET[0], SECRET[1]]);
    assert!(control.escaped.iter().any(|e| e.starts_with("secret /proc/")), "{control:?}");
}

/// What tells the loader what to load reaches the supervisor itself, and stops there.
fn loader_variables_stop_at_the_supervisor(column: Column) {
    let probe = probe();
    let words = [word(&probe), "proc-search", SECRET[0], SECRET[1]];
    let lines = "export LD_PRELOAD=/nonexistent/shannot.so LD_LIBRARY_PATH=/nonexistent";
    let mut command = shannot_with(column, &Profile::default(), &["--json"], &words, lines);
    command.env("LD_PRELOAD", "/nonexistent/shannot.so").env("LD_LIBRARY_PATH", "/nonexistent");
    let ran = Ran::read(&command.output().expect("shannot starts"));
    assert!(!ran.report.facts.keys().any(|k| k.starts_with("env-LD_")), "{:?}", ran.report);
}

fn two_runs_see_nothing_of_each_other(column: Column) {
    let fixture = Fixture::new(column, "two");
    let dir = fixture.sub(column, "scratch");
    let profile = Profile::default().path(&format!("scratch = [{:?}]", word(&dir)));
    if column.tier == Tier::L {
        println!("tier L has neither scratch nor processes of its own, and says so");
        let ran = inside(column, &profile, &["proc-list"]);
        let layers = ran.json["enforcement"]["layers"].as_array().expect("layers");
        let of = |name: &str| layers.iter().find(|l| l["name"] == name).expect("a layer");
        assert_eq!(of("processes")["status"], "not_enforced", "{layers:?}");
        return;
    }
    let probe = probe();
    let words = [word(&probe), "mark", word(&dir), "first"];
    let mut first = Held::start(&mut shannot(column, &profile, &[], &words));
    let words = [word(&probe), "mark", word(&dir), "second"];
    let mut second = Held::start(&mut shannot(column, &profile, &[], &words));
    let third = inside(column, &profile, &["proc-list"]);
    assert_eq!(third.report.fact("processes"), "2", "itself and its init");
    let seen: Vec<_> = fs::read_dir(&dir).expect("the directory").collect();
    assert!(seen.is_empty(), "scratch shows on the host: {seen:?}");
    let (first, second) = (first.finish(), second.finish());
    assert_eq!(first.fact("pid"), second.fact("pid"), "each counts from 1");
    if column.tier == Tier::T1 {
        assert_ne!(first.fact("uid"), second.fact("uid"));
        assert!(first.fact("uid").parse::<u32>().expect("a uid") >= 1_900_000_000);
    }
}

/// A link of `/proc` to the command's own process is followed before the program is executed, and must
/// lead to no more than the box shows: not to the host's `/proc`, which the box covers, nor to a cgroup
/// or to the caller's directory.
fn links_to_the_own_process_lead_nowhere_else(column: Column) {
    let fixture = Fixture::new(column, "links");
    let link = fixture.path("link");
    std::os::unix::fs::symlink("/proc/self/cwd", &link).expect("a link");
    let mut links = vec!["/proc/self/cwd".to_owned(), "/proc/thread-self/cwd".to_owned()];
    links.push(word(&link).to_owned());
    // Each call of a far column is a login.
    let most = if column.far { 8 } else { 32 };
    links.extend((0..most).map(|fd| format!("/proc/self/fd/{fd}")));
    let probe = probe();
    for (profile, link) in both_views().iter().flat_map(|p| links.iter().map(move |l| (p, l))) {
        let flags = ["--json", "--cwd", link];
        let out = shannot(column, profile, &flags, &[word(&probe), "here"]).output();
        let ran = Ran::read(&out.expect("shannot starts"));
        if ran.json["exit_code"] == 125 {
            // Tier L follows no such link at all.
            let refused = link.contains("/fd/") || column.tier == Tier::L;
            assert!(refused, "{link}: {:#}", ran.json);
        } else {
            assert_eq!(ran.report.fact("here"), "the root", "{link}");
        }
    }
    // Outside, the first one is where the caller is.
    let control = outside(column, &["here", word(fixture.path("").as_path())]);
    assert_eq!(control.fact("here"), "elsewhere");
}

in_every_column! {
    links_lead_nowhere => links_to_the_own_process_lead_nowhere_else;
    settings_are_not_written => kernel_settings_cannot_be_written;
    processes_keep_their_secrets => other_processes_cannot_be_looked_into;
    the_supervisor_keeps_its_secrets => supervisors_cannot_be_looked_into, in_every_tier;
    the_environment_is_clean => no_secret_of_the_caller_shows, in_every_tier;
    loader_variables_are_not_passed_on => loader_variables_stop_at_the_supervisor, in_every_tier;
    runs_are_apart => two_runs_see_nothing_of_each_other;
}
