//! The handler `wasm`, which Kubernetes does not have.

use super::{Field, Kind, own};

const COMPONENT: Field = own(
    "component",
    "the component: a path that begins with `/`, `./` or `../` (the client makes it absolute), `builtin:NAME`, or an OCI \
     reference `[registry/]repository[:tag][@sha256:…]`",
);
const CONFIG: Field = own(
    "config",
    "any value; it reaches the component as JSON, and is checked against the component's own schema; `{}` if there is none",
);
const ALLOW: Field = own(
    "allow",
    "what the component may do beyond reaching the pod's own address",
);
const LIMITS: Field = own("limits", "what one run may use");
const ON_ERROR: Field = own(
    "onError",
    "of probes only: `Ignore` (the default), or `Fail`, by which `failureThreshold` errored runs in a row count as failures",
);
const RELOAD: Field = own(
    "reload",
    "of paths only: `true` takes a changed file up while the pod runs",
);

pub(crate) static WASM: Kind = Kind {
    name: "WasmAction",
    place: "wasm, and as JSON metadata.annotations[probelet.dev/<container>.<postStart|preStop>]",
    fields: &[COMPONENT, CONFIG, ALLOW, LIMITS, ON_ERROR, RELOAD],
};

const NUMBER: &str = "as in the probe; if the probe says it, too, the pod is refused";

/// The content of `wasm` with the probe's numbers beside it.
pub(crate) static WASM_PROBE: Kind = Kind {
    name: "WasmProbe",
    place: "as JSON metadata.annotations[probelet.dev/<container>.<liveness|readiness|startup>]",
    fields: &[
        COMPONENT,
        CONFIG,
        ALLOW,
        LIMITS,
        ON_ERROR,
        RELOAD,
        own("initialDelaySeconds", NUMBER),
        own("initialDelayMilliseconds", NUMBER),
        own("timeoutSeconds", NUMBER),
        own("timeoutMilliseconds", NUMBER),
        own("periodSeconds", NUMBER),
        own("periodMilliseconds", NUMBER),
        own("successThreshold", NUMBER),
        own("failureThreshold", NUMBER),
        own("terminationGracePeriodSeconds", NUMBER),
    ],
};

pub(crate) static WASM_ALLOW: Kind = Kind {
    name: "WasmAllow",
    place: "wasm.allow",
    fields: &[
        own(
            "exec",
            "`true`, or a list of what a command must begin with: each a list of words, or one word",
        ),
        own(
            "network",
            "a list of hosts beside the pod itself: `host`, `host:port`, an address or a range `10.0.0.0/8:443`",
        ),
        own("stats", "`true`: memory, CPU and processes of the container"),
        own("logs", "`true`: the last lines of the container's log"),
        own(
            "files",
            "a list of paths in the container's root, each read only with all below it",
        ),
        own("environment", "a list of names of the container's variables"),
    ],
};

pub(crate) static WASM_LIMITS: Kind = Kind {
    name: "WasmLimits",
    place: "wasm.limits",
    fields: &[
        own(
            "fuel",
            "a quantity of about one instruction each, `100M` if there is none, at most `1000G`",
        ),
        own(
            "memory",
            "a quantity of bytes, `32Mi` if there is none, from `64Ki` to `1Gi`",
        ),
    ],
};
