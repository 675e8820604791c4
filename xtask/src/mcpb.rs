//! `cargo xtask mcpb`: the program as a bundle that MCP clients install by a double click, and what the
//! registry of MCP is told of it.
//!
//! The bundle is a zip with `manifest.json`, version 0.3. Its list of tools is what the program in it
//! answers. `server.json` at the root says what is the same for every release; the copy that is made
//! beside the bundle names the bundle and its digest.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::say;
use crate::setup::run as must;
use crate::test::cargo;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const SERVER: &str = include_str!("../../server.json");
/// Where the program is in the bundle.
const PROGRAM: &str = "server/shannot";
/// What the manifest is called.
const MANIFEST: &str = "manifest.json";

/// Makes the bundle and looks at it.
///
/// # Errors
/// The program cannot be built or does not answer, or the bundle is not what it should be.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let validate = match args {
        [] => false,
        [word] if word == "--validate" => true,
        _ => return Err("`mcpb` takes `--validate` and nothing else".to_owned()),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let arch = std::env::consts::ARCH;
    let program = build(&target, arch)?;
    let dir = target.join("mcpb");
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let manifest = manifest(&tools(&program, &dir)?)?;
    let name = format!("shannot-mcp-{VERSION}-linux-{arch}.mcpb");
    let path = dir.join(&name);
    let bytes = read(&program)?;
    write(&path, &manifest, &bytes, &read(&root.join("LICENSE"))?)
        .map_err(|e| format!("{}: {e}", path.display()))?;
    check(&path, &manifest, &bytes)?;
    let digest = digest(&read(&path)?);
    let server = server(&name, &digest)?;
    put(&dir.join("server.json"), server.as_bytes())?;
    if validate {
        put(&dir.join(MANIFEST), manifest.as_bytes())?;
        let mut npx = Command::new("npx");
        npx.args(["--yes", "@anthropic-ai/mcpb", "validate"]).arg(dir.join(MANIFEST));
        must(&mut npx)?;
    }
    say(&format!("{}\nsha256 {digest}\n{}", path.display(), dir.join("server.json").display()));
    Ok(())
}

/// The static program, as it is released.
fn build(target: &Path, arch: &str) -> Result<PathBuf, String> {
    let triple = format!("{arch}-unknown-linux-gnu");
    let mut command = cargo();
    command.env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
    command.args(["build", "--locked", "--release", "--package", "shannot-cli"]);
    must(command.args(["--target", &triple]))?;
    Ok(target.join(triple).join("release/shannot"))
}

/// The tools of the program by their names and descriptions, as it tells them to a client.
fn tools(program: &Path, dir: &Path) -> Result<Value, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", program.display());
    let mut command = Command::new(program);
    // As the manifest asks for by default.
    command.args(["mcp", "serve", "--target", "local", "--profile", "diagnostics"]);
    // What this machine's configuration says is nobody else's business.
    let config = dir.join("config.toml");
    put(&config, b"")?;
    command.env_clear().env("SHANNOT_CONFIG", &config).env("XDG_STATE_HOME", dir.join("state"));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| failed(&e))?;
    let own = json!({ "name": "xtask", "version": VERSION });
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": own });
    let messages = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }),
    ];
    let mut input = child.stdin.take().ok_or("no standard input")?;
    for message in messages {
        writeln!(input, "{message}").map_err(|e| failed(&e))?;
    }
    let output = child.stdout.take().ok_or("no standard output")?;
    let mut found = None;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(|e| failed(&e))?;
        let message: Value = serde_json::from_str(&line).map_err(|e| failed(&e))?;
        if message["id"] == 2 {
            found = message["result"]["tools"].as_array().cloned();
            break;
        }
    }
    drop(input);
    child.wait().map_err(|e| failed(&e))?;
    let found = found.filter(|tools| !tools.is_empty());
    let found = found.ok_or_else(|| failed(&"it lists no tools"))?;
    let short = found
        .iter()
        .map(|tool| json!({ "name": tool["name"], "description": tool["description"] }));
    Ok(short.collect())
}

