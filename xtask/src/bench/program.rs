//! What `shannot run` costs as a whole process, against bwrap with the same mounts.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use shannot::policy::profile::{Network, Processes, Tier};
use shannot::sandbox::Host;

use super::{Row, in_process};

pub(super) fn rows(shannot: &Path) -> Result<Vec<Row>, String> {
    let host = Arc::new(Host::read());
    let full = if host.uid == 0 { Tier::T1 } else { Tier::T2 };
    // `minimal` hides what every profile hides.
    let prepared = in_process::ready(full, &host, |profile| {
        profile.view.processes = Processes::Own;
        profile.view.network = Network::None;
    })?;
    let mut bwrap = bwrap(prepared.hidden(), &["ls", "/etc/hostname"]);
    let mut run = Command::new(shannot);
    run.args(["run", "--profile", "minimal", "--", "ls", "/etc/hostname"]);
    let mut bare = Command::new("ls");
    bare.arg("/etc/hostname");
    Ok(vec![
        Row::new("bwrap, same mounts and namespaces", move || in_process::quiet(&mut bwrap)),
        // Between the two: the kernel takes a network namespace apart after its last process.
        Row::new("ls alone", move || in_process::quiet(&mut bare)),
        Row::new("shannot run --profile minimal", move || in_process::quiet(&mut run)),
    ])
}

/// bwrap with what a box of `minimal` has: all namespaces, no capability, the whole tree
/// read-only, the same devices, its own /proc, three mounts on its entries of a process, a tmpfs on
/// /tmp, the same paths hidden, the same environment.
pub(super) fn bwrap<'h>(hidden: impl Iterator<Item = &'h Path>, command: &[&str]) -> Command {
    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]);
    bwrap.args(["--clearenv", "--setenv", "PATH", shannot::policy::profile::BOX_PATH]);
    bwrap.args(["--setenv", "HOME", "/", "--setenv", "PAGER", "cat"]);
    for name in shannot::policy::Locale::NAMES {
        if let Ok(value) = std::env::var(name) {
            bwrap.args(["--setenv", name, &value]);
        }
    }
    bwrap.args(["--ro-bind", "/", "/", "--proc", "/proc"]);
    for table in ["/proc/self/mountinfo", "/proc/self/mounts", "/proc/self/mountstats"] {
        bwrap.args(["--ro-bind", table, table]);
    }
    for device in shannot::policy::plan::HARMLESS_DEVICES {
        bwrap.args(["--dev-bind", device, device]);
    }
    for path in hidden {
        if path.is_dir() {
            bwrap.arg("--tmpfs").arg(path);
        } else {
            bwrap.args(["--ro-bind", "/dev/null"]).arg(path);
        }
    }
    bwrap.args(["--tmpfs", "/tmp", "--"]).args(command);
    bwrap
}
