//! The program under test, the users who run it, and a place for profiles.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

const TEST_USER: &str = "shannot-test";

/// This user, and where that is root an ordinary one besides.
pub(crate) fn everyone() -> Vec<User> {
    static USERS: OnceLock<Vec<User>> = OnceLock::new();
    let users = USERS.get_or_init(|| {
        let own = User {
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        };
        if own.uid == 0 { vec![own, ordinary()] } else { vec![own] }
    });
    users.clone()
}

/// Who is not root: this user or the ordinary one.
pub(crate) fn ordinary() -> User {
    if let Some(user) = look_up() {
        return user;
    }
    let made = Command::new("useradd")
        .args(["--system", "--create-home", "--shell", "/bin/sh", TEST_USER])
        .output()
        .expect("root has useradd");
    // Another process may have been faster.
    look_up().unwrap_or_else(|| panic!("useradd: {}", String::from_utf8_lossy(&made.stderr)))
}

fn look_up() -> Option<User> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with(&format!("{TEST_USER}:")))?;
    let fields: Vec<_> = line.split(':').collect();
    Some(User { uid: fields[2].parse().ok()?, gid: fields[3].parse().ok()? })
}

/// A directory that everyone may enter and only this user may change; gone with the value.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shannot-cli-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        set_mode(&path, 0o755);
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, and the directories above it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for dir in path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.0)) {
            set_mode(dir, 0o755);
        }
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o644);
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The program, or a copy of it where the target directory is closed to others.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_shannot"));
        let open = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o001 != 0;
        if built.ancestors().all(open) {
            return built.to_owned();
        }
        let copy = std::env::temp_dir().join("shannot-cli-program");
        // Another one may be running.
        let _ = std::fs::remove_file(&copy);
        std::fs::copy(built, &copy).unwrap();
        set_mode(&copy, 0o755);
        copy
    })
}

/// A profile that allows everything the box does, in a file that stays for the next time.
pub(crate) fn anything() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let text = "version = 1\nname = \"anything\"\n\
            [commands.\"*\"]\nabout = \"Everything.\"\nsyntax = \"plain\"\nforks = true\n\
            [commands.\"/*\"]\nabout = \"Everything.\"\nsyntax = \"plain\"\nforks = true\n";
        let uid = rustix::process::getuid().as_raw();
        let path = std::env::temp_dir().join(format!("shannot-cli-anything-{uid}.toml"));
        // Other tests, each a process of its own, read it at this moment.
        let own = path.with_extension(std::process::id().to_string());
        std::fs::write(&own, text).unwrap();
        set_mode(&own, 0o644);
        std::fs::rename(&own, &path).unwrap();
        path
    })
}

/// The program, started by a user in `/` with an environment of its own.
pub(crate) fn shannot(user: User) -> Command {
    of(user, program())
}

/// A shell, in the same way.
pub(crate) fn shell(user: User, script: &str) -> Command {
    let mut command = of(user, Path::new("/bin/sh"));
    command.args(["-c", script]);
    command
}

fn of(user: User, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
    command.stdin(Stdio::null());
    if rustix::process::getuid().as_raw() != user.uid {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// `shannot run` with the profile that allows everything.
pub(crate) fn run(user: User, options: &[&str], command: &[&str]) -> Command {
    let mut shannot = shannot(user);
    shannot.arg("run").arg("--profile").arg(anything()).args(options).arg("--").args(command);
    shannot
}

/// What came of a program that must end by itself.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) time: Duration,
}

impl Ended {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Each line of stderr is one of ours.
    pub(crate) fn complaint(&self) -> String {
        let strip = |line: &str| match line.strip_prefix("shannot: ") {
            Some(rest) => rest.to_owned(),
            None => panic!("not a line of ours: {line}"),
        };
        self.stderr.lines().map(strip).collect::<Vec<_>>().join("\n")
    }
}

/// Runs to the end.
pub(crate) fn end(command: &mut Command) -> Ended {
    end_fed(command, None)
}

/// Runs to the end with this standard input.
pub(crate) fn end_fed(command: &mut Command, input: Option<Vec<u8>>) -> Ended {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let begun = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let feeder = child.stdin.take().map(|mut stdin| {
        std::thread::spawn(move || {
            // The command may have stopped reading.
            let _ = stdin.write_all(&input.unwrap_or_default());
        })
    });
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    if let Some(feeder) = feeder {
        feeder.join().unwrap();
    }
    assert_eq!(status.signal(), None, "the program itself was killed");
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    Ended { code: status.code(), stdout, stderr, time: begun.elapsed() }
}

/// Asserts an exit code and says everything else when it is another.
#[track_caller]
pub(crate) fn assert_code(ended: &Ended, want: i32) {
    assert_eq!(ended.code, Some(want), "{ended:?}");
}

/// Random bytes.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}
