//! Which file a command executes: found along the box's `PATH`, with the interpreter of a script
//! resolved beforehand, because a box executes once.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use shannot_policy::Program;
use shannot_policy::plan::Stage;

use super::error::Error;
use super::hides::{self, Hidden};

/// A program as the kernel will execute it.
#[derive(Debug)]
pub(super) struct Resolved {
    /// The file.
    pub(super) path: PathBuf,
    /// All its words, `argv[0]` first.
    pub(super) argv: Vec<CString>,
    /// The file, and for a script the script and its interpreters.
    files: BTreeSet<PathBuf>,
}

impl Resolved {
    /// Every file that `execve(2)` opens to run it: the above and their loaders.
    pub(super) fn executables(&self) -> BTreeSet<PathBuf> {
        self.files.iter().cloned().chain(self.files.iter().filter_map(|f| loader(f))).collect()
    }
}

/// Scripts whose interpreter is a script, and so on: the kernel's own limit is 5.
const MOST_INTERPRETERS: usize = 4;

/// Finds what a stage executes.
///
/// # Errors
/// A hidden program is not found, like one that is not there: the answer must not tell the two
/// apart.
pub(super) fn resolve(stage: &Stage, search: &str, hidden: &[Hidden]) -> Result<Resolved, Error> {
    let shown = stage.program.to_string();
    if let Program::Absolute(path) = &stage.program {
        let path = Path::new(OsStr::from_bytes(path.as_bytes()));
        // Not looked at, for it may lie on a mount that never answers; nor what is named by a link
        // of /proc, which could lead there, and leads elsewhere in the box.
        if hides::covers(hidden, path) || hides::is_by_magic_link(path) {
            return Err(Error::NotFound { program: shown });
        }
    }
    let mut path = find(&stage.program, search).map_err(|error| match &stage.program {
        // What lies in a hidden directory has no answer of its own.
        Program::Absolute(path)
            if is_hidden(Path::new(OsStr::from_bytes(path.as_bytes())), hidden) =>
        {
            Error::NotFound { program: shown.clone() }
        }
        Program::Absolute(_) | Program::Bare(_) => error,
    })?;
    if is_hidden(&path, hidden) {
        return Err(Error::NotFound { program: shown });
    }
    let mut words: Vec<OsString> = vec![stage.arg0.clone().into()];
    words.extend(stage.args.iter().map(|a| OsString::from_vec(a.as_bytes().to_vec())));
    let mut files = BTreeSet::from([path.clone()]);
    for _ in 0..MOST_INTERPRETERS {
        let Some(interpreter) = interpreter(&path, &shown, search)? else {
            let argv = words
                .into_iter()
                .map(|w| CString::new(w.into_vec()))
                .collect::<Result<_, _>>()
                .map_err(|_| not_executable(&shown, "a word contains a NUL byte"))?;
            return Ok(Resolved { path, argv, files });
        };
        // As the kernel does it: the interpreter, its words, the script's path, the rest.
        words.splice(..1, interpreter.words.into_iter().chain([path.into_os_string()]));
        path = interpreter.path;
        files.insert(path.clone());
    }
    Err(not_executable(&shown, "its interpreters are scripts in turn"))
}

/// Whether a path, by whatever links it leads there, is hidden.
fn is_hidden(path: &Path, hidden: &[Hidden]) -> bool {
    let real = std::fs::canonicalize(path);
    let real = real.as_deref().unwrap_or(path);
    hidden.iter().any(|h| real.starts_with(&h.path) || path.starts_with(&h.path))
}

/// The files that must be executable for a listed program to run; none where this host has no
/// such program.
pub(super) fn files_of(program: &Program, search: &str) -> BTreeSet<PathBuf> {
    let Ok(path) = find(program, search) else { return BTreeSet::new() };
    let mut files = BTreeSet::from([path.clone()]);
    if let Ok(Some(interpreter)) = interpreter(&path, "", search) {
        files.extend(loader(&interpreter.path));
        files.insert(interpreter.path);
    }
    files.extend(loader(&path));
    files
}

fn not_executable(program: &str, why: impl Into<String>) -> Error {
    Error::NotExecutable { program: program.to_owned(), why: why.into() }
}

/// Looks a program up as `execvp(3)` does: the first that is a file with an execute bit.
fn find(program: &Program, search: &str) -> Result<PathBuf, Error> {
    let candidates: Vec<PathBuf> = match program {
        Program::Absolute(path) => vec![PathBuf::from(OsStr::from_bytes(path.as_bytes()))],
        Program::Bare(name) => search
            .split(':')
            .filter(|d| d.starts_with('/'))
            .map(|d| Path::new(d).join(name))
            .collect(),
    };
    let mut seen = None;
    for candidate in candidates {
        let Ok(meta) = std::fs::metadata(&candidate) else { continue };
        if meta.is_file() && meta.permissions().mode() & 0o111 != 0 {
            return Ok(candidate);
        }
        seen =
            Some(if meta.is_dir() { "it is a directory" } else { "it has no execute permission" });
    }
    match seen {
        Some(why) => Err(not_executable(&program.to_string(), why)),
        None => Err(Error::NotFound { program: program.to_string() }),
    }
}

