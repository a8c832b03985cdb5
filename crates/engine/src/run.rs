//! One run, from its request to its outcome.

use std::time::Instant;

use tokio::{sync::SemaphorePermit, time};
use wasmtime::{Store, component::Instance};
use wasmtime_wasi::I32Exit;

use crate::{
    Check, Limits, Outcome, RunRequest, Usage, Verdict,
    bindings::probelet::plugin::types::{self, Health},
    context::{RunContext, soft_deadline},
    explain::explain,
    flavour::Host,
    kept::Kept,
    limiter::Limiter,
    log::{Log, cut},
    network::Trace,
    outcome::{Field, fields},
    plugin::{CommandExport, HookExport, Linked, Plugin, ProbeExport},
    state::RunState,
    uses::{GrantUse, Uses},
};

/// What a guest may hand to the host in one call: enough for any message, and little enough that a thousand of them at
/// once do no harm.
pub(crate) const MAX_HOSTCALL_BYTES: usize = 4 << 20;
/// Handles that a guest holds: as with the host's own table of resources, plus those between a component's parts.
pub(crate) const MAX_HANDLES: usize = 1000;

/// What a plugin says in the end.
type Said = Result<types::Verdict, String>;

pub(crate) async fn run(plugin: &Plugin, request: RunRequest) -> Outcome {
    let started = Instant::now();
    let run = Run {
        plugin,
        started,
        check: request.check,
        limits: request.limits,
        timeout: request.timeout,
    };
    let deadline = request.deadline.into();
    if let Some((grant, reason)) = plugin.missing(&request.grants) {
        return Outcome {
            grants: vec![GrantUse::refused(grant)],
            ..run.errored(reason)
        };
    }
    let Ok(_slot) = time::timeout_at(deadline, run.slot()).await else {
        return run.errored("the engine is busy: too many runs are under way".to_owned());
    };
    let log = Log::new(request.limits.output_bytes);
    let (trace, residue) = Trace::new();
    // Nobody else reads them.
    let arguments = if plugin.linked().is_command() {
        arguments(&request.config)
    } else {
        Vec::new()
    };
    let state = run_state(request, &arguments, &log, started, trace);
    let mut store = match new_store(plugin.host(), state, run.limits.fuel) {
        Ok(store) => store,
        Err(error) => return run.errored(format!("{error:#}")),
    };

    let ticking = plugin.host().ticker.tick();
    let call = call(&mut store, plugin.linked(), run.check);
    let result = time::timeout_at(deadline, plugin.host().turns.take(call)).await;
    drop(ticking);

    let fuel = run.limits.fuel.saturating_sub(store.get_fuel().unwrap_or_default());
    let mut state = store.into_data();
    let usage = Usage {
        fuel,
        memory_peak_bytes: state.limiter.peak() as u64,
        wall: started.elapsed(),
        host_calls: state.host_calls,
    };
    let uses = state.uses.clone();
    let (mut finding, kept) = match result {
        Err(_) => (run.timed_out(), None),
        Ok(Ok(said)) => (run.said(said, &uses), std::mem::take(&mut state.kept).into_next()),
        Ok(Err(error)) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => (exited(exit.0, &log, &uses), None),
            None => (run.broke_off(&error, &state.limiter), None),
        },
    };
    finding.fields.extend(fields(std::mem::take(&mut state.notes)));
    // It holds the run's sockets.
    drop(state);
    residue.gone().await;
    Outcome {
        verdict: finding.verdict,
        message: cut(finding.message, run.limits.output_bytes),
        fields: finding.fields,
        log: log.text(),
        usage,
        grants: uses.all(),
        state: kept,
    }
}

fn run_state(request: RunRequest, arguments: &[String], log: &Log, started: Instant, trace: Trace) -> RunState {
    let context = RunContext {
        check: request.check,
        subject: request.subject,
        attempt: request.attempt,
        previous: request.previous,
        config: request.config.to_string(),
        timeout: request.timeout,
        soft_deadline: soft_deadline(started, request.deadline),
        grace_left: request.grace_left,
    };
    let limiter = Limiter::new(request.limits.memory_bytes);
    let kept = Kept::new(request.state);
    RunState::new(context, request.grants, kept, limiter, log, arguments, trace)
}

