//! What no profile shows unless it says so with `paths.show`: password hashes, private keys,
//! credentials of clouds and registries, shell histories, and what reading takes away.

/// Patterns hidden in every profile. `~` is the home of the user who runs; homes of others are
/// hidden whole unless `paths.hide_other_homes = false`.
pub const HIDDEN_BY_DEFAULT: &[&str] = &[
    // Password hashes and what unlocks accounts.
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/security/opasswd",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/krb5.keytab",
    // Private keys of the host and its services.
    "/etc/ssh/ssh_host_*_key",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/letsencrypt/archive",
    "/etc/letsencrypt/keys",
    "/etc/letsencrypt/live",
    "/etc/wireguard",
    "/etc/openvpn",
    "/etc/ipsec.secrets",
    "/etc/kubernetes/pki",
    "/etc/kubernetes/*.conf",
    "/etc/rancher/k3s/k3s.yaml",
    "/var/lib/kubelet/pki",
    // Secrets that services keep.
    "/etc/NetworkManager/system-connections",
    "/etc/wpa_supplicant/*.conf",
    "/etc/ppp/*-secrets",
    "/etc/credstore",
    "/etc/credstore.encrypted",
    "/etc/docker/key.json",
    "/etc/mysql/debian.cnf",
    "/etc/postfix/sasl_passwd",
    "/etc/exim4/passwd.client",
    "/etc/cloud/cloud.cfg.d/*-secrets.cfg",
    "/run/credentials",
    "/run/secrets",
    "/var/lib/systemd/credential.secret",
    "/var/lib/NetworkManager/secret_key",
    "/var/lib/cloud/instances/*/user-data.txt",
    "/var/lib/cloud/instances/*/user-data.txt.i",
    "/var/lib/cloud/instances/*/vendor-data.txt",
    "/var/lib/sss/secrets",
    "/var/run/secrets",
    // The kernel's traces: root's alone, and a read takes lines away from who else reads them.
    // Not the file system as a whole: `df` would tell of what covers it.
    "/sys/kernel/debug/tracing",
    "/sys/kernel/tracing/instances",
    "/sys/kernel/tracing/per_cpu",
    "/sys/kernel/tracing/trace_pipe",
    // The user's own keys, credentials and histories.
    "~/.ssh",
    "~/.gnupg",
    "~/.aws",
    "~/.azure",
    "~/.config/gcloud",
    "~/.config/doctl",
    "~/.config/gh",
    "~/.config/glab-cli",
    "~/.config/hub",
    "~/.config/op",
    "~/.config/rclone",
    "~/.config/sops",
    "~/.config/containers/auth.json",
    "~/.config/shannot",
    "~/.docker/config.json",
    "~/.kube",
    "~/.local/share/keyrings",
    "~/.local/state/shannot",
    "~/.password-store",
    "~/.mozilla",
    "~/.config/google-chrome",
    "~/.config/chromium",
    "~/.netrc",
    "~/.git-credentials",
    "~/.config/git/credentials",
    "~/.npmrc",
    "~/.pypirc",
    "~/.cargo/credentials",
    "~/.cargo/credentials.toml",
    "~/.gem/credentials",
    "~/.m2/settings.xml",
    "~/.gradle/gradle.properties",
    "~/.terraform.d/credentials.tfrc.json",
    "~/.terraformrc",
    "~/.vault-token",
    "~/.pgpass",
    "~/.my.cnf",
    "~/.mylogin.cnf",
    "~/.s3cfg",
    "~/.boto",
    "~/.claude",
    "~/.claude.json",
    "~/.codex",
    "~/.gemini",
    "~/.*_history",
    "~/.histfile",
    "~/.lesshst",
    "~/.viminfo",
    "~/.python_history",
    "~/.local/share/fish/fish_history",
];

#[cfg(test)]
mod tests {
    use super::HIDDEN_BY_DEFAULT;

    /// In tier L the box runs as its caller, who may read both: who asks what of which host.
    #[test]
    fn what_shannot_keeps_for_a_user_is_hidden() {
        for own in ["~/.config/shannot", "~/.local/state/shannot"] {
            assert!(HIDDEN_BY_DEFAULT.contains(&own), "{own}");
        }
    }
}
