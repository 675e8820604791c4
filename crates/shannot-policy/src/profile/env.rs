//! Which variables a profile may put into the box's environment.
//!
//! The box runs one program, checked by its name and arguments. A variable that makes that
//! program load a library, a script or a converter from a path would run code nobody checked.

use crate::types::{AbsPath, EnvName};

/// The longest value of a variable, in bytes.
const LONGEST_VALUE: usize = 8 * 1024;

/// Variables that choose code, or change how a program reads the arguments that were checked.
const REFUSED: &[&str] = &[
    "AWKLIBPATH",
    "AWKPATH",
    "BASHOPTS",
    "BASH_ENV",
    "CDPATH",
    "CLASSPATH",
    "EDITOR",
    "ENV",
    "GCONV_PATH",
    "GETCONF_DIR",
    "GIT_ASKPASS",
    "GIT_EDITOR",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LESSCLOSE",
    "LESSKEY",
    "LESSOPEN",
    "LOCPATH",
    "LOCALDOMAIN",
    "NLSPATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "POSIXLY_CORRECT",
    "PROMPT_COMMAND",
    "PS4",
    "RES_OPTIONS",
    "SHELLOPTS",
    "SSLKEYLOGFILE",
    "TAR_OPTIONS",
    "VISUAL",
    "_JAVA_OPTIONS",
];

/// Beginnings of such variables.
const REFUSED_PREFIXES: &[&str] =
    &["BASH_FUNC_", "DYLD_", "LD_", "LUA_", "MALLOC_", "NODE_", "PERL", "PYTHON", "RUBY", "ZDOT"];

/// Variables that name a pager. Only the values that mean no pager are accepted.
const PAGERS: &[&str] = &["GIT_PAGER", "MANPAGER", "PAGER", "SYSTEMD_PAGER"];

/// Checks one variable of `[env]`.
///
/// # Errors
/// What is wrong, as a fragment that follows the variable's name.
pub(super) fn check(name: &EnvName, value: &str) -> Result<(), String> {
    let name = name.as_str();
    if REFUSED.contains(&name) || REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(format!(
            "`{name}` is refused: it can make a program run other code, or read its arguments in \
             another way, than what the rules checked"
        ));
    }
    if PAGERS.contains(&name) && !matches!(value, "" | "cat") {
        return Err(format!("`{name}` is refused but for \"\" and \"cat\": a pager is a program"));
    }
    if value.contains('\0') {
        return Err("the value contains a NUL byte".to_owned());
    }
    if value.len() > LONGEST_VALUE {
        return Err(format!("the value is longer than {LONGEST_VALUE} bytes"));
    }
    if name == "PATH"
        && let Some(bad) = value.split(':').find(|dir| AbsPath::new(*dir).is_err())
    {
        return Err(format!(
            "`{bad}` is not an absolute directory without `.`, `..` or empty component; an empty \
             entry would be the current directory"
        ));
    }
    Ok(())
}
