//! Running a case.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use probelet_engine::{Check, Engine, HookReason, Outcome, Plugin, Port, RunRequest, Subject, Verdict};
use probelet_manifest::Role;
use probelet_plugin_case::{Case, CaseResult, Context, Difference, Script, Seen, differences};

use crate::{player::Player, request::request};

/// Runs a case, if the component fits it, as a pod's would have to. `file` is what its file
/// is called in the result.
pub async fn run_case(engine: &Engine, plugin: &Plugin, case: &Case, file: &str) -> CaseResult {
    let faults = misfits(engine, plugin, case).await;
    if !faults.is_empty() {
        return CaseResult {
            file: file.to_owned(),
            name: case.name.clone(),
            differences: faults,
            ..CaseResult::default()
        };
    }
    let player = Player::new(Script::new(case.host.clone()));
    let request = case_request(case, &player);
    let check = request.check;
    let outcome = plugin.run(request).await;
    let mut found = differences(&case.expect, &seen(check, &outcome));
    let faults = player.finish().await;
    found.extend(faults.into_iter().map(|what| Difference {
        path: String::new(),
        what,
    }));
    CaseResult {
        file: file.to_owned(),
        name: case.name.clone(),
        differences: found,
        log: outcome.log,
        time: outcome.usage.wall,
    }
}

/// Why the agent would not take the case's handler.
async fn misfits(engine: &Engine, plugin: &Plugin, case: &Case) -> Vec<Difference> {
    let misfits = engine.misfits(plugin, case.role.is_hook(), &case.wasm.config).await;
    let misfits = misfits.into_iter();
    misfits
        .map(|misfit| Difference {
            path: misfit.path(""),
            what: misfit.message(plugin.name()),
        })
        .collect()
}

/// What came of a run, in a case's words.
pub fn seen(check: Check, outcome: &Outcome) -> Seen {
    Seen {
        outcome: check.outcome_name(outcome.verdict).to_owned(),
        message: outcome.message.clone(),
        fields: outcome.fields(),
        state: outcome.state.clone(),
        fuel: outcome.usage.fuel,
        memory: outcome.usage.memory_peak_bytes,
    }
}

fn case_request(case: &Case, player: &Player) -> RunRequest {
    let context = &case.context;
    let mut request = request(
        &case.wasm,
        case.role,
        subject(context),
        case.timeout,
        Arc::new(player.clone()),
    );
    request.attempt = context.attempt.unwrap_or(1);
    request.previous = context.previous.as_deref().and_then(verdict);
    request.state = context.state_bytes().map(Into::into);
    if let (Role::PreStop, Some(reason)) = (case.role, context.reason.as_deref().and_then(reason)) {
        request.check = Check::Hook(reason);
    }
    request.grants.environment = Script::new(case.host.clone()).environment(&case.wasm.allow.environment);
    request.grants.stand_in = Some(Arc::new(player.clone()));
    request.grants.stopped_clock = context.now_nanoseconds().map(after_epoch);
    request
}

fn subject(context: &Context) -> Subject {
    let word = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
    let ports = context.ports.iter().map(|(name, number)| Port {
        name: name.parse::<u16>().is_err().then(|| name.clone()),
        number: *number,
        protocol: "TCP".to_owned(),
    });
    Subject {
        namespace: word(&context.namespace, "default"),
        pod: word(&context.pod, "pod"),
        container: word(&context.container, "container"),
        container_id: "case".to_owned(),
        restart_count: context.restart_count.unwrap_or_default(),
        address: Some(context.address.unwrap_or(IpAddr::from([10, 1, 2, 3]))),
        ports: ports.collect(),
        started_at: context.started_at_nanoseconds().map(after_epoch),
    }
}

fn after_epoch(nanoseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

fn verdict(word: &str) -> Option<Verdict> {
    let verdicts = [Verdict::Success, Verdict::Warning, Verdict::Failure, Verdict::Errored];
    let check = Check::Probe(probelet_engine::ProbeKind::Liveness);
    verdicts
        .into_iter()
        .find(|verdict| check.outcome_name(*verdict) == word)
}

/// Why a preStop hook may run.
fn reason(word: &str) -> Option<HookReason> {
    let mut reasons = HookReason::ALL
        .into_iter()
        .filter(|reason| *reason != HookReason::Start);
    reasons.find(|reason| reason.name() == word)
}
