//! What the profile hides is hidden by every name that leads there.

use std::fs;
use std::path::Path;
use std::process::Command;

use shannot::policy::profile::Tier;

use crate::harness::*;
use crate::host::*;

fn hiding(paths: &[&Path]) -> Profile {
    let paths: Vec<String> = paths.iter().map(|p| format!("{:?}", word(p))).collect();
    Profile::default().path(&format!("hide = [{}]", paths.join(", ")))
}

fn hidden_directories_are_closed(column: Column) {
    let fixture = Fixture::new(column, "hide-dir");
    let secret = fixture.sub(column, "secret");
    fixture.file(column, "secret/key", "content");
    let words = ["hidden-directory", word(&secret), "key"];
    // In T1 this gives the capability that walks past all modes, but not past what covers a path.
    let reads_all = Profile { top: "root_reads = true\n".to_owned(), ..Profile::default() };
    for view in [Profile::default(), Profile::host_view(), reads_all] {
        let profile = Profile { paths: hiding(&[&secret]).paths, ..view };
        let ran = refused(column, &profile, &words);
        let control = outside(column, &words);
        assert_control(&ran.report, &control, &["read by /proc", "link"]);
    }
}

fn aliases_are_hidden_too(column: Column) {
    let fixture = Fixture::new(column, "hide-alias");
    let secret = fixture.sub(column, "secret");
    fixture.file(column, "secret/key", "content");
    let file = fixture.file(column, "single", "content");
    let link = |name: &str, to: &Path| {
        let link = fixture.path(name);
        std::os::unix::fs::symlink(to, &link).expect("symlink");
        link
    };
    let to_dir = link("to-dir", &secret);
    let to_file = link("to-file", &file);
    let names = [
        to_dir.join("key"),
        to_file,
        file.clone(),
        secret.join("key"),
        secret.join("../secret/key"),
    ];
    let words: Vec<&str> = ["read-each"].into_iter().chain(names.iter().map(|p| word(p))).collect();
    let ran = refused(column, &hiding(&[&secret, &file]), &words);
    assert_control(&ran.report, &outside(column, &words), &[]);
    // Named in the profile by a link, it is what the link leads to that is hidden.
    refused(column, &hiding(&[&to_dir, &fixture.path("to-file")]), &words);
}

fn names_that_only_begin_alike_stay(column: Column) {
    let fixture = Fixture::new(column, "hide-prefix");
    fixture.sub(column, "secret");
    fixture.file(column, "secret/key", "content");
    let alike = fixture.file(column, "secretfoo", "content");
    let other = fixture.sub(column, "secret.d");
    fixture.file(column, "secret.d/file", "content");
    let ran = inside(
        column,
        &hiding(&[&fixture.path("secret")]),
        &["read-each", word(&alike), word(&other.join("file")), word(&fixture.path("secret/key"))],
    );
    assert_eq!(ran.report.escaped.len(), 2, "{:?}", ran.report);
    assert_eq!(ran.report.blocked.len(), 1, "{:?}", ran.report);
}

fn missing_and_globbed_paths(column: Column) {
    let fixture = Fixture::new(column, "hide-glob");
    let keys = ["a_key", "b_key", "key"].map(|n| fixture.file(column, n, "content"));
    let missing = fixture.path("missing");
    let glob = fixture.path("*_key");
    let words = ["read-each", word(&keys[0]), word(&keys[1]), word(&keys[2])];
    let ran = inside(column, &hiding(&[&missing, &glob]), &words);
    assert_eq!(ran.report.blocked.len(), 2, "{:?}", ran.report);
    assert_eq!(ran.report.escaped, [format!("read {}", word(&keys[2]))]);
    // An empty list of what may be read is nothing beside what programs need.
    if let Some(system) = ["/usr/bin/head", "/bin/head"].into_iter().find(|p| Path::new(p).exists())
    {
        let none = Profile::default().path("read = []");
        let out = shannot(column, &none, &["--json"], &[system, word(&keys[2])]).output();
        let ran = Ran::read(&out.expect("shannot starts"));
        assert_eq!(ran.json["stdout"], "", "{:#}", ran.json);
        assert_eq!(ran.json["exit_code"], 1, "{:#}", ran.json);
    }
}

