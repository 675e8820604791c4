//! The table's own order, and its numbers against two other sources.

use std::collections::BTreeMap;

use super::super::*;
use super::filters;

#[test]
fn names_and_numbers_are_unique() {
    let mut names: Vec<_> = table().map(|call| call.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b), "a name stands twice");
    for arch in Arch::ALL {
        let mut seen = BTreeMap::new();
        for call in table() {
            if let Some(other) = call.number(arch).and_then(|nr| seen.insert(nr, call.name)) {
                panic!("{} and {other} have the same number on {arch:?}", call.name);
            }
        }
    }
}

/// `linux/audit.h`: the ELF machine (`EM_AARCH64`, `EM_X86_64`), 64 bits, little endian.
#[test]
fn machines_are_those_of_elf() {
    assert_eq!(Arch::Aarch64.audit(), 183 | 1 << 31 | 1 << 30);
    assert_eq!(Arch::X86_64.audit(), 62 | 1 << 31 | 1 << 30);
}

#[test]
fn every_call_has_a_number_and_a_reason() {
    for call in table() {
        assert!(Arch::ALL.iter().any(|arch| call.number(*arch).is_some()), "{}", call.name);
        assert!(!call.why.is_empty() && !call.why.ends_with('.'), "{}", call.name);
    }
}

#[test]
fn newer_calls_are_allowed_or_unknown() {
    for call in table().filter(|call| call.x86_64 >= Some(424)) {
        for filter in filters() {
            let nr = call.number(filter.arch).expect("newer calls are everywhere");
            let data = SeccompData { nr, arch: filter.arch.audit(), args: [0; 6] };
            let fine = matches!(filter.verdict(&data), Action::Allow | UNKNOWN);
            assert!(fine, "{} under {filter:?}", call.name);
        }
        assert_eq!(call.x86_64, call.aarch64, "{}", call.name);
    }
}

/// More than about 140 would be a failure of judgement; x86-64 has two dozen old spellings of the
/// same calls.
#[test]
fn few_calls_are_allowed() {
    assert_eq!(allowed_count(Arch::Aarch64), 131);
    assert_eq!(allowed_count(Arch::X86_64), 153);
}

/// The calls 0 to 294 of `asm-generic/unistd.h` in their order, which 64-bit ARM follows; `-`
/// stands where it has none.
const GENERIC: &str = "
io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr
lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr
getcwd lookup_dcookie eventfd2 epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl
inotify_init1 inotify_add_watch inotify_rm_watch ioctl ioprio_set ioprio_get flock mknodat
mkdirat unlinkat symlinkat linkat renameat umount2 mount pivot_root nfsservctl statfs
fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat
fchown openat close vhangup pipe2 quotactl getdents64 lseek read write readv writev pread64
pwrite64 preadv pwritev sendfile pselect6 ppoll signalfd4 vmsplice splice tee readlinkat
newfstatat fstat sync fsync fdatasync sync_file_range timerfd_create timerfd_settime
timerfd_gettime utimensat acct capget capset personality exit exit_group waitid
set_tid_address unshare futex set_robust_list get_robust_list nanosleep getitimer setitimer
kexec_load init_module delete_module timer_create timer_gettime timer_getoverrun
timer_settime timer_delete clock_settime clock_gettime clock_getres clock_nanosleep syslog
ptrace sched_setparam sched_setscheduler sched_getscheduler sched_getparam sched_setaffinity
sched_getaffinity sched_yield sched_get_priority_max sched_get_priority_min
sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack rt_sigsuspend
rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigreturn
setpriority getpriority reboot setregid setgid setreuid setuid setresuid getresuid setresgid
getresgid setfsuid setfsgid times setpgid getpgid getsid setsid getgroups setgroups uname
sethostname setdomainname getrlimit setrlimit getrusage umask prctl getcpu gettimeofday
settimeofday adjtimex getpid getppid getuid geteuid getgid getegid gettid sysinfo mq_open
mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgctl msgrcv msgsnd
semget semctl semtimedop semop shmget shmctl shmat shmdt socket socketpair bind listen
accept connect getsockname getpeername sendto recvfrom setsockopt getsockopt shutdown
sendmsg recvmsg readahead brk munmap mremap add_key request_key keyctl clone execve mmap
fadvise64 swapon swapoff mprotect msync mlock munlock mlockall munlockall mincore madvise
remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages move_pages
rt_tgsigqueueinfo perf_event_open accept4 recvmmsg - - - - - - - - - - - - - - - - wait4
prlimit64 fanotify_init fanotify_mark name_to_handle_at open_by_handle_at clock_adjtime
syncfs setns sendmmsg process_vm_readv process_vm_writev kcmp finit_module sched_setattr
sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat userfaultfd membarrier
mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx
io_pgetevents rseq kexec_file_load
";

