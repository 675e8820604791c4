//! A box that fails, or is killed, or whose first process is held up.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use shannot_policy::profile::{Processes, Tier};

use crate::harness::*;

/// The step that fails comes after the first process has opened what hidden paths show, in the
/// table that it shares with this one.
#[test]
fn a_box_that_fails_leaves_no_descriptor_here() {
    let _alone = alone();
    let before = descriptors();
    let lines = "[paths]\nscratch = [\"/tmp/shannot-no-such-directory\"]";
    for _ in 0..3 {
        let failed = run(&plan(tier(), lines, &["true"]), None).err().unwrap();
        assert!(failed.is_of_tier(), "{failed}");
        assert_eq!(children(), [""; 0]);
        assert_eq!(descriptors(), before);
    }
}

#[test]
fn a_box_without_its_program_leaves_nothing() {
    let _alone = alone();
    let before = descriptors();
    for tier in [tier(), Tier::L] {
        run(&plan(tier, "", &["nosuchprogram"]), None).err().unwrap();
        assert_eq!((children(), descriptors()), (Vec::new(), before));
    }
}

/// The program's descriptor has a number that the pipe by which a failure is told may have, too.
#[test]
fn a_failure_is_told_whatever_numbers_descriptors_have() {
    let _alone = alone();
    let limit = Rlimit { current: Some(4096), ..getrlimit(Resource::Nofile) };
    setrlimit(Resource::Nofile, limit).unwrap();
    let file = std::env::temp_dir().join(format!("shannot-no-program-{}", std::process::id()));
    std::fs::write(&file, "no program\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = || File::open("/dev/null").unwrap();
    let mut held = vec![open()];
    while held.iter().all(|file| file.as_raw_fd() < 980) {
        held.push(open());
    }
    for _ in 0..30 {
        let told = run(&plan(tier(), "", &[file.to_str().unwrap()]), None).err();
        let told = told.unwrap_or_else(|| panic!("with {} open, it has run", held.len()));
        assert!(told.to_string().contains("execute"), "{told}");
        held.push(open());
    }
    std::fs::remove_file(file).unwrap();
}

/// As a process does that was forked from this one and has not executed anything yet.
#[test]
fn an_end_is_noticed_while_others_hold_the_pipe_that_tells_of_it() {
    let _alone = alone();
    let pipes = || -> Vec<PathBuf> {
        let all = std::fs::read_dir("/proc/self/fd").unwrap().flatten().map(|e| e.path());
        let is_pipe = |path: &PathBuf| {
            std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("pipe:"))
        };
        all.filter(is_pipe).collect()
    };
    let before = pipes();
    let begun = begun(tier(), Processes::Own);
    let new = pipes().into_iter().filter(|path| !before.contains(path));
    let held: Vec<File> =
        new.filter_map(|path| File::options().write(true).open(path).ok()).collect();
    assert!(!held.is_empty());
    let mut ran = run(&plan(tier(), "", &["sleep", "60"]), Some(begun)).unwrap();
    ran.child.kill();
    assert!(ends(&mut ran.child, 2));
}

/// In tier L no pid namespace ends the commands: the first process must live to.
#[test]
fn a_first_process_that_is_held_up_still_ends_the_commands() {
    let _alone = alone();
    let ran = run(&plan(Tier::L, "", &["sleep", "61"]), None).unwrap();
    let first = children().concat();
    let below = |pid: &str| {
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        list.trim().to_owned()
    };
    let command = below(&first);
    assert!(lives(&command));
    send("-STOP", &first);
    drop(ran);
    assert!(lives(&command), "nobody could end it");
    send("-CONT", &first);
    assert!(eventually(|| !lives(&command)), "{command} lives on");
}
