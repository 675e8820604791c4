//! What this host is, beside what an engine asks. Read to explain, never to decide: a tier is
//! found by entering it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::Serialize;
use shannot::TierTrial;
use shannot::sandbox::Host;

/// Facts about this host and this process.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    pub(super) kernel: String,
    pub(super) uid: u32,
    pub(super) landlock_abi: u32,
    /// The groups `adm` and `systemd-journal`, where the host has them.
    pub(super) log_groups: Vec<u32>,
    /// The program that a crash starts on the host. A core limit of 1 keeps a box from it.
    pub(super) core_handler: Option<String>,
    /// `kernel.apparmor_restrict_unprivileged_userns`.
    pub(super) apparmor_restricts_userns: bool,
    /// `user.max_user_namespaces`.
    pub(super) most_user_namespaces: Option<u64>,
    /// The hard limit of open files; none where there is no limit.
    pub(super) open_files: Option<u64>,
    /// Whether this process has a seccomp filter already, as in most containers.
    pub(super) filtered: bool,
    /// Whether `/proc` hides other users' processes (`hidepid`).
    pub(super) proc_hides: bool,
    /// Hidden files that have other names, which are not hidden.
    pub(super) hard_links: Vec<HardLinks>,
}

/// A hidden file with other names.
#[derive(Debug, Serialize)]
pub(super) struct HardLinks {
    pub(super) path: String,
    pub(super) names: u64,
}

impl Facts {
    /// Reads them; the hidden files are those of the tier that is used.
    pub(super) fn read(host: &Host, used: Option<&TierTrial>) -> Self {
        let core_pattern = first_line("/proc/sys/kernel/core_pattern");
        let userns = first_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
        let most = first_line("/proc/sys/user/max_user_namespaces");
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            kernel: host.kernel.clone(),
            uid: host.uid,
            landlock_abi: host.landlock_abi,
            log_groups: host.log_groups(),
            core_handler: core_pattern.filter(|pattern| pattern.starts_with('|')),
            apparmor_restricts_userns: userns.is_some_and(|value| value != "0"),
            most_user_namespaces: most.and_then(|value| value.parse().ok()),
            open_files: limit.maximum,
            filtered: is_filtered(),
            proc_hides: proc_hides(),
            hard_links: used.map(hard_links).unwrap_or_default(),
        }
    }
}

fn is_filtered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() != "0")
}

/// `proc(5)`: 0 and `off` hide nothing, and are not shown.
fn proc_hides() -> bool {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let proc = table.lines().rev().find(|line| line.split(' ').nth(1) == Some("/proc"));
    proc.is_some_and(|line| line.contains("hidepid="))
}

fn first_line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}

fn hard_links(trial: &TierTrial) -> Vec<HardLinks> {
    let Ok(prepared) = &trial.prepared else { return Vec::new() };
    let linked = |path: &Path| {
        let metadata = path.symlink_metadata().ok()?;
        (metadata.is_file() && metadata.nlink() > 1)
            .then(|| HardLinks { path: path.display().to_string(), names: metadata.nlink() })
    };
    prepared.hidden().filter_map(linked).collect()
}
