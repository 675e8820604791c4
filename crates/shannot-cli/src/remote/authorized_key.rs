//! A line for authorized_keys(5) that lets a key do nothing but ask by one profile.

use shannot::policy::types::ProfileName;

use super::deploy::of_ssh;
use super::helper::Program;
use crate::error::Error;
use crate::profiles::Profiles;
use crate::surroundings::Surroundings;
use crate::targets::Target;

/// The longest file of a public key that is read: certificates of many principals are long.
const LONGEST: u64 = 64 << 10;

/// The line that pins a target's key to the target's profile.
///
/// # Errors
/// The target names no key, or its public part cannot be read.
pub(super) fn authorized_key(
    target: &Target,
    surroundings: &Surroundings,
) -> Result<String, Error> {
    let ssh = of_ssh(target)?;
    let Some(key) = &ssh.key_file else {
        return Err(Error::Asked {
            what: format!("`{}` names no key, and this is a line about one", target.name.value),
            hint: "`--key FILE` names it".to_owned(),
        });
    };
    let asked = target.profile.as_ref().map(|profile| profile.value.as_str().as_ref());
    let profile = Profiles::new(surroundings).select(asked)?.profile.name.clone();
    let mut path = key.value.clone().into_os_string();
    path.push(".pub");
    let path = std::path::PathBuf::from(path);
    let read = |source| Error::Read { path: path.clone(), source };
    let file = std::fs::File::open(&path).map_err(read)?;
    let text = std::io::read_to_string(std::io::Read::take(file, LONGEST)).map_err(read)?;
    let lines = text.lines().map(str::trim);
    let mut keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(public), None) = (keys.next(), keys.next()) else {
        return Err(read(std::io::Error::other("it does not hold one public key")));
    };
    let program = match &ssh.helper_path {
        Some(path) => path.value.to_string(),
        // The login shell begins at home.
        None => format!("~/.cache/shannot/bin/{}", Program::needed()?.sha256.file_name()),
    };
    line(&program, &profile, public)
}

fn line(program: &str, profile: &ProfileName, public: &str) -> Result<String, Error> {
    let is_key = public.split(' ').next().is_some_and(|kind| {
        let known = ["ssh-", "ecdsa-", "sk-"];
        known.iter().any(|prefix| kind.starts_with(prefix))
    });
    // Neither a path nor a profile's name has a quote or a backslash.
    if !is_key || public.contains(char::is_control) {
        return Err(Error::Asked {
            what: "the file beside the key holds no public key".to_owned(),
            hint: "`ssh-keygen -y -f KEY > KEY.pub` makes it".to_owned(),
        });
    }
    Ok(format!("restrict,command=\"exec {program} agent stdio --pin {profile}\" {public}"))
}
