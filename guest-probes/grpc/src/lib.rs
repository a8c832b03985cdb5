//! The handler `grpc`: the server's own word on its health, by `grpc.health.v1.Health/Check` (A2.24 to A2.28).
//!
//! Otherwise than in Kubernetes, a connection that is refused is not tried again until the time is over (A2.24).

mod message;

use probelet_plugin::{
    Probe, Verdict, config,
    exchange::{CallFailure, Failure, Reply, Unary, call},
    export_probe, timeout_text,
};
use serde::Deserialize;

const PATH: &str = "/grpc.health.v1.Health/Check";
const USER_AGENT: &str = "kube-probe/1.36";

/// gRPC's statuses that are told apart, by their numbers.
const OK: u32 = 0;
const DEADLINE_EXCEEDED: u32 = 4;
const UNIMPLEMENTED: u32 = 12;
/// All of them, by number, as Go prints them.
const STATUSES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

#[derive(Deserialize)]
struct Config {
    host: String,
    port: u16,
    service: String,
    /// Without a check of the server's certificate, as with HTTPS (F17).
    #[serde(default)]
    tls: bool,
}

struct Grpc;

impl Probe for Grpc {
    fn check() -> Result<Verdict, String> {
        let Config {
            host,
            port,
            service,
            tls,
        } = config()?;
        if host.is_empty() {
            // Go would dial the local host (A2.31).
            return Err("the pod has no address yet".to_owned());
        }
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let unary = Unary {
            tls,
            authority: address.clone(),
            path: PATH.to_owned(),
            user_agent: USER_AGENT.to_owned(),
            message: message::request(&service),
        };
        match call(&unary) {
            Ok(reply) => Ok(judge(&reply)),
            Err(CallFailure::TimedOut) => Ok(too_late()),
            Err(CallFailure::Connecting(Failure::NotGranted)) => Err(format!("connecting to {address} is not granted")),
            Err(CallFailure::Connecting(Failure::TimedOut)) => Ok(Verdict::unhealthy(format!(
                "timeout: failed to connect service \"{address}\" within {}: context deadline exceeded",
                timeout_text()
            ))),
            Err(CallFailure::Connecting(Failure::Failed(text))) => Ok(Verdict::unhealthy(format!(
                "error: failed to connect service at \"{address}\": {text}"
            ))),
        }
    }
}

export_probe!(Grpc);

/// A2.26, A2.27.
fn judge(reply: &Reply) -> Verdict {
    let failed = |status: &str, text: &str| {
        Verdict::unhealthy(format!(
            "error: health rpc probe failed: rpc error: code = {status} desc = {text}"
        ))
    };
    match reply.grpc_status {
        OK => match message::status(&reply.message) {
            Some(message::SERVING) => Verdict::healthy(),
            Some(status) => {
                let name = message::status_name(status);
                Verdict::unhealthy(format!("service unhealthy (responded with \"{name}\")"))
            }
            None => failed("Internal", "the response is no message of the health protocol"),
        },
        UNIMPLEMENTED => Verdict::unhealthy(format!(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {}",
            reply.grpc_message
        )),
        DEADLINE_EXCEEDED => too_late(),
        other => match STATUSES.get(other as usize) {
            Some(status) => failed(status, &reply.grpc_message),
            None => failed(&format!("Code({other})"), &reply.grpc_message),
        },
    }
}

fn too_late() -> Verdict {
    Verdict::unhealthy(format!(
        "timeout: health rpc did not complete within {}",
        timeout_text()
    ))
}