#[test]
fn arm_numbers_are_those_of_the_generic_table() {
    let generic: BTreeMap<&str, u32> = GENERIC.split_whitespace().zip(0..).collect();
    for call in table().filter(|call| call.x86_64 < Some(424)) {
        assert_eq!(call.aarch64, generic.get(call.name).copied(), "{}", call.name);
    }
}

/// Calls that libc names on neither machine, or on one of them only.
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
const NOT_IN_LIBC: &[&str] = &[
    "create_module",
    "fchmodat2",
    "file_setattr",
    "get_kernel_syms",
    "getrlimit",
    "listmount",
    "open_tree_attr",
    "query_module",
    "removexattrat",
    "renameat",
    "setrlimit",
    "setxattrat",
    "statmount",
    "sync_file_range",
];

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
macro_rules! libc_numbers {
    ($($name:ident)*) => { [$((stringify!($name), libc::$name)),*] };
}

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[test]
fn numbers_are_those_of_libc() {
    let arch = if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 };
    let both = libc_numbers! {
        SYS_accept SYS_accept4 SYS_acct SYS_add_key SYS_adjtimex SYS_bind SYS_bpf SYS_brk
        SYS_capget SYS_capset SYS_chdir SYS_chroot SYS_clock_adjtime SYS_clock_getres
        SYS_clock_gettime SYS_clock_nanosleep SYS_clock_settime SYS_clone SYS_clone3 SYS_close
        SYS_close_range SYS_connect SYS_copy_file_range SYS_delete_module SYS_dup SYS_dup3
        SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_eventfd2 SYS_execve SYS_execveat
        SYS_exit SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64 SYS_fanotify_init
        SYS_fanotify_mark SYS_fchdir SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_fcntl
        SYS_fdatasync SYS_finit_module SYS_flock SYS_fremovexattr SYS_fsconfig SYS_fsetxattr
        SYS_fsmount SYS_fsopen SYS_fspick SYS_fstat SYS_fstatfs SYS_fsync SYS_ftruncate
        SYS_futex SYS_get_mempolicy SYS_getcwd SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid
        SYS_getgroups SYS_getpeername SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority
        SYS_getrandom SYS_getresgid SYS_getresuid SYS_getrusage SYS_getsid SYS_getsockname
        SYS_getsockopt SYS_gettid SYS_gettimeofday SYS_getuid SYS_getxattr SYS_init_module
        SYS_inotify_add_watch SYS_inotify_init1 SYS_inotify_rm_watch SYS_io_uring_enter
        SYS_io_uring_register SYS_io_uring_setup SYS_ioctl SYS_ioprio_get SYS_ioprio_set
        SYS_kcmp SYS_kexec_file_load SYS_kexec_load SYS_keyctl SYS_kill SYS_landlock_add_rule
        SYS_landlock_create_ruleset SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat
        SYS_listen SYS_listxattr SYS_llistxattr SYS_lookup_dcookie SYS_lremovexattr SYS_lseek
        SYS_lsetxattr SYS_madvise SYS_mbind SYS_membarrier SYS_memfd_create SYS_memfd_secret
        SYS_migrate_pages SYS_mkdirat SYS_mknodat SYS_mlock SYS_mlock2 SYS_mlockall SYS_mmap
        SYS_mount SYS_mount_setattr SYS_move_mount SYS_move_pages SYS_mprotect SYS_mq_getsetattr
        SYS_mq_notify SYS_mq_open SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_mremap
        SYS_msgctl SYS_msgget SYS_msgrcv SYS_msgsnd SYS_msync SYS_munlock SYS_munlockall
        SYS_munmap SYS_name_to_handle_at SYS_nanosleep SYS_newfstatat SYS_open_by_handle_at
        SYS_open_tree SYS_openat SYS_openat2 SYS_perf_event_open SYS_personality SYS_pidfd_getfd
        SYS_pidfd_open SYS_pidfd_send_signal SYS_pipe2 SYS_pivot_root SYS_ppoll SYS_prctl
        SYS_pread64 SYS_preadv2 SYS_prlimit64 SYS_process_madvise SYS_process_mrelease
        SYS_process_vm_readv SYS_process_vm_writev SYS_pselect6 SYS_ptrace SYS_pwrite64
        SYS_pwritev2 SYS_quotactl SYS_quotactl_fd SYS_read SYS_readlinkat SYS_readv SYS_reboot
        SYS_recvfrom SYS_recvmmsg SYS_recvmsg SYS_removexattr SYS_renameat2 SYS_request_key
        SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigqueueinfo
        SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait SYS_rt_tgsigqueueinfo
        SYS_sched_get_priority_max SYS_sched_get_priority_min SYS_sched_getaffinity
        SYS_sched_getattr SYS_sched_getparam SYS_sched_getscheduler SYS_sched_setaffinity
        SYS_sched_setattr SYS_sched_setparam SYS_sched_setscheduler SYS_sched_yield SYS_seccomp
        SYS_semctl SYS_semget SYS_semop SYS_semtimedop SYS_sendfile SYS_sendmmsg SYS_sendmsg
        SYS_sendto SYS_set_mempolicy SYS_set_robust_list SYS_set_tid_address SYS_setdomainname
        SYS_setfsgid SYS_setfsuid SYS_setgid SYS_setgroups SYS_sethostname SYS_setitimer
        SYS_setns SYS_setpgid SYS_setpriority SYS_setregid SYS_setresgid SYS_setresuid
        SYS_setreuid SYS_setsid SYS_setsockopt SYS_settimeofday SYS_setuid SYS_setxattr
        SYS_shmat SYS_shmctl SYS_shmdt SYS_shmget SYS_sigaltstack SYS_signalfd4 SYS_socket
        SYS_socketpair SYS_splice SYS_statfs SYS_statx SYS_swapoff SYS_swapon SYS_symlinkat
        SYS_sync SYS_syncfs SYS_sysinfo SYS_syslog SYS_tee SYS_tgkill SYS_timer_create
        SYS_timer_delete SYS_timer_settime SYS_timerfd_create SYS_timerfd_settime SYS_times
        SYS_tkill SYS_truncate SYS_umask SYS_umount2 SYS_uname SYS_unlinkat SYS_unshare
        SYS_userfaultfd SYS_utimensat SYS_vhangup SYS_vmsplice SYS_wait4 SYS_waitid SYS_write
        SYS_writev
    };
    #[cfg(target_arch = "x86_64")]
    let old = libc_numbers! {
        SYS__sysctl SYS_access SYS_alarm SYS_arch_prctl SYS_chmod SYS_chown SYS_creat SYS_dup2
        SYS_epoll_create SYS_epoll_wait SYS_fork SYS_futimesat SYS_getpgrp SYS_inotify_init
        SYS_ioperm SYS_iopl SYS_lchown SYS_link SYS_lstat SYS_mkdir SYS_mknod SYS_modify_ldt
        SYS_open SYS_pause SYS_pipe SYS_poll SYS_readlink SYS_rename SYS_rmdir SYS_select
        SYS_stat SYS_symlink SYS_time SYS_unlink SYS_uselib SYS_ustat SYS_utime SYS_utimes
        SYS_vfork
    };
    #[cfg(not(target_arch = "x86_64"))]
    let old: [(&str, libc::c_long); 0] = [];
    let libc: BTreeMap<&str, libc::c_long> = both.into_iter().chain(old).collect();
    for call in table() {
        let Some(number) = call.number(arch) else {
            continue;
        };
        match libc.get(format!("SYS_{}", call.name).as_str()) {
            Some(known) => assert_eq!(i64::from(number), *known, "{}", call.name),
            None => assert!(NOT_IN_LIBC.contains(&call.name), "{} is not compared", call.name),
        }
    }
}
