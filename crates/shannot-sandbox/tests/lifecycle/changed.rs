//! Hosts that change while a box is made, and processes whose `/proc` is not their own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use shannot_policy::profile::{Processes, Tier};

use crate::harness::*;

/// A directory of this test's, removed with the value.
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(format!("/var/tmp/shannot-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("secret")).unwrap();
        fs::create_dir_all(path.join("alias")).unwrap();
        fs::write(path.join("secret/key"), "TOP SECRET").unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // Nothing is left to do when it has gone already.
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn mount(options: &[&str]) {
    assert!(Command::new("mount").args(options).status().unwrap().success());
}

/// The box has copied a mount that shows what is hidden, which then goes from the host: where it
/// is hidden must be looked for in the box.
#[test]
fn an_alias_that_goes_from_the_host_stays_hidden_in_the_box() {
    let test = "changed::an_alias_that_goes_from_the_host_stays_hidden_in_the_box";
    let _alone = alone();
    if !again_below_unshare(test, &["--mount"]) {
        return;
    }
    let dir = Dir::new("alias");
    let path = |name: &str| dir.0.join(name).to_string_lossy().into_owned();
    mount(&["--bind", &path("secret"), &path("alias")]);
    let lines = format!("[paths]\nhide = [{:?}]", path("secret"));
    let key = path("alias/key");
    let reads =
        |lines: &str, begun| run(&plan(tier(), lines, &["cat", &key]), begun).unwrap().text();
    assert_eq!(reads("", None), "TOP SECRET", "it is there to be read");
    let box_with_alias = begun(tier(), Processes::Own);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(Command::new("umount").arg(path("alias")).status().unwrap().success());
    assert_eq!(reads(&lines, Some(box_with_alias)), "");
}

/// The same for a whole file system that the host unmounts.
#[test]
fn what_the_host_unmounts_stays_hidden_in_the_box() {
    let test = "changed::what_the_host_unmounts_stays_hidden_in_the_box";
    let _alone = alone();
    if !again_below_unshare(test, &["--mount"]) {
        return;
    }
    let dir = Dir::new("volume");
    let volume = dir.0.join("alias").to_string_lossy().into_owned();
    mount(&["-t", "tmpfs", "volume", &volume]);
    fs::write(format!("{volume}/key"), "TOP SECRET").unwrap();
    let lines = format!("[paths]\nhide = [\"{volume}/key\"]");
    let key = format!("{volume}/key");
    let reads =
        |lines: &str, begun| run(&plan(tier(), lines, &["cat", &key]), begun).unwrap().text();
    assert_eq!(reads("", None), "TOP SECRET", "it is there to be read");
    let box_with_volume = begun(tier(), Processes::Own);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert!(Command::new("umount").arg(&volume).status().unwrap().success());
    assert_eq!(reads(&lines, Some(box_with_volume)), "");
}

/// `/proc` counts processes otherwise than this process does.
#[test]
fn boxes_start_where_proc_is_of_another_pid_namespace() {
    let test = "changed::boxes_start_where_proc_is_of_another_pid_namespace";
    let _alone = alone();
    if !again_below_unshare(test, &["--pid", "--fork"]) {
        return;
    }
    let own = fs::read_link("/proc/self").unwrap();
    assert_ne!(own.to_string_lossy(), std::process::id().to_string(), "they count differently");
    for tier in [tier(), Tier::T2] {
        let table = "/proc/self/mountinfo";
        let lines = "[view]\nprocesses = \"host\"";
        let ran =
            run(&plan(tier, lines, &["cat", table]), None).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(ran.text(), fs::read_to_string(table).unwrap());
    }
}
