//! What a component is told: which one it is, and its configuration, with names, ports and addresses resolved.

use std::net::IpAddr;

use probelet_engine::Plugin;
use probelet_manifest::{Grpc, Handler, HttpGet, PortReference};
use serde_json::{Value, json};

use super::{Checked, What};
use crate::{families, inner::Inner, sandbox::Sandbox};

impl Checked<'_> {
    /// The component of the handler, and its configuration: names, ports and addresses resolved.
    pub(super) fn component(&self, node: &Inner) -> (Result<Plugin, String>, Result<Value, String>) {
        let builtin = |name| Ok(node.plugins.builtin(name).clone());
        match self.handler {
            Handler::Exec { command } => (builtin("exec"), Ok(json!({ "command": self.expanded(command) }))),
            Handler::HttpGet(http) => (builtin("http"), self.http(http)),
            Handler::TcpSocket(tcp) => (
                builtin("tcp"),
                self.port(&tcp.port)
                    .and_then(|port| Ok(json!({ "host": self.host(tcp.host.as_deref())?, "port": port }))),
            ),
            Handler::Grpc(grpc) => (builtin("grpc"), self.grpc(grpc)),
            Handler::Sleep { seconds } => (builtin("sleep"), Ok(json!({ "seconds": seconds }))),
            Handler::Wasm(wasm) => (self.entry.components.plugin(self.run.key()), Ok(wasm.config.clone())),
        }
    }

    fn http(&self, http: &HttpGet) -> Result<Value, String> {
        let headers: Vec<_> = http
            .headers
            .iter()
            .map(|header| json!({ "name": header.name, "value": header.value }))
            .collect();
        Ok(json!({
            "scheme": http.scheme.to_string(),
            "host": self.host(http.host.as_deref())?,
            "port": self.port(&http.port)?,
            "path": http.path,
            "headers": headers,
            "http2": http.http2,
            "hook": matches!(self.run.what, What::Hook { .. }),
        }))
    }

    fn grpc(&self, grpc: &Grpc) -> Result<Value, String> {
        Ok(json!({
            "host": self.host(None)?,
            "port": self.port(&grpc.port)?,
            "service": grpc.service,
            "tls": grpc.tls,
        }))
    }

    /// `$(NAME)` in a probe's command is replaced, in a hook's it is not (A2.30).
    fn expanded(&self, command: &[String]) -> Vec<String> {
        match self.run.what {
            What::Probe { .. } => probelet_manifest::expand_all(command, &self.container.env),
            What::Hook { .. } => command.to_vec(),
        }
    }

    /// A port's number; a name is looked up in the container's own ports (A2.1, A2.2).
    fn port(&self, port: &PortReference) -> Result<u16, String> {
        match port {
            PortReference::Number(number) => Ok(*number),
            PortReference::Name(name) => {
                let ports = self.container.ports.iter();
                let named = ports
                    .filter(|port| port.name.as_deref() == Some(name))
                    .map(|port| port.container_port);
                named.chain(name.parse().ok()).next().ok_or_else(|| {
                    format!(
                        "container {} has no port named \"{name}\"; add it to its ports",
                        self.container.name
                    )
                })
            }
        }
    }

    /// The address to dial: the handler's, else the pod's (A2.3). Never empty, which would be the node itself (A2.31).
    fn host(&self, host: Option<&str>) -> Result<String, String> {
        match (host, self.pod_address()) {
            (Some(host), _) if !host.is_empty() => Ok(host.to_owned()),
            (_, Some(address)) => Ok(address.to_string()),
            (_, None) => Err("the pod has no address yet".to_owned()),
        }
    }

    /// The pod's own addresses that the handler chooses, if it does (F20).
    pub(super) fn addresses(&self) -> Result<Vec<IpAddr>, String> {
        let all = self.sandbox.map_or(&[][..], Sandbox::addresses);
        families::family(self.handler).map_or_else(|| Ok(Vec::new()), |family| families::chosen(family, all))
    }

    pub(super) fn pod_address(&self) -> Option<IpAddr> {
        self.sandbox.and_then(|sandbox| sandbox.addresses().first().copied())
    }
}
