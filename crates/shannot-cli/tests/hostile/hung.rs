//! File systems that never answer: a FUSE server that reads requests and is silent, and an
//! automount whose daemon is. Whoever looks at one waits in the kernel, and in the first case not
//! even SIGKILL ends that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use shannot::policy::profile::Tier;

use crate::harness::*;

/// How long a run may take that waits for nothing.
const PROMPT: Duration = Duration::from_secs(8);
/// How long a box may take that cannot be made.
const IN_VAIN: Duration = Duration::from_secs(14);

/// What waits for a server in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fuse,
    /// Asks its daemon when somebody walks past its root.
    Direct,
    /// Asks its daemon for each name below it.
    Indirect,
}

/// A directory on which each command of [`Hung::beside`] finds such a mount.
struct Hung {
    kind: Kind,
    /// Holds both paths.
    _fixture: Fixture,
    dir: PathBuf,
    /// What an automount's daemon was asked for.
    log: PathBuf,
}

impl Hung {
    fn new(column: Column, kind: Kind) -> Option<Self> {
        if !is_root() {
            println!("a mount takes root");
            return None;
        }
        if column.is_without_scopes() {
            println!("what takes Landlock's scopes away would wait for what hangs");
            return None;
        }
        let fixture = Fixture::new(column, &format!("hung-{kind:?}"));
        let dir = fixture.sub(column, "mount");
        let log = fixture.file(column, "log", "");
        Some(Self { kind, _fixture: fixture, dir, log })
    }

    /// A command in a mount namespace of its own, in which the mount is there.
    fn beside(&self, command: &Command) -> Command {
        let mut all = Command::new("unshare");
        all.args(["--mount", "--propagation", "private"]).arg(probe());
        match self.kind {
            Kind::Fuse => all.arg("with-fuse").arg(&self.dir),
            Kind::Direct => all.args(["with-autofs", "direct"]).args([&self.dir, &self.log]),
            Kind::Indirect => all.args(["with-autofs", "indirect"]).args([&self.dir, &self.log]),
        };
        all.arg(command.get_program()).args(command.get_args());
        all.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        all.stdin(std::process::Stdio::null());
        all
    }

    /// What waits there.
    fn waits(&self) -> PathBuf {
        match self.kind {
            Kind::Fuse | Kind::Direct => self.dir.clone(),
            Kind::Indirect => self.dir.join("name"),
        }
    }

    /// Runs `shannot` beside the mount. It must end within this time.
    fn run(&self, command: &Command, within: Duration) -> Output {
        let begun = Instant::now();
        let out = self.beside(command).output().expect("unshare starts");
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(begun.elapsed() < within, "it took {:?}: {text}", begun.elapsed());
        assert!(!text.contains("error: "), "the probe failed: {text}");
        out
    }

    fn probe(&self, column: Column, profile: &Profile, words: &[&str], within: Duration) -> Ran {
        let probe = probe();
        let words: Vec<&str> = [word(&probe)].into_iter().chain(words.iter().copied()).collect();
        let out = self.run(&shannot(column, profile, &["--json"], &words), within);
        let ran = Ran::read(&out);
        ran.assert_tier(column);
        ran
    }

    /// bwrap looks at what it covers, and then waits as anybody. Nothing runs, and nobody waits for
    /// ever.
    fn assert_known_gap_of_bwrap(&self, column: Column, profile: &Profile) {
        let page = include_str!("../../../../SECURITY.md");
        assert!(page.contains("mount whose server is dead holds up bwrap"), "SECURITY.md says so");
        let words = [word(&probe()).to_owned(), "status".to_owned()];
        let out = self.run(&shannot(column, profile, &["--json"], &words), IN_VAIN);
        assert_eq!(Ran::read(&out).json["outcome"], "failed", "no gap by now: {out:?}");
    }

    /// The host's daemon was asked for nothing.
    fn assert_untouched(&self) {
        assert_eq!(fs::read_to_string(&self.log).expect("the log"), "", "the automount was asked");
    }

    /// Outside, whoever looks there waits; and an automount's daemon is asked.
    fn assert_control(&self, column: Column) {
        let mut look = as_runner(column, "timeout");
        look.args(["--signal", "KILL", "1"]).arg(probe()).arg("look").arg(self.waits().join(""));
        let out = self.beside(&look).output().expect("unshare starts");
        assert_eq!(String::from_utf8_lossy(&out.stdout), "", "outside, nobody waits");
        if !matches!(self.kind, Kind::Fuse) {
            let asked = fs::read_to_string(&self.log).expect("the log");
            assert!(asked.starts_with("asked for"), "outside, nobody asks: {asked}");
        }
    }
}

