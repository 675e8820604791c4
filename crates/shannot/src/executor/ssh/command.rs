//! The command line of `ssh`, and the one that the far login shell reads.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use crate::destination::Destination;

/// How a host is reached.
#[derive(Debug, Clone)]
pub struct SshTarget {
    /// What results and messages call it.
    pub name: String,
    /// Where it is.
    pub destination: Destination,
    /// The private key, and no other; by default as ssh_config(5) and an agent say. Not UTF-8, `%`,
    /// `${`, quotes or backslashes, which ssh expands.
    pub key_file: Option<PathBuf>,
    /// The file of known hosts' keys, of the same form.
    pub known_hosts: Option<PathBuf>,
    /// Whether the host must be known.
    pub strict_host_key: bool,
    /// How long to wait until the agent there greets.
    pub connect_timeout: Duration,
    /// Which program is the agent there.
    pub helper: Helper,
    /// The program that a call puts there itself where [`Helper::Deployed`] is absent. Only if it has
    /// that digest.
    pub deploy: Option<Bytes>,
    /// A directory in which to make a socket, by which the sessions of a host without an agent share one
    /// connection: for programs that run many commands. Its path has neither quotes nor `%`.
    pub sockets: Option<PathBuf>,
}

/// The program on the far host that answers as its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Helper {
    /// The one at this path, whatever it is: somebody else answers for it.
    At(FarPath),
    /// One that was put below the user's `~/.cache/shannot/bin`, if its digest is still this.
    Deployed(Sha256Hex),
    /// None is looked for: the host's bwrap makes the boxes.
    Absent,
}

/// A path on another host that every shell reads as it is written, but for `~/` at its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarPath(String);

/// A SHA-256 digest in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sha256Hex(String);

