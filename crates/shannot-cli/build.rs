//! Takes the built-in profiles apart, so that a run reads only what it needs: all that a profile
//! says but its commands, and each command by itself, with what they inherit. Reading a whole
//! profile takes longer than making a box.
//!
//! A profile that is broken, or whose examples fail, ends the build here.
//!
//! It also has a static program written smaller, and says what depends on the system: whether it has `boxes`, and whether it is `posix`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use shannot_policy::Profile;
use shannot_policy::profile::{CommandPattern, Examples, Single, Table, View};
use shannot_policy::types::ProfileName;

const NAMES: [&str; 5] = ["diagnostics", "minimal", "network", "readonly", "systemd"];

fn main() {
    cfg_aliases::cfg_aliases! {
        // `shannot_elsewhere` lets Linux check what other systems get; see CONTRIBUTING.md.
        boxes: { all(target_os = "linux", not(shannot_elsewhere)) },
        posix: { all(unix, not(shannot_elsewhere)) },
    }
    pack_relocations();
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let dir = Path::new(&root).join("../../profiles");
    let mut code = String::from("&[\n");
    for name in NAMES {
        let name = name.parse().expect("the names above are well formed");
        let profile = read(&dir, &name).unwrap_or_else(|error| panic!("{error}"));
        add(&mut code, &dir, &profile).expect("a string takes all");
    }
    code.push_str("]\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("built_in.rs"), code).expect("OUT_DIR is ours");
}

/// A static program has itself moved to where it was loaded, by a list that is a thirtieth as long in the
/// form of the year 2022: glibc 2.36 reads it. A dynamic program would need that on the host.
fn pack_relocations() {
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    let is_static =
        of("CARGO_CFG_TARGET_FEATURE").split(',').any(|feature| feature == "crt-static");
    if is_static && of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        // An index for unwinding, which a panic that aborts does not.
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}

fn read(dir: &Path, name: &ProfileName) -> Result<Arc<Profile>, String> {
    let path = dir.join(format!("{name}.toml"));
    println!("cargo::rerun-if-changed={}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Profile::parse(&text, &path.display().to_string(), Examples::Check, &|name| read(dir, name))
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

/// Writes a profile as an expression of `BuiltIn`.
fn add(code: &mut String, dir: &Path, profile: &Profile) -> std::fmt::Result {
    let name = profile.name.as_str();
    let source = std::fs::read_to_string(dir.join(format!("{name}.toml"))).unwrap_or_default();
    writeln!(code, "BuiltIn {{ name: {name:?}, source: {source:?},")?;
    let View { processes, network } = profile.view;
    writeln!(code, "view: View {{ processes: Processes::{processes:?}, ")?;
    writeln!(code, "network: Network::{network:?} }}, prefer: Prefer::{:?},", profile.prefer)?;
    writeln!(code, "root_reads: {:?},", profile.root_reads)?;
    writeln!(code, "head: {:?}, commands: &[", head(profile))?;
    for command in &profile.commands {
        // Any program may turn out to be meant by these.
        let always =
            command.program.is_some() || !matches!(command.pattern, CommandPattern::Bare(_));
        let key = command.pattern.to_string();
        let text = text(&Single::new(command));
        writeln!(code, "Part {{ key: {key:?}, always: {always}, text: {text:?} }},")?;
    }
    writeln!(code, "] }},")
}

/// All that a profile says but its commands, and nothing that it need not say.
fn head(profile: &Profile) -> String {
    let bare = format!("version = 1\nname = {:?}", profile.name.as_str());
    let bare = Profile::parse(&bare, "bare", Examples::Trust, &|_| Err("none".to_owned()));
    let table = |profile: &Profile| -> toml::Table {
        toml::from_str(&text(&Table::head(profile))).expect("what was written can be read")
    };
    let (mut own, default) = (table(profile), table(&bare.expect("a profile may say no more")));
    without(&mut own, &default);
    for (key, value) in [("version", 1.into()), ("name", profile.name.as_str().into())] {
        own.insert(key.to_owned(), value);
    }
    text(&own)
}

/// Takes away what is the same by default.
fn without(own: &mut toml::Table, default: &toml::Table) {
    own.retain(|key, value| match (value, default.get(key)) {
        (toml::Value::Table(own), Some(toml::Value::Table(default))) => {
            without(own, default);
            !own.is_empty()
        }
        (value, default) => Some(&*value) != default,
    });
}

fn text(table: &impl serde::Serialize) -> String {
    toml::to_string(table).expect("every key and value of a profile can be written as TOML")
}
