use crate::harness::*;

/// Commands and whether `minimal` allows them.
const COMMANDS: &[(&[&str], bool)] = &[
    (&["ls", "-la", "/"], true),
    (&["/usr/bin/ls"], true),
    (&["/tmp/ls"], false),
    (&["cat", "/etc/hostname"], true),
    (&["rm", "-rf", "/"], false),
    (&["sh", "-c", "true"], false),
    (&["sudo", "ls"], false),
    (&["find", "/etc", "-maxdepth", "1"], true),
    (&["find", "/", "-delete"], false),
    (&["find", "/", "-exec", "rm", "{}", ";"], false),
    (&["sort", "/etc/hostname"], true),
    (&["sort", "-o", "/etc/hostname"], false),
    (&["nosuch"], false),
];

#[test]
fn explanation_is_the_verdict() {
    for user in everyone() {
        for (words, allowed) in COMMANDS {
            let explained =
                end(shannot(user).args(["profile", "explain", "--json", "--"]).args(*words));
            let explanation = explained.json();
            assert_eq!(explanation["allowed"], *allowed, "{words:?}");
            assert_code(&explained, i32::from(!allowed));
            let result = end(shannot(user).args(["run", "--json", "--"]).args(*words)).json();
            assert_eq!(result["outcome"] == "denied", !allowed, "{words:?}: {result}");
            assert_eq!(explanation.get("denial"), result.get("denial"), "{words:?}");
            if let (true, Some(tier)) = (*allowed, explanation["tiers"].get(0)) {
                let told = |of: &serde_json::Value| of["layers"].clone();
                assert_eq!(tier["tier"], result["enforcement"]["tier"], "{words:?}");
                assert_eq!(told(&tier["enforcement"]), told(&result["enforcement"]), "{words:?}");
            }
        }
    }
}

#[test]
fn explanation_tells_the_box() {
    for user in everyone() {
        let ended = end(shannot(user).args(["profile", "explain", "ls"]));
        assert_code(&ended, 0);
        for word in
            ["allowed: `ls` by commands.ls", "tier ", "seccomp", "executes", "hides", "differs"]
        {
            assert!(ended.text().contains(word), "{word}: {}", ended.text());
        }
    }
}

#[test]
fn explanation_without_a_command_is_of_the_profile() {
    let ended = end(shannot(ordinary()).args(["profile", "explain", "--profile", "readonly"]));
    assert_code(&ended, 0);
    assert!(ended.text().starts_with("profile `readonly`, built in\n"), "{}", ended.text());
}
