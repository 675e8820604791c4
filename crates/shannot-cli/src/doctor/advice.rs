//! How to get what is missing, without weakening the host.

use shannot::Failure;
use shannot::policy::profile::{MOST_OPEN_FILES, Tier};
use shannot::sandbox::{Enforcement, Error, Status};

use crate::render::doctor::Facts;

const ROOT: &str = "tier T1 is for root with its capabilities; a user has T2, T3 or L";
const LANDLOCK: &str = "Landlock is in kernels from 5.13 on, where `landlock` is in the list of \
    security modules (boot parameter `lsm=landlock,...`, with the others kept); tier L needs \
    ABI 6, which is kernel 6.12, or a profile that says `landlock_abi = N`";
const OPEN_FILES: &str = "raise this process's hard limit of open files above 1000: \
    `LimitNOFILE=` for a service, /etc/security/limits.d for a login";
const APPARMOR: &str = "AppArmor gives user namespaces no power here unless a profile of its own \
    names the program (Ubuntu since 23.10). That protects this host: leave it on. Tier L needs no \
    user namespace; for T2, root can add an AppArmor profile with `userns,` for this program alone";
const NO_NAMESPACES: &str = "`user.max_user_namespaces` is 0, so users have no user namespaces. \
    Tier L needs none";
const CONTAINER: &str = "this process was started with a seccomp filter, as in a container, which \
    can refuse namespaces and mounts. Tier L works inside as it is; T1 and T2 need a seccomp \
    profile of the container that allows clone, unshare, mount and the calls around them";
const PROC_HIDES: &str = "/proc is mounted with `hidepid`, which keeps a user's namespace from the \
    host's mount table, so tier T2 is not to be had. Leave it on: T1, T3 and L work with it";
const MEMORY: &str = "no cgroup bounds the memory of a run here: the supervisor looks at it 20 \
    times a second instead. In a cgroup with `Delegate=memory` (a service's setting, or \
    `systemd-run --user --scope -p Delegate=memory shannot ...`) the kernel does it";
const HARD_LINKS: &str = "some hidden files have other names, which are not hidden: \
    `find / -xdev -samefile FILE` lists them";

/// What would make failed tiers work, and the box that is used a better one.
pub(super) fn all(
    failures: &[(Tier, Failure)],
    facts: &Facts,
    used: Option<&Enforcement>,
) -> Vec<&'static str> {
    let mut advice: Vec<&'static str> = Vec::new();
    for (tier, failure) in failures {
        for text in on_failure(*tier, failure, facts) {
            if !advice.contains(&text) {
                advice.push(text);
            }
        }
    }
    let supervised = |name: &str| {
        let mut layers = used.iter().flat_map(|enforcement| &enforcement.layers);
        layers.any(|layer| layer.name == name && layer.status == Status::Supervised)
    };
    if supervised("memory") {
        advice.push(MEMORY);
    }
    if !facts.hard_links.is_empty() {
        advice.push(HARD_LINKS);
    }
    advice
}

fn on_failure(tier: Tier, failure: &Failure, facts: &Facts) -> Vec<&'static str> {
    let least_abi = if tier == Tier::L { 6 } else { 1 };
    let few_files = facts.open_files.is_some_and(|n| n <= u64::from(MOST_OPEN_FILES));
    let causes: &[(bool, &'static str)] = match failure {
        Failure::Start(Error::Lacks { .. }) if tier == Tier::T1 && facts.uid != 0 => {
            &[(true, ROOT)]
        }
        Failure::Start(Error::Lacks { .. }) => {
            &[(facts.landlock_abi < least_abi, LANDLOCK), (few_files, OPEN_FILES)]
        }
        Failure::Start(Error::Tier { .. }) if tier != Tier::L => &[
            (tier == Tier::T2 && facts.apparmor_restricts_userns, APPARMOR),
            (tier == Tier::T2 && facts.most_user_namespaces == Some(0), NO_NAMESPACES),
            (tier == Tier::T2 && facts.proc_hides, PROC_HIDES),
            (facts.filtered, CONTAINER),
        ],
        _ => &[],
    };
    causes.iter().filter(|(is_so, _)| *is_so).map(|(_, text)| *text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            kernel: String::new(),
            uid: 1000,
            landlock_abi: 7,
            log_groups: Vec::new(),
            core_handler: None,
            apparmor_restricts_userns: false,
            most_user_namespaces: None,
            open_files: None,
            filtered: false,
            proc_hides: false,
            hard_links: Vec::new(),
        }
    }

    fn refused(tier: Tier) -> Failure {
        let source = std::io::ErrorKind::PermissionDenied.into();
        Error::Tier { tier, step: "make its namespaces", source }.into()
    }

    fn lacks(tier: Tier) -> Failure {
        Error::Lacks { tier, lacks: String::new() }.into()
    }

    fn check(tier: Tier, failure: Failure, facts: &Facts, want: &[&str]) {
        assert_eq!(all(&[(tier, failure)], facts, None), want);
    }

    #[test]
    fn advice_names_the_cause() {
        let few = Facts { open_files: Some(512), ..facts() };
        check(Tier::T1, lacks(Tier::T1), &few, &[ROOT]);
        check(Tier::L, lacks(Tier::L), &few, &[OPEN_FILES]);
        check(Tier::L, lacks(Tier::L), &Facts { landlock_abi: 5, ..facts() }, &[LANDLOCK]);
        check(Tier::T2, lacks(Tier::T2), &Facts { landlock_abi: 5, ..facts() }, &[]);
        let ubuntu = Facts { apparmor_restricts_userns: true, ..facts() };
        check(Tier::T2, refused(Tier::T2), &ubuntu, &[APPARMOR]);
        check(Tier::T2, refused(Tier::T2), &Facts { filtered: true, ..facts() }, &[CONTAINER]);
        check(Tier::T2, refused(Tier::T2), &Facts { proc_hides: true, ..facts() }, &[PROC_HIDES]);
        let none = Facts { most_user_namespaces: Some(0), ..facts() };
        check(Tier::T2, refused(Tier::T2), &none, &[NO_NAMESPACES]);
        check(Tier::L, refused(Tier::L), &none, &[]);
    }

    /// The Ubuntu restriction guards the whole host.
    #[test]
    fn no_advice_tells_to_switch_protection_off() {
        for text in [APPARMOR, CONTAINER, NO_NAMESPACES, LANDLOCK, PROC_HIDES] {
            for word in ["=0", "= 0", "unconfined", "disable", "privileged "] {
                assert!(!text.contains(word), "`{word}` in: {text}");
            }
        }
    }
}
