//! The life of a pod as a pure state machine.
pub mod action;
pub mod config;
pub mod event;
pub mod status;
pub mod time;

use action::{Action, ActionId, Request};
use config::PodConfig;
use event::Event;
use time::{BootTime, Now};

/// placeholder, to be written by the lifecycle helper
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct State {}

impl State {
    /// new
    pub fn new(_config: PodConfig, _now: Now) -> Self {
        Self {}
    }
    /// next wake
    pub fn next_wake(&self) -> Option<BootTime> {
        None
    }
    /// outstanding
    pub fn outstanding(&self) -> Vec<(ActionId, Request)> {
        vec![]
    }
    /// status
    pub fn status(&self) -> status::PodStatus {
        unimplemented!()
    }
}

/// step
pub fn step(_state: &mut State, _now: Now, _event: Event, _actions: &mut Vec<Action>) {}
