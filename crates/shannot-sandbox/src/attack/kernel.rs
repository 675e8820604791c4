//! Attacks on the kernel: mounts, namespaces, its own state, and interfaces with a history of
//! holes.

use super::files::opens_for_writing;
use super::numbers::{Call, WRONG};
use super::{Attack, Ground};
use crate::native;
use rustix::io::Errno;

const MOUNTS: &str = "mounts";
const KERNEL: &str = "kernel";
const IPC: &str = "ipc";
const ABI: &str = "other abis";

const IPC_PRIVATE: isize = 0;

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(MOUNTS, "mount", |_| Call::MOUNT.with([])),
    Attack::new(MOUNTS, "unmount", |_| Call::UMOUNT2.with([])),
    Attack::new(MOUNTS, "change a mount", |_| Call::MOUNT_SETATTR.with([WRONG])),
    Attack::new(MOUNTS, "copy a mount", |_| Call::OPEN_TREE.with([WRONG])),
    Attack::new(MOUNTS, "move a mount", |_| Call::MOVE_MOUNT.with([WRONG])),
    Attack::new(MOUNTS, "open a file system", |_| Call::FSOPEN.with([])),
    Attack::new(MOUNTS, "mount what was opened", |_| Call::FSMOUNT.with([WRONG])),
    Attack::new(MOUNTS, "change the root", |_| Call::CHROOT.with([])),
    Attack::new(MOUNTS, "pivot the root", |_| Call::PIVOT_ROOT.with([])),
    Attack::new(MOUNTS, "open a file by its handle", |_| Call::OPEN_BY_HANDLE_AT.with([WRONG])),
    Attack::new(MOUNTS, "take a file's handle", |_| Call::NAME_TO_HANDLE_AT.with([WRONG])),
    // No namespace has this bit: EINVAL.
    Attack::new(KERNEL, "make a namespace", |_| Call::UNSHARE.with([1])),
    Attack::new(KERNEL, "enter a namespace", |_| Call::SETNS.with([WRONG])),
    Attack::new(KERNEL, "clone with flags that no filter sees", |_| Call::CLONE3.with([])),
    Attack::new(KERNEL, "load a BPF program", |_| Call::BPF.with([WRONG])),
    Attack::new(KERNEL, "use io_uring", |_| Call::IO_URING_SETUP.with([])),
    Attack::new(KERNEL, "use userfaultfd", |_| Call::USERFAULTFD.with([WRONG])),
    Attack::new(KERNEL, "measure the machine", |_| Call::PERF_EVENT_OPEN.with([])),
    Attack::new(KERNEL, "watch files (fanotify)", |_| Call::FANOTIFY_INIT.with([WRONG])),
    Attack::new(KERNEL, "watch files (inotify)", |_| Call::INOTIFY_INIT1.with([WRONG])),
    Attack::new(KERNEL, "load a module", |_| Call::FINIT_MODULE.with([WRONG])),
    Attack::new(KERNEL, "unload a module", |_| Call::DELETE_MODULE.with([])),
    Attack::new(KERNEL, "load another kernel", |_| Call::KEXEC_LOAD.with([0, 0, 0, WRONG])),
    Attack::new(KERNEL, "reboot", |_| Call::REBOOT.with([])),
    Attack::new(KERNEL, "swap on", |_| Call::SWAPON.with([])),
    Attack::new(KERNEL, "swap off", |_| Call::SWAPOFF.with([])),
    Attack::new(KERNEL, "set the host name", |_| Call::SETHOSTNAME.with([0, WRONG])),
    Attack::new(KERNEL, "set the domain name", |_| Call::SETDOMAINNAME.with([0, WRONG])),
    Attack::new(KERNEL, "set the time", |_| Call::CLOCK_SETTIME.with([0])),
    Attack::new(KERNEL, "set the time of day", |_| Call::SETTIMEOFDAY.with([])),
    Attack::new(KERNEL, "adjust the clock", |_| Call::ADJTIMEX.with([])),
    Attack::new(KERNEL, "control the kernel's log", |_| Call::SYSLOG.with([99])),
    Attack::new(KERNEL, "set a quota", |_| Call::QUOTACTL.with([])),
    Attack::new(KERNEL, "drive the hardware", |_| Call::IOPL.with([99])),
    written("set the core handler", |_| opens_for_writing("/proc/sys/kernel/core_pattern")),
    written("set a sysctl", |_| opens_for_writing("/proc/sys/vm/swappiness")),
    written("press SysRq", |_| opens_for_writing("/proc/sysrq-trigger")),
    written("suspend the machine", |_| opens_for_writing("/sys/power/state")),
    written("write to the kernel's log", |_| opens_for_writing("/dev/kmsg")),
    written("write to the memory", |_| opens_for_writing("/dev/mem")),
    Attack::new(IPC, "make shared memory", |_| Call::SHMGET.with([IPC_PRIVATE, 0, 0o600])),
    Attack::new(IPC, "attach shared memory", |_| Call::SHMAT.with([WRONG])),
    Attack::new(IPC, "make a semaphore", |_| Call::SEMGET.with([IPC_PRIVATE, WRONG, 0o600])),
    Attack::new(IPC, "open a message queue", |_| Call::MSGGET.with([0x5348_414e])),
    Attack::new(IPC, "open a POSIX message queue", |_| Call::MQ_OPEN.with([])),
    Attack::new(IPC, "add a key", |_| Call::ADD_KEY.with([])),
    Attack::new(IPC, "request a key", |_| Call::REQUEST_KEY.with([])),
    Attack::new(IPC, "change a keyring", |_| Call::KEYCTL.with([9999])),
    Attack::new(ABI, "call as a 32-bit program (int 0x80)", |_| {
        native::getpid_by_int80().map_err(Errno::from_raw_os_error)
    }),
    Attack::new(ABI, "call as an x32 program", |_| Call::GETPID.by_x32()),
];

/// A file of the kernel's that is not everywhere.
const fn written(what: &'static str, run: fn(&Ground) -> Result<(), Errno>) -> Attack {
    Attack::new(KERNEL, what, run).or(&[Errno::NOENT, Errno::NXIO, Errno::NODEV])
}