/// Programs replace files by renaming a new one over them. A mount that covers the old one goes
/// with it. In tier L a file that comes later has no right of its own.
fn replaced_files_stay_hidden(column: Column) {
    let fixture = Fixture::new(column, "hide-replaced");
    let file = fixture.file(column, "secret", "old content");
    let probe = probe();
    let words = [word(&probe), "read-later", word(&file)];
    let mut held = Held::start(&mut shannot(column, &hiding(&[&file]), &[], &words));
    let new = fixture.file(column, "new", "new content");
    fs::rename(&new, &file).expect("rename");
    let report = held.finish();
    if column.tier == Tier::L {
        report.assert_blocked();
    } else {
        report.assert_known_gap("replaces a hidden file");
    }
}

/// A file system, or a part of it, can be mounted in two places.
fn bind_mounts_of_what_is_hidden_are_hidden(column: Column) {
    if !is_root() {
        println!("a bind mount takes root");
        return;
    }
    let fixture = Fixture::new(column, "hide-bind");
    let [of_secret, of_parent] = ["of-secret", "of-parent"].map(|n| fixture.sub(column, n));
    let tree = fixture.sub(column, "tree");
    let secret = fixture.sub(column, "tree/secret");
    fixture.file(column, "tree/secret/key", "content");
    let names = [of_secret.join("key"), of_parent.join("secret/key"), secret.join("key")];
    let probe = probe();
    let words: Vec<&str> =
        [word(&probe), "read-each"].into_iter().chain(names.iter().map(|p| word(p))).collect();
    let script = format!(
        "mount --bind {} {} && mount --bind {} {} && SHANNOT",
        word(&secret),
        word(&of_secret),
        word(&tree),
        word(&of_parent)
    );
    let run =
        |command: &Command| among_own_mounts(&script, command).output().expect("unshare starts");
    let ran = Ran::read(&run(&shannot(column, &hiding(&[&secret]), &["--json"], &words)));
    let mut control = Command::new(&probe);
    control.args(&words[1..]);
    let outside = Report::read(&String::from_utf8_lossy(&run(&control).stdout));
    assert_eq!(outside.escaped.len(), 3, "{outside:?}");
    ran.report.assert_blocked();
}

/// Another hard link of a hidden file is another name of the same file. In tier L a right is the
/// file's and not the name's: one for a name beside it would open the hidden one.
fn hard_links_open_no_hidden_path(column: Column) {
    let fixture = Fixture::new(column, "hide-link");
    fixture.sub(column, "far");
    let secret = fixture.file(column, "secret", "content");
    let (near, far) = (fixture.path("near"), fixture.path("far/link"));
    for link in [&near, &far] {
        fs::hard_link(&secret, link).expect("a hard link");
    }
    let read = |path: &Path| inside(column, &hiding(&[&secret]), &["read-each", word(path)]).report;
    read(&secret).assert_blocked();
    read(&far).assert_known_gap("hidden file's other hard link");
    if column.tier == Tier::L {
        read(&near).assert_blocked();
    }
    if column.tier == Tier::T1 {
        // There the kernel's own permissions hold.
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&secret, closed).expect("chmod");
        read(&far).assert_blocked();
    }
    let words = ["read-each", word(&secret), word(&near), word(&far)];
    assert_eq!(outside(column, &words).escaped.len(), 3);
}