impl std::str::FromStr for FarPath {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') && !text.starts_with("~/") {
            return Err(format!(
                "`{}` is neither absolute nor begins with `~/`",
                text.escape_debug()
            ));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-@:".contains(c);
        let is_plain = text.strip_prefix('~').unwrap_or(text).chars().all(is_plain);
        if !is_plain || text.split('/').any(|component| component == "..") {
            let shown = text.escape_debug();
            return Err(format!("`{shown}` may have letters, digits and `/._+-@:`, and no `..`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Display for FarPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Sha256Hex {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.len() == 64 && text.bytes().all(is_hex) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("`{}` is no SHA-256 digest", text.escape_debug())),
        }
    }
}

impl Sha256Hex {
    /// A digest as it was computed.
    pub fn from_digest(digest: &[u8; 32]) -> Self {
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The name of the file that has this digest.
    pub fn file_name(&self) -> String {
        format!("shannot-{}", &self.0[..32])
    }

    /// The digest.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Helper {
    /// The line that the login shell gets, whichever it is: no quote within the quotes, no backslash,
    /// no `!`, no line end, which sh, csh and fish read differently. Nothing in it is a caller's.
    pub(super) fn far_command(&self) -> String {
        match self {
            Self::At(path) => format!("exec {path} agent stdio"),
            Self::Absent => format!("exec sh -c 'echo; echo \"{SHELL}\"; {BOOT}'"),
            Self::Deployed(sha256) => {
                let (name, digest) = (sha256.file_name(), sha256.as_str());
                format!(
                    "exec sh -c 'p=$HOME/.cache/shannot/bin/{name}; \
                     if test -x \"$p\"; then case $(sha256sum < \"$p\") in \
                     \"{digest}  -\") exec \"$p\" agent stdio;; esac; \
                     echo \"{CHANGED}\" >&2; exit 126; fi; \
                     echo; echo \"{SHELL}\"; {BOOT}'"
                )
            }
        }
    }
}

/// The line that puts a program there: a script for `sh` under the same rules. It says where it is, waits
/// for the program on its standard input, and gives it its name only when it is whole and has run.
pub(super) fn deploy_command(sha256: &Sha256Hex) -> String {
    let (name, digest) = (sha256.file_name(), sha256.as_str());
    format!(
        "exec sh -c 'umask 077; d=$HOME/.cache/shannot/bin; p=$d/{name}; \
         if test -x \"$p\"; then case $(sha256sum < \"$p\") in \
         \"{digest}  -\") echo \"{THERE}\"; exit 0;; esac; fi; \
         echo \"{READY} $(uname -m)\"; read go || exit 1; \
         mkdir -p \"$d\" && t=$(mktemp \"$d/.new.XXXXXXXX\") || exit 1; \
         clean() {{ rm -f \"$t\"; }}; trap clean EXIT; trap \"exit 1\" HUP INT TERM PIPE; \
         cat > \"$t\" || exit 1; \
         case $(sha256sum < \"$t\") in \"{digest}  -\") ;; \
         *) echo \"it did not arrive whole\" >&2; exit 1;; esac; \
         chmod 700 \"$t\" || exit 1; \"$t\" --version > /dev/null || exit {NO_START}; \
         mv -f \"$t\" \"$p\" || exit 1; echo \"{PUT}\"'"
    )
}

/// What the script reads before it makes anything.
pub(super) const GO: &[u8] = b"go\n";
/// What the script says where the program is there already.
pub(super) const THERE: &str = "shannot-deploy there";
/// What it says before the name of the machine, when it waits for the program.
pub(super) const READY: &str = "shannot-deploy ready";
/// What it says when the program is in its place.
pub(super) const PUT: &str = "shannot-deploy put";
/// Its exit code where the program does not start.
pub(super) const NO_START: i32 = 126;

/// What the far shell says where there is no helper, before it reads scripts, on a line of its own.
pub(super) const SHELL: &str = "shannot: there is no helper";
/// Reads a script of as many bytes as the line before it says, and no byte more.
const BOOT: &str = "next() { read -r size; script=$(dd bs=\"$size\" count=1 iflag=fullblock \
                    2>/dev/null); eval \"$script\"; }; next";
/// What the far shell says of a helper that is not the one that was deployed.
pub(super) const CHANGED: &str = "shannot: the helper is not the one that was deployed";

impl SshTarget {
    /// The words after `ssh`, to have this line read there.
    pub(super) fn words(&self, far_command: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        let strict = if self.strict_host_key { "yes" } else { "accept-new" };
        let seconds = self.connect_timeout.as_secs().max(1);
        for option in [
            // Nobody is there to answer, and a question would be one about trust.
            "BatchMode=yes".to_owned(),
            format!("StrictHostKeyChecking={strict}"),
            format!("ConnectTimeout={seconds}"),
            // A host that has gone is noticed.
            "ServerAliveInterval=15".to_owned(),
            "ServerAliveCountMax=3".to_owned(),
            // Nothing of this machine is lent to that one, whatever ssh_config says.
            "ForwardAgent=no".to_owned(),
            "ForwardX11=no".to_owned(),
            "GSSAPIDelegateCredentials=no".to_owned(),
            "ClearAllForwardings=yes".to_owned(),
            "PermitLocalCommand=no".to_owned(),
            "Tunnel=no".to_owned(),
            // One that somebody else keeps open may be used; this one is not to stay.
            "ControlMaster=no".to_owned(),
            // Bytes pass as they are.
            "RequestTTY=no".to_owned(),
            "RemoteCommand=none".to_owned(),
            "EscapeChar=none".to_owned(),
            // What the host says to people is not about the connection.
            "LogLevel=ERROR".to_owned(),
        ] {
            words.extend([OsString::from("-o"), option.into()]);
        }
        if let Some(path) = &self.known_hosts {
            let mut option = OsString::from("UserKnownHostsFile=\"");
            option.push(path);
            option.push("\"");
            words.extend([OsString::from("-o"), option]);
        }
        if let Some(path) = &self.key_file {
            words.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), path.into()]);
        }
        if let Some(user) = &self.destination.user {
            words.extend(["-l".into(), user.as_str().into()]);
        }
        if let Some(port) = self.destination.port {
            words.extend(["-p".into(), port.to_string().into()]);
        }
        words.extend(["--".into(), self.destination.host.as_str().into()]);
        words.push(far_command.into());
        words
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Stdio;

    use super::*;

