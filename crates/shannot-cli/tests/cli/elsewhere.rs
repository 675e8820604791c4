//! The program as a machine has it that can make no boxes, and what it may be made of.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::*;
use crate::sshd::*;
use crate::terminal::{shown, to_stdout};

/// That program, which a script of `.config/nextest.toml` builds, started by this user.
fn elsewhere(words: &[&str]) -> Command {
    let target = Path::new(env!("CARGO_BIN_EXE_shannot")).ancestors().nth(2).unwrap();
    let program = target.join("elsewhere/debug/shannot");
    assert!(program.exists(), "`cargo nextest` builds {}", program.display());
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
    command.stdin(Stdio::null()).args(words);
    command
}

/// `run` on a host behind SSH, with the profile that allows everything.
fn far(sshd: &Sshd, command: &[&str]) -> Command {
    let config = sshd.place.path("config.toml");
    let mut program = elsewhere(&["--config", config.to_str().unwrap(), "run", "--target", "far"]);
    program.arg("--profile").arg(anything()).arg("--").args(command);
    program
}

fn sshd() -> Sshd {
    Sshd::new(everyone()[0])
}

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

const CANNOT: &str = "this machine cannot box commands; use --target NAME";

#[test]
fn what_needs_a_box_here_is_refused() {
    for (words, code) in [
        (&["run", "ls"][..], 125),
        (&["run", "--target", "local", "ls"], 125),
        (&["doctor"], 2),
        (&["doctor", "--attack"], 2),
        (&["agent", "stdio"], 125),
        (&["profile", "explain", "--bwrap", "ls"], 2),
    ] {
        let ended = end(&mut elsewhere(words));
        assert_code(&ended, code);
        assert_eq!(ended.complaint().lines().next(), Some(CANNOT), "{words:?}");
    }
    let result = end(&mut elsewhere(&["run", "--json", "ls"])).json();
    assert_eq!((&result["error"], &result["exit_code"]), (&CANNOT.into(), &125.into()));
}

#[test]
fn what_needs_none_is_answered() {
    for words in [
        &["profile", "list"][..],
        &["profile", "show", "diagnostics"],
        &["config", "schema"],
        &["remote", "list"],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ] {
        let ended = end(&mut elsewhere(words));
        assert_code(&ended, 0);
        assert!(!ended.stdout.is_empty() && ended.stderr.is_empty(), "{words:?}: {ended:?}");
    }
    let ended = end(&mut elsewhere(&["profile", "explain", "--", "find", "/", "-delete"]));
    assert_code(&ended, 1);
    assert!(ended.text().contains("denied: "), "{ended:?}");
    let ended = end(&mut elsewhere(&["profile", "explain", "ls"]));
    assert_code(&ended, 0);
    assert!(ended.text().contains("allowed: `ls`"), "{ended:?}");
    assert_eq!(ended.complaint(), CANNOT);
}

#[test]
fn targets_are_added_and_removed() {
    let place = Place::new();
    let file = place.path("config.toml");
    let remote = |words: &[&str]| {
        let words = [&["--config", file.to_str().unwrap(), "remote"], words].concat();
        end(&mut elsewhere(&words))
    };
    for name in ["web1", "web2"] {
        assert_code(&remote(&["add", name, "admin@web.example.com:2222"]), 0);
    }
    assert_code(&remote(&["add", "web1", "other"]), 125);
    assert_code(&remote(&["remove", "web2"]), 0);
    let listed = remote(&["list", "--json"]).json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(names, ["local", "web1"]);
    let left = fs::read_dir(file.parent().unwrap()).unwrap().flatten().map(|e| e.file_name());
    let mut left: Vec<_> = left.collect();
    left.sort_unstable();
    assert_eq!(left, [".config.toml.lock", "config.toml"]);
}

#[test]
fn a_command_runs_on_another_host() {
    let sshd = sshd();
    let ended = end(&mut far(&sshd, &["sh", "-c", "echo out; echo err >&2; exit 3"]));
    assert_code(&ended, 3);
    assert_eq!((ended.text(), ended.stderr.as_str()), ("out\n", "err\n"));
    let bytes = noise(5_000_000);
    let ended = end_fed(&mut far(&sshd, &["cat"]), Some(bytes.clone()));
    assert_code(&ended, 0);
    assert!(ended.stdout == bytes, "{} bytes", ended.stdout.len());
    let text = shown(far(&sshd, &["printf", "\\033[2J\\033[31mred\\033[0m\\n"]), to_stdout);
    assert_eq!(text, "^[[2J\u{1b}[31mred\u{1b}[0m\n");
}

