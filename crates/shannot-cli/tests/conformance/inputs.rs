//! Fixtures that need answers of the client's before they have one: each is asked for in rounds, and
//! what comes back with a state is read only if this server has made it.

use rmcp::ErrorData;
use rmcp::model::{ClientCapabilities, InputRequiredResult, InputResponses};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// What is asked in one round: by key.
type Round = Map<String, Value>;

/// A fixture's rounds.
#[derive(Debug)]
pub(super) struct Rounds {
    name: String,
    rounds: Vec<Round>,
    is_stated: bool,
}

/// Where a call has got to.
#[derive(Debug)]
pub(super) enum Step {
    /// The client is asked.
    Asks(InputRequiredResult),
    /// These are the answers to the last round.
    Answered(InputResponses),
}

/// What signs states.
#[derive(Debug)]
pub(super) struct Secret([u8; 32]);

impl Secret {
    pub(super) fn new() -> Self {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the system has random bytes");
        Self(bytes)
    }

    fn state(&self, name: &str, round: usize) -> String {
        let digest = Sha256::new_with_prefix(self.0).chain_update(format!("{name}:{round}"));
        let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{round}:{hex}")
    }
}

impl Rounds {
    /// Those of the fixture of that name.
    pub(super) fn of(name: &str, client: &ClientCapabilities) -> Option<Self> {
        let name_asked = || elicit("What is your name?", "name", "string");
        let confirm = || round([("confirm", elicit("Please confirm", "ok", "boolean"))]);
        let (rounds, is_stated) = match name.strip_prefix("test_input_required_result_")? {
            "elicitation" => (vec![round([("user_name", name_asked())])], false),
            "sampling" => {
                let asked = sample("What is the capital of France?", 100);
                (vec![round([("capital_question", asked)])], false)
            }
            "list_roots" => (vec![round([("client_roots", roots())])], false),
            "request_state" | "tampered_state" => (vec![confirm()], true),
            "multiple_inputs" => {
                let greeting = sample("Generate a greeting", 50);
                let asked = [
                    ("user_name", name_asked()),
                    ("greeting", greeting),
                    ("client_roots", roots()),
                ];
                (vec![round(asked)], true)
            }
            "multi_round" => {
                let first = elicit("Step 1: What is your name?", "name", "string");
                let second = elicit("Step 2: What is your favorite color?", "color", "string");
                (vec![round([("step1", first)]), round([("step2", second)])], true)
            }
            "capabilities" => {
                let asked = [
                    (client.elicitation.is_some(), ("user_name", name_asked())),
                    (client.sampling.is_some(), ("greeting", sample("Generate a greeting", 50))),
                    (client.roots.is_some(), ("client_roots", roots())),
                ];
                let asked = asked.into_iter().filter(|(has, _)| *has).map(|(_, asked)| asked);
                (vec![round(asked)], false)
            }
            "prompt" => {
                let asked = elicit("What context should the prompt use?", "context", "string");
                (vec![round([("user_context", asked)])], false)
            }
            _ => return None,
        };
        Some(Self { name: name.to_owned(), rounds, is_stated })
    }

    /// Goes on from what the client has sent.
    pub(super) fn go_on(
        &self,
        secret: &Secret,
        state: Option<&str>,
        responses: Option<InputResponses>,
    ) -> Result<Step, ErrorData> {
        let invalid = |why: &str| ErrorData::invalid_params(why.to_owned(), None);
        let at = match state {
            None => 0,
            Some(state) => (0..self.rounds.len())
                .find(|round| secret.state(&self.name, *round) == state)
                .ok_or_else(|| invalid("this is no state of this server's"))?,
        };
        let is_asked = self.is_stated && state.is_none();
        let responses = responses.unwrap_or_default();
        let is_whole =
            self.rounds[at].keys().all(|key| responses.get(key).is_some_and(Value::is_object));
        let next = match (is_whole && !is_asked, at + 1 < self.rounds.len()) {
            (true, false) => return Ok(Step::Answered(responses)),
            (true, true) => at + 1,
            (false, _) => at,
        };
        let mut asks = json!({"resultType": "input_required", "inputRequests": self.rounds[next]});
        if self.is_stated {
            asks["requestState"] = secret.state(&self.name, next).into();
        }
        serde_json::from_value(asks).map(Step::Asks).map_err(|error| invalid(&error.to_string()))
    }
}

fn round(asked: impl IntoIterator<Item = (&'static str, Value)>) -> Round {
    asked.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A request for one value.
pub(super) fn elicit(message: &str, key: &str, kind: &str) -> Value {
    let schema = json!({"type": "object", "properties": {key: {"type": kind}}, "required": [key]});
    json!({"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}})
}

/// A request for words of a model.
pub(super) fn sample(prompt: &str, most: u32) -> Value {
    let content = json!({"type": "text", "text": prompt});
    let params = json!({"messages": [{"role": "user", "content": content}], "maxTokens": most});
    json!({"method": "sampling/createMessage", "params": params})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}
