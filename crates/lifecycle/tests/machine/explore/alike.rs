//! Which states are alike: from then on the same can happen, and the machine does the same.
//!
//! Alike are states that differ only in the time of day, the names of actions, the numbers of instances and of runs, or in
//! what is only shown: nothing is decided by them. So are moments so long ago that no duration of a pod here reaches back.

use std::{
    collections::BTreeMap,
    fmt::Write,
    hash::{DefaultHasher, Hash, Hasher},
};

use probelet_lifecycle::action::{ActionId, Request};
use serde_json::Value;

use super::node::Node;
use crate::world::Time;

/// Milliseconds after which it does not matter how long ago something was: the longest wait for a restart of the pods
/// here, and the time after which it is forgotten. Grace periods and hooks are shorter.
const LONG_AGO: i64 = 8_000 + 6_000 + 1;

/// The same for images, containers that cannot be created, and sandboxes, whose waits are forgotten after ten minutes.
const LONG_AGO_FOR_RETRIES: i64 = 600_000 + 1;

/// The longest initial delay of the probes here: it does not matter for how much longer a container has run.
const LONGEST_INITIAL_DELAY: i64 = 3_000;

/// A multiple of the periods of the probes here: a place on a probe's grid is known from what is left of this.
const COMMON_PERIOD: i64 = 10_000;

/// The state as it is stored, and its key. States with the same key are alike. 64 bits: among a hundred thousand states
/// two others have the same once in a billion times.
pub(super) fn stored_and_key(node: &Node) -> (Value, u64) {
    let truth = &node.truth;
    let names = truth
        .state
        .outstanding()
        .into_iter()
        .map(|(id, request)| (id, name(&request)));
    let stored = serde_json::to_value(&truth.state).unwrap();
    let mut writer = Writer {
        now: i64::try_from(truth.at).unwrap(),
        names: names.collect(),
        is_ending: !stored["termination"].is_null() || !stored["deletion"].is_null(),
        long_ago: LONG_AGO,
        text: String::new(),
    };
    writer.requests();
    let left = truth.config.active_deadline.filter(|_| !truth.ending);
    let left = left.map(|deadline| i64::try_from(deadline.as_millis()).unwrap() - writer.now);
    write!(writer.text, "{left:?}").unwrap();
    writer.value(&stored);
    writer.truth(node);
    let mut hasher = DefaultHasher::new();
    writer.text.hash(&mut hasher);
    (stored, hasher.finish())
}

/// There is at most one request of a name at a time.
fn name(request: &Request) -> String {
    match request {
        Request::CreateSandbox | Request::RemoveSandbox => format!("{request:?}"),
        Request::EnsureImage { container } => format!("image {}", container.0),
        Request::StartContainer { container, .. } => format!("start {}", container.0),
        Request::RunProbe { container, kind, .. } => format!("{kind:?} {}", container.0),
        Request::RunHook { container, reason, .. } => format!("hook {} {reason:?}", container.0),
    }
}

struct Writer {
    now: i64,
    names: BTreeMap<ActionId, String>,
    is_ending: bool,
    long_ago: i64,
    text: String,
}

impl Writer {
    fn requests(&mut self) {
        let mut names: Vec<_> = self.names.values().cloned().collect();
        names.sort();
        write!(self.text, "{names:?}").unwrap();
    }

    /// What the test itself remembers.
    fn truth(&mut self, node: &Node) {
        let truth = &node.truth;
        let deletion = truth.deletion.map(|grace_period| grace_period.as_millis());
        let flags = (truth.ending, truth.held, truth.forgotten, node.was_away, deletion);
        write!(self.text, "{flags:?} {:?} {:?}", truth.started, truth.ends).unwrap();
        for (instance, cause) in truth.running.iter().zip(&truth.cause) {
            let Some(instance) = instance else { continue };
            let deadline = instance.deadline.filter(|_| !instance.killed);
            let left = deadline.map(|deadline: Time| i64::try_from(deadline).unwrap() - self.now);
            let known = (left, instance.killed, instance.pre_stops, &instance.first_cause, cause);
            write!(self.text, "{known:?} {:?}", instance.probes.in_short()).unwrap();
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                let rests = fields.get("resting") == Some(&Value::Bool(true));
                self.text.push('{');
                for (name, value) in fields {
                    if !rests || ["result", "running", "held_back"].contains(&name.as_str()) {
                        self.field(name, value);
                    }
                }
                self.text.push('}');
            }
            Value::Array(values) => values.iter().for_each(|value| self.value(value)),
            other => write!(self.text, "{other},").unwrap(),
        }
    }

    fn field(&mut self, name: &str, value: &Value) {
        match name {
            // The same in all states of a pod, or derived from the rest.
            "version" | "config" | "published" | "unpublished" => return,
            // Nothing but numbers and texts that are shown.
            "requests" | "next_action" | "attempts" | "instance" | "number" | "message" | "wall" | "asked"
            | "started_at" | "finished_at" => return,
            "accepted" => return,
            // Nothing starts any more.
            "restart_back_off" | "start_back_off" | "sandbox_back_off" | "ended_before" | "at" if self.is_ending => {
                return;
            }
            _ => {}
        }
        write!(self.text, "{name}:").unwrap();
        match name {
            "action" | "running" if value.is_u64() => {
                let id = ActionId(value.as_u64().unwrap());
                write!(self.text, "{:?}", self.names.get(&id)).unwrap();
            }
            "trouble" => self.value(&value["verdict"]),
            // How it ended is only shown, and why it waits.
            "ended_before" if value.is_null() => {}
            "ended_before" => self.field("at", &value["at"]),
            "waiting" => write!(self.text, "{}", value.is_null()).unwrap(),
            // Beyond the thresholds of the pods here.
            "in_a_row" | "errors_in_a_row" => write!(self.text, "{}", value.as_u64().unwrap().min(2)).unwrap(),
            "boot" => write!(self.text, "{},", self.moment(value).max(-LONGEST_INITIAL_DELAY)).unwrap(),
            "until" | "advanced" | "began" | "kill_at" | "again_at" | "at" | "since" => {
                let moment = self.moment(value).max(-self.long_ago);
                write!(self.text, "{moment},").unwrap();
            }
            "next" => {
                let moment = self.moment(value);
                let moment = if moment < 0 { moment % COMMON_PERIOD } else { moment };
                write!(self.text, "{moment},").unwrap();
            }
            "start_back_off" | "sandbox_back_off" => {
                self.long_ago = LONG_AGO_FOR_RETRIES;
                self.value(value);
                self.long_ago = LONG_AGO;
            }
            _ => self.value(value),
        }
    }

    /// Milliseconds from now.
    fn moment(&self, value: &Value) -> i64 {
        let part = |name: &str| value[name].as_i64().unwrap();
        part("secs") * 1000 + part("nanos") / 1_000_000 - self.now
    }
}