fn profiles(hung: &Hung) -> [Profile; 4] {
    let below = |name: &str| format!("{:?}", word(&hung.dir.join(name)));
    let hiding = |list: String| Profile::default().path(&format!("hide = [{list}]"));
    [
        Profile::default(),
        Profile::host_view(),
        // Beside it, which gives tier L a reason to look at the names around it.
        hiding(format!("{:?}", word(&hung.log))),
        hiding([below("secret"), below("name/secret"), below("name/*.key")].join(", ")),
    ]
}

fn others_start_at_once(column: Column, kind: Kind) {
    let Some(hung) = Hung::new(column, kind) else { return };
    if (column.tier, kind) == (Tier::T3, Kind::Fuse) {
        return hung.assert_known_gap_of_bwrap(column, &Profile::default());
    }
    for profile in profiles(&hung) {
        let ran = hung.probe(column, &profile, &["status"], PROMPT);
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        hung.assert_untouched();
    }
    hung.assert_control(column);
}

/// What a caller may choose, and what is looked at before anything runs. A link of `/proc` has any
/// place of the host behind a name that tells nothing of it.
fn programs_and_directories_there_are_not_looked_at(column: Column, kind: Kind) {
    let Some(hung) = Hung::new(column, kind) else { return };
    let there = hung.waits();
    let by_link = Path::new("/proc/self/root").join(there.strip_prefix("/").expect("absolute"));
    let probe = probe();
    for place in [there, by_link] {
        let program = place.join("program");
        let command = shannot(column, &Profile::default(), &["--json"], &[word(&program)]);
        let ran = Ran::read(&hung.run(&command, PROMPT));
        assert_eq!(ran.json["exit_code"], 127, "{:#}", ran.json);
        hung.assert_untouched();
        if (column.tier, kind) == (Tier::T3, Kind::Fuse) {
            continue;
        }
        let flags = ["--json", "--cwd", word(&place)];
        let command = shannot(column, &Profile::default(), &flags, &[word(&probe), "status"]);
        let ran = Ran::read(&hung.run(&command, PROMPT));
        assert_eq!(ran.json["exit_code"], 125, "{:#}", ran.json);
        hung.assert_untouched();
    }
    hung.assert_control(column);
}

fn who_looks_is_ended(column: Column, kind: Kind) {
    let Some(hung) = Hung::new(column, kind) else { return };
    if (column.tier, kind) == (Tier::T3, Kind::Fuse) {
        return;
    }
    let there = hung.waits().join("");
    let profile = Profile::default().limit("wall = \"1s\"");
    let ran = hung.probe(column, &profile, &["look", word(&there)], PROMPT);
    if column.tier == Tier::L {
        // It has no mounts that could cover this one.
        assert_eq!(ran.limits_hit(), ["wall"], "{:#}", ran.json);
        assert_eq!(ran.layer("mount_points"), "not_enforced");
        let page = include_str!("../../../../SECURITY.md");
        assert!(page.contains("walks into an automount"), "SECURITY.md says so");
    } else {
        assert_eq!(ran.json["exit_code"], 0, "{:#}", ran.json);
        // The mount that covers it can be looked at.
        let mut report = ran.report;
        report.escaped.retain(|what| !what.starts_with("stat "));
        report.assert_blocked();
        hung.assert_untouched();
    }
    hung.assert_control(column);
}

/// A profile can show network file systems. A process that waits there cannot be killed, and the
/// call returns all the same.
fn who_may_look_is_ended(column: Column) {
    let Some(hung) = Hung::new(column, Kind::Fuse) else { return };
    let profile = Profile::default().limit("wall = \"1s\"").path("network_filesystems = true");
    for profile in [profile.clone(), profile.forks()] {
        let ran = hung.probe(column, &profile, &["look", word(&hung.dir)], PROMPT);
        assert_eq!(ran.limits_hit(), ["wall"], "{:#}", ran.json);
        assert_eq!(ran.report.escaped, [""; 0], "{:#}", ran.json);
    }
}

in_every_column! {
    a_hung_mount_holds_up_nobody_else => |column| others_start_at_once(column, Kind::Fuse);
    an_automount_is_not_asked => |column| others_start_at_once(column, Kind::Direct);
    an_indirect_automount_is_not_asked => |column| others_start_at_once(column, Kind::Indirect);
    nothing_is_sought_on_a_hung_mount =>
        |column| programs_and_directories_there_are_not_looked_at(column, Kind::Fuse);
    nothing_is_sought_on_an_automount =>
        |column| programs_and_directories_there_are_not_looked_at(column, Kind::Indirect);
    a_look_at_a_hung_mount_ends => |column| who_looks_is_ended(column, Kind::Fuse);
    a_look_at_an_automount_ends => |column| who_looks_is_ended(column, Kind::Direct);
    a_permitted_look_at_a_hung_mount_ends => who_may_look_is_ended;
}
