//! What the filter is for, call by call, written down by hand: a mistake in the table or in a rule
//! would be compiled faithfully, and only these tests would see it.

use super::super::*;
use super::{ONCE, filters};

const ALLOW: Action = Action::Allow;
const PRETEND: Action = Action::Pretend;
const EACCES: Action = Action::Errno(Errno::EACCES);
const EINVAL: Action = Action::Errno(Errno::EINVAL);
const ENOSYS: Action = Action::Errno(Errno::ENOSYS);
const ENOTTY: Action = Action::Errno(Errno::ENOTTY);
const EPERM: Action = Action::Errno(Errno::EPERM);
const EROFS: Action = Action::Errno(Errno::EROFS);

/// The strictest filter: what a profile without wishes gets.
fn strict(arch: Arch) -> Filter {
    let unheld = Unheld::Nothing;
    Filter { arch, exec: ONCE, network: Network::None, forks: false, kernel_log: false, unheld }
}

fn verdict(filter: &Filter, name: &str, args: [u64; 6]) -> Option<Action> {
    let call = table().find(|call| call.name == name).unwrap_or_else(|| panic!("no {name}"));
    let nr = call.number(filter.arch)?;
    Some(filter.verdict(&SeccompData { nr, arch: filter.arch.audit(), args }))
}

/// Holds `filter`, on both machines, to an answer for a call with its first arguments given.
fn check_under(filter: &Filter, name: &str, args: &[u64], expected: Action) {
    for arch in Arch::ALL {
        let filter = Filter { arch, ..*filter };
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        if let Some(found) = verdict(&filter, name, all) {
            assert_eq!(found, expected, "{name}{args:x?} on {arch:?}");
        }
    }
}

/// The same under the strictest filter.
fn check(name: &str, args: &[u64], expected: Action) {
    check_under(&strict(Arch::X86_64), name, args, expected);
}

/// Whatever the upper half of the arguments holds, where the kernel does not look at it.
fn check_int(name: &str, args: &[u64], expected: Action) {
    for high in [0, 1, 0xFFFF_FFFF] {
        let args: Vec<u64> = args.iter().map(|arg| arg | high << 32).collect();
        check(name, &args, expected);
    }
}

// The x32 call 2 is open(2), under a number that a list of plain numbers does not know.
#[test]
fn x32_calls_do_not_exist() {
    for filter in filters().filter(|filter| filter.arch == Arch::X86_64) {
        for nr in [0, 2, 59, 515, 520, 545, 547] {
            let data =
                SeccompData { nr: 0x4000_0000 | nr, arch: filter.arch.audit(), args: [0; 6] };
            assert_eq!(filter.verdict(&data), ENOSYS);
        }
    }
}

#[test]
fn nothing_but_the_ticket_executes() {
    let ticket = 0x0123_4567_89AB_CDEF;
    let once = |fd, flags, ticket, expected| {
        check("execveat", &[fd, 7, 7, 7, flags, ticket], expected);
    };
    once(1000, 0x1000, ticket, ALLOW);
    once(999, 0x1000, ticket, EACCES);
    once(0xFFFF_FF9C, 0x1000, ticket, EACCES);
    // Without AT_EMPTY_PATH, and with more than it.
    once(1000, 0, ticket, EACCES);
    once(1000, 0x1100, ticket, EACCES);
    // An absolute path makes the descriptor mean nothing: only the ticket holds this one.
    once(1000, 0x1000, 0, EACCES);
    once(1000, 0x1000, ticket ^ 1, EACCES);
    once(1000, 0x1000, ticket ^ 1 << 63, EACCES);
    once(1000, 0x1000, ticket & 0xFFFF_FFFF, EACCES);
    check("execve", &[7, 7, 7], EACCES);
    assert!(!format!("{:?}", strict(Arch::X86_64)).contains("89AB"), "the ticket is shown");
}

#[test]
fn listed_programs_execute_and_make_processes() {
    let listed = Filter { exec: Exec::Listed, ..strict(Arch::X86_64) };
    check_under(&listed, "execve", &[7, 7, 7], ALLOW);
    check_under(&listed, "execveat", &[1000, 7, 7, 7, 0x1000], ALLOW);
    check_under(&listed, "fork", &[], ALLOW);
    check_under(&listed, "clone", &[17], ALLOW);
    // A program in a file that no path leads to would be outside Landlock's reach.
    check_under(&listed, "memfd_create", &[], EPERM);
}

