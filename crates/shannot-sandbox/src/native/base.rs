//! What every run of one box has in common, looked up on the host once.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use shannot_policy::Plan;
use shannot_policy::plan::{HARMLESS_DEVICES, Identity, Mount, Namespace, Outline, Reads};
use shannot_policy::profile::{Processes, Tier};
use shannot_policy::types::AbsPath;

use super::cgroup::Groups;
use super::counted::Counted;
use super::error::Error;
use super::filters::Filters;
use super::hides::{self, Hidden};
use super::landlock::{self, Closed, Rule};
use super::launch::Launcher;
use super::scene::Scene;
use super::spec::{
    Bounds, BoxSpec, HullSpec, IdentitySpec, MOUNT_TABLE, MaskKind, MountStep, OpenFiles, Rlimit,
    UserMap,
};
use super::{CAP_DAC_READ_SEARCH, CAP_SETPCAP};
use crate::host::Host;
use crate::mounts::MountEntry;

/// A box without its commands: what is hidden, its mounts, rules and limits.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) spec: Arc<BoxSpec>,
    pub(super) rules: RunRules,
    /// Tier T3: how bwrap makes the mounts.
    pub(super) launcher: Option<Launcher>,
    pub(super) groups: Option<Groups>,
    pub(super) counted: Counted,
    pub(super) filters: Filters,
    pub(super) hidden: Vec<Hidden>,
    /// The mounts that the box shows.
    pub(super) mounts: Vec<MountEntry>,
}

/// The Landlock rules of a run.
#[derive(Debug)]
pub(super) enum RunRules {
    /// The same ruleset for every run.
    Shared(OwnedFd),
    /// A ruleset for each run, for its own scratch mounts are added to it.
    Each { abi: u32, reads: u64, rules: Vec<Rule> },
}

impl Base {
    /// Looks at the host for all that the plan leaves open, and for what is hidden at the scene of
    /// the box; `tell` is given the mounts as soon as they are known, for whoever makes the most of
    /// them. `hull` is that of the runs.
    pub(super) fn find(
        plan: &Plan,
        host: &Host,
        (made_by, hull): (MadeBy, Arc<HullSpec>),
        scene: Scene,
        tell: impl FnOnce(&Arc<[MountStep]>),
    ) -> Result<Self, Error> {
        let hidden = hides::find(&plan.hide, host.uid, &scene)?;
        let mounts = match made_by {
            MadeBy::Run => {
                let all = mount_steps(&plan.mounts, &hidden).into();
                tell(&all);
                all
            }
            MadeBy::Zygote => {
                let (zygote, run) = divided(plan, &hidden);
                tell(&zygote.into());
                run.into()
            }
        };
        let (reads, rules) = read_rules(plan, &hidden, &scene.mounts);
        let abi = plan.landlock.abi;
        let scratch: Vec<CString> = plan.landlock.write.iter().map(c_abs).collect();
        let rules = if scratch.is_empty() {
            RunRules::Shared(landlock::ruleset(abi, reads, &rules)?)
        } else {
            RunRules::Each { abi, reads, rules }
        };
        let launcher = match plan.outline.tier {
            Tier::T3 => Some(Launcher::new(plan, host, &hidden, &scene.mounts)?),
            Tier::T1 | Tier::T2 | Tier::L => None,
        };
        let counted = Counted::find(plan, host, &scene.mounts);
        let spec = BoxSpec {
            hull,
            host_pids: shows_host_pids(&plan.outline),
            mounts,
            mount_table: plan.mounts.contains(&Mount::HostMountTable).then(mount_table),
            scratch_rules: scratch,
            scratch_access: landlock::scratch_access(abi, reads),
            identity: identity(plan),
            rlimits: rlimits(plan, &counted),
            open_files: open_files(plan, host),
        };
        let groups = counted.memory.clone();
        Ok(Self {
            spec: Arc::new(spec),
            rules,
            launcher,
            groups: groups.map(|parent| Groups::new(parent, plan.limits.memory)),
            counted,
            filters: Filters::default(),
            hidden,
            mounts: scene.mounts,
        })
    }
}