/// What a client is told of the bundle.
fn manifest(tools: &Value) -> Result<String, String> {
    let server: Value = parse(SERVER)?;
    let ask = |title: &str, about: &str, default: &str| {
        json!({
            "type": "string", "title": title, "description": about, "required": true,
            "default": default,
        })
    };
    let manifest = json!({
        "manifest_version": "0.3",
        "name": "shannot",
        "display_name": server["title"],
        "version": VERSION,
        "description": server["description"],
        "author": { "name": "The Shannot contributors", "url": server["repository"]["url"] },
        "repository": { "type": "git", "url": server["repository"]["url"] },
        "license": env!("CARGO_PKG_LICENSE"),
        "keywords": ["diagnostics", "linux", "ssh", "sandbox", "read-only"],
        "server": {
            "type": "binary",
            "entry_point": PROGRAM,
            "mcp_config": {
                "command": format!("${{__dirname}}/{PROGRAM}"),
                "args": [
                    "mcp", "serve", "--target", "${user_config.target}",
                    "--profile", "${user_config.profile}",
                ],
                "env": {},
            },
        },
        "tools": tools,
        // They name the targets of whoever installs it.
        "prompts_generated": true,
        "compatibility": { "platforms": ["linux"] },
        "user_config": {
            "target": ask(
                "Target",
                "Which host: `local`, or names of `shannot remote add`, with commas between.",
                "local",
            ),
            "profile": ask(
                "Profile",
                "What may run there: `shannot profile list` tells which there are.",
                "diagnostics",
            ),
        },
    });
    pretty(&manifest)
}

/// What the registry is told of this bundle.
fn server(name: &str, digest: &str) -> Result<String, String> {
    let mut server: Value = parse(SERVER)?;
    let repository = server["repository"]["url"].as_str().unwrap_or_default();
    let address = format!("{repository}/releases/download/v{VERSION}/{name}");
    server["packages"] = json!([{
        "registryType": "mcpb",
        "identifier": address,
        "version": VERSION,
        "fileSha256": digest,
        "transport": { "type": "stdio" },
    }]);
    pretty(&server)
}

fn write(
    path: &Path,
    manifest: &str,
    program: &[u8],
    license: &[u8],
) -> zip::result::ZipResult<()> {
    let mut zip = ZipWriter::new(File::create(path)?);
    // The same bytes for the same program: the time is the format's first, not now.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    for (name, bytes, mode) in [
        (MANIFEST, manifest.as_bytes(), 0o644),
        ("LICENSE", license, 0o644),
        (PROGRAM, program, 0o755),
    ] {
        zip.start_file(name, options.unix_permissions(mode))?;
        zip.write_all(bytes)?;
    }
    zip.finish()?.sync_all()?;
    Ok(())
}

/// Reads the bundle as a client would.
fn check(path: &Path, manifest: &str, program: &[u8]) -> Result<(), String> {
    let failed = |what: &str| format!("{}: {what}", path.display());
    let file = File::open(path).map_err(|e| failed(&e.to_string()))?;
    let mut zip = ZipArchive::new(file).map_err(|e| failed(&e.to_string()))?;
    let mut entry = |name: &str| {
        let mut entry = zip.by_name(name).map_err(|e| failed(&format!("{name}: {e}")))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| failed(&format!("{name}: {e}")))?;
        Ok::<_, String>((bytes, entry.unix_mode().unwrap_or(0)))
    };
    let (text, _) = entry(MANIFEST)?;
    if text != manifest.as_bytes() {
        return Err(failed("its manifest is another one"));
    }
    let manifest: Value = parse(manifest)?;
    let name = manifest["server"]["entry_point"].as_str().unwrap_or_default();
    let (bytes, mode) = entry(name)?;
    if bytes != program || mode & 0o777 != 0o755 {
        return Err(failed("its program is another one, or cannot be started"));
    }
    let words = manifest["server"]["mcp_config"]["args"].to_string();
    let asked = manifest["user_config"].as_object().into_iter().flatten();
    for (key, _) in asked {
        if !words.contains(&format!("${{user_config.{key}}}")) {
            return Err(failed(&format!("`{key}` is asked for in vain")));
        }
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

fn pretty(value: &Value) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|e| e.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_told_this_version() {
        let server: Value = parse(SERVER).unwrap();
        assert_eq!(server["version"], VERSION);
        let schema = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json";
        assert_eq!(server["$schema"], schema);
        // As the schema has it.
        assert!(server["description"].as_str().unwrap().len() <= 100);
        let all: Value = parse(&super::server("a.mcpb", &digest(b"")).unwrap()).unwrap();
        let package = &all["packages"][0];
        assert_eq!(package["fileSha256"].as_str().unwrap().len(), 64);
        // The registry asks for the word in the address.
        assert!(package["identifier"].as_str().unwrap().contains("mcp"));
    }

    #[test]
    fn a_bundle_is_read_back() {
        let tools = json!([{ "name": "a", "description": "b" }]);
        let manifest = manifest(&tools).unwrap();
        let path = std::env::temp_dir().join(format!("shannot-xtask-{}.mcpb", std::process::id()));
        write(&path, &manifest, b"program", b"license").unwrap();
        let checked = check(&path, &manifest, b"program");
        let other = check(&path, &manifest, b"another");
        fs::remove_file(&path).unwrap();
        assert_eq!(checked, Ok(()));
        assert!(other.is_err());
    }
}
