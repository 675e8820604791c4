//! Takes the built-in profiles apart, so that a run reads only what it needs: all that a profile
//! says but its commands, and each command by itself, with what they inherit. Reading a whole
//! profile takes longer than making a box.
//!
//! A profile that is broken, or whose examples fail, ends the build here.

#[path = "src/profiles/table.rs"]
mod table;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use shannot_policy as policy;

use policy::Profile;
use policy::profile::{CommandPattern, Examples};
use policy::types::ProfileName;
use table::{Single, Table};

const NAMES: [&str; 5] = ["diagnostics", "minimal", "network", "readonly", "systemd"];

fn main() {
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
    writeln!(code, "head: {:?}, commands: &[", text(&Table::head(profile)))?;
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

fn text(table: &impl serde::Serialize) -> String {
    toml::to_string(table).expect("every key and value of a profile can be written as TOML")
}
