//! What stands beside a component on a command line: read and checked as in a manifest.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use probelet_engine::{Port, RunRequest, Subject};
use probelet_manifest::{Diagnostic, Role, Wasm, parse_wasm};
use probelet_plugin_tools::{NoContainer, request};
use serde_json::{Map, Value, json};
use tokio::net::lookup_host;

use super::component::Loaded;
use crate::{arguments::HandlerArguments, commands::manifests::warn, failure::Faults};

/// The reference of a component that has been found already.
const ANY: &str = "./component";

/// A component with all that it is run with.
pub(super) struct Handler {
    pub(super) role: Role,
    wasm: Wasm,
    subject: Subject,
    timeout: std::time::Duration,
}

impl Handler {
    /// Reads the arguments, and checks the configuration against the component's own schema.
    pub(super) async fn read(arguments: &HandlerArguments, loaded: &Loaded) -> anyhow::Result<Self> {
        let role = match arguments.kind {
            Some(kind) => kind.role(),
            None => Role::by_hand(loaded.plugin.exports_probe()),
        };
        let (wasm, warnings) = parse_wasm(&document(arguments, ANY)?, role).map_err(Faults)?;
        warn(&warnings);
        check_fit(loaded, role, &wasm).await?;
        Ok(Self {
            role,
            wasm,
            subject: subject(arguments.against.as_deref()).await?,
            timeout: arguments.timeout,
        })
    }

    /// A run of it that begins now.
    pub(super) fn request(&self) -> RunRequest {
        let container = Arc::new(NoContainer);
        let mut request = request(&self.wasm, self.role, self.subject.clone(), self.timeout, container);
        // Where there is no container its variables are this command's own.
        let granted = self.wasm.allow.environment.iter();
        let granted = granted.filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        request.grants.environment = granted.collect();
        request
    }
}

/// The handler as a manifest would have it.
pub(super) fn document(arguments: &HandlerArguments, component: &str) -> anyhow::Result<Value> {
    let mut handler = Map::new();
    handler.insert("component".to_owned(), json!(component));
    let parts = [
        ("config", &arguments.config),
        ("allow", &arguments.allow),
        ("limits", &arguments.limits),
    ];
    for (name, text) in parts {
        if let Some(text) = text {
            let value = serde_yaml::from_str(text).with_context(|| format!("--{name} is neither JSON nor YAML"))?;
            handler.insert(name.to_owned(), value);
        }
    }
    Ok(Value::Object(handler))
}

/// The agent refuses a manifest for the same reasons.
async fn check_fit(loaded: &Loaded, role: Role, wasm: &Wasm) -> anyhow::Result<()> {
    let plugin = &loaded.plugin;
    let misfits = loaded.engine.misfits(plugin, role.is_hook(), &wasm.config).await;
    if misfits.is_empty() {
        return Ok(());
    }
    let misfits = misfits.into_iter();
    let faults = misfits.map(|misfit| Diagnostic::error(&misfit.path(""), misfit.message(plugin.name())));
    Err(Faults(faults.collect()).into())
}

/// Whom it is run against: the address is the pod's, and the port the container's.
async fn subject(against: Option<&str>) -> anyhow::Result<Subject> {
    let mut subject = Subject {
        namespace: "default".to_owned(),
        pod: "none".to_owned(),
        container: "none".to_owned(),
        container_id: "none".to_owned(),
        ..Subject::default()
    };
    if let Some(text) = against {
        let address = address(text).await?;
        subject.address = Some(address.ip());
        subject.ports = vec![Port {
            name: None,
            number: address.port(),
            protocol: "TCP".to_owned(),
        }];
    }
    Ok(subject)
}

async fn address(text: &str) -> anyhow::Result<SocketAddr> {
    let found = lookup_host(text).await;
    let mut found = found.with_context(|| format!("--against {text}: write HOST:PORT, such as 127.0.0.1:6379"))?;
    found
        .next()
        .with_context(|| format!("--against {text}: the host has no address"))
}
