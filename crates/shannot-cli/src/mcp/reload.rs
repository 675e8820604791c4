//! What a server does by the clock: it notices that the configuration or a profile has changed, and gives
//! memory back after calls.

use std::time::Duration;

use super::server::Server;
use crate::file::Stamp;

/// How often is looked.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks for changes until it is dropped, and has the server read what is new.
pub(super) async fn watch(server: &Server, mut seen: Stamp) {
    let mut answered = server.answered();
    loop {
        tokio::time::sleep(PERIOD).await;
        if answered != server.answered() {
            answered = server.answered();
            crate::here::give_memory_back();
        }
        let now = server.settings().stamp();
        if now != seen {
            seen = now;
            server.reload();
        }
    }
}
