//! `cargo xtask mutants`: breaks each layer of the box in turn and sees whether the tests notice.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

const TABLE: &str = include_str!("table.toml");
const PAGE: &str = "docs/mutations.md";

#[derive(Debug, Deserialize)]
struct Table {
    mutant: Vec<Mutant>,
}

/// One layer, broken in one place.
#[derive(Debug, Deserialize)]
struct Mutant {
    layer: String,
    what: String,
    file: PathBuf,
    from: String,
    to: String,
}

impl Mutant {
    /// The file with the layer broken.
    fn made(&self) -> Result<String, String> {
        let Self { layer, what, file, from, to } = self;
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        if text.matches(from.as_str()).count() != 1 {
            return Err(format!("{layer}: {what}: `from` stands not once in {}", file.display()));
        }
        Ok(text.replace(from, to))
    }
}

/// Tries every mutant whose layer or text contains a word, and all without one. With all, writes
/// the page.
///
/// # Errors
/// A mutant that no test notices, or that cannot be made; or the set-up of the tests failed.
pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let table: Table = toml::from_str(TABLE).map_err(|e| format!("table.toml: {e}"))?;
    let is_wanted = |m: &Mutant| {
        let text = format!("{}: {}", m.layer, m.what);
        words.is_empty() || words.iter().any(|word| text.contains(word))
    };
    // All of them first: an hour later would be late.
    table.mutant.iter().try_for_each(|mutant| mutant.made().map(drop))?;
    crate::test::set_up()?;
    let copy = Copy::make()?;
    if let Some(test) = copy.first_failure(Path::new("crates/shannot-sandbox"))? {
        return Err(format!("the tests fail before anything is broken: {test}"));
    }
    let mut page = String::from(HEAD);
    let mut unnoticed = Vec::new();
    for mutant in table.mutant.iter().filter(|m| is_wanted(m)) {
        let name = format!("{}: {}", mutant.layer, mutant.what);
        copy.put(mutant)?;
        let noticed = copy.first_failure(&mutant.file);
        copy.restore(mutant)?;
        let noticed = noticed?;
        crate::say(&format!("{name}: {}", noticed.as_deref().unwrap_or("NOT NOTICED")));
        let cell = noticed.as_ref().map_or("**nothing**".to_owned(), |test| format!("`{test}`"));
        // To a string, which takes all.
        let _ = writeln!(page, "| {} | {} | {cell} |", mutant.layer, mutant.what);
        if noticed.is_none() {
            unnoticed.push(name);
        }
    }
    if words.is_empty() {
        fs::write(PAGE, page).map_err(|e| format!("{PAGE}: {e}"))?;
    }
    if unnoticed.is_empty() { Ok(()) } else { Err(format!("not noticed: {unnoticed:#?}")) }
}

const HEAD: &str = "\
# Mutations

Each layer of the box, broken in one place, and the test that failed first. `cargo xtask mutants`
makes this page, by building and testing each broken copy; it fails if one goes unnoticed.

| layer | broken | noticed by |
|---|---|---|
";

/// A copy of what git has, built apart.
struct Copy {
    dir: PathBuf,
}

impl Copy {
    fn make() -> Result<Self, String> {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let target = std::path::absolute(target).map_err(|e| e.to_string())?;
        let dir = target.join("mutants");
        let listed = Command::new("git").args(["ls-files", "-z"]).output();
        let listed = listed.map_err(|e| format!("git ls-files: {e}"))?.stdout;
        let listed = String::from_utf8(listed).map_err(|e| format!("git ls-files: {e}"))?;
        let listed: BTreeSet<&str> = listed.split('\0').filter(|file| !file.is_empty()).collect();
        prune(&dir, Path::new(""), &listed).map_err(|e| format!("{}: {e}", dir.display()))?;
        for file in listed {
            let to = dir.join(file);
            let up_to_date = fs::read(file).ok() == fs::read(&to).ok();
            if !up_to_date {
                let parent = to.parent().unwrap_or(&dir);
                let copied = fs::create_dir_all(parent).and_then(|()| fs::copy(file, &to));
                copied.map_err(|e| format!("{}: {e}", to.display()))?;
            }
        }
        Ok(Self { dir })
    }

    fn put(&self, mutant: &Mutant) -> Result<(), String> {
        let path = self.dir.join(&mutant.file);
        fs::write(&path, mutant.made()?).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn restore(&self, mutant: &Mutant) -> Result<(), String> {
        // Written anew, so that cargo sees a change.
        let text = fs::read(&mutant.file).map_err(|e| e.to_string())?;
        fs::write(self.dir.join(&mutant.file), text).map_err(|e| e.to_string())
    }

    /// The first test that fails; none where all pass. The tests of the broken crate come first.
    fn first_failure(&self, file: &Path) -> Result<Option<String>, String> {
        let own: &[&str] = if file.starts_with("crates/shannot-policy") {
            &["-p", "shannot-policy", "--lib"]
        } else {
            &["-p", "shannot-sandbox"]
        };
        for suite in [own, QUICK, BOX] {
            let mut nextest = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
            nextest.args(["nextest", "run", "--max-fail", "1", "--color", "never"]).args(suite);
            nextest.current_dir(&self.dir).env("CARGO_TARGET_DIR", self.dir.join("target"));
            nextest.env("RUSTFLAGS", "-A warnings");
            let out = nextest.output().map_err(|e| format!("nextest: {e}"))?;
            if out.status.success() {
                continue;
            }
            let text = String::from_utf8_lossy(&out.stderr);
            let says =
                |l: &&str| ["FAIL", "TIMEOUT", "SIG"].iter().any(|w| l.trim().starts_with(w));
            let failed = text.lines().find(says);
            let failed = failed.and_then(|line| line.split_whitespace().last());
            return match failed {
                Some(test) => Ok(Some(test.to_owned())),
                None => Err(format!("it does not build:\n{text}")),
            };
        }
        Ok(None)
    }
}

/// Removes from an older copy what git no longer has, but for what was built there.
fn prune(copy: &Path, below: &Path, listed: &BTreeSet<&str>) -> std::io::Result<()> {
    let Ok(entries) = fs::read_dir(copy.join(below)) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if path != Path::new("target") {
                prune(copy, &path, listed)?;
            }
        } else if !path.to_str().is_some_and(|path| listed.contains(path)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The tests that look at the layers one by one, or at many at once.
const QUICK: &[&str] = &[
    "-p",
    "shannot-cli",
    "--test",
    "hostile",
    "-E",
    "test(attack::) or test(mounts::) or test(own::) or test(exec::) or test(hidden::) or test(proc::runs)",
];

/// The tests that see a box from inside and from outside.
const BOX: &[&str] = &[
    "-p",
    "shannot-sandbox",
    "-p",
    "shannot-cli",
    "-E",
    "not (binary(fidelity) or binary(oracle) or test(hung::))",
];
