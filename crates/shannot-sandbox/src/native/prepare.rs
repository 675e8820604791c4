//! The parent side: everything that may fail, allocate or look at the host, before any clone.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use shannot_policy::plan::seccomp::{Exec, Filter};
use shannot_policy::plan::{HARMLESS_DEVICES, Identity, Mount, Namespace, Outline, Reads};
use shannot_policy::profile::{LANDLOCK_ABI, Processes, Tier};
use shannot_policy::types::AbsPath;
use shannot_policy::{Cwd, Plan};

use super::cgroup::Groups;
use super::counted::Counted;
use super::error::Error;
use super::hides::{self, Hidden};
use super::landlock::{self, Closed, Rule};
use super::launch::Launcher;
use super::program::{self, Resolved};
use super::report;
use super::scene::Scene;
use super::spec::{
    Bounds, BoxSpec, HullSpec, IdentitySpec, MOUNT_TABLE, MaskKind, MountStep, ProgramSpec, Rlimit,
    Ruleset, StageSpec, UserMap,
};
use super::strings::StringArray;
use crate::bwrap::alone::{self, BwrapCall};
use crate::bwrap::program::Bwrap;
use crate::enforcement::{Enforcement, Engine, Layer, Status};
use crate::host::Host;
use crate::mounts::MountEntry;

const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;
const CAP_SETPCAP: u64 = 1 << 8;
const CAP_SYS_ADMIN: u64 = 1 << 21;

/// A box made ready: it can be started any number of times.
#[derive(Debug)]
pub struct Prepared {
    pub(super) spec: Arc<BoxSpec>,
    pub(super) tier: Tier,
    pub(super) starts: Starts,
    pub(super) rules: RunRules,
    pub(super) groups: Option<Groups>,
    pub(super) tasks_bounded: bool,
    pub(super) enforcement: Enforcement,
    pub(super) hidden: Vec<PathBuf>,
    pub(super) programs: Vec<String>,
}

/// Whose children the commands are.
#[derive(Debug)]
pub(super) enum Starts {
    /// A first process of the box starts and reaps them.
    Box,
    /// They are this process's own: in tier L, where they cannot have children themselves.
    Direct,
    /// The same as the first, in a box that bwrap makes.
    Launched(Launcher),
}

/// The Landlock rules of a run.
#[derive(Debug)]
pub(super) enum RunRules {
    /// The same ruleset for every run.
    Shared(OwnedFd),
    /// A ruleset for each run, for its own scratch mounts are added to it.
    Each { abi: u32, reads: u64, rules: Vec<Rule> },
}

/// Makes the box of a plan ready, for the host as it is now: what appears later is not hidden.
///
/// # Errors
/// What the tier needs and this host lacks, a program that is not there, a hidden path that
/// cannot be looked at.
pub fn prepare(plan: &Plan, host: &Host) -> Result<Prepared, Error> {
    check_tier(plan.outline.tier, host)?;
    let scene = scene_of_host()?;
    fit(plan, host, Arc::new(hull(&plan.outline, host)), &scene, |_| {})
}

/// The tree of this process.
pub(super) fn scene_of_host() -> Result<Scene, Error> {
    Scene::of_host()
        .map_err(|e| Error::host("read /proc/self/mountinfo, which tells what to hide", e))
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
        pid_max: shows_host_pids(outline).then(|| pid_max(host)).flatten(),
        mounts: mount_steps(&outline.mounts(), &[]),
        bounds: bounds(outline, host),
    }
}