#[test]
fn threads_are_always_made_and_processes_on_demand() {
    const THREAD: u64 = 0x3D_0F00;
    const SPAWN: u64 = 0x4111;
    let forks = Filter { forks: true, ..strict(Arch::X86_64) };
    check_int("clone", &[THREAD], ALLOW);
    check_under(&forks, "clone", &[THREAD], ALLOW);
    for flags in [17, SPAWN, 0x0120_0011, 0x100, 0x1_0000, 0] {
        check_int("clone", &[flags], EPERM);
        check_under(&forks, "clone", &[flags], ALLOW);
    }
    for name in ["fork", "vfork"] {
        check(name, &[], EPERM);
        check_under(&forks, name, &[], ALLOW);
    }
    check_under(&forks, "clone3", &[7, 88], ENOSYS);
}

#[test]
fn no_namespace_is_made_or_entered() {
    let new = [0x2_0000, 0x80, 1 << 25, 1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30];
    for filter in filters() {
        for flag in new {
            for flags in [flag, flag | 17, flag | 0x3D_0F00, flag | 1 << 32] {
                check_under(&filter, "clone", &[flags], EPERM);
            }
        }
        // CLONE_PTRACE, CLONE_PARENT.
        check_under(&filter, "clone", &[0x2000 | 17], EPERM);
        check_under(&filter, "clone", &[0x8000 | 17], EPERM);
        check_under(&filter, "unshare", &[1 << 28], EPERM);
        check_under(&filter, "setns", &[3, 0], EPERM);
    }
}

// CVE-2019-10063: a filter that compared 64 bits let TIOCSTI with a bit above through.
#[test]
fn terminals_get_no_typing() {
    for request in [0x5412, 0x541C, 0x5423] {
        check_int("ioctl", &[0, request], EPERM);
    }
    for request in [0x5401, 0x5413, 0x540F, 0x541B, 0x5421, 0x5450, 0x5451, 0x802C_542A] {
        check_int("ioctl", &[0, request], ALLOW);
    }
    // TCSETS, TIOCSCTTY, TIOCSPGRP, FIOASYNC, FIOSETOWN, SIOCSIFFLAGS, FIFREEZE, FICLONE,
    // FIDEDUPERANGE, FS_IOC_ENABLE_VERITY, RNDADDENTROPY.
    let others = [
        0x5402,
        0x540E,
        0x5410,
        0x5452,
        0x8901,
        0x8914,
        0xC004_5877,
        0x4004_9409,
        0xC018_9436,
        0x4080_6685,
        0x4008_5203,
    ];
    for request in others {
        check_int("ioctl", &[0, request], ENOTTY);
    }
}

#[test]
fn file_attributes_are_read_and_not_written() {
    for request in [2, 0x8008_6601, 0x801C_581F, 0xC020_660B, 0xB701, 0xB702, 0xB703, 0xB704] {
        check_int("ioctl", &[3, request], ALLOW);
    }
    check_int("ioctl", &[3, 0x4008_6602], EROFS);
    check_int("ioctl", &[3, 0x401C_5820], EROFS);
    let writers = "chmod fchmod fchmodat chown fchown lchown fchownat utime utimes futimesat \
                   utimensat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr \
                   mknod mknodat truncate symlink symlinkat";
    for name in writers.split_whitespace() {
        check(name, &[], EROFS);
    }
    for name in ["fchmodat2", "setxattrat", "removexattrat", "file_setattr"] {
        check(name, &[], ENOSYS);
    }
    for name in ["getxattr", "lgetxattr", "listxattr", "llistxattr", "statx", "newfstatat"] {
        check(name, &[], ALLOW);
    }
}

#[test]
fn locks_and_forced_writes_succeed_and_do_nothing() {
    for command in [6, 7, 37, 38] {
        check_int("fcntl", &[3, command], PRETEND);
    }
    for name in ["flock", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range", "msync"] {
        check(name, &[], PRETEND);
    }
    check_int("fadvise64", &[3, 0, 0, 4], PRETEND);
    check_int("fadvise64", &[3, 0, 0, 2], ALLOW);
}

#[test]
fn descriptors_send_no_signals_and_hold_up_nobody() {
    for command in [0, 1, 2, 3, 4, 5, 36, 1027, 1030, 1032] {
        check_int("fcntl", &[3, command], ALLOW);
    }
    // F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ, F_ADD_SEALS,
    // F_SET_RW_HINT, F_SETDELEG, and one that does not exist.
    for command in [8, 10, 15, 1024, 1026, 1031, 1033, 1036, 1040, 9999] {
        check_int("fcntl", &[3, command], EPERM);
    }
}

