//! Running one probe or hook: from its handler in the manifest to the component, and from the component's outcome to
//! the history. There is no other way to run a check (invariant 2).

mod allowed;
mod result;
mod told;

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use probelet_engine::{Outcome, Plugin, RunRequest, Verdict};
use probelet_lifecycle::{
    action::{HookReason, ProbeKind},
    config::ContainerIndex,
    time::{BootTime, Now},
};
use probelet_manifest::{Container, Handler, Probe, Role};
use serde_json::Value;

use crate::{
    clock, components::CheckKey, families, inner::Inner, pod::PodEntry, recording::Recording, sandbox::Sandbox,
};

/// Of what a plugin writes to its standard output and error the history keeps the beginning: a run in it is a line of a
/// file, and there are hundreds.
const MAX_LOG: usize = 2 << 10;

/// A check that could not be run is tried this often in all (A3.13).
const MAX_TRIES: u32 = 3;

/// What is to be run.
pub(crate) struct Run {
    pub(crate) container: ContainerIndex,
    pub(crate) instance: u32,
    pub(crate) what: What,
    pub(crate) due: BootTime,
    pub(crate) timeout: Duration,
    /// How the last run of the same probe for the same instance ended.
    pub(crate) previous: Option<Verdict>,
}

/// A probe or a hook.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Probe { kind: ProbeKind, attempt: u64 },
    Hook { reason: HookReason },
}

/// A run that has ended.
pub(crate) struct CheckResult {
    run: Run,
    started: Now,
    container: String,
    component: String,
    digest: String,
    tries: u32,
    outcome: Outcome,
}

/// Runs a check to its end; dropping the future ends it and leaves nothing behind.
pub(crate) async fn run(node: &Inner, entry: &PodEntry, sandbox: Option<&Sandbox>, run: Run) -> CheckResult {
    let started = clock::now();
    let container = entry.container(run.container);
    let checked = Checked::new(entry, sandbox, &run, handler(container, run.what));
    let (plugin, config) = checked.component(node);
    let config = config.and_then(|config| Ok((config, checked.addresses()?)));
    let mut tries = 0;
    let outcome = loop {
        tries += 1;
        let outcome = match (&plugin, &config) {
            (Ok(plugin), Ok((config, addresses))) => checked.try_once(plugin, config, addresses).await,
            (Err(reason), _) | (_, Err(reason)) => cannot_run(reason),
        };
        let may_retry = matches!(run.what, What::Probe { .. }) && plugin.is_ok() && config.is_ok() && tries < MAX_TRIES;
        if outcome.verdict != Verdict::Errored || !may_retry {
            break outcome;
        }
    };
    let (component, digest) = match &plugin {
        Ok(plugin) => (plugin.name().to_owned(), plugin.digest().to_owned()),
        Err(_) => Default::default(),
    };
    CheckResult {
        container: container.name.clone(),
        component,
        digest,
        run,
        started,
        tries,
        outcome,
    }
}

/// The outcome of a check for which there is nothing to run.
fn cannot_run(reason: &str) -> Outcome {
    Outcome {
        verdict: Verdict::Errored,
        message: reason.to_owned(),
        fields: Vec::new(),
        log: String::new(),
        usage: probelet_engine::Usage::default(),
        grants: Vec::new(),
        state: None,
    }
}

impl What {
    /// Which of a container's checks it is.
    pub(crate) fn role(self) -> Role {
        match self {
            Self::Probe { kind, .. } => match kind {
                ProbeKind::Startup => Role::Startup,
                ProbeKind::Liveness => Role::Liveness,
                ProbeKind::Readiness => Role::Readiness,
            },
            Self::Hook {
                reason: HookReason::Start,
            } => Role::PostStart,
            Self::Hook { .. } => Role::PreStop,
        }
    }
}

impl Run {
    /// Which check it is of.
    pub(crate) fn key(&self) -> CheckKey {
        (self.container.0, self.what.role())
    }
}

/// A check and all that it is about.
pub(crate) struct Checked<'a> {
    entry: &'a PodEntry,
    container: &'a Container,
    sandbox: Option<&'a Sandbox>,
    run: &'a Run,
    handler: &'a Handler,
}

impl<'a> Checked<'a> {
    /// A check of the pod by a handler, which need not be one of its manifest.
    pub(crate) fn new(entry: &'a PodEntry, sandbox: Option<&'a Sandbox>, run: &'a Run, handler: &'a Handler) -> Self {
        Self {
            entry,
            container: entry.container(run.container),
            sandbox,
            run,
            handler,
        }
    }

    /// One try. The addresses are those of the pod's that the handler chooses; it may be none.
    async fn try_once(&self, plugin: &Plugin, config: &Value, addresses: &[IpAddr]) -> Outcome {
        let deadline = self.deadline();
        let Some(family) = families::family(self.handler) else {
            return self.run_once(plugin, config.clone(), deadline).await;
        };
        families::ask(family, addresses.to_vec(), self.run.timeout, |address| {
            let mut config = config.clone();
            config["host"] = address.to_string().into();
            self.run_once(plugin, config, deadline)
        })
        .await
    }

    /// One run; if somebody waits for its record, it is written down.
    async fn run_once(&self, plugin: &Plugin, config: Value, deadline: Instant) -> Outcome {
        let mut request = RunRequest {
            deadline,
            ..self.request(config)
        };
        let key = self.run.key();
        let recordings = &self.entry.recordings;
        if !recordings.are_wanted(key) {
            return plugin.run(request).await;
        }
        let component = match self.handler {
            Handler::Wasm(wasm) => wasm.component.to_string(),
            _ => format!("builtin:{}", plugin.name()),
        };
        let recording = Recording::begin(key.1, self.handler, component, &mut request);
        let check = request.check;
        let outcome = plugin.run(request).await;
        let record = recording.end(check, &outcome).await;
        recordings.deliver(key, check.outcome_name(outcome.verdict), &record);
        outcome
    }
}

/// The handler of a check.
fn handler(container: &Container, what: What) -> &Handler {
    let (handler, name) = match what {
        What::Probe {
            kind: ProbeKind::Startup,
            ..
        } => (probe_handler(&container.startup_probe), "startupProbe"),
        What::Probe {
            kind: ProbeKind::Liveness,
            ..
        } => (probe_handler(&container.liveness_probe), "livenessProbe"),
        What::Probe {
            kind: ProbeKind::Readiness,
            ..
        } => (probe_handler(&container.readiness_probe), "readinessProbe"),
        What::Hook {
            reason: HookReason::Start,
        } => (container.post_start.as_ref(), "postStart"),
        What::Hook { .. } => (container.pre_stop.as_ref(), "preStop"),
    };
    handler.unwrap_or_else(|| panic!("the machine asks only for checks that the manifest has, not for {name}"))
}

/// Whether a run is of a `sleep` hook.
pub(crate) fn is_sleep(entry: &PodEntry, run: &Run) -> bool {
    matches!(handler(entry.container(run.container), run.what), Handler::Sleep { .. })
}

fn probe_handler(probe: &Option<Probe>) -> Option<&Handler> {
    probe.as_ref().map(|probe| &probe.handler)
}
