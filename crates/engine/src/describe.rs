//! What a plugin says of itself, asked once when it is loaded, without a context or any grant.

use std::time::{Duration, Instant};

use tokio::time;

use crate::{
    Check, Grants, Limits, ProbeKind, Subject, bindings::exports::probelet::plugin::describe::GuestIndices,
    context::RunContext, explain::explain, flavour::Host, kept::Kept, log::Log, network::Trace, plugin::Linked,
    run::new_store, state::RunState,
};

/// A description is four constants; an interpreter needs a moment to start.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest schema that is taken; those of real plugins have a few kilobytes.
const MAX_SCHEMA: usize = 64 << 10;
/// Names, versions and grants are shown in one line each.
const MAX_WORD: usize = 256;
/// Grants that are shown.
const MAX_GRANTS: usize = 32;

/// A plugin's description of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// What it is called.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The JSON schema of its configuration, if it has one.
    pub config_schema: Option<serde_json::Value>,
    /// What it asks to be granted, each as a line below `allow`.
    pub grants: Vec<String>,
}

/// Asks for it; none if the plugin has none. The error is the plugin's, in words.
pub(crate) async fn describe(host: &Host, linked: &Linked) -> Result<Option<Description>, String> {
    let Some(describe) = &linked.describe else {
        return Ok(None);
    };
    let now = Instant::now();
    let context = RunContext {
        check: Check::Probe(ProbeKind::Liveness),
        subject: Subject::default(),
        attempt: 0,
        previous: None,
        config: "{}".to_owned(),
        timeout: TIMEOUT,
        soft_deadline: now + TIMEOUT,
        grace_left: None,
    };
    let limits = Limits::default();
    let (trace, residue) = Trace::new();
    let log = Log::new(limits.output_bytes);
    let limiter = crate::limiter::Limiter::new(limits.memory_bytes);
    let state = RunState::new(context, Grants::default(), Kept::default(), limiter, &log, &[], trace);
    let mut store = new_store(host, state, limits.fuel).map_err(|error| format!("{error:#}"))?;
    let ticking = host.ticker.tick();
    let ask = async {
        let instance = linked.instance.instantiate_async(&mut store).await?;
        let guest = GuestIndices::load(describe, &mut store, &instance)?;
        let name = guest.call_name(&mut store).await?;
        let version = guest.call_version(&mut store).await?;
        let schema = guest.call_config_schema(&mut store).await?;
        let grants = guest.call_grants(&mut store).await?;
        wasmtime::Result::Ok((name, version, schema, grants))
    };
    let asked = time::timeout(TIMEOUT, host.turns.take(ask)).await;
    drop(ticking);
    let limiter = store.into_data().limiter;
    residue.gone().await;
    let (name, version, schema, grants) = asked
        .map_err(|_| format!("it took longer than {TIMEOUT:?}"))?
        .map_err(|error: wasmtime::Error| format!("it {}", explain(&error, &limiter, &limits)))?;
    let words = [&name, &version].into_iter().chain(&grants);
    if grants.len() > MAX_GRANTS || words.into_iter().any(|word| word.len() > MAX_WORD) {
        return Err(format!(
            "names, versions and grants have at most {MAX_WORD} bytes, and there are at most {MAX_GRANTS} grants"
        ));
    }
    Ok(Some(Description {
        name,
        version,
        config_schema: schema.map(|schema| parse_schema(&schema)).transpose()?,
        grants,
    }))
}

fn parse_schema(text: &str) -> Result<serde_json::Value, String> {
    if text.len() > MAX_SCHEMA {
        return Err(format!("its config-schema has more than {MAX_SCHEMA} bytes"));
    }
    serde_json::from_str(text).map_err(|error| format!("its config-schema is no JSON: {error}"))
}
