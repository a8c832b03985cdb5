//! What Kubernetes' types do not say of themselves: probelet's own fields, and the bounds that the manifest crate checks.

use probelet_manifest::stop_signals;
use serde_json::{Value, json};

/// Our own definitions, by name: what Kubernetes has no type for.
pub(crate) fn definitions() -> Value {
    json!({
        "WasmAction": {
            "description": "WasmAction runs a WebAssembly component as a probe or hook.",
            "type": "object",
            "required": ["component"],
            "properties": {
                "component": {"type": "string", "minLength": 1},
                "config": {},
                "allow": {"$ref": "#/$defs/WasmAllow"},
                "limits": {"$ref": "#/$defs/WasmLimits"},
                "onError": {"type": "string", "enum": ["Ignore", "Fail"]},
                "reload": {"type": "boolean"},
            },
        },
        "WasmAllow": {
            "description": "WasmAllow is what a component may do beyond reaching the pod's own address.",
            "type": "object",
            "properties": {
                "exec": {
                    "type": ["boolean", "array"],
                    "items": {
                        "type": ["string", "array"],
                        "minLength": 1,
                        "minItems": 1,
                        "items": {"type": "string"},
                    },
                },
                "network": {"type": "array", "items": {"type": "string", "minLength": 1}},
                "stats": {"type": "boolean"},
                "logs": {"type": "boolean"},
                "files": {"type": "array", "items": {"type": "string", "pattern": "^/"}},
                "environment": {"type": "array", "items": {"type": "string", "minLength": 1}},
            },
        },
        "WasmLimits": {
            "description": "WasmLimits is what one run of a component may use.",
            "type": "object",
            "properties": {
                "fuel": {"$ref": "#/$defs/Quantity"},
                "memory": {"$ref": "#/$defs/Quantity"},
            },
        },
        "ResourceList": {
            "description": "ResourceList is amounts of resources, by their names.",
            "type": "object",
            "properties": {
                "cpu": {"description": "Processors; 500m is half of one.", "$ref": "#/$defs/Quantity"},
                "memory": {"description": "Bytes, such as 64Mi.", "$ref": "#/$defs/Quantity"},
                "ephemeral-storage": {"description": "Bytes on disk.", "$ref": "#/$defs/Quantity"},
                "hugepages-1Gi": {"description": "Bytes in pages of 1Gi.", "$ref": "#/$defs/Quantity"},
                "hugepages-2Mi": {"description": "Bytes in pages of 2Mi.", "$ref": "#/$defs/Quantity"},
            },
        },
    })
}

/// A name of RFC 1123.
const LABEL: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";

/// A port's name (A1.12).
const PORT_NAME: &str = "^(?!.*--)(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$";

/// A name that may have a domain and `/` before it.
const QUALIFIED: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$";

/// An annotation's name that is another's, or one that probelet knows.
const ANNOTATION: &str =
    r"^((?!probelet\.dev/).*|probelet\.dev/(lint-ignore|.+\.(liveness|readiness|startup|postStart|preStop)))$";