/// A handle opens a file of a file system by number: past every path, mount and cover. It can be
/// guessed, so it is made outside and told.
fn handles_of_hidden_files_open_nothing(column: Column) {
    let fixture = Fixture::new(column, "hide-handle");
    let secret = fixture.sub(column, "secret");
    let file = fixture.file(column, "secret/key", "content");
    let told = outside(column, &["tell-handle", word(&file)]);
    let words = ["by-handle", word(&fixture.dir), told.fact("handle")];
    let reads_all = Profile { top: "root_reads = true\n".to_owned(), ..hiding(&[&secret]) };
    for profile in [hiding(&[&secret]), reads_all] {
        let ran = refused(column, &profile, &words);
        if let Some(control) = outside_as_root(&words) {
            assert_control(&ran.report, &control, &[]);
        }
    }
}

/// A program is looked for from outside the box, where what is hidden is seen.
fn errors_tell_nothing_of_what_is_hidden(column: Column) {
    let fixture = Fixture::new(column, "hide-oracle");
    let secret = fixture.sub(column, "secret");
    fixture.file(column, "secret/here", "content");
    let answer = |name: &str| {
        let path = secret.join(name);
        let out = shannot(column, &hiding(&[&secret]), &["--json"], &[word(&path)]).output();
        let out = out.expect("shannot starts");
        let text = [out.stdout, out.stderr].concat();
        let text = String::from_utf8_lossy(&text).replace(name, "NAME");
        let told =
            text.lines().filter(|l| l.starts_with("shannot:")).collect::<Vec<_>>().join("\n");
        (out.status.code(), told)
    };
    assert_eq!(answer("here"), answer("none"));
}

/// Homes of others, when they are hidden: also one that a link leads to.
fn linked_homes_are_hidden(column: Column) {
    if !is_root() {
        println!("another user's home takes root");
        return;
    }
    let fixture = Fixture::new(column, "hide-home");
    let homes = fixture.sub(column, "homes");
    let home = fixture.sub(column, "homes/carol");
    fixture.file(column, "homes/carol/notes", "content");
    let link = fixture.path("carol");
    std::os::unix::fs::symlink(&home, &link).expect("symlink");
    let by_parent = fixture.path("linked");
    std::os::unix::fs::symlink(&homes, &by_parent).expect("symlink");
    for named in [home.clone(), link.clone(), by_parent.join("carol")] {
        let mut passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        passwd.push_str(&format!("carol:x:4242:4242::{}:/bin/sh\n", word(&named)));
        let file = fixture.file(column, "passwd", &passwd);
        let probe = probe();
        let names = [home.join("notes"), link.join("notes"), by_parent.join("carol/notes")];
        let words: Vec<&str> =
            [word(&probe), "read-each"].into_iter().chain(names.iter().map(|p| word(p))).collect();
        let profile = Profile { paths: String::new(), ..Profile::default() };
        let command = shannot(column, &profile, &["--json"], &words);
        let script = format!("mount --bind {} /etc/passwd && SHANNOT", word(&file));
        let out = among_own_mounts(&script, &command).output().expect("unshare starts");
        let ran = Ran::read(&out);
        assert!(ran.report.escaped.is_empty(), "a home named {named:?} shows: {:?}", ran.report);
        ran.report.assert_blocked();
    }
}

in_every_column! {
    directories_are_closed => hidden_directories_are_closed, in_every_tier;
    links_to_hidden_paths_are_closed => aliases_are_hidden_too;
    similar_names_stay => names_that_only_begin_alike_stay;
    globs_and_missing_paths_hold => missing_and_globbed_paths;
    replaced_files_are_hidden => replaced_files_stay_hidden;
    bind_mounts_are_hidden => bind_mounts_of_what_is_hidden_are_hidden;
    hard_links_are_no_way_in => hard_links_open_no_hidden_path;
    handles_are_no_way_in => handles_of_hidden_files_open_nothing;
    errors_are_no_oracle => errors_tell_nothing_of_what_is_hidden;
    homes_behind_links_are_hidden => linked_homes_are_hidden;
}