/// What an outline asks of this process and its first child.
pub(super) fn hull(outline: &Outline, host: &Host) -> HullSpec {
    // One takes the kernel longer to make than all the others together.
    let (cloned, unshared): (Vec<Namespace>, Vec<Namespace>) =
        outline.namespaces.iter().partition(|n| !matches!(n, Namespace::Network));
    HullSpec {
        cloned: clone_flags(&cloned),
        unshared: clone_flags(&unshared),
        user_map: outline.namespaces.contains(&Namespace::User).then(|| UserMap {
            uid: format!("{0} {0} 1", host.uid).into_bytes(),
            gid: format!("{0} {0} 1", host.gid).into_bytes(),
        }),
        maps_itself: false,
        pid_max: shows_host_pids(outline).then(|| pid_max(host)).flatten(),
        mounts: mount_steps(&outline.mounts(), &[]),
        lends: !cloned.is_empty(),
        keeps_proc: false,
        bounds: bounds(outline, host),
        born: false,
    }
}

/// The same in two parts: what a zygote makes once, and what each run has of its own. That is, too, a
/// user namespace, where there is one: processes are counted in it.
pub(super) fn hulls(outline: &Outline, host: &Host) -> (HullSpec, HullSpec) {
    let (whole, again) = (hull(outline, host), hull(outline, host));
    let is_own = |step: &MountStep| *step == MountStep::OwnProc;
    let (own, shared) = whole.mounts.into_iter().partition(is_own);
    let runs = [Namespace::Mount, Namespace::Pid, Namespace::User];
    let runs: Vec<_> = runs.into_iter().filter(|n| outline.namespaces.contains(n)).collect();
    let zygote = HullSpec {
        cloned: whole.cloned & !clone_flags(&[Namespace::Pid]),
        pid_max: None,
        mounts: shared,
        keeps_proc: whole.pid_max.is_some() || whole.user_map.is_some(),
        ..again
    };
    let maps_itself = whole.user_map.is_some();
    let bounds = if maps_itself { whole.bounds } else { HullSpec::nothing().bounds };
    let run = HullSpec {
        cloned: clone_flags(&runs),
        user_map: whole.user_map,
        maps_itself,
        pid_max: whole.pid_max,
        mounts: own,
        bounds,
        born: true,
        ..HullSpec::nothing()
    };
    (zygote, run)
}

/// Who makes the mounts of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MadeBy {
    /// Its first process, all of them.
    Run,
    /// A zygote, but for what each run has of its own.
    Zygote,
}

/// Whether the box has a pid namespace of its own and yet shows the host's `/proc`.
fn shows_host_pids(outline: &Outline) -> bool {
    outline.namespaces.contains(&Namespace::Pid) && outline.view.processes == Processes::Host
}

fn clone_flags(namespaces: &[Namespace]) -> u64 {
    let flag = |namespace: &Namespace| match namespace {
        Namespace::Cgroup => libc::CLONE_NEWCGROUP,
        Namespace::Ipc => libc::CLONE_NEWIPC,
        Namespace::Mount => libc::CLONE_NEWNS,
        Namespace::Network => libc::CLONE_NEWNET,
        Namespace::Pid => libc::CLONE_NEWPID,
        Namespace::User => libc::CLONE_NEWUSER,
        Namespace::Uts => libc::CLONE_NEWUTS,
    };
    namespaces.iter().map(|n| u64::from(flag(n).cast_unsigned())).fold(0, |all, flag| all | flag)
}

/// A path of a plan, which holds no NUL.
pub(super) fn c_abs(path: &AbsPath) -> CString {
    CString::new(path.as_bytes()).unwrap_or_default()
}

pub(super) fn path_of(path: &AbsPath) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()))
}

