//! The workflows as data: what an administrator would look at, in which order, and why.

/// A way to find something out.
#[derive(Debug)]
pub(super) struct Workflow {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What it finds out.
    pub(super) about: &'static str,
    /// What a person gives besides the target.
    pub(super) arguments: &'static [Argument],
    pub(super) steps: &'static [Step],
    /// How to judge what was found.
    pub(super) judge: &'static str,
}

/// What a person gives.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// What it is where it is not given; a person must give what has none.
    pub(super) default: Option<&'static str>,
}

/// One look.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) why: &'static str,
    /// The first of these that is offered and allowed.
    pub(super) ways: &'static [Way],
}

/// A way to look. `{name}` stands for an argument.
#[derive(Debug)]
pub(super) enum Way {
    /// A tool and its arguments as JSON.
    Tool(&'static str, &'static str),
    /// A command line, and perhaps others that it is piped through.
    Command(&'static [&'static [&'static str]]),
}

use Way::{Command, Tool};

const fn step(why: &'static str, ways: &'static [Way]) -> Step {
    Step { why, ways }
}

const UPTIME: Step = step("load, and since when it runs", &[Command(&[&["uptime"]])]);
const MEMORY: Step = step(
    "memory and swap",
    &[
        Tool("check_memory", "{}"),
        Command(&[&["free", "-h"]]),
        Command(&[&["cat", "/proc/meminfo"]]),
    ],
);
const SPACE: Step = step(
    "free space of every file system",
    &[Tool("list_disks", "{}"), Tool("check_disk_usage", "{}"), Command(&[&["df", "-hT"]])],
);
const INODES: Step = step("free inodes", &[Command(&[&["df", "-i"]])]);
const BY_CPU: Step = step(
    "what uses the processors",
    &[
        Tool("list_processes", r#"{"sort": "cpu", "limit": 15}"#),
        Command(&[&["ps", "aux", "--sort=-%cpu"], &["head", "-n", "16"]]),
    ],
);
const BY_MEMORY: Step = step(
    "what uses memory",
    &[
        Tool("list_processes", r#"{"sort": "memory", "limit": 15}"#),
        Command(&[&["ps", "aux", "--sort=-rss"], &["head", "-n", "16"]]),
    ],
);
const ERRORS: Step = step(
    "recent errors",
    &[
        Tool("read_journal", r#"{"priority": "err", "limit": 50}"#),
        Command(&[&["journalctl", "-p", "err", "-n", "50", "--no-pager"]]),
        Tool("read_file", r#"{"path": "/var/log/syslog", "tail": 100}"#),
        Tool("read_file", r#"{"path": "/var/log/messages", "tail": 100}"#),
    ],
);
const PRESSURE: Step = step(
    "how long work waits for processors, memory and disks",
    &[Command(&[&[
        "grep",
        "-H",
        "",
        "/proc/pressure/cpu",
        "/proc/pressure/memory",
        "/proc/pressure/io",
    ]])],
);
const LISTENING: Step = step(
    "which programs listen, and on which addresses",
    &[
        Tool("list_sockets", r#"{"listening": true}"#),
        Command(&[&["ss", "-tulpn"]]),
        Command(&[&["netstat", "-tulpn"]]),
    ],
);
const KERNEL: Step = step(
    "the kernel's own log",
    &[
        Command(&[&["dmesg", "--level=emerg,alert,crit,err,warn"]]),
        Command(&[&["dmesg"], &["tail", "-n", "100"]]),
        Command(&[&["journalctl", "-k", "-n", "100", "--no-pager"]]),
    ],
);

/// All, in the order in which they are listed.
pub(super) const ALL: [Workflow; 10] = [
    Workflow {
        name: "system_health",
        title: "System health",
        about: "Is this host well? Load, memory, disks, services and errors at a glance.",
        arguments: &[],
        steps: &[UPTIME, MEMORY, SPACE, PRESSURE, BY_CPU, ERRORS],
        judge: "Say first whether the host is well. Name what needs action now, what soon, and what is \
                merely unusual.",
    },
    Workflow {
        name: "performance",
        title: "Performance",
        about: "Why is this host slow? Which resource is short, and who uses it.",
        arguments: &[],
        steps: &[
            UPTIME,
            PRESSURE,
            step(
                "processors, run queue, swapping and waiting for disks over some seconds",
                &[Command(&[&["vmstat", "1", "5"]])],
            ),
            BY_CPU,
            BY_MEMORY,
            MEMORY,
            step(
                "how busy each disk is",
                &[
                    Command(&[&["iostat", "-xz", "1", "3"]]),
                    Command(&[&["cat", "/proc/diskstats"]]),
                ],
            ),
        ],
        judge: "Tell apart: processors (run queue above their number), memory (swapping, pressure), disks \
                (waiting, utilisation), and waiting for other hosts. Name the resource and the processes, \
                with the figures.",
    },
    Workflow {
        name: "disk_usage",
        title: "Disk usage",
        about: "What fills the disks, and what could go.",
        arguments: &[Argument {
            name: "path",
            about: "The directory to look below",
            default: Some("/var"),
        }],
        steps: &[
            SPACE,
            INODES,
            step(
                "the largest directories",
                &[
                    Command(&[
                        &["du", "-xh", "--max-depth=2", "{path}"],
                        &["sort", "-rh"],
                        &["head", "-n", "30"],
                    ]),
                    Command(&[&["du", "-xh", "--max-depth=1", "{path}"]]),
                ],
            ),
            step(
                "large files",
                &[Command(&[&[
                    "find",
                    "{path}",
                    "-xdev",
                    "-type",
                    "f",
                    "-size",
                    "+100M",
                    "-printf",
                    "%s %TF %p\\n",
                ]])],
            ),
            step("files that are deleted and still open", &[Command(&[&["lsof", "-nP", "+L1"]])]),
        ],
        judge: "Say what takes the space and how fast it seems to grow. Name what is safe to remove, such \
                as old logs and caches, and what is not. Removing is up to a person.",
    },
    Workflow {
        name: "logs",
        title: "Logs",
        about: "What do the logs say about something?",
        arguments: &[
            Argument {
                name: "pattern",
                about: "What to look for: an extended regular expression",
                default: Some("error|fail|panic|segfault|denied"),
            },
            Argument { name: "path", about: "Where the logs are", default: Some("/var/log") },
        ],
        steps: &[
            step(
                "the journal",
                &[
                    Tool("read_journal", r#"{"grep": "{pattern}", "limit": 100}"#),
                    Command(&[&["journalctl", "-g", "{pattern}", "-n", "100", "--no-pager"]]),
                ],
            ),
            step("which log files there are", &[Tool("list_directory", r#"{"path": "{path}"}"#)]),
            step(
                "lines that match in files",
                &[Tool(
                    "grep_content",
                    r#"{"path": "{path}", "pattern": "{pattern}", "recursive": true}"#,
                )],
            ),
        ],
        judge: "Put what matters in the order of time, leave out repetitions with their number, and tell \
                causes from consequences.",
    },
    Workflow {
        name: "processes",
        title: "Processes",
        about: "What runs here, and is anything wrong with it?",
        arguments: &[Argument {
            name: "name",
            about: "Part of a command; empty for all",
            default: Some(""),
        }],
        steps: &[
            step(
                "those of that name",
                &[
                    Tool("list_processes", r#"{"contains": "{name}", "limit": 50}"#),
                    Command(&[&["pgrep", "-a", "{name}"]]),
                ],
            ),
            BY_CPU,
            BY_MEMORY,
            step(
                "who started whom",
                &[
                    Command(&[&["pstree", "-ap"]]),
                    Command(&[&["ps", "axf", "-o", "pid,ppid,user,stat,etime,args"]]),
                ],
            ),
        ],
        judge: "Look for zombies (Z), processes that wait for disks (D) for long, many of the same, and \
                such that nobody expects here.",
    },
    Workflow {
        name: "service_status",
        title: "Service status",
        about: "Is a service well, and if not, why?",
        arguments: &[Argument {
            name: "service",
            about: "The unit, such as nginx.service",
            default: None,
        }],
        steps: &[
            step(
                "its unit: enabled, running",
                &[
                    Tool("list_services", r#"{"name": "{service}"}"#),
                    Command(&[&["systemctl", "cat", "{service}"]]),
                ],
            ),
            step(
                "its last messages",
                &[
                    Tool("read_journal", r#"{"unit": "{service}", "limit": 100}"#),
                    Command(&[&["journalctl", "-u", "{service}", "-n", "100", "--no-pager"]]),
                ],
            ),
            LISTENING,
            BY_MEMORY,
            SPACE,
        ],
        judge: "Say whether it runs, since when, what its last error was and what came before it. Check \
                the usual causes: configuration, a full disk, a port that is taken, memory, a service \
                that it needs.",
    },
    Workflow {
        name: "kernel_log",
        title: "Kernel log",
        about: "Does the kernel complain: hardware, memory, file systems, network?",
        arguments: &[],
        steps: &[
            KERNEL,
            UPTIME,
            step(
                "which kernel",
                &[Command(&[&["uname", "-a"]]), Tool("read_file", r#"{"path": "/proc/version"}"#)],
            ),
        ],
        judge: "Look for processes killed for want of memory, errors of disks and file systems, hung \
                tasks, machine checks and links that go up and down. Say when each was, and how often.",
    },
    Workflow {
        name: "network",
        title: "Network",
        about: "Addresses, routes, names and listening programs of this host.",
        arguments: &[],
        steps: &[
            step("addresses", &[Command(&[&["ip", "-br", "addr"]]), Command(&[&["ip", "addr"]])]),
            step("routes", &[Command(&[&["ip", "route"]])]),
            step(
                "errors and dropped packets",
                &[
                    Command(&[&["ip", "-s", "link"]]),
                    Tool("read_file", r#"{"path": "/proc/net/dev"}"#),
                ],
            ),
            LISTENING,
            step("how many connections there are", &[Command(&[&["ss", "-s"]])]),
            step("how names are resolved", &[Tool("read_file", r#"{"path": "/etc/resolv.conf"}"#)]),
        ],
        judge: "Nothing can be sent from the box, so a host that cannot be reached shows only here: no \
                address or route, a link that is down, errors that grow, full queues (Recv-Q, Send-Q), \
                many connections in one state.",
    },
    Workflow {
        name: "security_posture",
        title: "Security posture",
        about: "What can be reached here, who can log in, and what is unusual.",
        arguments: &[],
        steps: &[
            LISTENING,
            step(
                "who has an account with a shell",
                &[Tool(
                    "grep_content",
                    r#"{"path": "/etc/passwd", "pattern": "(sh|bash|zsh|fish)$"}"#,
                )],
            ),
            step(
                "how sshd lets in",
                &[Tool("grep_content", r#"{"path": "/etc/ssh/sshd_config", "pattern": "^[^#]"}"#)],
            ),
            step(
                "who logged in",
                &[
                    Command(&[&["last", "-n", "20"]]),
                    Tool(
                        "read_journal",
                        r#"{"grep": "session opened|Accepted|Failed", "limit": 50}"#,
                    ),
                ],
            ),
            step(
                "files that run as their owner",
                &[Command(&[&["find", "/usr", "/opt", "-xdev", "-perm", "-4000", "-type", "f"]])],
            ),
            step(
                "what runs by the clock",
                &[Tool("grep_content", r#"{"path": "/etc/crontab", "pattern": "^[^#]"}"#)],
            ),
            step(
                "the kernel's settings that matter",
                &[Command(&[&[
                    "grep",
                    "-H",
                    "",
                    "/proc/sys/kernel/randomize_va_space",
                    "/proc/sys/kernel/kptr_restrict",
                    "/proc/sys/kernel/yama/ptrace_scope",
                    "/proc/sys/net/ipv4/ip_forward",
                ]])],
            ),
        ],
        judge: "List findings by weight, each with the evidence and a remedy. Password hashes, keys and \
                other users' homes are hidden in the box: that they show empty is no finding.",
    },
    Workflow {
        name: "container_host",
        title: "Container host",
        about: "What of this host containers use, and how they stand.",
        arguments: &[],
        steps: &[
            step(
                "the programs that run containers, and theirs",
                &[
                    Tool("list_processes", r#"{"contains": "containerd", "limit": 50}"#),
                    Command(&[&["ps", "axf", "-o", "pid,ppid,user,rss,etime,args"]]),
                ],
            ),
            step(
                "groups of processes with limits",
                &[
                    Command(&[&["find", "/sys/fs/cgroup", "-maxdepth", "3", "-name", "*.scope"]]),
                    Command(&[&["find", "/sys/fs/cgroup", "-maxdepth", "2", "-type", "d"]]),
                ],
            ),
            step(
                "space of images and volumes",
                &[
                    Command(&[&[
                        "du",
                        "-xsh",
                        "/var/lib/docker",
                        "/var/lib/containerd",
                        "/var/lib/containers",
                    ]]),
                    Tool("check_disk_usage", r#"{"path": "/var/lib"}"#),
                ],
            ),
            MEMORY,
            PRESSURE,
            KERNEL,
        ],
        judge: "The container engine itself cannot be asked from the box: judge by processes, control \
                groups, disks and the kernel's log. Look for containers killed for want of memory, images \
                that fill the disk and services that restart over and over.",
    },
];
