//! The raw `bwrap` arguments that a profile of Shannot 0.3 could carry.

/// What an argument of `bwrap` means for a box of ours.
pub(super) enum Switch {
    /// `--ro-bind X X`.
    Bind(String),
    /// Nothing has to be done, and why.
    Note(String, &'static str),
    /// `--setenv NAME VALUE`.
    SetEnv(String, String),
    /// `--share-net`.
    ShareNetwork,
    /// `--tmpfs DIR`.
    Tmpfs(String),
    /// `--unsetenv NAME`.
    UnsetEnv(String),
    /// `--unshare-net` or `--unshare-all`.
    UnshareNetwork,
}

/// Translates what is harmless.
///
/// # Errors
/// The first argument that a box of ours cannot or must not honour, and why.
pub(super) fn read_args(args: &[String]) -> Result<Vec<Switch>, String> {
    let mut rest = args.iter();
    let mut found = Vec::new();
    while let Some(arg) = rest.next() {
        let mut value = || rest.next().cloned().ok_or_else(|| format!("`{arg}` lacks its value"));
        let note = |note| Switch::Note(arg.clone(), note);
        found.push(match arg.as_str() {
            "--unshare-net" | "--unshare-all" => Switch::UnshareNetwork,
            "--unshare-user"
            | "--unshare-user-try"
            | "--unshare-ipc"
            | "--unshare-pid"
            | "--unshare-uts"
            | "--unshare-cgroup"
            | "--unshare-cgroup-try" => note("is done where the host allows it"),
            "--die-with-parent"
            | "--new-session"
            | "--clearenv"
            | "--disable-userns"
            | "--assert-userns-disabled" => note("is always so"),
            "--share-net" => Switch::ShareNetwork,
            "--cap-drop" => {
                value()?;
                note("is always so: a box has no capabilities")
            }
            "--hostname" => {
                value()?;
                note("is dropped: a box shows the host's own name")
            }
            "--chdir" => {
                value()?;
                note("is dropped: commands start at `/` or where the request says")
            }
            "--dir" => {
                value()?;
                note("is dropped: a box shows the host's own tree and makes no directories")
            }
            "--proc" | "--dev" => {
                let (dir, own) = (value()?, if arg == "--proc" { "/proc" } else { "/dev" });
                if dir != own {
                    return Err(format!("`{arg} {dir}`: it is only ever at `{own}`"));
                }
                note("is always so")
            }
            "--tmpfs" => Switch::Tmpfs(value()?),
            "--setenv" => Switch::SetEnv(value()?, value()?),
            "--unsetenv" => Switch::UnsetEnv(value()?),
            "--ro-bind" | "--ro-bind-try" => {
                let (source, target) = (value()?, value()?);
                if source != target {
                    return Err(format!(
                        "`{arg} {source} {target}`: a box shows the host's own tree, so both paths \
                         must be the same"
                    ));
                }
                Switch::Bind(source)
            }
            _ => return Err(refused(arg)),
        });
    }
    Ok(found)
}

fn refused(arg: &str) -> String {
    let why = match arg {
        "--bind" | "--bind-try" | "--dev-bind" | "--dev-bind-try" | "--bind-fd" => {
            "a box never writes to the host"
        }
        "--cap-add" => "a box has no capabilities; see `root_reads`",
        "--seccomp" | "--add-seccomp-fd" => "the box has a filter of its own",
        "--uid" | "--gid" => "who a command runs as depends on the tier",
        "--" => "the command follows from the request",
        _ if !arg.starts_with('-') => "it is no option",
        _ => "a box of ours has nothing like it",
    };
    format!("`{arg}` cannot be honoured: {why}")
}
