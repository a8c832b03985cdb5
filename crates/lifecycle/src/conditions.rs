//! Conditions that others set, and that readiness gates wait for (C2.4, C2.7).

use crate::{
    machine::Machine,
    messages::bounded,
    status::{ConditionStatus, OtherCondition},
};

/// Conditions of others that a pod keeps. Pods have a gate or two; a controller that invents names must not make the state
/// grow for ever.
pub const MAX_OTHER_CONDITIONS: usize = 32;

/// The conditions that are the machine's own, and set by nobody else.
pub const OWN_CONDITIONS: [&str; 6] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    "AllContainersRestarting",
];

impl Machine<'_> {
    /// Keeps a condition as it is told. One of the machine's own is left alone, and one too many is dropped.
    pub(crate) fn set_condition(&mut self, name: String, status: ConditionStatus, reason: &str, message: &str) {
        if OWN_CONDITIONS.contains(&name.as_str()) {
            return;
        }
        let (now, others) = (self.now.wall, &mut self.state.other_conditions);
        let known = others.iter().position(|other| other.name == name);
        let before = known.map(|at| &others[at]).filter(|before| before.status == status);
        let last_transition = before.map_or(now, |before| before.last_transition);
        let condition = OtherCondition {
            name,
            status,
            reason: bounded(reason),
            message: bounded(message),
            last_transition,
        };
        match known {
            Some(at) => others[at] = condition,
            None if others.len() < MAX_OTHER_CONDITIONS => others.push(condition),
            None => return,
        }
        self.changed();
    }
}