/// Whether a program has capabilities of its own, as `ping` may. The box gives it none, but its
/// execution clears the parent-death signal, `prctl(2)`. What cannot be looked at may have them.
pub(super) fn has_capabilities(path: &Path) -> bool {
    use rustix::io::Errno;
    let mut none = [0u8; 0];
    let found = rustix::fs::getxattr(path, "security.capability", &mut none);
    !matches!(found, Err(Errno::NODATA | Errno::OPNOTSUPP))
}

struct Interpreter {
    path: PathBuf,
    words: Vec<OsString>,
}

/// The interpreter that a script names in its first line; `None` for what is no script. A file
/// that cannot be read cannot be a script that works.
fn interpreter(path: &Path, shown: &str, search: &str) -> Result<Option<Interpreter>, Error> {
    let mut start = [0u8; 256];
    let len = match File::open(path).and_then(|mut f| f.read(&mut start)) {
        Ok(len) => len,
        Err(_) => return Ok(None),
    };
    let Some(line) = start.get(..len).and_then(|s| s.strip_prefix(b"#!")) else { return Ok(None) };
    let line = line.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii();
    let (program, argument) = match line.iter().position(|b| matches!(b, b' ' | b'\t')) {
        Some(at) => (&line[..at], line[at..].trim_ascii()),
        None => (line, &b""[..]),
    };
    let program = Program::new(program)
        .map_err(|_| not_executable(shown, "its first line names no interpreter"))?;
    let found = find(&program, search)?;
    if found.file_name() == Some(OsStr::new("env")) {
        return env_interpreter(argument, shown, search).map(Some);
    }
    let mut words = vec![OsString::from(program.to_string())];
    if !argument.is_empty() {
        words.push(OsStr::from_bytes(argument).to_owned());
    }
    Ok(Some(Interpreter { path: found, words }))
}

/// `#!/usr/bin/env python3` and `#!/usr/bin/env -S python3 -u`: `env` would execute a second
/// time, so it is left out.
fn env_interpreter(argument: &[u8], shown: &str, search: &str) -> Result<Interpreter, Error> {
    let argument = argument.strip_prefix(b"-S").unwrap_or(argument);
    let words: Vec<OsString> = argument
        .split(|b| matches!(b, b' ' | b'\t'))
        .filter(|w| !w.is_empty())
        .map(|w| OsStr::from_bytes(w).to_owned())
        .collect();
    let plain = |w: &OsString| !w.as_bytes().iter().any(|b| b"=-\\\"'$".contains(b));
    let Some(name) = words.first().filter(|w| plain(w)) else {
        return Err(not_executable(shown, "its first line uses `env` with options or variables"));
    };
    let program = Program::new(name.as_bytes())
        .map_err(|_| not_executable(shown, "its first line names no interpreter"))?;
    Ok(Interpreter { path: find(&program, search)?, words })
}

/// The loader that an ELF program names (`PT_INTERP`, `elf(5)`), which `execve(2)` opens too.
fn loader(path: &Path) -> Option<PathBuf> {
    const PT_INTERP: u32 = 3;
    let file = File::open(path).ok()?;
    let mut header = [0u8; 64];
    file.read_exact_at(&mut header, 0).ok()?;
    // Class 2 is 64-bit, data 1 little-endian: the only programs this engine's filter lets run.
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let u16_at = |at: usize| Some(u16::from_le_bytes(header.get(at..at + 2)?.try_into().ok()?));
    let u64_at =
        |from: &[u8], at: usize| Some(u64::from_le_bytes(from.get(at..at + 8)?.try_into().ok()?));
    let (table, entry, count) = (u64_at(&header, 32)?, u16_at(54)?, u16_at(56)?);
    for i in 0..u64::from(count) {
        let mut segment = [0u8; 56];
        file.read_exact_at(&mut segment, table.checked_add(i * u64::from(entry))?).ok()?;
        if segment.starts_with(&PT_INTERP.to_le_bytes()) {
            let size = usize::try_from(u64_at(&segment, 32)?).ok().filter(|n| *n <= 4096)?;
            let mut name = vec![0u8; size];
            file.read_exact_at(&mut name, u64_at(&segment, 8)?).ok()?;
            name.truncate(name.iter().position(|b| *b == 0)?);
            return Some(PathBuf::from(OsStr::from_bytes(&name)));
        }
    }
    None
}
