//! The commands of one run, looked up on the host: which files they execute, and as whose children.

use std::ffi::CString;

use shannot_policy::plan::seccomp::{Exec, Filter};
use shannot_policy::profile::{LANDLOCK_ABI, Tier};
use shannot_policy::{Cwd, Plan};

use super::base::{Base, c_abs, path_of};
use super::error::Error;
use super::hides::{self, Hidden};
use super::landlock;
use super::program::{self, Resolved};
use super::spec::{CommandSpec, FilterSpec, ProgramSpec, Ruleset, StageSpec};
use super::strings::StringArray;
use crate::host::Host;

/// Whose children the commands are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Starts {
    /// A first process of the box starts and reaps them.
    Box,
    /// They are this process's own: in tier L, where they cannot have children themselves.
    Direct,
    /// The same as the first, in a box that bwrap makes.
    Launched,
}

/// Looks up the commands of a plan in the box that they will run in. `in_force` is the filter that
/// the first one's process has already.
///
/// # Errors
/// A program that is not there or is hidden; a directory to start in that is hidden.
pub(super) fn find(
    plan: &Plan,
    host: &Host,
    base: &Base,
    in_force: Option<&Filter>,
) -> Result<(Starts, CommandSpec), Error> {
    let search = plan.env.iter().find(|(n, _)| n == "PATH").map_or("", |(_, v)| v.as_str());
    let resolved = plan
        .stages
        .iter()
        .map(|stage| program::resolve(stage, search, &base.hidden))
        .collect::<Result<Vec<_>, _>>()?;
    let cwd = cwd(plan, base)?;
    let starts = starts(plan, host, &resolved)?;
    let env = plan.env.iter().filter_map(|(n, v)| CString::new(format!("{n}={v}")).ok());
    let spec = CommandSpec {
        init_domain: (plan.outline.tier == Tier::L && starts == Starts::Box)
            .then(|| landlock::domain(plan.landlock.abi))
            .transpose()?,
        cwd,
        cwd_or_root: matches!(plan.cwd, Cwd::InOrRoot(_)),
        env: StringArray::new(env.collect()),
        stages: stages(plan, base, resolved, search, in_force)?,
    };
    Ok((starts, spec))
}

/// Where the commands start. Without mounts of its own nothing covers a mount that never answers,
/// and a child that enters one holds up its parent: it is given no path, which fails at once.
fn cwd(plan: &Plan, base: &Base) -> Result<CString, Error> {
    let path = plan.cwd.path();
    let place = path_of(&path);
    let below = |h: &Hidden| h.is_distant(&base.mounts) && place.starts_with(&h.path);
    if plan.outline.tier != Tier::L
        || !(base.hidden.iter().any(below) || hides::is_by_magic_link(place))
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

/// Whose children the commands will be. Before [`LANDLOCK_ABI`] they must be this process's own in
/// tier L: there is no domain in which what they started could be found and ended.
fn starts(plan: &Plan, host: &Host, resolved: &[Resolved]) -> Result<Starts, Error> {
    let tier = plan.outline.tier;
    match tier {
        Tier::T1 | Tier::T2 => return Ok(Starts::Box),
        Tier::T3 => return Ok(Starts::Launched),
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

fn stages(
    plan: &Plan,
    base: &Base,
    resolved: Vec<Resolved>,
    search: &str,
    mut in_force: Option<&Filter>,
) -> Result<Vec<StageSpec>, Error> {
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
            // Of the first stage alone.
            let in_force = in_force.take();
            let applied = in_force.unwrap_or(&stage.filter);
            Ok(StageSpec {
                program: Some(ProgramSpec {
                    path: landlock::c_path(&resolved.path)?,
                    argv: StringArray::new(resolved.argv),
                }),
                filter: match in_force {
                    None => FilterSpec::Install(base.filters.compiled(&stage.filter)),
                    Some(_) => FilterSpec::InForce,
                },
                ticket: match applied.exec {
                    Exec::Once { ticket, .. } => ticket.0,
                    Exec::Listed | Exec::ByAnother => 0,
                },
                exec_ruleset,
            })
        })
        .collect()
}
