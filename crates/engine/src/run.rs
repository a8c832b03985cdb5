//! One run, from its request to its outcome.

use std::time::Instant;

use tokio::{sync::SemaphorePermit, time};
use wasmtime::{Store, Trap};

use crate::{
    Check, Limits, Outcome, RunRequest, Usage, Verdict,
    bindings::exports::probelet::plugin::probe::Verdict as Found,
    context::{RunContext, soft_deadline},
    limiter::Limiter,
    linker::Shape,
    log::{Log, cut},
    network::{Network, Residue, Trace},
    plugin::{Linked, Plugin},
    state::RunState,
};

/// What a guest may hand to the host in one call: enough for any message, and little enough that a thousand of them at
/// once do no harm.
const MAX_HOSTCALL_BYTES: usize = 4 << 20;
/// Handles that a guest holds: as with the host's own table of resources, plus those between a component's parts.
const MAX_HANDLES: usize = 1000;

/// What a plugin says in the end.
type Said = Result<Found, String>;

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
    let linked = match plugin.linked(Shape::of(&request.grants)) {
        Ok(linked) => linked,
        Err(reason) => return run.errored(reason),
    };
    let Ok(_slot) = time::timeout_at(deadline, run.slot()).await else {
        return run.errored("the engine is busy: too many runs are under way".to_owned());
    };
    let log = Log::new(request.limits.output_bytes);
    let (mut store, residue) = match new_store(plugin, request, &log, started) {
        Ok(store) => store,
        Err(error) => return run.errored(format!("{error:#}")),
    };

    let ticking = plugin.engine().0.ticker.tick();
    let result = time::timeout_at(deadline, call(&mut store, linked, run.check)).await;
    drop(ticking);

    let (verdict, message) = match result {
        Err(_) => run.timed_out(),
        Ok(Ok(said)) => run.said(said, store.data().network.as_ref()),
        Ok(Err(error)) => (Verdict::Errored, run.explain(&error, &store.data().limiter)),
    };
    let usage = Usage {
        fuel: run.limits.fuel.saturating_sub(store.get_fuel().unwrap_or_default()),
        memory_peak_bytes: store.data().limiter.peak() as u64,
        wall: started.elapsed(),
        host_calls: store.data().host_calls,
    };
    drop(store);
    residue.gone().await;
    Outcome {
        verdict,
        message: cut(message, run.limits.output_bytes),
        log: log.text(),
        usage,
    }
}

fn new_store(
    plugin: &Plugin,
    request: RunRequest,
    log: &Log,
    started: Instant,
) -> wasmtime::Result<(Store<RunState>, Residue)> {
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
    let (trace, residue) = Trace::new();
    let network = request.grants.network.map(|grant| Network::new(grant, trace));
    let limiter = Limiter::new(request.limits.memory_bytes);
    let state = RunState::new(context, request.grants.exec, network, limiter, log);
    let mut store = Store::new(&plugin.engine().0.wasmtime, state);
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(request.limits.fuel)?;
    store.set_hostcall_fuel(MAX_HOSTCALL_BYTES);
    store.set_max_component_handles(MAX_HANDLES);
    // At each tick the guest yields, so that other tasks run and the deadline is looked at.
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
    Ok((store, residue))
}

async fn call(store: &mut Store<RunState>, linked: &Linked, check: Check) -> wasmtime::Result<Said> {
    let instance = linked.instance.instantiate_async(&mut *store).await?;
    match check {
        Check::Probe(_) => match &linked.probe {
            Some(probe) => probe.load(&mut *store, &instance)?.call_check(store).await,
            None => Ok(Err(
                "the plugin is no probe: it does not export `probelet:plugin/probe`".to_owned(),
            )),
        },
        Check::Hook(_) => match &linked.hook {
            Some(hook) => {
                let result = hook.load(&mut *store, &instance)?.call_run(store).await?;
                Ok(Ok(result.map_or_else(Found::Unhealthy, |()| Found::Healthy)))
            }
            None => Ok(Err(
                "the plugin is no hook: it does not export `probelet:plugin/hook`".to_owned()
            )),
        },
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
        let engine = &self.plugin.engine().0;
        let slots = match self.check {
            Check::Probe(_) => &engine.probe_slots,
            Check::Hook(_) => &engine.hook_slots,
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
            log: String::new(),
            usage,
        }
    }

    /// As in Kubernetes this counts. A plugin that looks at its own deadline has better words.
    fn timed_out(&self) -> (Verdict, String) {
        let elapsed = self.started.elapsed();
        let message = format!(
            "timed out after {:?}: the plugin `{}` was still at work after {:.3}s",
            self.timeout,
            self.plugin.name(),
            elapsed.as_secs_f64()
        );
        (Verdict::Failure, message)
    }

    fn said(&self, said: Said, network: Option<&Network>) -> (Verdict, String) {
        match said {
            Ok(Found::Healthy) => (Verdict::Success, String::new()),
            Ok(Found::Degraded(message)) => (Verdict::Warning, message),
            Ok(Found::Unhealthy(message)) => (Verdict::Failure, message),
            Err(reason) => match network.and_then(Network::refusal) {
                Some(refusal) => (Verdict::Errored, format!("{reason}: {refusal}")),
                None => (Verdict::Errored, reason),
            },
        }
    }

    /// The reason for a run that broke off, with the name of the limit that it broke.
    fn explain(&self, error: &wasmtime::Error, limiter: &Limiter) -> String {
        let name = self.plugin.name();
        if limiter.has_refused_memory() {
            let limit = self.limits.memory_bytes;
            return format!("the plugin `{name}` needed more than its {limit} bytes of memory (limits.memory)");
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => {
                let limit = self.limits.fuel;
                format!("the plugin `{name}` used up its {limit} units of fuel (limits.fuel)")
            }
            Some(Trap::StackOverflow) => format!("the plugin `{name}` overflowed its stack"),
            Some(Trap::UnreachableCodeReached) => {
                format!("the plugin `{name}` panicked or aborted; its log may say why")
            }
            Some(trap) => format!("the plugin `{name}` trapped: {trap}"),
            None => format!("the plugin `{name}` could not be run: {}", error.root_cause()),
        }
    }
}
