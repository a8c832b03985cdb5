//! One module for each command.

pub(crate) mod agent;
pub(crate) mod apply;
pub(crate) mod completion;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod image;
pub(crate) mod lint;
pub(crate) mod logs;
mod manifests;
pub(crate) mod metrics;
pub(crate) mod node;
pub(crate) mod plugin;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod simulate;
pub(crate) mod version;
mod what;
pub(crate) mod why;

use probelet_api::client::ClientError;

/// For watches that end though nobody ended them: the agent does not, as long as it lives.
fn ended() -> ClientError {
    ClientError::Broken("it has ended; start it again to go on".to_owned())
}