/// Looks at the host for all that the plan leaves open, and for what is hidden at the scene of the
/// box; `tell` is given the mounts as soon as they are known.
pub(super) fn fit(
    plan: &Plan,
    host: &Host,
    hull: Arc<HullSpec>,
    scene: &Scene,
    tell: impl FnOnce(&Arc<[MountStep]>),
) -> Result<Prepared, Error> {
    check_landlock(plan)?;
    let search = plan.env.iter().find(|(n, _)| n == "PATH").map_or("", |(_, v)| v.as_str());
    let hidden = hides::find(&plan.hide, host.uid, scene)?;
    let places: Arc<[MountStep]> = mount_steps(&plan.mounts, &hidden).into();
    tell(&places);
    let resolved = plan
        .stages
        .iter()
        .map(|stage| program::resolve(stage, search, &hidden))
        .collect::<Result<Vec<_>, _>>()?;
    let cwd = cwd(plan, &hidden, &scene.mounts)?;
    let (reads, rules) = read_rules(plan, &hidden, &scene.mounts);
    let abi = plan.landlock.abi;
    let scratch: Vec<CString> = plan.landlock.write.iter().map(c_abs).collect();
    let rules = if scratch.is_empty() {
        RunRules::Shared(landlock::ruleset(abi, reads, &rules)?)
    } else {
        RunRules::Each { abi, reads, rules }
    };
    let starts = starts(plan, host, &resolved, &hidden, scene)?;
    let counted = Counted::find(plan, host, &scene.mounts);
    let enforcement = Enforcement {
        engine: if plan.outline.tier == Tier::T3 { Engine::Bwrap } else { Engine::Native },
        tier: plan.outline.tier,
        layers: report::layers(plan, host, &scene.mounts, &hidden, &counted),
        passed_over: Vec::new(),
    };
    check_required(plan, &enforcement)?;
    let spec = BoxSpec {
        hull,
        host_pids: shows_host_pids(&plan.outline),
        places,
        mount_table: plan.mounts.contains(&Mount::HostMountTable).then(mount_table),
        scratch_rules: scratch,
        scratch_access: landlock::scratch_access(abi, reads),
        init_domain: (plan.outline.tier == Tier::L && matches!(starts, Starts::Box))
            .then(|| landlock::domain(abi))
            .transpose()?,
        identity: identity(plan),
        cwd,
        cwd_or_root: matches!(plan.cwd, Cwd::InOrRoot(_)),
        rlimits: rlimits(plan, &counted),
        env: StringArray::new(
            plan.env.iter().filter_map(|(n, v)| CString::new(format!("{n}={v}")).ok()).collect(),
        ),
        stages: stages(plan, resolved, search, host)?,
    };
    Ok(Prepared {
        programs: spec
            .stages
            .iter()
            .filter_map(|s| s.program.as_ref())
            .map(|p| p.path.to_string_lossy().into_owned())
            .collect(),
        spec: Arc::new(spec),
        tier: plan.outline.tier,
        starts,
        rules,
        tasks_bounded: counted.tasks,
        groups: counted.memory.map(|parent| Groups::new(parent, plan.limits.memory)),
        enforcement,
        hidden: hidden.into_iter().map(|h| h.path).collect(),
    })
}

/// Whether the box has a pid namespace of its own and yet shows the host's `/proc`.
fn shows_host_pids(outline: &Outline) -> bool {
    outline.namespaces.contains(&Namespace::Pid) && outline.view.processes == Processes::Host
}

impl Prepared {
    /// What will be in force for every run of this box.
    pub fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// The paths of this host that are hidden, found when the box was prepared.
    pub fn hidden(&self) -> &[PathBuf] {
        &self.hidden
    }

    /// The files that the stages execute.
    pub fn programs(&self) -> &[String] {
        &self.programs
    }

    /// Turns the box into a probe of its tier: every step is done, and where the commands would
    /// be executed their processes end.
    #[must_use]
    pub fn into_probe(mut self) -> Self {
        if let Some(spec) = Arc::get_mut(&mut self.spec) {
            spec.stages.iter_mut().for_each(|stage| stage.program = None);
        }
        self
    }
}

pub(super) fn check_tier(tier: Tier, host: &Host) -> Result<(), Error> {
    let lacks = |lacks: String| Err(Error::Lacks { tier, lacks });
    let caps = CAP_SYS_ADMIN | CAP_SETUID | CAP_SETGID | CAP_SETPCAP;
    if tier == Tier::T3 {
        if let Err(what) = Bwrap::find() {
            return lacks(format!("it needs {what}"));
        }
        if host.stage_two.is_none() {
            return lacks("this program does not go on inside a box of another's making".into());
        }
    }
    if tier == Tier::T1 && (host.uid != 0 || host.effective_caps & caps != caps) {
        return lacks(
            "it needs root with CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID and CAP_SETPCAP".into(),
        );
    }
    if host.landlock_abi == 0 {
        return lacks("it needs Landlock, and this kernel has none".into());
    }
    let fd = u64::from(shannot_policy::plan::PROGRAM_FD);
    if host.open_files <= fd {
        let has = host.open_files;
        return lacks(format!(
            "it needs a hard limit of open files above {fd}, and this process has {has}"
        ));
    }
    Ok(())
}

/// Whose children the commands will be. Before [`LANDLOCK_ABI`] they must be this process's own in
/// tier L: there is no domain in which what they started could be found and ended.
fn starts(
    plan: &Plan,
    host: &Host,
    resolved: &[Resolved],
    hidden: &[Hidden],
    scene: &Scene,
) -> Result<Starts, Error> {
    let tier = plan.outline.tier;
    match tier {
        Tier::T1 | Tier::T2 => return Ok(Starts::Box),
        Tier::T3 => {
            return Ok(Starts::Launched(Launcher::new(plan, host, hidden, &scene.mounts)?));
        }
        Tier::L => {}
    }
    let why = if plan.stages.iter().any(|s| s.filter.forks) {
        "a command that may fork"
    } else if host.ignores_children {
        "a caller that ignores SIGCHLD"
    } else if resolved.iter().any(|r| program::has_capabilities(&r.path)) {
        "a program with file capabilities"
    } else {
        return Ok(Starts::Direct);
    };
    if plan.landlock.abi < LANDLOCK_ABI {
        let has = plan.landlock.abi;
        let lacks = format!("{why} needs Landlock ABI {LANDLOCK_ABI}, and this kernel has {has}");
        return Err(Error::Lacks { tier, lacks });
    }
    Ok(Starts::Box)
}

