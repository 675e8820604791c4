//! `shannot mcp install|uninstall|list|test`: how clients come to start this program, and whether they
//! would get answers. What a client has in its file of others is never changed.

mod args;
mod check;
mod diff;
mod entry;
mod format;
mod install;
mod link;
mod list;
mod name;
mod own;
mod place;
mod settings;
mod table;
mod talk;
mod test;
mod uninstall;

pub(crate) use args::{McpInstall, McpTest, McpUninstall};
pub(crate) use install::run as install;
pub(crate) use list::run as list;
pub(crate) use test::run as test;
pub(crate) use uninstall::run as uninstall;
