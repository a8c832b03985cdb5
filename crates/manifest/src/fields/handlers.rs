//! Probes, hooks and their handlers.

use super::{Kind, noted, own, refused, yes};

const ADDRESS_FAMILY: &str = "`IPv4`, `IPv6`, `Any` or `All` of the pod's addresses instead of the first";

pub(crate) static PROBE: Kind = Kind {
    name: "Probe",
    place: "spec.containers[].startupProbe, .livenessProbe and .readinessProbe",
    fields: &[
        yes("exec"),
        yes("httpGet"),
        yes("tcpSocket"),
        yes("grpc"),
        own("wasm", "a component of the user's"),
        yes("initialDelaySeconds"),
        yes("timeoutSeconds"),
        yes("periodSeconds"),
        own("initialDelayMilliseconds", "instead of `initialDelaySeconds`"),
        own("timeoutMilliseconds", "instead of `timeoutSeconds`; at least 10"),
        own("periodMilliseconds", "instead of `periodSeconds`; at least 10"),
        yes("successThreshold"),
        yes("failureThreshold"),
        yes("terminationGracePeriodSeconds"),
        refused("sleep", "Kubernetes has it for hooks only"),
    ],
};

pub(crate) static LIFECYCLE: Kind = Kind {
    name: "Lifecycle",
    place: "spec.containers[].lifecycle",
    fields: &[
        yes("postStart"),
        yes("preStop"),
        noted("stopSignal", "needs `spec.os.name`"),
    ],
};

pub(crate) static LIFECYCLE_HANDLER: Kind = Kind {
    name: "LifecycleHandler",
    place: "spec.containers[].lifecycle.postStart and .preStop",
    fields: &[
        yes("exec"),
        yes("httpGet"),
        noted("tcpSocket", "it is run; Kubernetes admits it and then fails"),
        yes("sleep"),
        own("wasm", "a component of the user's"),
        refused("grpc", "Kubernetes has it for probes only"),
    ],
};

pub(crate) static EXEC: Kind = Kind {
    name: "ExecAction",
    place: "exec",
    fields: &[noted("command", "not run in a shell")],
};

pub(crate) static HTTP_GET: Kind = Kind {
    name: "HTTPGetAction",
    place: "httpGet",
    fields: &[
        yes("host"),
        yes("port"),
        yes("path"),
        yes("scheme"),
        yes("httpHeaders"),
        own("protocol", "`HTTP2` without TLS; Kubernetes has it from 1.37 on"),
        own("addressFamily", ADDRESS_FAMILY),
    ],
};

pub(crate) static HTTP_HEADER: Kind = Kind {
    name: "HTTPHeader",
    place: "httpGet.httpHeaders[]",
    fields: &[yes("name"), yes("value")],
};

pub(crate) static TCP_SOCKET: Kind = Kind {
    name: "TCPSocketAction",
    place: "tcpSocket",
    fields: &[yes("host"), yes("port"), own("addressFamily", ADDRESS_FAMILY)],
};

pub(crate) static GRPC: Kind = Kind {
    name: "GRPCAction",
    place: "grpc",
    fields: &[
        noted("port", "a name, too"),
        yes("service"),
        own("mode", "`TLS`; Kubernetes has it from 1.37 on"),
        own("addressFamily", ADDRESS_FAMILY),
    ],
};

pub(crate) static SLEEP: Kind = Kind {
    name: "SleepAction",
    place: "sleep",
    fields: &[yes("seconds")],
};
