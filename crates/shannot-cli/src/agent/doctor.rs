//! What this host can enforce for a profile, for a caller elsewhere.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use shannot::FailureKind;
use shannot::wire::{DoctorRequest, FailureMessage, LARGEST_REQUEST};

use super::service::{Agent, json, problem};
use crate::doctor::examine;

/// Makes the profile's box in every tier.
pub(super) async fn post(State(agent): State<Agent>, body: Body) -> Response {
    // One at a time of all that is read, for it takes a thread.
    let _reading = agent.reading().await;
    let wrong = |status, message: String| {
        problem(status, FailureMessage::new(FailureKind::Request, message))
    };
    let sent = match super::run::in_time(axum::body::to_bytes(body, LARGEST_REQUEST)).await {
        Ok(Ok(sent)) => sent,
        Ok(Err(error)) => return wrong(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        Err(problem) => return *problem,
    };
    let request: DoctorRequest = match serde_json::from_slice(&sent) {
        Ok(request) => request,
        Err(error) => return wrong(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let profile = match agent.policy().choose(&request.profile) {
        Ok(profile) => profile,
        Err(why) => return problem(StatusCode::FORBIDDEN, why),
    };
    let failed = |message: String| {
        let failure = FailureMessage::new(FailureKind::Internal, message);
        problem(StatusCode::SERVICE_UNAVAILABLE, failure)
    };
    match tokio::task::spawn_blocking(move || examine(&profile)).await {
        Ok(Ok(report)) => json(StatusCode::OK, &report),
        Ok(Err(error)) => failed(error.chain()),
        Err(error) => failed(error.to_string()),
    }
}