/// A WASI command knows nothing of a configuration; its arguments stand there under `args`.
fn arguments(config: &serde_json::Value) -> Vec<String> {
    let words = config.get("args").and_then(serde_json::Value::as_array);
    let words = words.into_iter().flatten();
    let words = words.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned));
    // A program's own name comes first.
    std::iter::once("check".to_owned()).chain(words).collect()
}

pub(crate) fn new_store(host: &Host, state: RunState, fuel: u64) -> wasmtime::Result<Store<RunState>> {
    let mut store = Store::new(&host.wasmtime, state);
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(fuel)?;
    store.set_hostcall_fuel(MAX_HOSTCALL_BYTES);
    store.set_max_component_handles(MAX_HANDLES);
    // At each tick the guest yields, so that other tasks run and the deadline is looked at.
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    Ok(store)
}

async fn call(store: &mut Store<RunState>, linked: &Linked, check: Check) -> wasmtime::Result<Said> {
    let instance = linked.instance.instantiate_async(&mut *store).await?;
    match (check, &linked.probe, &linked.hook) {
        (Check::Probe(_), Some(probe), _) => call_probe(store, &instance, probe).await,
        (Check::Hook(_), _, Some(hook)) => call_hook(store, &instance, hook).await,
        (Check::Probe(_), None, _) => Ok(Err(
            "the plugin is no probe: it does not export `probelet:plugin/probe`".to_owned(),
        )),
        (Check::Hook(_), _, None) => Ok(Err(
            "the plugin is no hook: it does not export `probelet:plugin/hook`".to_owned()
        )),
    }
}

async fn call_probe(store: &mut Store<RunState>, instance: &Instance, probe: &ProbeExport) -> wasmtime::Result<Said> {
    match probe {
        ProbeExport::Plain(probe) => probe.load(&mut *store, instance)?.call_check(store).await,
        ProbeExport::Concurrent(probe) => {
            let guest = probe.load(&mut *store, instance)?;
            store
                .run_concurrent(async |accessor| guest.call_check(accessor).await)
                .await?
        }
        ProbeExport::Command(command) => call_command(store, instance, command).await,
    }
}

async fn call_hook(store: &mut Store<RunState>, instance: &Instance, hook: &HookExport) -> wasmtime::Result<Said> {
    let result = match hook {
        HookExport::Plain(hook) => hook.load(&mut *store, instance)?.call_run(store).await?,
        HookExport::Concurrent(hook) => {
            let guest = hook.load(&mut *store, instance)?;
            store
                .run_concurrent(async |accessor| guest.call_run(accessor).await)
                .await??
        }
        HookExport::Command(command) => return call_command(store, instance, command).await,
    };
    Ok(Ok(match result {
        Ok(()) => found(Health::Healthy, ""),
        Err(reason) => found(Health::Unhealthy, &reason),
    }))
}

/// One that returns an error ends as if it had exited with 1.
async fn call_command(
    store: &mut Store<RunState>,
    instance: &Instance,
    command: &CommandExport,
) -> wasmtime::Result<Said> {
    let ended = match command {
        CommandExport::Plain(command) => command.load(&mut *store, instance)?.call_run(store).await?,
        CommandExport::Concurrent(command) => {
            let guest = command.load(&mut *store, instance)?;
            store
                .run_concurrent(async |accessor| guest.call_run(accessor).await)
                .await??
        }
    };
    ended.map_or_else(|()| Err(I32Exit(1).into()), |()| Ok(Ok(found(Health::Healthy, ""))))
}

fn found(health: Health, message: &str) -> types::Verdict {
    types::Verdict {
        health,
        message: message.to_owned(),
        fields: Vec::new(),
    }
}

/// What a run has come to.
struct Finding {
    verdict: Verdict,
    message: String,
    fields: Vec<Field>,
}