    /// sh, csh and fish read what is within single quotes alike only without these.
    #[test]
    fn the_far_command_means_the_same_to_every_shell() {
        let sha256: Sha256Hex = "0123456789abcdef".repeat(4).parse().unwrap();
        let deploy = deploy_command(&sha256);
        for line in [deploy, Helper::Deployed(sha256).far_command(), Helper::Absent.far_command()] {
            let quoted: Vec<&str> = line.split('\'').collect();
            let ["exec sh -c ", script, ""] = quoted[..] else { panic!("{line}") };
            assert!(!script.contains(['\\', '!', '\n', '`']), "{script}");
        }
    }

    /// Without a helper, with one that is put there, and with one that somebody changed.
    #[test]
    fn every_login_shell_does_what_is_meant() {
        let program = b"#!/bin/sh\necho \"$@\"\n";
        let digest: [u8; 32] = sha2::Digest::finalize(sha2::Digest::chain_update(
            <sha2::Sha256 as sha2::Digest>::new(),
            program,
        ))
        .into();
        let sha256 = Sha256Hex::from_digest(&digest);
        let (deploy, start) =
            (deploy_command(&sha256), Helper::Deployed(sha256.clone()).far_command());
        for shell in ["sh", "dash", "bash", "fish", "csh", "tcsh"] {
            let home = std::env::temp_dir().join(format!("shannot {} {shell}", std::process::id()));
            std::fs::create_dir(&home).unwrap();
            let run_with = |line: &str, input: &[u8]| {
                let mut command = std::process::Command::new(shell);
                command.args(["-c", line]).env("HOME", &home).stdin(Stdio::piped());
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = command.spawn().unwrap_or_else(|e| panic!("{shell}: {e}"));
                // It may not read it.
                let _ = child.stdin.take().unwrap().write_all(input);
                let ended = child.wait_with_output().unwrap();
                let text = |bytes| String::from_utf8(bytes).unwrap();
                (ended.status.code().unwrap(), text(ended.stdout), text(ended.stderr))
            };
            let run = |line, program: &[u8]| run_with(line, &[GO, program].concat());
            assert_eq!(
                run_with(&start, b""),
                (0, format!("\n{SHELL}\n"), String::new()),
                "{shell}"
            );
            let script = b"9\necho 'a!'";
            let said = (0, format!("\n{SHELL}\na!\n"), String::new());
            assert_eq!(run_with(&start, script), said, "{shell}");
            let machine = std::env::consts::ARCH;
            let (code, _, said) = run(&deploy, &program[1..]);
            assert_eq!((code, said.as_str()), (1, "it did not arrive whole\n"), "{shell}");
            let put = (0, format!("{READY} {machine}\n{PUT}\n"), String::new());
            assert_eq!(run(&deploy, program), put, "{shell}");
            assert_eq!(run(&deploy, b""), (0, format!("{THERE}\n"), String::new()), "{shell}");
            assert_eq!(run(&start, b""), (0, "agent stdio\n".to_owned(), String::new()), "{shell}");
            let bin = home.join(".cache/shannot/bin");
            let names = std::fs::read_dir(&bin).unwrap().map(|e| e.unwrap().file_name());
            assert_eq!(names.collect::<Vec<_>>(), [sha256.file_name().as_str()], "{shell}");
            std::fs::write(bin.join(sha256.file_name()), "#!/bin/sh\necho other\n").unwrap();
            assert_eq!(run(&start, b""), (126, String::new(), format!("{CHANGED}\n")), "{shell}");
            std::fs::remove_dir_all(&home).unwrap();
        }
    }

    #[test]
    fn far_paths_need_no_quotes() {
        for text in ["/usr/bin/shannot", "~/bin/shannot-0.1.0+x", "/a:b@c"] {
            assert!(text.parse::<FarPath>().is_ok(), "{text}");
        }
        for text in [
            "", "shannot", "~", "~root/x", "/a b", "/a;b", "/$a", "/a/../b", "/..", "/a~", "/a'",
            "/ä",
        ] {
            assert!(text.parse::<FarPath>().is_err(), "{text}");
        }
    }
}
