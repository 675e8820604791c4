//! Takes secrets out of text that goes to somebody who does not need them, such as a model.
//!
//! What a secret looks like is known of many and not of all: this is a net under the profile's hidden
//! paths, not in their place. Nothing is taken out for looking random.

use std::borrow::Cow;
use std::sync::OnceLock;

use regex::{Captures, Regex};

/// What is known: a name, and a pattern whose group `secret` is taken out, or all of it.
const KNOWN: [(&str, &str); 13] = [
    (
        "private-key",
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    ("aws-key", r"(?-u:\b)(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}(?-u:\b)"),
    (
        "token",
        r"(?x)(?-u:\b)(?:
            gh[pousr]_[0-9A-Za-z]{36,} | github_pat_[0-9A-Za-z_]{50,} | glpat-[0-9A-Za-z_-]{20,} |
            xox[abeoprs]-[0-9A-Za-z-]{10,} | sk-[0-9A-Za-z_-]{20,} | npm_[0-9A-Za-z]{36} |
            pypi-[0-9A-Za-z_-]{50,} | AIza[0-9A-Za-z_-]{35} | ya29\.[0-9A-Za-z_-]{20,} |
            hvs\.[0-9A-Za-z_-]{20,} | dop_v1_[0-9a-f]{64} | [rs]k_(?:live|test)_[0-9A-Za-z]{16,} |
            AGE-SECRET-KEY-1[0-9A-Z]{58} | SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}
        )",
    ),
    ("jwt", r"(?-u:\b)eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*"),
    ("password-hash", r"\$(?:[156]|2[aby]|y|argon2(?:id|i|d))\$[^\s:'\x22]{20,}"),
    (
        "authorization",
        r"(?i)(?-u:\b)(?:authorization\s*[:=]\s*(?:\w+\s+)?|bearer\s+)(?P<secret>[0-9A-Za-z._~+/=-]{8,})",
    ),
    ("password", r"(?i)(?-u:\b)[a-z][a-z0-9+.-]*://[^\s:/@'\x22]*:(?P<secret>[^\s@/'\x22]+)@"),
    ("cookie", r"(?i)(?-u:\b)(?:set-)?cookie:\s*(?P<secret>[^\s'\x22][^\n'\x22]{3,})"),
    // `DB_PASSWORD=…` in a list of variables: all up to the next space, whatever stands in it.
    (
        "password",
        r"(?:(?m:^)|\x00)[\ \t]*(?:export[\ \t]+|[^\s\x00=]*:)?[A-Z0-9_]*(?:PASSWORD|PASSWD|PASS|SECRET|TOKEN|SECRET_KEY|API_KEY)=(?P<secret>[^\s\x00\x22'`$(\[{<*][^\s\x00]{3,})",
    ),
    // `"password": "…"`, also in JSON that is a string of JSON, and coloured as grep does.
    (
        "password",
        r#"(?xi)
            (?:pass(?:word|wd|phrase)? | pwd | secret | token | credentials? | rootpw | (?-u:\b)psk |
               (?:api|access|private|preshared|encryption|signing|account|auth|secret)[_-]?key
                   (?:_base)?)
            (?:\x1b\[[0-9;]*[A-Za-z])* \\* ["']? (?:\x1b\[[0-9;]*[A-Za-z]|[\ \t])*
            (?:=|:|=>|:=) (?:\x1b\[[0-9;]*[A-Za-z]|[\ \t])*
            (?: "(?P<double> [^\s\x00"'`,;&<>|(){}\[\]$*\\] [^"\n]{3,} )
              | '(?P<single> [^\s\x00"'`,;&<>|(){}\[\]$*\\] [^'\n]{3,} )
              | \\* ["']?
                (?P<secret> [^\s\x00"'`,;&<>|(){}\[\]$*\\] [^\s\x00"'`,;&<>|(){}\[\]\\]{3,} ))"#,
    ),
    // `requirepass …` of redis, `bindpw …` of LDAP; the list of a container's variables in YAML; XML; PHP.
    (
        "password",
        r#"(?xi)
            (?: (?m:^|:)[\ \t]*(?:requirepass|masterauth|bindpw|rootpw|rootbinddn_pw)[\ \t]+
              | (?-u:\b)machine\s+\S+\s+login\s+\S+\s+password\s+
              | (?-u:\b)name:[\ \t]*["']?[a-z0-9_]*(?:password|passwd|secret|token|api_?key)[a-z0-9_]*["']?\s*\n\s*value:[\ \t]*["']?
              | <(?:[a-z]+:)?[a-z]*(?:password|passwd|secret|token|apikey)>
              | (?-u:\b)(?:key|name)="[^"]*(?:password|secret|token|apikey)"\s+value="
              | (?-u:\b)define\(\s*["'][a-z0-9_]*(?:password|secret|token|_key|_salt)["']\s*,\s*["']
              | (?-u:\b)identified\s+(?:with\s+\S+\s+)?by\s+(?:password\s+)?["']
              | (?-u:\b)hooks\.slack\.com/services/ )
            (?P<secret> [^\s"'<>$\\{(] [^\s"'<>]{3,} )"#,
    ),
    (
        "password",
        r"(?i)(?:^|[\s\x00])--?(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key)[\s\x00]+(?P<secret>[^\s\x00-][^\s\x00]{3,})",
    ),
    (
        "password",
        r"(?-u:\b)(?:curl[\s\x00](?:[^\n|;]*[\s\x00])?(?:-u|--user)[\s\x00]*[^\s\x00:]+:|sshpass[\s\x00]+-p[\s\x00]*|(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|mariadb-admin)[\s\x00](?:[^\n|;]*[\s\x00])?-p)(?P<secret>[^\s\x00$-][^\s\x00]{3,})",
    ),
];

/// Values that stand where a secret would, and are none.
const NONE: [&str; 17] = [
    "true",
    "false",
    "none",
    "null",
    "nil",
    "yes",
    "no",
    "required",
    "optional",
    "redacted",
    "sufficient",
    "undefined",
    "unset",
    "disabled",
    // `passwd: files systemd` of nsswitch.conf(5), and what a command says of a file of such a name.
    "files",
    "compat",
    "permission",
];

/// A text without the secrets in it that are known by their looks, and how many they were.
pub fn redact(text: &str) -> (Cow<'_, str>, u64) {
    static PATTERNS: OnceLock<Vec<(&str, Regex)>> = OnceLock::new();
    let patterns = PATTERNS.get_or_init(|| {
        let compiled =
            KNOWN.iter().filter_map(|(name, known)| Some((*name, Regex::new(known).ok()?)));
        compiled.collect()
    });
    let mut text = Cow::Borrowed(text);
    let mut count = 0;
    for (name, pattern) in patterns {
        let mut replace = |found: &Captures<'_>| {
            let whole = found.get_match();
            let named = ["secret", "double", "single"].into_iter().find_map(|n| found.name(n));
            let secret = named.unwrap_or(whole);
            // `/etc/passwd:1:root:x:0:0` is a line of that file, as grep names it; `PWD=/` is a directory.
            let is_file = whole.as_str().starts_with("passwd")
                && text[..whole.start()].ends_with('/')
                || whole.as_str().starts_with("PWD=/");
            if NONE.contains(&secret.as_str().to_ascii_lowercase().as_str())
                || secret.as_str().starts_with("[REDACTED")
                || is_file
                || is_call(secret.as_str(), &text[whole.end()..])
            {
                return whole.as_str().to_owned();
            }
            count += 1;
            let before = &whole.as_str()[..secret.start() - whole.start()];
            let after = &whole.as_str()[secret.end() - whole.start()..];
            format!("{before}[REDACTED:{name}]{after}")
        };
        if let Cow::Owned(replaced) = pattern.replace_all(&text, &mut replace) {
            text = Cow::Owned(replaced);
        }
    }
    (text, count)
}

/// Whether it is the beginning of a call or an element in a program's text, as `lexer.next_token()`.
fn is_call(text: &str, behind: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '.');
    behind.starts_with(['(', '[']) && text.chars().all(is_of_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        for (name, pattern) in KNOWN {
            Regex::new(pattern).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    /// Made up, and put together here so that no scanner takes them for real ones.
    fn secrets() -> Vec<(String, &'static str)> {
        let of = |parts: &[&str]| parts.concat();
        vec![
            (of(&["AKIA", "IOSFODNN7EXAMPLE"]), "aws-key"),
            (of(&["ghp_", &"a1B2".repeat(9)]), "token"),
            (of(&["sk-ant-", &"x9".repeat(20)]), "token"),
            (of(&["xoxb-", "123456789012-abcdefABCDEF"]), "token"),
            (of(&["eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0In0.", "c2lnbmF0dXJl"]), "jwt"),
            (of(&["$6$", "saltsalt$", &"h".repeat(86)]), "password-hash"),
        ]
    }

    #[test]
    fn secrets_are_taken_out() {
        for (secret, name) in secrets() {
            let (text, count) = redact(&format!("a {secret} b")).into_owned_pair();
            assert_eq!((text, count), (format!("a [REDACTED:{name}] b"), 1));
        }
        for (before, secret, after) in [
            ("DB_PASSWORD=", "hunter22", " other=1"),
            ("password: \"", "hunter22", "\""),
            ("{\"api_key\": \"", "abcd1234", "\"}"),
            ("postgres://app:", "hunter22", "@db/app"),
            ("Authorization: Bearer ", "abcdef.12345", "\n"),
            ("mysqld --password ", "hunter22", " --port 1"),
            ("mysqld\0--password=", "hunter22", "\0--port"),
            ("export AWS_SECRET_ACCESS_KEY=", "abc/def+ghi", "\n"),
            ("SECRET_KEY_BASE=", "hunter22", "\n"),
            ("secretKey: ", "hunter22", "\n"),
            ("DB_PASSWORD=", "abc$def&gh;i", "\n"),
            ("DB_PASSWORD=", "abc1ef(gh)i$j", "\n"),
            ("password = \"", "ab cd 'hunter22", "\"\n"),
            ("{\\\"password\\\":\\\"", "hunter22", "\\\"}"),
            ("\x1b[01;31m\x1b[Kpassword\x1b[m\x1b[K=", "hunter22", "\n"),
            ("- name: DB_PASSWORD\n  value: ", "hunter22", "\n"),
            ("define('DB_PASSWORD', '", "hunter22", "');"),
            ("<password>", "hunter22", "</password>"),
            ("<add key=\"Password\" value=\"", "hunter22", "\" />"),
            ("a\nrequirepass ", "hunter22", "\n"),
            ("curl -s -u app:", "hunter22", " https://example.com"),
            ("mysql -h db -p", "hunter22", " shop"),
            ("sshpass -p ", "hunter22", " ssh host"),
            ("secret=${A}&token=", "hunter22", ")"),
            ("token=login(password='", "hunter22", "')"),
            ("Cookie: ", "sid=hunter22; a=b", "\n"),
        ] {
            let (text, count) = redact(&format!("{before}{secret}{after}")).into_owned_pair();
            assert!(!text.contains(secret) && text.starts_with(before), "{text:?}");
            assert!(text.ends_with(after) && count == 1, "{text:?}");
        }
    }

    #[test]
    fn keys_are_taken_out_whole_and_cut() {
        let key = ["-----BEGIN OPENSSH ", "PRIVATE KEY-----\nabc\ndef\n"].concat();
        let whole = format!("x\n{key}-----END OPENSSH PRIVATE KEY-----\ny\n");
        assert_eq!(redact(&whole).0, "x\n[REDACTED:private-key]\ny\n");
        assert_eq!(redact(&format!("x\n{key}")).0, "x\n[REDACTED:private-key]");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "Filesystem  Size  Used Avail Use% Mounted on\n/dev/sda1  252G   38G   54G  42% /\n",
            "password required pam_unix.so\npassword=\ntoken: none\n",
            "commit 3f786850e387550fdab836ed7e6dc881de23001b\n",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sshd[7]: Failed password for root from 192.0.2.1 port 22 ssh2",
            "https://example.com:443/path@1.0",
            "PasswordAuthentication no",
            "cat: /home/a/.aws/credentials: Permission denied\nfind: '/etc/token': Permission denied\n",
            "passwd:         files systemd\n",
            "let token = lexer.next_token();\npassword = os.environ[\"DB_PASSWORD\"]\n",
            "DB_PASSWORD=${DB_PASSWORD}\npassword: \"{{ vault_password }}\"\n",
            "mysql -p\nmysql -h db -P 3306 --protocol tcp\n/usr/bin/mysqld -p 3306\n",
            "mkdir -p /var/lib/mysql\n",
            "PWD=/root\nOLDPWD=/srv/app\n",
            "/etc/passwd:1:root:x:0:0:root:/root:/bin/bash\n/usr/bin/passwd: ELF executable\n",
        ] {
            assert_eq!(redact(text), (Cow::Borrowed(text), 0));
        }
    }

    trait Pair {
        fn into_owned_pair(self) -> (String, u64);
    }

    impl Pair for (Cow<'_, str>, u64) {
        fn into_owned_pair(self) -> (String, u64) {
            (self.0.into_owned(), self.1)
        }
    }
}
