//! `cargo xtask fuzz`: holds what is promised of inputs against a fuzzer, for a while.
//!
//! What a run finds is kept under the target directory, for the next run to start from; the
//! committed corpus is only read. An input that breaks a promise is kept in `fuzz/artifacts`.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::test::cargo;
use crate::{say, setup};

/// A target.
#[derive(Clone, Copy)]
struct Target {
    name: &'static str,
    /// The longest input that it is given: what makes a longer one new is known from shorter ones, and
    /// every step over it costs time.
    longest_bytes: usize,
}

const TARGETS: [Target; 7] = [
    Target { name: "output", longest_bytes: 4096 },
    Target { name: "profile", longest_bytes: 32_768 },
    Target { name: "request", longest_bytes: 4096 },
    Target { name: "rows", longest_bytes: 4096 },
    Target { name: "rules", longest_bytes: 1024 },
    Target { name: "seccomp", longest_bytes: 4096 },
    Target { name: "wire", longest_bytes: 4096 },
];

/// How long each runs where nothing is said: enough for all that is committed, and for what a change
/// has broken plainly.
const SECONDS: u64 = 15;

/// libFuzzer's own runtime is C++.
const PACKAGES: [&str; 1] = ["g++"];

/// The code under test has no `unsafe`, so an address sanitizer would only make it slower.
const SANITIZER: [&str; 2] = ["--sanitizer", "none"];

/// Runs the named targets, or all.
///
/// # Errors
/// A promise was broken, or a target could not be built.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let wishes = Wishes::read(args)?;
    setup::packages(&PACKAGES)?;
    if cargo().args(["fuzz", "--version"]).output().is_ok_and(|o| !o.status.success()) {
        say("installing cargo-fuzz");
        setup::run(cargo().args(["install", "--locked", "--quiet", "cargo-fuzz"]))?;
    }
    let place = Place::new();
    setup::run(&mut place.fuzz("build"))?;
    let mut broken = Vec::new();
    for target in wishes.targets {
        if !place.hold(target, wishes.seconds)? {
            broken.push(target.name);
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("broken: {}", broken.join(", "))) }
}

/// Which targets shall run, and how long each.
struct Wishes {
    targets: Vec<Target>,
    seconds: u64,
}

impl Wishes {
    fn read(args: &[String]) -> Result<Self, String> {
        let mut wishes = Self { targets: Vec::new(), seconds: SECONDS };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if word == "--seconds" {
                let number = words.next().map(String::as_str).unwrap_or_default();
                let read = number.parse();
                wishes.seconds =
                    read.map_err(|_| format!("`{number}` is not a number of seconds"))?;
                continue;
            }
            let known = TARGETS.into_iter().find(|target| target.name == word);
            wishes.targets.push(known.ok_or_else(|| {
                let names = TARGETS.map(|target| target.name).join(", ");
                format!("no target `{word}`; there are {names}")
            })?);
        }
        if wishes.targets.is_empty() {
            wishes.targets = TARGETS.to_vec();
        }
        Ok(wishes)
    }
}

/// Where things are.
struct Place {
    /// What is committed.
    fuzz: PathBuf,
    /// What is built, and the inputs that were found.
    built: PathBuf,
}

impl Place {
    fn new() -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = own.parent().unwrap_or(own);
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let target = target.unwrap_or_else(|| root.join("target"));
        Self { fuzz: root.join("fuzz"), built: target.join("fuzz") }
    }

    /// A command of cargo-fuzz for this workspace.
    fn fuzz(&self, command: &str) -> Command {
        let mut fuzz = cargo();
        // The instrumentation is an option of the compiler that only nightly ones take unasked.
        fuzz.env("RUSTC_BOOTSTRAP", "1");
        fuzz.args(["fuzz", command]).args(SANITIZER);
        fuzz.arg("--fuzz-dir").arg(&self.fuzz).arg("--target-dir").arg(&self.built);
        fuzz
    }

    /// Runs one target; false if it ended before its time.
    fn hold(&self, target: Target, seconds: u64) -> Result<bool, String> {
        let options = self.options(target, seconds);
        let target = target.name;
        let found = self.built.join("corpus").join(target);
        fs::create_dir_all(&found).map_err(|e| format!("{}: {e}", found.display()))?;
        let mut run = self.fuzz("run");
        // New inputs go to the first directory only.
        run.arg(target).arg(&found).arg(self.fuzz.join("corpus").join(target)).arg("--");
        run.args(options);
        let mut child =
            run.stderr(Stdio::piped()).spawn().map_err(|e| format!("cargo-fuzz: {e}"))?;
        let (mut told, mut state) = (Vec::new(), String::from("no input was run"));
        for line in child.stderr.take().into_iter().flat_map(|err| BufReader::new(err).split(b'\n'))
        {
            let line = line.map_err(|e| format!("{target}: {e}"))?;
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(at) = line.find("cov: ").filter(|_| line.starts_with('#')) {
                let count = line[1..at].split_whitespace().next();
                state = format!("{} inputs, {}", count.unwrap_or_default(), &line[at..]);
            }
            told.push(line);
        }
        let status = child.wait().map_err(|e| format!("cargo-fuzz: {e}"))?;
        if status.success() {
            say(&format!("{target:<8} {}", state.split_whitespace().collect::<Vec<_>>().join(" ")));
            return Ok(true);
        }
        told.iter().for_each(|line| say(line));
        let input = told.iter().find_map(|line| line.split_once("Test unit written to "));
        if let Some((_, input)) = input {
            let sanitizer = SANITIZER.join(" ");
            say(&format!("{target} is broken; the same again, from this repository's directory:"));
            say(&format!("  RUSTC_BOOTSTRAP=1 cargo fuzz run {sanitizer} {target} {input}"));
        }
        Ok(false)
    }

    /// The options of libFuzzer.
    fn options(&self, target: Target, seconds: u64) -> Vec<OsString> {
        let time = match seconds {
            // No time is for what is known, and for nothing new.
            0 => "-runs=0".to_owned(),
            _ => format!("-max_total_time={seconds}"),
        };
        let longest = format!("-max_len={}", target.longest_bytes);
        let mut options: Vec<OsString> =
            [&time, &longest, "-timeout=20", "-rss_limit_mb=2048"].map(OsString::from).into();
        let words = self.fuzz.join("dictionaries").join(target.name);
        if words.exists() {
            let mut option = OsString::from("-dict=");
            option.push(words);
            options.push(option);
        }
        options
    }
}