/// The rights to read that Landlock handles, and the rules that give some back.
fn read_rules(plan: &Plan, hidden: &[Hidden], mounts: &[MountEntry]) -> (u64, Vec<Rule>) {
    let abi = plan.landlock.abi;
    let mut rules = Vec::new();
    let reads = match &plan.landlock.read {
        Reads::Unhandled => 0,
        Reads::Trees(trees) => {
            let reads = landlock::READ_FILE | landlock::READ_DIR;
            for tree in trees {
                let Some(path) = std::fs::canonicalize(path_of(tree)).ok() else { continue };
                let access = if path.is_dir() { reads } else { landlock::READ_FILE };
                if let Some(beneath) = landlock::open_path(&path) {
                    rules.push(Rule { beneath, access });
                }
            }
            reads
        }
        Reads::Gaps(trees) => {
            let mut closed = Closed::default();
            for h in hidden {
                if h.is_distant(mounts) {
                    closed.add_unseen(&h.path);
                } else if landlock::is_open_to_us(&h.path) {
                    closed.add(&h.path);
                }
            }
            // Device nodes, but for the harmless ones below.
            closed.add_unseen(Path::new("/dev"));
            for tree in trees {
                if let Ok(path) = std::fs::canonicalize(path_of(tree)) {
                    landlock::gaps(&path, &closed, &mut rules);
                }
            }
            landlock::READ_FILE
        }
    };
    for device in HARMLESS_DEVICES {
        if let Some(beneath) = landlock::open_path(Path::new(device)) {
            rules.push(Rule { beneath, access: landlock::device_access(abi, reads) });
        }
    }
    (reads, rules)
}

fn mount_steps(mounts: &[Mount], hidden: &[Hidden]) -> Vec<MountStep> {
    let mut steps = Vec::new();
    for mount in mounts {
        match mount {
            Mount::ReadOnlyTree => steps.push(MountStep::ReadOnlyTree),
            Mount::Device(path) => steps.push(MountStep::Device(c_abs(path))),
            Mount::OwnProc => steps.push(MountStep::OwnProc),
            Mount::Hides => steps.extend(masks(hidden)),
            Mount::Scratch(path, size) => {
                let options = format!("size={},nr_inodes=65536,mode=1777", size.0);
                steps.push(MountStep::Scratch {
                    path: c_abs(path),
                    options: CString::new(options).unwrap_or_default(),
                });
            }
            // Opened once the box has descriptors of its own; see `BoxSpec::mount_table`.
            Mount::HostMountTable => {}
        }
    }
    steps
}

/// The mounts of a plan as a zygote makes them, and as each run does: with a `/proc` of its own it
/// covers what is below it.
fn divided(plan: &Plan, hidden: &[Hidden]) -> (Vec<MountStep>, Vec<MountStep>) {
    let own_proc = plan.outline.view.processes == Processes::Own;
    let is_own = |h: &&Hidden| own_proc && h.path.starts_with("/proc");
    let (own, shared): (Vec<_>, Vec<_>) = hidden.iter().partition(is_own);
    let cloned = |list: Vec<&Hidden>| list.into_iter().cloned().collect::<Vec<_>>();
    let (hides, rest): (Vec<_>, Vec<_>) =
        plan.mounts.iter().cloned().partition(|mount| *mount == Mount::Hides);
    let mut run = mount_steps(&hides, &cloned(own));
    run.extend(mount_steps(&rest, &[]));
    (mount_steps(&hides, &cloned(shared)), run)
}

/// The steps that cover what is hidden. One directory is covered by what the others get copies of.
fn masks(hidden: &[Hidden]) -> Vec<MountStep> {
    if hidden.is_empty() {
        return Vec::new();
    }
    let path = |h: &Hidden| CString::new(h.path.as_os_str().as_bytes()).unwrap_or_default();
    let first = hidden.iter().find(|h| h.kind == MaskKind::Dir && h.seen());
    let rest = hidden.iter().filter(|h| Some(*h) != first);
    std::iter::once(MountStep::MaskSource(first.map(path)))
        .chain(rest.map(|h| MountStep::Mask(path(h), h.kind)))
        .collect()
}

