//! A host that has less: what shannot makes of it, and what it says. Layers are taken away by
//! `probe/forced.c`, from outside.

use std::process::Output;

use serde_json::Value;
use shannot::policy::profile::Tier;

use crate::far;
use crate::harness::*;

/// A profile that accepts every tier.
const ANY: &str = "version = 1\nname = \"any\"\n[view]\nprocesses = \"host\"\n\
    [paths]\nhide_other_homes = false\n[commands.\"*\"]\nabout = \"anything\"\n";

/// Who runs it: here, and on a far host that lacks the same.
fn callers(by_root: bool) -> [Column; 2] {
    if by_root {
        [Column::ROOT_L, Column::ROOT_L_FAR]
    } else {
        [Column::USER_L, Column::USER_L_FAR]
    }
}

/// Runs the probe where `layers` are missing.
fn run_on(layers: &str, column: Column, profile: &str, words: &[&str]) -> Output {
    let mut command = as_runner(column, client(column));
    command.args(["run", "--json", "--profile"]).arg(profile_file(profile));
    if column.far {
        command.args(far::options(""));
    }
    command.arg("--").arg(probe()).args(words);
    forced(layers, &command).output().expect("shannot starts")
}

/// A host without these layers gives this tier, says this of its layers, and blocks what every
/// host does.
fn check(layers: &str, by_root: bool, tier: Tier, status_of: &[(&str, &str)]) {
    if !is_root() {
        println!("taking `{layers}` away takes root");
        return;
    }
    callers(by_root).into_iter().for_each(|column| check_of(layers, column, tier, status_of));
}

/// Runs the probe's most telling cases.
fn check_of(layers: &str, column: Column, tier: Tier, status_of: &[(&str, &str)]) {
    let fixture = Fixture::new(column, &layers.replace(',', "-"));
    let file = fixture.file(column, "file", "content");
    let attacks = [
        &["create", word(&fixture.dir)][..],
        &["metadata", word(&file)],
        &["kernel", "/etc/passwd"],
        &["namespaces"],
        &["raw-sockets"],
    ];
    for words in attacks {
        let ran = Ran::read(&run_on(layers, column, ANY, words));
        assert_eq!(ran.json["enforcement"]["tier"], tier.as_str(), "{layers}: {:#}", ran.json);
        assert_eq!(ran.json["exit_code"], 0, "{layers}: {:#}", ran.json);
        ran.report.assert_blocked();
        for (layer, status) in status_of {
            assert_eq!(ran.layer(layer), *status, "{layers}");
        }
    }
}

/// What was passed over for a lower tier is said, with the kernel's answer.
fn passed_over(layers: &str, by_root: bool) -> Vec<(String, String)> {
    let [here, there] = callers(by_root).map(|column| {
        let ran = Ran::read(&run_on(layers, column, ANY, &["status"]));
        let over = ran.json["enforcement"]["passed_over"].as_array().expect("passed_over").clone();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        over.iter().map(|o| (text(&o["tier"]), text(&o["why"]))).collect::<Vec<_>>()
    });
    assert_eq!(here, there);
    here
}

/// The control: a host that lacks nothing passes nothing over.
#[test]
fn with_all_layers_the_best_tier_is_had() {
    check("landlock=6", true, Tier::T1, &[("process_limit", "enforced")]);
    check("landlock=6", false, Tier::T2, &[("process_limit", "enforced")]);
    if is_root() {
        assert_eq!(passed_over("landlock=6", true), []);
        assert_eq!(passed_over("landlock=6", false), []);
    }
}

