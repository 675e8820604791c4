//! No file of the host is made, changed, removed or locked.

use std::fs;

use crate::harness::*;

/// Directories that users write to on every host.
fn usual_directories(tier: Tier) -> Vec<String> {
    let home = if tier.by_root() { "/root" } else { word(&user().home) };
    let all = ["/", "/etc", "/tmp", "/var/tmp", "/var/log", "/dev", "/dev/shm", "/run", home];
    all.into_iter().filter(|d| fs::metadata(d).is_ok()).map(str::to_owned).collect()
}

fn nothing_is_created_anywhere(tier: Tier) {
    let fixture = Fixture::new(tier, "create");
    let open = fixture.sub(tier, "open");
    let before = seen(&open);
    let usual = usual_directories(tier);
    let words: Vec<&str> =
        ["create", word(&open)].into_iter().chain(usual.iter().map(String::as_str)).collect();
    let ran = inside(tier, &Profile::default(), &words);
    ran.report.assert_blocked();
    assert_eq!(seen(&open), before, "the directory shows a change");

    let here = inside(tier, &Profile::default(), &["create", word(&open)]);
    assert_control(&here.report, &outside(tier, &["create", word(&open)]), &[]);
}

fn nothing_is_changed_by_path(tier: Tier) {
    let fixture = Fixture::new(tier, "change");
    for name in ["victim", "other"] {
        fixture.file(tier, name, "content");
    }
    fixture.sub(tier, "sub");
    let observe = || ["victim", "other", "sub"].map(|name| seen(&fixture.path(name)));
    let before = observe();
    let words = ["change", word(&fixture.dir)];
    let ran = inside(tier, &Profile::default(), &words);
    ran.report.assert_blocked();
    assert_eq!(observe(), before, "the host shows a change");
    assert_control(&ran.report, &outside(tier, &words), &[]);
}

in_every_tier! {
    nothing_is_created => nothing_is_created_anywhere;
    nothing_is_changed => nothing_is_changed_by_path;
}
