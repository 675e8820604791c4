//! What the server with the fixtures answers.
#![expect(deprecated, reason = "the suite still asks for logging and sampling")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
    CompleteRequestParams, CompleteResult, GetPromptRequestParams, GetPromptResponse,
    Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams,
    ReadResourceResponse, ServerConfig, ServerNotification, ServerRequest, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext, SubscriptionSink};
use rmcp::{ErrorData, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::inputs::{Rounds, Secret, Step, sample};
use crate::tools;

type Context = RequestContext<RoleServer>;

/// How long a step takes: so that what is sent between two comes on its own.
const STEP: Duration = Duration::from_millis(50);

/// The server.
#[derive(Debug, Clone)]
pub(crate) struct Fixtures(Arc<State>);

#[derive(Debug)]
struct State {
    secret: Secret,
    subscriptions: Mutex<Vec<SubscriptionSink>>,
}

impl Fixtures {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State { secret: Secret::new(), subscriptions: Mutex::default() }))
    }

    fn subscriptions(&self) -> Vec<SubscriptionSink> {
        self.0.subscriptions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A tool that acts.
    async fn act(
        &self,
        name: &str,
        arguments: &Value,
        context: &Context,
    ) -> Result<String, ErrorData> {
        match name {
            "test_tool_with_logging" => {
                for words in ["started", "processing data", "completed"] {
                    log(context, &format!("Tool execution {words}")).await?;
                    tokio::time::sleep(STEP).await;
                }
            }
            "test_tool_with_progress" => {
                for at in [0.0, 50.0, 100.0] {
                    if let Some(token) = context.meta.get_progress_token() {
                        let progress = ProgressNotificationParam::new(token, at).with_total(100.0);
                        context.peer.notify_progress(progress).await.map_err(failed)?;
                    }
                    tokio::time::sleep(STEP).await;
                }
            }
            "test_logging_tool" => {
                if context.meta.log_level().is_some() {
                    log(context, "asked for").await?;
                }
            }
            "test_sampling" => {
                let prompt = arguments["prompt"].as_str().unwrap_or_default();
                let answer = ask(context, sample(prompt, 100)).await?;
                return Ok(format!("LLM response: {}", answer["content"]["text"]));
            }
            "test_elicitation" => {
                let message = arguments["message"].as_str().unwrap_or_default();
                let text = |about: &str| json!({"type": "string", "description": about});
                let fields = json!({
                    "username": text("User's response"), "email": text("User's email address"),
                });
                let answer = form(context, message, fields, json!(["username", "email"])).await?;
                return Ok(format!("User response: {answer}"));
            }
            "test_elicitation_sep1034_defaults" => {
                let answer = form(context, "Please review", tools::defaults(), json!([])).await?;
                return Ok(format!("Elicitation completed: {answer}"));
            }
            "test_elicitation_sep1330_enums" => {
                let answer = form(context, "Please choose", tools::choices(), json!([])).await?;
                return Ok(format!("Elicitation completed: {answer}"));
            }
            "test_missing_capability" => {
                if context.meta.client_capabilities().is_none_or(|client| client.sampling.is_none())
                {
                    let needed = ClientCapabilities::builder().enable_sampling().build();
                    return Err(ErrorData::missing_required_client_capability(needed));
                }
            }
            "test_trigger_tool_change" => {
                for subscription in self.subscriptions() {
                    // It may not have asked for these.
                    let _ = subscription.notify_tool_list_changed().await;
                }
            }
            "test_trigger_prompt_change" => {
                for subscription in self.subscriptions() {
                    let _ = subscription.notify_prompt_list_changed().await;
                }
            }
            _ => return Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None)),
        }
        Ok(format!("`{name}` is done"))
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let changes = json!({"listChanged": true});
        let capabilities = json!({
            "tools": changes, "prompts": changes, "completions": {}, "logging": {},
            "resources": {"subscribe": true, "listChanged": true},
        });
        let mut info = ServerConfig::new(read(capabilities).unwrap_or_default());
        info.server_info = Implementation::new("fixtures", env!("CARGO_PKG_VERSION"));
        info
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::all()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = match &*request.name {
            "test_streaming_elicitation" => "test_input_required_result_elicitation",
            name => name,
        };
        let client = context.meta.client_capabilities().unwrap_or_default();
        if let Some(rounds) = Rounds::of(name, &client) {
            let state = request.request_state.as_deref();
            return Ok(match rounds.go_on(&self.0.secret, state, request.input_responses)? {
                Step::Asks(asks) => asks.into(),
                Step::Answered(answers) => text(&format!("state-ok {}", json!(answers))).into(),
            });
        }
        if let Some(content) = tools::content(name) {
            return Ok(CallToolResponse::Complete(whole(json!({"content": content}))?));
        }
        if name == "test_error_handling" {
            let mut result = text("This tool intentionally returns an error for testing");
            result.is_error = Some(true);
            return Ok(result.into());
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        Ok(text(&self.act(name, &arguments, &context).await?).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompt = |name: &str, arguments: &[&str]| {
            let argument =
                |name: &&str| json!({"name": name, "required": true, "description": name});
            let arguments: Vec<_> = arguments.iter().map(argument).collect();
            json!({"name": name, "description": format!("`{name}`"), "arguments": arguments})
        };
        let all = json!([
            prompt("test_simple_prompt", &[]),
            prompt("test_prompt_with_arguments", &["arg1", "arg2"]),
            prompt("test_prompt_with_embedded_resource", &["resourceUri"]),
            prompt("test_prompt_with_image", &[]),
            prompt("test_input_required_result_prompt", &[]),
        ]);
        Ok(ListPromptsResult::with_all_items(read(all)?))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let client = context.meta.client_capabilities().unwrap_or_default();
        let words = |text: &str| json!({"type": "text", "text": text});
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let contents = if let Some(rounds) = Rounds::of(&request.name, &client) {
            let state = request.request_state.as_deref();
            match rounds.go_on(&self.0.secret, state, request.input_responses)? {
                Step::Asks(asks) => return Ok(asks.into()),
                Step::Answered(answers) => vec![words(&json!(answers).to_string())],
            }
        } else {
            match &*request.name {
                "test_simple_prompt" => vec![words("This is a simple prompt for testing.")],
                "test_prompt_with_arguments" => {
                    let argument =
                        |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
                    let (first, second) = (argument("arg1"), argument("arg2"));
                    vec![words(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))]
                }
                "test_prompt_with_embedded_resource" => {
                    let resource = json!({
                        "uri": arguments["resourceUri"], "mimeType": "text/plain",
                        "text": "Embedded resource content for testing.",
                    });
                    vec![
                        json!({"type": "resource", "resource": resource}),
                        words("Please process the embedded resource above."),
                    ]
                }
                "test_prompt_with_image" => vec![
                    json!({"type": "image", "data": tools::PNG, "mimeType": "image/png"}),
                    words("Please analyze the image above."),
                ],
                name => {
                    return Err(ErrorData::invalid_params(
                        format!("there is no prompt `{name}`"),
                        None,
                    ));
                }
            }
        };
        let message = |content| json!({"role": "user", "content": content});
        let messages: Vec<_> = contents.into_iter().map(message).collect();
        Ok(GetPromptResponse::Complete(whole(json!({"messages": messages}))?))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resource = |name: &str, kind: &str| json!({"uri": format!("test://{name}"), "name": name, "description": name, "mimeType": kind});
        let all = json!([
            resource("static-text", "text/plain"),
            resource("static-binary", "image/png"),
            resource("watched-resource", "text/plain"),
        ]);
        Ok(ListResourcesResult::with_all_items(read(all)?))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let all = json!([{
            "uriTemplate": "test://template/{id}/data", "name": "template",
            "description": "Data by its number", "mimeType": "application/json",
        }]);
        Ok(ListResourceTemplatesResult::with_all_items(read(all)?))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let id = || uri.strip_prefix("test://template/")?.strip_suffix("/data");
        let text = "This is the content of the static text resource.";
        let content = match (&*uri, id()) {
            ("test://static-text" | "test://watched-resource", _) => {
                json!({"uri": uri, "mimeType": "text/plain", "text": text})
            }
            ("test://static-binary", _) => {
                json!({"uri": uri, "mimeType": "image/png", "blob": tools::PNG})
            }
            (_, Some(id)) => {
                let data =
                    json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
                json!({"uri": uri, "mimeType": "application/json", "text": data.to_string()})
            }
            _ => {
                let data = json!({"uri": uri});
                return Err(ErrorData::invalid_params("Resource not found", Some(data)));
            }
        };
        let result = json!({"contents": [content], "ttlMs": 0, "cacheScope": "private"});
        Ok(ReadResourceResponse::Complete(whole(result)?))
    }

    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        whole(json!({"completion": {"values": ["paris", "park"], "total": 2, "hasMore": false}}))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.get_info().capabilities))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let sink = context.sink().clone();
        let all = || self.0.subscriptions.lock().unwrap_or_else(PoisonError::into_inner);
        all().push(sink.clone());
        context.cancelled().await;
        all().retain(|other| other.id() != sink.id());
        Ok(())
    }
}

