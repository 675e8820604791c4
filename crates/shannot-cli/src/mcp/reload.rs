//! Notices that the configuration or a profile has changed.

use std::time::Duration;

use super::server::Server;
use crate::file::Stamp;

/// How often is looked.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks for changes until it is dropped, and has the server read what is new.
pub(super) async fn watch(server: &Server, mut seen: Stamp) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let now = server.settings().stamp();
        if now != seen {
            seen = now;
            server.reload();
        }
    }
}
