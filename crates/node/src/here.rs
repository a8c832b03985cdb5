//! One run of a component of somebody's choice against a running container: what an author wants to see before a manifest
//! has it. It counts for nothing, and is in no history.

use std::time::Duration;

use probelet_lifecycle::{
    action::{HookReason, ProbeKind},
    config::ContainerIndex,
};
use probelet_manifest::{Diagnostic, Handler, Role, WasmCheck, parse_wasm};
use serde_json::Value;

use crate::{
    check::{Checked, Run, What},
    clock,
    components::admit,
    handle::{CheckRequest, RequestError},
    inner::Inner,
    pod::PodEntry,
    session::running,
};

/// The longest such run: a hook may take hours, but nobody waits for that with a terminal open.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// Runs it, with the rules of a handler in the pod's manifest.
pub(crate) async fn check(node: &Inner, entry: &PodEntry, request: CheckRequest) -> Result<Value, RequestError> {
    let (container, instance) = running(entry, request.container.as_deref())?;
    let role = match &request.kind {
        Some(kind) => Role::from_name(kind).ok_or_else(|| fault("kind", "Unsupported value"))?,
        None => own_role(node, &request.handler).await?,
    };
    let timeout = Duration::from_millis(request.timeout_milliseconds);
    if timeout.is_zero() || timeout > MAX_TIMEOUT {
        return Err(fault("timeoutMilliseconds", "it is between a millisecond and an hour"));
    }
    let (wasm, _) = parse_wasm(&request.handler, role).map_err(RequestError::Invalid)?;
    let place = WasmCheck {
        container,
        role,
        path: "handler".to_owned(),
        wasm: &wasm,
    };
    let found = admit(node, &place).await.map_err(RequestError::Invalid)?;
    if let Some(warning) = &found.warning {
        tracing::warn!(%warning, "a component was run by hand");
    }
    let run = Run {
        container: ContainerIndex(container),
        instance: instance.number,
        what: what(role),
        due: clock::now().boot,
        timeout,
        previous: None,
    };
    let sandbox = entry.sandbox();
    let config = wasm.config.clone();
    let handler = Handler::Wasm(Box::new(wasm));
    let checked = Checked::new(entry, sandbox.as_deref(), &run, &handler);
    let mut request = checked.request(config);
    // What the pod's own checks keep is theirs.
    request.state = None;
    let check = request.check;
    Ok(found.plugin.run(request).await.document(check))
}

/// What a component is run as where nobody says.
async fn own_role(node: &Inner, handler: &Value) -> Result<Role, RequestError> {
    let (wasm, _) = parse_wasm(handler, Role::Liveness).map_err(RequestError::Invalid)?;
    let found = node.plugins.resolve(&wasm.component).await;
    let found = found.map_err(|reason| fault("handler.component", &reason))?;
    Ok(Role::by_hand(found.plugin.exports_probe()))
}

fn fault(path: &str, message: &str) -> RequestError {
    RequestError::Invalid(vec![Diagnostic::error(path, message)])
}

fn what(role: Role) -> What {
    let probe = |kind| What::Probe { kind, attempt: 1 };
    match role {
        Role::Startup => probe(ProbeKind::Startup),
        Role::Liveness => probe(ProbeKind::Liveness),
        Role::Readiness => probe(ProbeKind::Readiness),
        Role::PostStart => What::Hook {
            reason: HookReason::Start,
        },
        Role::PreStop => What::Hook {
            reason: HookReason::Delete,
        },
    }
}