#[test]
fn bwrap_boxes_commands_where_no_helper_is_named() {
    let sshd = sshd();
    sshd.configure("");
    let mut program = far(&sshd, &["echo", "there"]);
    let ended = end(program.arg("again"));
    assert_code(&ended, 0);
    assert_eq!(ended.text(), "there again\n");
    let config = sshd.place.path("config.toml");
    let words = ["--config", config.to_str().unwrap(), "remote", "deploy", "far"];
    let ended = end(&mut elsewhere(&words));
    assert_code(&ended, 125);
    assert!(ended.complaint().contains("not one for Linux"), "{ended:?}");
}

/// Whoever waits for input that does not come is not waited for.
#[test]
fn input_that_never_ends_keeps_nobody() {
    let sshd = sshd();
    let begun = Instant::now();
    let mut child = spawn(&mut far(&sshd, &["echo", "there"]));
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), child.wait().unwrap().code()), ("there\n", Some(0)));
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn output_that_nobody_reads_is_held_up_and_costs_no_memory() {
    let sshd = sshd();
    let mut child = spawn(&mut far(&sshd, &["yes", "a line of the command"]));
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 1]).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 64 << 10, "{kib} KiB");
    drop(stdout);
    assert_eq!(child.wait().unwrap().code(), Some(141));
}

#[test]
fn ctrl_c_reaches_the_command() {
    let sshd = sshd();
    let script = "trap 'echo answered; exit 5' INT; echo there; while :; do :; done";
    let mut child = spawn(&mut far(&sshd, &["sh", "-c", script]));
    // Nor does input hold it up that the command does not read.
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        let _ = stdin.write_all(&vec![0; 32 << 20]);
    });
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 6]).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("answered\n", Some(5)));
    feeder.join().unwrap();
}

/// What the compiler does not notice on Linux: names that are there, and nowhere else.
#[test]
fn what_is_compiled_elsewhere_names_nothing_of_one_system() {
    const OF_ONE_SYSTEM: [&str; 7] = [
        "std::os::",
        "rustix::",
        "libc::",
        "tokio::io::unix",
        "tokio::net::Unix",
        "tokio::signal::unix",
        "\"/proc/self",
    ];
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let roots = ["shannot-policy/src/lib", "shannot-sandbox/src/lib", "shannot/src/lib"];
    let mut files = Vec::new();
    for root in roots.into_iter().chain(["shannot-cli/src/main"]) {
        add_module(&crates.join(root).with_extension("rs"), &mut files);
    }
    assert!(files.iter().any(|file| file.ends_with("elsewhere/screen.rs")), "{files:?}");
    assert!(!files.iter().any(|file| file.ends_with("executor/local.rs")), "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut before = "";
        for (at, line) in text.lines().map(str::trim).enumerate() {
            if line == "#[cfg(test)]" {
                break;
            }
            let named = OF_ONE_SYSTEM.iter().find(|name| line.contains(*name));
            if let Some(name) = named.filter(|_| !line.starts_with("//")) {
                let asks = before.starts_with("#[cfg(");
                assert!(asks, "{}:{}: `{name}` is not everywhere", file.display(), at + 1);
            }
            before = line;
        }
    }
}

/// The file of a module, and those of the modules in it that machines have that make no boxes.
fn add_module(file: &Path, files: &mut Vec<PathBuf>) {
    let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    files.push(file.to_owned());
    let dir = match file.file_stem().unwrap().to_str().unwrap() {
        "lib" | "main" | "mod" => file.parent().unwrap().to_owned(),
        name => file.with_file_name(name),
    };
    let mut attributes: Vec<&str> = Vec::new();
    for line in text.lines() {
        if line.starts_with("#[") {
            attributes.push(line);
            continue;
        }
        let name = line.strip_suffix(';').and_then(|line| line.split_once("mod "));
        if let Some((_, name)) =
            name.filter(|(before, _)| ["", "pub ", "pub(crate) "].contains(before))
        {
            let asks = |what: &&str| attributes.contains(what);
            if !["#[cfg(boxes)]", "#[cfg(test)]"].iter().any(asks) {
                let path = attributes.iter().find_map(|line| {
                    let is_other = line.starts_with("#[path") || line.contains("not(posix)");
                    line.split('"').nth(1).filter(|_| is_other)
                });
                let named = dir.join(name).with_extension("rs");
                let file = match path {
                    Some(path) => dir.join(path),
                    None if named.exists() => named,
                    None => dir.join(name).join("mod.rs"),
                };
                add_module(&file, files);
            }
        }
        attributes.clear();
    }
}