/// This process stays in the host's mount namespace, so its table is the host's, live.
fn mount_table() -> [CString; MOUNT_TABLE.len()] {
    // As this /proc counts, which may be another pid namespace's.
    let own = std::fs::read_link("/proc/self").unwrap_or_default();
    let pid = own.display();
    MOUNT_TABLE.map(|(file, _)| CString::new(format!("{pid}/{file}")).unwrap_or_default())
}

/// Before Linux 6.14 there is one `pid_max` for the whole machine, which no box may write.
fn pid_max(host: &Host) -> Option<Vec<u8>> {
    let mut numbers = host.kernel.split('.').map_while(|n| n.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    (version >= (6, 14)).then(|| std::fs::read("/proc/sys/kernel/pid_max").ok()).flatten()
}

/// What is kept of the capabilities, as bits.
fn kept_capabilities(outline: &Outline) -> u64 {
    if outline.root_reads { CAP_DAC_READ_SEARCH } else { 0 }
}

fn identity(plan: &Plan) -> IdentitySpec {
    IdentitySpec {
        unused: match &plan.identity {
            Identity::Caller => None,
            Identity::Unused { groups } => Some(groups.clone()),
        },
        keep: kept_capabilities(&plan.outline),
    }
}

fn bounds(outline: &Outline, host: &Host) -> Bounds {
    // A new user namespace starts with all of them, in every set.
    let may_drop = outline.tier == Tier::T2 || host.effective_caps & CAP_SETPCAP != 0;
    Bounds {
        drop: if may_drop { host.all_caps & !kept_capabilities(outline) } else { 0 },
        lock_securebits: may_drop,
    }
}

fn rlimits(plan: &Plan, counted: &Counted) -> Vec<Rlimit> {
    let limits = &plan.limits;
    let cpu = limits.cpu.as_duration().as_secs_f64().ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 86,400")]
    let cpu = cpu as u64;
    let mut list = vec![
        (Resource::Cpu, cpu, cpu + 1),
        // Not 0: that still starts a core handler behind a pipe, as root on the host.
        (Resource::Core, 1, 1),
        (Resource::Fsize, limits.scratch.0, limits.scratch.0),
        (Resource::Memlock, 64 << 10, 64 << 10),
        (Resource::Msgqueue, 0, 0),
        (Resource::Nice, 0, 0),
        (Resource::Rtprio, 0, 0),
        // Queued signals and timers are counted for each user, the host's own included.
        (Resource::Sigpending, 1024, 1024),
        (Resource::Stack, 8 << 20, 8 << 20),
    ];
    if counted.tasks {
        list.push((Resource::Nproc, limits.processes.into(), limits.processes.into()));
    }
    if counted.memory.is_none() {
        // What one process can take before the supervisor looks again.
        list.push((Resource::Data, limits.memory.0, limits.memory.0));
        let address_space = limits.memory.0.saturating_add(4 << 30);
        list.push((Resource::As, address_space, address_space));
    }
    list.into_iter()
        .map(|(resource, soft, hard)| {
            let most = most(resource);
            let raw = resource as u32;
            Rlimit { resource: raw, soft: soft.min(most), hard: hard.min(most) }
        })
        .collect()
}

fn open_files(plan: &Plan, host: &Host) -> OpenFiles {
    let with_program = u64::from(shannot_policy::plan::PROGRAM_FD) + 1;
    OpenFiles {
        program: with_program.min(host.open_files),
        command: u64::from(plan.limits.open_files).min(most(Resource::Nofile)),
    }
}

/// What this process may raise a limit to.
fn most(resource: Resource) -> u64 {
    getrlimit(resource).maximum.unwrap_or(u64::MAX)
}
