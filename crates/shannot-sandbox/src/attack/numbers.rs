//! Calls that no library offers to call wrongly.

use std::ffi::c_long;

use rustix::io::Errno;

use crate::native;

/// A system call whose arguments name no memory but address 0, and which, let through, changes
/// nothing of the calling process's memory. Made by the functions of this file alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    number: c_long,
    args: [isize; 6],
}

/// An argument that no call takes for valid.
pub(super) const WRONG: isize = -1;

impl Attempt {
    pub(crate) const fn parts(self) -> (c_long, [isize; 6]) {
        (self.number, self.args)
    }

    fn make(self) -> Result<(), Errno> {
        native::attempt(self).map_err(Errno::from_raw_os_error)
    }
}

/// Which calls may be attempted: those that read and write this process's memory only where their
/// arguments say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call(c_long);

macro_rules! calls {
    ($($name:ident = $number:ident;)*) => {
        impl Call { $(pub(super) const $name: Self = Self(libc::$number);)* }
    };
}

calls! {
    ADD_KEY = SYS_add_key;
    ADJTIMEX = SYS_adjtimex;
    BPF = SYS_bpf;
    CHROOT = SYS_chroot;
    CLOCK_SETTIME = SYS_clock_settime;
    CLONE3 = SYS_clone3;
    DELETE_MODULE = SYS_delete_module;
    FANOTIFY_INIT = SYS_fanotify_init;
    FINIT_MODULE = SYS_finit_module;
    FSMOUNT = SYS_fsmount;
    FSOPEN = SYS_fsopen;
    GETPID = SYS_getpid;
    INOTIFY_INIT1 = SYS_inotify_init1;
    IOPL = SYS_iopl;
    IO_URING_SETUP = SYS_io_uring_setup;
    IOPRIO_SET = SYS_ioprio_set;
    KCMP = SYS_kcmp;
    KEXEC_LOAD = SYS_kexec_load;
    KEYCTL = SYS_keyctl;
    KILL = SYS_kill;
    MOUNT = SYS_mount;
    MOUNT_SETATTR = SYS_mount_setattr;
    MOVE_MOUNT = SYS_move_mount;
    MQ_OPEN = SYS_mq_open;
    MSGGET = SYS_msgget;
    NAME_TO_HANDLE_AT = SYS_name_to_handle_at;
    OPEN_BY_HANDLE_AT = SYS_open_by_handle_at;
    OPEN_TREE = SYS_open_tree;
    PERF_EVENT_OPEN = SYS_perf_event_open;
    PIDFD_GETFD = SYS_pidfd_getfd;
    PIDFD_SEND_SIGNAL = SYS_pidfd_send_signal;
    PIVOT_ROOT = SYS_pivot_root;
    PRLIMIT = SYS_prlimit64;
    PROCESS_VM_READV = SYS_process_vm_readv;
    PROCESS_VM_WRITEV = SYS_process_vm_writev;
    PTRACE = SYS_ptrace;
    QUOTACTL = SYS_quotactl;
    REBOOT = SYS_reboot;
    REQUEST_KEY = SYS_request_key;
    RT_SIGQUEUEINFO = SYS_rt_sigqueueinfo;
    SCHED_SETAFFINITY = SYS_sched_setaffinity;
    SEMGET = SYS_semget;
    SETDOMAINNAME = SYS_setdomainname;
    SETHOSTNAME = SYS_sethostname;
    SETNS = SYS_setns;
    SETPRIORITY = SYS_setpriority;
    SETTIMEOFDAY = SYS_settimeofday;
    SHMAT = SYS_shmat;
    SHMGET = SYS_shmget;
    SWAPOFF = SYS_swapoff;
    SWAPON = SYS_swapon;
    SYSLOG = SYS_syslog;
    TKILL = SYS_tkill;
    UMOUNT2 = SYS_umount2;
    UNSHARE = SYS_unshare;
    USERFAULTFD = SYS_userfaultfd;
}

impl Call {
    /// Makes it, with zeros for the arguments that are not given.
    pub(super) fn with<const N: usize>(self, args: [isize; N]) -> Result<(), Errno> {
        let mut all = [0; 6];
        for (slot, arg) in all.iter_mut().zip(args) {
            // An address that is valid would make the call another one.
            *slot = if arg.unsigned_abs() < 1 << 32 { arg } else { 0 };
        }
        Attempt { number: self.0, args: all }.make()
    }

    /// Makes it by its x32 number, which a filter that looks at 64-bit ones alone lets through.
    pub(super) fn by_x32(self) -> Result<(), Errno> {
        const X32_BIT: c_long = 0x4000_0000;
        Attempt { number: self.0 | X32_BIT, args: [0; 6] }.make()
    }
}
