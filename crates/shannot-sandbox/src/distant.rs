//! File systems that must not be looked into: that would mount something, or wait for another host or
//! process, perhaps for ever.

use shannot_policy::plan::Hide;

/// Those whose reads leave the host or wait for a process, beside FUSE.
pub(crate) const NETWORK: [&str; 13] = [
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuseblk", "gfs2", "lustre", "nfs", "nfs4",
    "ocfs2", "smb3",
];
/// Of FUSE, what stays: a container's own `/proc/meminfo` is such a mount.
pub(crate) const LOCAL_FUSE: &str = "fuse.lxcfs";

/// By what mounts of a type are hidden as a whole.
pub(crate) fn hide(fstype: &str) -> Option<Hide> {
    match fstype {
        _ if is_automount(fstype) => Some(Hide::Automounts),
        _ if is_network(fstype) => Some(Hide::NetworkFilesystems),
        _ => None,
    }
}

pub(crate) fn is_automount(fstype: &str) -> bool {
    fstype == "autofs"
}

pub(crate) fn is_network(fstype: &str) -> bool {
    fstype != LOCAL_FUSE
        && (NETWORK.contains(&fstype) || fstype == "fuse" || fstype.starts_with("fuse."))
}