impl Finding {
    fn new(verdict: Verdict, message: String) -> Self {
        Self {
            verdict,
            message,
            fields: Vec::new(),
        }
    }
}

/// The end of a WASI command. As with a plugin, after a refusal it does not speak of the container.
fn exited(code: i32, log: &Log, uses: &Uses) -> Finding {
    if code == 0 {
        return Finding::new(Verdict::Success, String::new());
    }
    let message = match log.text().trim() {
        "" => format!("the command exited with {code}"),
        text => text.to_owned(),
    };
    match uses.refusal() {
        Some(_) => Finding::new(Verdict::Errored, with_refusal(message, uses)),
        None => Finding::new(Verdict::Failure, message),
    }
}

/// What the outcome's words are made of.
struct Run<'a> {
    plugin: &'a Plugin,
    started: Instant,
    check: Check,
    limits: Limits,
    timeout: std::time::Duration,
}

impl Run<'_> {
    /// Hooks may take hours: they have slots of their own.
    async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        let host = self.plugin.host();
        let slots = match self.check {
            Check::Probe(_) => &host.probe_slots,
            Check::Hook(_) => &host.hook_slots,
        };
        slots.acquire().await.ok()
    }

    /// The outcome of a run that did not begin.
    fn errored(&self, message: String) -> Outcome {
        let usage = Usage {
            wall: self.started.elapsed(),
            ..Usage::default()
        };
        Outcome {
            verdict: Verdict::Errored,
            message,
            fields: Vec::new(),
            log: String::new(),
            usage,
            grants: Vec::new(),
            state: None,
        }
    }

    /// As in Kubernetes this counts. A plugin that looks at its own deadline has better words.
    fn timed_out(&self) -> Finding {
        let elapsed = self.started.elapsed();
        let message = format!(
            "timed out after {:?}: the plugin `{}` was still at work after {:.3}s",
            self.timeout,
            self.plugin.name(),
            elapsed.as_secs_f64()
        );
        Finding::new(Verdict::Failure, message)
    }

    /// A plugin that was refused something and did not find the container well could not do its check.
    fn said(&self, said: Said, uses: &Uses) -> Finding {
        let verdict = match said {
            Ok(verdict) => verdict,
            Err(reason) => return Finding::new(Verdict::Errored, with_refusal(reason, uses)),
        };
        let refused = uses.refusal().is_some();
        let (health, message) = match verdict.health {
            Health::Healthy => (Verdict::Success, verdict.message),
            Health::Degraded => (Verdict::Warning, verdict.message),
            Health::Unhealthy if refused => (Verdict::Errored, with_refusal(verdict.message, uses)),
            Health::Unhealthy => (Verdict::Failure, verdict.message),
        };
        Finding {
            fields: fields(verdict.fields),
            ..Finding::new(health, message)
        }
    }

    /// The reason for a run that broke off, with the name of the limit that it broke.
    fn broke_off(&self, error: &wasmtime::Error, limiter: &Limiter) -> Finding {
        let why = explain(error, limiter, &self.limits);
        Finding::new(Verdict::Errored, format!("the plugin `{}` {why}", self.plugin.name()))
    }
}

fn with_refusal(reason: String, uses: &Uses) -> String {
    match uses.refusal() {
        Some(refusal) if reason.contains(&refusal) || reason.is_empty() => refusal,
        Some(refusal) => format!("{reason}: {refusal}"),
        None => reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uses::Grant;

    #[test]
    fn a_command_that_was_refused_something_is_errored() {
        let uses = Uses::default();
        let log = Log::new(100);
        assert_eq!(exited(2, &log, &uses).verdict, Verdict::Failure);
        uses.refused(Grant::Network, "db:1", "db:1 is not granted");
        let finding = exited(2, &log, &uses);
        assert_eq!(finding.verdict, Verdict::Errored);
        assert_eq!(finding.message, "the command exited with 2: db:1 is not granted");
        assert_eq!(exited(0, &log, &uses).verdict, Verdict::Success);
    }
}
