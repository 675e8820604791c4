//! The profiles that are part of the program. They extend each other and nothing else: what
//! they allow is the same on every host.

use std::sync::Arc;

use shannot::policy::Profile;
use shannot::policy::profile::{Examples, ProfileError};
use shannot::policy::types::ProfileName;

/// Names and texts.
pub(super) const ALL: &[(&str, &str)] = &[
    ("diagnostics", include_str!("../../../../profiles/diagnostics.toml")),
    ("minimal", include_str!("../../../../profiles/minimal.toml")),
    ("network", include_str!("../../../../profiles/network.toml")),
    ("readonly", include_str!("../../../../profiles/readonly.toml")),
    ("systemd", include_str!("../../../../profiles/systemd.toml")),
];

/// The built-in profile of a name.
pub(super) fn find(
    name: &ProfileName,
    examples: Examples,
) -> Result<Option<Arc<Profile>>, ProfileError> {
    let Some((_, text)) = ALL.iter().find(|(own, _)| *own == name.as_str()) else {
        return Ok(None);
    };
    let origin = format!("<built in>/{name}.toml");
    let parent = |parent: &ProfileName| match find(parent, examples) {
        Ok(Some(profile)) => Ok(profile),
        Ok(None) => Err(format!("there is no built-in profile `{parent}`")),
        Err(error) => Err(error.to_string()),
    };
    Profile::parse(text, &origin, examples, &parent).map(|profile| Some(Arc::new(profile)))
}

/// Every built-in profile, with its examples checked.
#[cfg(test)]
pub(crate) fn every() -> Vec<Arc<Profile>> {
    let read = |(name, _): &(&str, &str)| {
        let name = name.parse().unwrap();
        let profile = find(&name, Examples::Check).unwrap_or_else(|error| panic!("{error}"));
        profile.unwrap()
    };
    ALL.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_holds_its_own_examples() {
        for (profile, (name, _)) in every().iter().zip(ALL) {
            assert_eq!(profile.name.as_str(), *name);
        }
    }
}
