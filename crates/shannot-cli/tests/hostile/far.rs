//! A far host for the far columns: this machine, through a real sshd.
//!
//! Each call has an sshd of its own, which its `ssh` starts in the place of a connection (`sshd -i`): so
//! the far side is in the mount namespace of the case and lacks what the case takes away, no port is
//! taken, and nothing has to be ended. The agent there is the program under test.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::*;

/// The target that the configuration names.
const TARGET: &str = "far";

/// The program under test, which finds an `ssh` that can reach the far host.
pub(crate) fn client(column: Column) -> PathBuf {
    let bin = account(column).join("bin");
    script(&format!("PATH={}:$PATH exec {} \"$@\"", word(&bin), word(&program())))
}

/// The words that say where to run. `lines` are of a shell that starts the agent.
pub(crate) fn options(lines: &str) -> [PathBuf; 4] {
    let text = format!(
        "[executor.{TARGET}]\ntype = \"ssh\"\nhost = \"{TARGET}\"\nhelper_path = \"{}\"\n\
         connect_timeout = \"30s\"\n",
        helper(lines).display()
    );
    let file = place().join(format!("far-{:016x}.toml", digest(text.as_bytes())));
    install(&file, text.as_bytes(), 0o644);
    ["--config".into(), file, "--target".into(), TARGET.into()]
}

/// What the far host's login shell starts.
fn helper(lines: &str) -> PathBuf {
    if lines.is_empty() {
        return program();
    }
    script(&format!("{lines}\nexec {} \"$@\"", word(&program())))
}

/// A script that everyone may execute.
fn script(lines: &str) -> PathBuf {
    let path = place().join(format!("script-{:016x}", digest(lines.as_bytes())));
    install(&path, format!("#!/bin/bash\n{lines}\n").as_bytes(), 0o755);
    path
}

/// What who starts the boxes of a column needs to log in as himself: made once, and kept.
fn account(column: Column) -> PathBuf {
    let name = if column.by_root() { "root" } else { "user" };
    let dir = place().join(format!("far-{name}"));
    if is_root() {
        // Where an unprivileged part of sshd is shut in; its package makes it when it is started.
        fs::create_dir_all("/run/sshd").expect("a directory for sshd");
    }
    if !dir.exists() {
        let own = place().join(format!("far-{name}-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o755).create(&own).expect("a directory");
        write_account(&own, &dir, column);
        // Another test may have been faster.
        if fs::rename(&own, &dir).is_err() {
            fs::remove_dir_all(&own).expect("what was made in vain");
        }
    }
    dir
}

/// Writes to `own` what will be at `dir`.
fn write_account(own: &Path, dir: &Path, column: Column) {
    for name in ["host", "id"] {
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(own.join(name));
        assert!(keygen.status().expect("the package openssh-client").success());
    }
    fs::create_dir(own.join("home")).expect("a home");
    fs::create_dir(own.join("bin")).expect("a directory");
    let public = fs::read_to_string(own.join("host.pub")).expect("the host's key");
    let dir = word(dir);
    // Without it, sshd refuses accounts that are locked; with it, it waits for who else logs in.
    let shadow = fs::read_to_string("/etc/shadow").unwrap_or_default();
    let locked = column.by_root() && shadow.lines().any(|line| line.starts_with("root:!"));
    let pam = if locked { "yes" } else { "no" };
    let login = if column.by_root() { "root" } else { &user().name };
    for (name, mode, text) in [
        ("known", 0o644, format!("{TARGET} {public}")),
        (
            "sshd_config",
            0o644,
            format!(
                "HostKey {dir}/host\nAuthorizedKeysFile {dir}/id.pub\nStrictModes no\nUsePAM {pam}\n\
                 PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
                 PidFile none\nSetEnv HOME={dir}/home\n"
            ),
        ),
        (
            "ssh_config",
            0o644,
            format!(
                "Host {TARGET}\n  ProxyCommand /usr/sbin/sshd -i -q -f {dir}/sshd_config\n  \
                 User {login}\n  IdentityFile {dir}/id\n  IdentitiesOnly yes\n  \
                 UserKnownHostsFile {dir}/known\n  HostKeyAlias {TARGET}\n"
            ),
        ),
        ("bin/ssh", 0o755, format!("#!/bin/sh\nexec /usr/bin/ssh -F {dir}/ssh_config \"$@\"\n")),
    ] {
        let path = own.join(name);
        fs::write(&path, text).expect("write a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
    }
    if is_root() && !column.by_root() {
        for name in ["host", "id"] {
            chown(own.join(name), Some(user().uid), Some(user().gid)).expect("chown");
        }
    }
}