#[test]
fn without_landlock_nothing_runs() {
    for column in
        [true, false].into_iter().filter(|by_root| !by_root || is_root()).flat_map(callers)
    {
        let out = run_on("landlock=0", column, ANY, &["status"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(125), "{text}");
        assert!(text.contains("it needs Landlock, and this kernel has none"), "{text}");
        assert!(!text.contains("fact:"), "the probe ran: {text}");
    }
}

#[test]
fn an_old_landlock_is_enough_beside_mounts() {
    check("landlock=1", true, Tier::T1, &[("landlock", "enforced")]);
    check("landlock=1", false, Tier::T2, &[("landlock", "enforced")]);
    check("landlock=4", false, Tier::T2, &[("landlock", "enforced")]);
}

/// Tier L without the scopes of ABI 6 is what a profile has to ask for.
#[test]
fn an_old_landlock_alone_is_refused_unless_accepted() {
    if !is_root() {
        println!("taking user namespaces away takes root");
        return;
    }
    let forms = [(5, None), (5, Some(6)), (1, Some(2)), (2, Some(3))];
    for (column, (abi, accepted)) in callers(false).into_iter().flat_map(|c| forms.map(|f| (c, f)))
    {
        let key = accepted.map(|abi: u32| format!("landlock_abi = {abi}\n")).unwrap_or_default();
        let profile = ANY.replace("[view]", &format!("{key}[view]"));
        let layers = format!("userns,landlock={abi}");
        let out = run_on(&layers, column, &profile, &["status"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let want = format!("it needs Landlock ABI {}", accepted.unwrap_or(6));
        assert!(out.status.code() == Some(125) && text.contains(&want), "{text}");
        let profile = ANY.replace("[view]", &format!("landlock_abi = {abi}\n[view]"));
        let ran = Ran::read(&run_on(&layers, column, &profile, &["status"]));
        assert_eq!(ran.json["enforcement"]["tier"], "L", "{:#}", ran.json);
        let layers = ran.json["enforcement"]["layers"].to_string();
        assert!(layers.contains("so seccomp refuses every one"), "{layers}");
    }
}

#[test]
fn without_user_namespaces_a_user_has_tier_l() {
    check("userns", false, Tier::L, &[("namespaces", "not_enforced")]);
    if is_root() {
        let over = passed_over("userns", false);
        assert_eq!(over.iter().map(|(tier, _)| &**tier).collect::<Vec<_>>(), ["T2", "T3"]);
        assert!(over.iter().all(|(_, why)| !why.is_empty()), "{over:?}");
    }
}

#[test]
fn without_mount_setattr_bwrap_makes_the_box() {
    let columns = [(true, Column::ROOT_T3), (false, Column::USER_T3)];
    for (by_root, _) in columns.into_iter().filter(|(_, column)| bwrap_works(*column)) {
        check("mount_setattr", by_root, Tier::T3, &[("read_only", "enforced")]);
        if is_root() {
            let over = passed_over("mount_setattr", by_root);
            assert!(over.iter().any(|(_, why)| why.contains("mount_setattr")), "{over:?}");
        }
    }
}

/// What bwrap says it has made is looked at: a box with a mount left writable runs nothing.
#[test]
fn a_mount_that_bwrap_left_writable_is_noticed() {
    let columns = [(true, Column::ROOT_T3), (false, Column::USER_T3)];
    let there = columns.into_iter().filter(|(_, column)| bwrap_works(*column));
    for column in there.flat_map(|(by_root, _)| callers(by_root)) {
        let profile = ANY.replace("[view]", "tiers = [\"T3\"]\n[view]");
        let ran = Ran::read(&run_on("mount_setattr", column, &profile, &["status"]));
        assert_eq!(ran.json["enforcement"]["tier"], "T3", "{:#}", ran.json);
        let out = run_on("mount_setattr,remount", column, &profile, &["status"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(out.status.code(), Some(125), "{text}");
        assert!(!text.contains("fact:"), "the probe ran: {text}");
        assert!(text.contains("failed to find every mount read-only"), "{text}");
    }
}

/// Docker's default profile refuses clone3, because it cannot see its flags, and every unshare.
#[test]
fn in_a_container_there_is_tier_l() {
    for column in
        [true, false].into_iter().filter(|by_root| !by_root || is_root()).flat_map(callers)
    {
        for profile in [ANY.to_owned(), ANY.replace("about", "forks = true\nabout")] {
            let words = ["fork-many", "3"];
            let ran = Ran::read(&run_on("container", column, &profile, &words));
            assert_eq!(ran.json["enforcement"]["tier"], "L", "{:#}", ran.json);
            let made = if profile.contains("forks") { "3" } else { "0" };
            assert_eq!(ran.report.fact("made"), made, "{:#}", ran.json);
        }
    }
    check("container", false, Tier::L, &[("namespaces", "not_enforced")]);
    check("container", true, Tier::L, &[("namespaces", "not_enforced")]);
}

#[test]
fn without_a_cgroup_memory_is_looked_at() {
    check("cgroup", true, Tier::T1, &[("memory", "supervised"), ("process_limit", "enforced")]);
    check("cgroup", false, Tier::T2, &[("memory", "supervised")]);
    if is_root() {
        let profile = format!("{ANY}[limits]\nmemory = \"64MiB\"\n");
        let ran = Ran::read(&run_on("cgroup", Column::ROOT_L, &profile, &["memory", "4096"]));
        let mib = ran.report.facts.get("mib").map_or(0, |n| n.parse::<u32>().expect("a number"));
        assert!(mib <= 64, "{:#}", ran.json);
    }
}

#[test]
fn without_bwrap_and_user_namespaces_a_user_has_tier_l() {
    check("bwrap,userns", false, Tier::L, &[("namespaces", "not_enforced")]);
    if is_root() {
        let over = passed_over("bwrap,userns", false);
        assert!(over.iter().any(|(tier, why)| tier == "T3" && why.contains("bwrap")), "{over:?}");
    }
}

/// A user's namespace is kept from the host's mount table: tier T2 is passed over, not made with
/// another one.
#[test]
fn where_proc_hides_processes_boxes_are_made_all_the_same() {
    check("hidepid", true, Tier::T1, &[("read_only", "enforced")]);
    if bwrap_works(Column::USER_T3) {
        check("hidepid", false, Tier::T3, &[("read_only", "enforced")]);
    }
    check("hidepid,bwrap", false, Tier::L, &[("namespaces", "not_enforced")]);
}
