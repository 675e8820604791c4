//! A run on its way to the client that waits for it.

use std::time::Duration;

use rmcp::model::ProgressNotificationParam;
use rmcp::service::{RequestContext, RoleServer};
use shannot::{Collected, Run};

/// How often a client hears that a run goes on: those that give up do so after a minute.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Sees a run to its end. A client that cancels ends it; one that asked for it hears of its progress.
pub(super) async fn see(run: Run, context: &RequestContext<RoleServer>) -> Collected {
    let control = run.control();
    let collected = run.collect();
    tokio::pin!(collected);
    let token = context.meta.get_progress_token();
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.tick().await;
    let mut beats = 0.0;
    let mut is_cancelled = false;
    loop {
        tokio::select! {
            biased;
            collected = &mut collected => return collected,
            () = context.ct.cancelled(), if !is_cancelled => {
                is_cancelled = true;
                control.cancel();
            }
            _ = heartbeat.tick() => {
                let Some(token) = token.clone() else { continue };
                beats += HEARTBEAT.as_secs_f64();
                let told = format!("{beats} s, {} bytes of output", control.output_bytes());
                let progress = ProgressNotificationParam::new(token, beats).with_message(told);
                // Nobody needs it who is not there.
                let _ = context.peer.notify_progress(progress).await;
            }
        }
    }
}