/// What is written as JSON above, in the form of the protocol.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(failed)
}

/// A result, as the era without a handshake wants it; the crate takes the mark away for the other.
fn whole<T: DeserializeOwned>(mut result: Value) -> Result<T, ErrorData> {
    result["resultType"] = "complete".into();
    read(result)
}

fn failed(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn text(text: &str) -> CallToolResult {
    CallToolResult::success(vec![rmcp::model::ContentBlock::text(text)])
}

async fn log(context: &Context, data: &str) -> Result<(), ErrorData> {
    let params = json!({"level": "info", "data": data});
    let notification = json!({"method": "notifications/message", "params": params});
    let notification: ServerNotification = read(notification)?;
    context.peer.send_notification(notification).await.map_err(failed)
}

/// Asks the client, in the era in which servers do.
async fn ask(context: &Context, request: Value) -> Result<Value, ErrorData> {
    let request: ServerRequest = read(request)?;
    let answer = context.peer.send_request(request).await.map_err(failed)?;
    serde_json::to_value(answer).map_err(failed)
}

async fn form(
    context: &Context,
    message: &str,
    fields: Value,
    required: Value,
) -> Result<Value, ErrorData> {
    let schema = json!({"type": "object", "properties": fields, "required": required});
    let params = json!({"message": message, "requestedSchema": schema});
    ask(context, json!({"method": "elicitation/create", "params": params})).await
}