#[test]
fn a_process_says_little_about_itself() {
    // PR_SET_NAME, PR_GET_NAME, PR_CAPBSET_READ, PR_SET_NO_NEW_PRIVS, PR_SET_VMA.
    for option in [15, 16, 23, 38, 0x5356_4D41] {
        check_int("prctl", &[option], ALLOW);
    }
    // PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_SECUREBITS,
    // PR_SET_MM, PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT, PR_SET_SYSCALL_USER_DISPATCH,
    // PR_SCHED_CORE, PR_SET_PTRACER.
    for option in [1, 4, 8, 24, 28, 35, 36, 47, 59, 62, 0x5961_6D61] {
        check_int("prctl", &[option], EPERM);
    }
    check_int("prctl", &[22, 2], EINVAL);
    check("seccomp", &[1], EINVAL);
}

#[test]
fn limits_are_ones_own_and_cores_stay_off() {
    const NOFILE: u64 = 7;
    const CORE: u64 = 4;
    check("prlimit64", &[0, NOFILE, 0, 7], ALLOW);
    check("prlimit64", &[0, NOFILE, 7, 0], ALLOW);
    check("prlimit64", &[1 << 32, NOFILE, 7, 0], ALLOW);
    check("prlimit64", &[1, NOFILE, 0, 7], EPERM);
    check("prlimit64", &[0xFFFF_FFFF, NOFILE, 0, 7], EPERM);
    check("prlimit64", &[0, CORE, 0, 7], ALLOW);
    // The pointer to the new limit may have nothing but zeros in either half.
    for limit in [7, 1 << 32, 0x7FFF_0000_0000, u64::MAX] {
        check("prlimit64", &[0, CORE, limit, 0], PRETEND);
        check("prlimit64", &[0, CORE | 1 << 32, limit, 0], PRETEND);
    }
    check("setrlimit", &[CORE, 7], EPERM);
}

#[test]
fn without_a_network_view_there_is_no_socket() {
    // AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK.
    for family in [1, 2, 10, 16, 17, 40] {
        for kind in [1, 2, 3, 0x80801] {
            check_int("socket", &[family, kind, 0], EACCES);
        }
    }
    for name in ["connect", "listen", "accept", "accept4", "bind"] {
        check(name, &[3, 7, 16], EACCES);
    }
}

#[test]
fn the_network_view_is_two_netlink_protocols() {
    let tables = Filter { network: Network::Tables, ..strict(Arch::X86_64) };
    for protocol in [0, 4] {
        check_under(&tables, "socket", &[16, 0x80003, protocol], ALLOW);
        check_under(&tables, "socket", &[16 | 1 << 32, 2, protocol], ALLOW);
    }
    // USERSOCK, XFRM, SELINUX, AUDIT, NETFILTER, KOBJECT_UEVENT, GENERIC, CRYPTO.
    for protocol in [2, 6, 7, 9, 12, 15, 16, 21] {
        check_under(&tables, "socket", &[16, 3, protocol], EACCES);
    }
    for family in [1, 2, 10, 17, 21, 31, 38, 40, 44] {
        check_under(&tables, "socket", &[family, 3, 0], EACCES);
    }
    check_under(&tables, "bind", &[3, 7, 12], ALLOW);
    check_under(&tables, "connect", &[3, 7, 12], EACCES);
    // A bound end of a pair would be a name in the host's network namespace.
    check_under(&tables, "socketpair", &[1, 1, 0], EACCES);
}

// A DGRAM pair's end sent to the journal's socket, and to any other datagram listener.
#[test]
fn pairs_are_connected_for_good() {
    for kind in [1, 5, 0x80001, 0x80801, 0x80805] {
        check_int("socketpair", &[1, kind, 0], ALLOW);
    }
    for kind in [0, 2, 3, 4, 6, 10, 0x80002, 0x80802, 0xF] {
        check_int("socketpair", &[1, kind, 0], EACCES);
    }
    for family in [0, 2, 10, 16, 17, 30, 40] {
        check_int("socketpair", &[family, 1, 0], EACCES);
    }
}

#[test]
fn sockets_take_no_programs() {
    check_int("setsockopt", &[3, 1, 8], ALLOW);
    check_int("setsockopt", &[3, 270, 11], ALLOW);
    // SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_BINDTODEVICE; IPPROTO_IP.
    for option in [26, 50, 25] {
        check_int("setsockopt", &[3, 1, option], EPERM);
    }
    check_int("setsockopt", &[3, 0, 8], EPERM);
}

