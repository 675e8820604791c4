//! What this host is, beside what an engine asks. Read to explain, never to decide: a tier is
//! found by entering it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use shannot::TierTrial;
use shannot::sandbox::Host;

use crate::render::doctor::{Facts, HardLinks};

/// Reads them; the hidden files are those of the tier that is used.
pub(super) fn read(host: &Host, used: Option<&TierTrial>) -> Facts {
    let core_pattern = first_line("/proc/sys/kernel/core_pattern");
    let userns = first_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
    let most = first_line("/proc/sys/user/max_user_namespaces");
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Facts {
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