/// Whether every layer that the profile requires is enforced.
pub(crate) fn check_required(plan: &Plan, enforcement: &Enforcement) -> Result<(), Error> {
    let weak = |layer: &&Layer| {
        let required = plan.require.iter().any(|name| name.as_str() == layer.name);
        required && layer.status != Status::Enforced
    };
    match enforcement.layers.iter().find(weak) {
        None => Ok(()),
        Some(Layer { name, status, detail }) => Err(Error::Lacks {
            tier: enforcement.tier,
            lacks: format!("the profile requires `{name}`, which is {}: {detail}", status.as_str()),
        }),
    }
}

/// Writes a plan for tier T3 as one call of bwrap, for a host that has nothing of ours: with what is
/// hidden on this one, and for a bwrap of the version that this one has.
///
/// # Errors
/// This host cannot be looked at; what the profile requires and one call cannot give; a plan with
/// several commands; a bwrap that is too old.
pub fn bwrap_call(plan: &Plan, host: &Host) -> Result<BwrapCall, Error> {
    let bwrap = Bwrap::find().map_err(|what| {
        let lacks = format!("it needs {what}");
        Error::Lacks { tier: plan.outline.tier, lacks }
    })?;
    let scene = scene_of_host()?;
    let hidden = hides::find(&plan.hide, host.uid, &scene)?;
    let covers: Vec<_> = hidden
        .iter()
        .filter_map(|h| Some((h.path.clone(), super::launch::cover(h, &scene.mounts)?)))
        .collect();
    alone::render(plan, bwrap.version, &covers)
}

/// Whether this kernel's Landlock is enough for a plan.
fn check_landlock(plan: &Plan) -> Result<(), Error> {
    let (has, least) = (plan.landlock.abi, plan.landlock.least_abi);
    if has < least {
        let lacks = format!("it needs Landlock ABI {least}, and this kernel has {has}");
        return Err(Error::Lacks { tier: plan.outline.tier, lacks });
    }
    Ok(())
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
fn c_abs(path: &AbsPath) -> CString {
    CString::new(path.as_bytes()).unwrap_or_default()
}

/// Where the commands start. Without mounts of its own nothing covers a mount that never answers,
/// and a child that enters one holds up its parent: it is given no path, which fails at once.
fn cwd(plan: &Plan, hidden: &[Hidden], mounts: &[MountEntry]) -> Result<CString, Error> {
    let path = plan.cwd.path();
    let place = path_of(&path);
    let below = |h: &Hidden| h.is_distant(mounts) && place.starts_with(&h.path);
    if plan.outline.tier != Tier::L || !(hidden.iter().any(below) || hides::is_by_magic_link(place))
    {
        return Ok(c_abs(&path));
    }
    match plan.cwd {
        Cwd::InOrRoot(_) => Ok(CString::default()),
        Cwd::Root | Cwd::In(_) => {
            let source = rustix::io::Errno::ACCESS.into();
            Err(Error::Cwd { path: path.to_string(), source })
        }
    }
}

fn path_of(path: &AbsPath) -> &Path {
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

/// The steps that cover what is hidden. One directory is covered by what the others get copies of.
fn masks(hidden: &[Hidden]) -> Vec<MountStep> {
    if hidden.is_empty() {
        return Vec::new();
    }
    let path = |h: &Hidden| CString::new(h.path.as_os_str().as_bytes()).unwrap_or_default();
    let first = hidden.iter().find(|h| h.kind == MaskKind::Dir && h.seen);
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
        (Resource::Nofile, limits.open_files.into(), limits.open_files.into()),
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
            let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let raw = resource as u32;
            Rlimit { resource: raw, soft: soft.min(most), hard: hard.min(most) }
        })
        .collect()
}

fn stages(
    plan: &Plan,
    resolved: Vec<Resolved>,
    search: &str,
    host: &Host,
) -> Result<Vec<StageSpec>, Error> {
    let program_fd = u64::from(shannot_policy::plan::PROGRAM_FD);
    plan.stages
        .iter()
        .zip(resolved)
        .map(|(stage, resolved)| {
            let exec_ruleset = if stage.spawns.is_empty() {
                None
            } else {
                let mut files = resolved.executables();
                files.extend(stage.spawns.iter().flat_map(|p| program::files_of(p, search)));
                Some(Ruleset::Own(landlock::executables(plan.landlock.abi, &files)?))
            };
            Ok(StageSpec {
                program: Some(ProgramSpec {
                    path: landlock::c_path(&resolved.path)?,
                    argv: StringArray::new(resolved.argv),
                    nofile: (program_fd + 1).min(host.open_files),
                }),
                filter: filter(&stage.filter),
                ticket: match stage.filter.exec {
                    Exec::Once { ticket, .. } => ticket.0,
                    Exec::Listed | Exec::ByAnother => 0,
                },
                exec_ruleset,
            })
        })
        .collect()
}

/// The plan's filter in the kernel's form.
fn filter(filter: &Filter) -> Vec<libc::sock_filter> {
    filter
        .compile()
        .insns()
        .iter()
        .map(|i| libc::sock_filter { code: i.code, jt: i.jt, jf: i.jf, k: i.k })
        .collect()
}