#[test]
fn host_ipc_is_looked_at_only() {
    // IPC_RMID, IPC_SET; SHM_LOCK, SHM_UNLOCK; SETVAL, SETALL.
    for command in [0, 1, 11, 12, 16, 17] {
        check_int("shmctl", &[0, command], EPERM);
    }
    for command in [0, 1, 16, 17] {
        check_int("semctl", &[0, 0, command], EPERM);
        check_int("msgctl", &[0, command], EPERM);
    }
    for command in [2, 3, 13, 14, 15] {
        check_int("shmctl", &[0, command], ALLOW);
    }
    for command in [2, 3, 11, 12, 13, 14, 15, 18, 19, 20] {
        check_int("semctl", &[0, 0, command], ALLOW);
    }
    for command in [2, 3, 11, 12, 13] {
        check_int("msgctl", &[0, command], ALLOW);
    }
    let others = "shmget shmat semget semop semtimedop msgget msgsnd msgrcv mq_open add_key keyctl \
                  request_key";
    for name in others.split_whitespace() {
        check(name, &[], EPERM);
    }
}

/// Where bwrap executes the command, under the filter.
#[test]
fn what_another_executes_is_executed_by_execve_alone() {
    let filter = Filter { exec: Exec::ByAnother, ..strict(Arch::X86_64) };
    check_under(&filter, "execve", &[], ALLOW);
    check_under(&filter, "execveat", &[], EACCES);
    check_under(&filter, "fork", &[], EPERM);
}

#[test]
fn the_filter_holds_what_landlock_does_not() {
    const O_TRUNC: u64 = 0o1000;
    let checked: &[(&str, &[u64], [Action; 3])] = &[
        ("kill", &[], [ALLOW, EPERM, EPERM]),
        ("tkill", &[], [ALLOW, EPERM, EPERM]),
        ("tgkill", &[], [ALLOW, EPERM, EPERM]),
        ("open", &[0, 0], [ALLOW, ALLOW, ALLOW]),
        ("open", &[0, O_TRUNC], [ALLOW, ALLOW, EROFS]),
        ("openat", &[0, 0, 0], [ALLOW, ALLOW, ALLOW]),
        ("openat", &[0, 0, O_TRUNC | 1 << 32], [ALLOW, ALLOW, EROFS]),
        ("openat2", &[], [ALLOW, ALLOW, ENOSYS]),
    ];
    for (name, args, expected) in checked {
        let levels = [Unheld::Nothing, Unheld::Signals, Unheld::SignalsAndTruncation];
        for (unheld, expected) in levels.into_iter().zip(expected) {
            let filter = Filter { unheld, ..strict(Arch::X86_64) };
            check_under(&filter, name, args, *expected);
        }
    }
}

#[test]
fn the_kernel_log_is_read_on_demand_and_never_cleared() {
    let log = Filter { kernel_log: true, ..strict(Arch::X86_64) };
    for action in 0..=11 {
        check("syslog", &[action], EPERM);
        let expected = if matches!(action, 3 | 10) { ALLOW } else { EPERM };
        check_under(&log, "syslog", &[action], expected);
        check_under(&log, "syslog", &[action | 1 << 32], expected);
    }
}

/// `ip` drops capabilities that it does not have, and ends without a word if it may not.
#[test]
fn dropping_capabilities_succeeds_and_does_nothing() {
    check("capset", &[], PRETEND);
}

#[test]
fn power_over_the_host_is_refused_whatever_the_profile() {
    let old = "mount umount2 pivot_root chroot ptrace bpf perf_event_open userfaultfd kcmp \
               process_vm_readv process_vm_writev name_to_handle_at open_by_handle_at \
               fanotify_init inotify_init1 inotify_add_watch reboot kexec_load init_module \
               finit_module delete_module swapon swapoff sethostname settimeofday clock_settime \
               adjtimex clock_adjtime acct quotactl iopl ioperm modify_ldt personality \
               setuid setgid setgroups setresuid setresgid setpriority ioprio_set setsid \
               sched_setscheduler sched_setaffinity rt_sigqueueinfo rt_tgsigqueueinfo link linkat \
               mlock mlockall memfd_create";
    let new = "io_uring_setup io_uring_enter io_uring_register fsopen fsconfig fsmount fspick \
               move_mount open_tree open_tree_attr mount_setattr pidfd_open pidfd_getfd \
               pidfd_send_signal process_madvise process_mrelease memfd_secret quotactl_fd \
               listmount statmount clone3 landlock_restrict_self";
    for filter in filters() {
        for name in old.split_whitespace() {
            check_under(&filter, name, &[], EPERM);
        }
        for name in new.split_whitespace() {
            check_under(&filter, name, &[], ENOSYS);
        }
    }
}