/// What is to be added to Kubernetes' types: fields of our own, bounds and words, by type. It is merged into them; a field
/// that Kubernetes' type has keeps its description.
pub(crate) fn additions() -> Value {
    let port = json!({"type": ["integer", "string"], "minimum": 1, "maximum": 65535, "pattern": PORT_NAME});
    let count = json!({"minimum": 0, "maximum": i32::MAX});
    let signals: Vec<_> = stop_signals().collect();
    let milliseconds = |least: u8| json!({"type": "integer", "minimum": least, "maximum": i32::MAX});
    let absent = json!({"enum": [null]});
    let family = json!({
        "description": "AddressFamily says which of the pod's addresses are asked, unless it is the first: that of IPv4, that \
                        of IPv6, Any of them, so that one that answers well is enough, or All, each of which has to answer \
                        well. A host must not be given beside it, and a hook cannot have Any or All.",
        "type": "string",
        "enum": ["IPv4", "IPv6", "Any", "All"],
    });
    // A host says which address it is.
    let no_host = |named: Value| {
        json!({
            "if": {"required": ["addressFamily"]},
            "then": {"properties": {"host": {"enum": ["", null]}}},
            "properties": named,
        })
    };
    let of_a_hook = json!({"properties": {"addressFamily": {"enum": ["IPv4", "IPv6"]}}});
    let once = json!({"properties": {"successThreshold": {"enum": [0, 1]}}});
    json!({
        "Pod": {
            "required": ["apiVersion", "kind", "metadata", "spec"],
            "properties": {"apiVersion": {"const": "v1"}, "kind": {"const": "Pod"}},
        },
        "ObjectMeta": {
            "required": ["name"],
            "properties": {
                "name": {"pattern": SUBDOMAIN, "maxLength": 253},
                "namespace": {"pattern": LABEL},
                "uid": {"pattern": "^[A-Za-z0-9-]{0,64}$"},
                "annotations": {"propertyNames": {"pattern": ANNOTATION}},
            },
        },
        "PodSpec": {"properties": {
            "containers": {"minItems": 1},
            // What ends before the others start has neither probes nor hooks (A1.14).
            "initContainers": {"items": {
                "if": {"properties": {"restartPolicy": {"const": "Always"}}, "required": ["restartPolicy"]},
                "else": {"properties": {
                    "livenessProbe": absent, "readinessProbe": absent, "startupProbe": absent,
                    "lifecycle": {"properties": {"postStart": absent, "preStop": absent}},
                }},
            }},
            "activeDeadlineSeconds": {"minimum": 1, "maximum": i32::MAX},
            "restartPolicy": {"enum": ["Always", "OnFailure", "Never"]},
            "terminationGracePeriodSeconds": {"maximum": i32::MAX},
            "hostname": {"pattern": "^$|".to_owned() + LABEL},
        }},
        "PodOS": {"required": ["name"], "properties": {"name": {"enum": ["linux"]}}},
        "PodReadinessGate": {"required": ["conditionType"], "properties": {"conditionType": {"pattern": QUALIFIED}}},
        "PodSecurityContext": {"properties": {"runAsUser": count, "runAsGroup": count}},
        "Container": {
            "required": ["name", "image"],
            "properties": {
                "name": {"pattern": LABEL},
                "image": {"minLength": 1},
                "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
                "livenessProbe": once,
                "startupProbe": once,
                "readinessProbe": {"properties": {"terminationGracePeriodSeconds": absent}},
                "restartPolicy": {"enum": ["Always", "OnFailure", "Never"]},
                "terminationMessagePath": {"pattern": "^$|^/"},
                "terminationMessagePolicy": {"enum": ["File", "FallbackToLogsOnError"]},
            },
        },
        "ContainerRestartRule": {
            "required": ["action", "exitCodes"],
            "properties": {"action": {"enum": ["Restart", "RestartAllContainers"]}},
        },
        "ContainerRestartRuleOnExitCodes": {
            "required": ["operator", "values"],
            "properties": {"operator": {"enum": ["In", "NotIn"]}, "values": {"minItems": 1, "maxItems": 255}},
        },
        "Lifecycle": {"properties": {"stopSignal": {"enum": signals}}},
        "ContainerPort": {"properties": {
            "name": {"pattern": "^$|".to_owned() + PORT_NAME},
            "containerPort": {"minimum": 1, "maximum": 65535},
            "protocol": {"enum": ["TCP", "UDP", "SCTP"]},
        }},
        "EnvVar": {"properties": {"name": {"pattern": "^[ -<>-~]+$"}}},
        "ResourceRequirements": {"properties": {
            "limits": {"$ref": "#/$defs/ResourceList"},
            "requests": {"$ref": "#/$defs/ResourceList"},
        }},
        "VolumeMount": {"properties": {"name": {"minLength": 1}, "mountPath": {"pattern": "^/"}}},
        "SecurityContext": {"properties": {"runAsUser": count, "runAsGroup": count}},
        "Probe": {"properties": {
            "wasm": {"$ref": "#/$defs/WasmAction"},
            "initialDelaySeconds": count,
            "timeoutSeconds": count,
            "periodSeconds": count,
            "initialDelayMilliseconds": milliseconds(0),
            "timeoutMilliseconds": milliseconds(10),
            "periodMilliseconds": milliseconds(10),
            "successThreshold": count,
            "failureThreshold": count,
            "terminationGracePeriodSeconds": {"minimum": 1},
        }},
        "LifecycleHandler": {"properties": {
            "wasm": {"$ref": "#/$defs/WasmAction", "properties": {"onError": {"enum": [null]}}},
            "httpGet": of_a_hook.clone(),
            "tcpSocket": of_a_hook,
        }},
        "ExecAction": {"required": ["command"], "properties": {"command": {"minItems": 1}}},
        "HTTPGetAction": no_host(json!({
            "port": port,
            "addressFamily": family.clone(),
            "scheme": {"enum": ["HTTP", "HTTPS"]},
            "protocol": {
                "description": "HTTP2 asks over HTTP/2 without TLS, of a server that speaks nothing else. HTTPS needs no \
                                such word: it agrees on HTTP/2 with a server that speaks it.",
                "type": "string",
                "enum": ["HTTP1", "HTTP2"],
            },
        })),
        "HTTPHeader": {"properties": {"name": {"pattern": "^[A-Za-z0-9-]+$"}}},
        "TCPSocketAction": no_host(json!({"port": port, "addressFamily": family.clone()})),
        "GRPCAction": {"properties": {
            "port": port,
            "addressFamily": family,
            "mode": {
                "description": "TLS calls the server with TLS, without a check of its certificate.",
                "type": "string",
                "enum": ["Plaintext", "TLS"],
            },
        }},
        "SleepAction": {"properties": {"seconds": count}},
        "Volume": {"properties": {"name": {"pattern": LABEL}}},
        "HostPathVolumeSource": {"properties": {
            "path": {"pattern": "^/"},
            "type": {"enum": [
                "", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice",
            ]},
        }},
        "EmptyDirVolumeSource": {"properties": {"medium": {"enum": ["", "Memory"]}}},
        "Quantity": {"type": ["string", "number"]},
    })
}

/// Fields of which an object may have one at most, by type, and whether it must have one. A probe's handler may stand in an
/// annotation.
pub(crate) const EXCLUSIVE: [(&str, &[&str], bool); 5] = [
    ("Probe", &["exec", "httpGet", "tcpSocket", "grpc", "wasm"], false),
    ("Probe", &["timeoutSeconds", "timeoutMilliseconds"], false),
    ("Probe", &["periodSeconds", "periodMilliseconds"], false),
    (
        "LifecycleHandler",
        &["exec", "httpGet", "tcpSocket", "sleep", "wasm"],
        true,
    ),
    ("Volume", &["hostPath", "emptyDir"], true),
];
