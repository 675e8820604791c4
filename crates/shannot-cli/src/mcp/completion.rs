//! Completes what a person types into a client: targets, profiles, commands, paths, results.

use std::collections::BTreeSet;

use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo};
use shannot::policy::profile::CommandPattern;

use super::ask::Ask;
use super::calls::Calls;
use super::excerpt;

/// The longest output of a directory that is looked through, in characters.
const MOST_OF_A_DIRECTORY: usize = 1 << 20;

/// Answers with what begins as what was typed does.
pub(super) async fn complete(
    calls: &Calls,
    request: &CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let typed = request.argument.value.as_str();
    let given = |name: &str| request.context.as_ref()?.get_argument(name).map(String::as_str);
    let hosts = &calls.offer.hosts;
    let all: BTreeSet<String> = match request.argument.name.as_str() {
        "target" => hosts.names().collect(),
        "profile" => hosts.profiles().into_keys().collect(),
        "command" => commands(calls, given("profile")),
        "path" => paths(calls, given("target"), typed).await,
        "id" => calls.server.results().names().into_iter().map(|(id, _)| id).collect(),
        _ => BTreeSet::new(),
    };
    let mut values: Vec<String> = all.into_iter().filter(|one| one.starts_with(typed)).collect();
    let total = u32::try_from(values.len()).ok();
    let has_more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    let info = CompletionInfo::with_pagination(values, total, has_more);
    let info = info.map_err(|error| ErrorData::internal_error(error, None))?;
    Ok(CompleteResult::new(info))
}

/// The commands of a profile, or of all.
fn commands(calls: &Calls, profile: Option<&str>) -> BTreeSet<String> {
    let profiles = calls.offer.hosts.profiles();
    let profiles = profiles.iter().filter(|(name, _)| profile.is_none_or(|p| p == *name));
    let commands = profiles.flat_map(|(_, profile)| &profile.commands);
    let named = commands.filter(|command| !matches!(command.pattern, CommandPattern::Glob(_)));
    named.map(|command| command.pattern.to_string()).collect()
}

/// What is in the directory that was typed so far, as the profile lets it be seen.
async fn paths(calls: &Calls, target: Option<&str>, typed: &str) -> BTreeSet<String> {
    let Some(end) = typed.rfind('/').filter(|_| typed.starts_with('/')) else {
        return BTreeSet::from(["/".to_owned()]);
    };
    let dir = &typed[..=end];
    let words = ["ls", "-1Ap", "--", dir].map(str::to_owned).to_vec();
    let Ok((_, Ok(run))) = calls.run(target, Ask::one(None, words)).await else {
        return BTreeSet::new();
    };
    let listed = excerpt::of(&run.stdout, MOST_OF_A_DIRECTORY).text;
    listed.lines().map(|name| format!("{dir}{name}")).collect()
}
