//! A container, without what it does.

use super::{Kind, NO_CLAIM, NO_MODULE, NO_WINDOWS, noted, refused, warned, yes};

pub(crate) static CONTAINER: Kind = Kind {
    name: "Container",
    place: "spec.containers[] and .initContainers[]",
    fields: &[
        yes("name"),
        yes("image"),
        noted(
            "imagePullPolicy",
            "an imported image satisfies every policy, until there are registries",
        ),
        yes("command"),
        yes("args"),
        yes("workingDir"),
        yes("env"),
        yes("ports"),
        yes("resources"),
        yes("volumeMounts"),
        yes("startupProbe"),
        yes("livenessProbe"),
        yes("readinessProbe"),
        yes("lifecycle"),
        yes("terminationMessagePath"),
        yes("terminationMessagePolicy"),
        yes("securityContext"),
        refused("envFrom", "the variables would be missing; write them under env"),
        warned("resizePolicy", "resources are not changed while a container runs"),
        noted(
            "restartPolicy",
            "instead of the pod's own; `Always` makes an init container a sidecar",
        ),
        yes("restartPolicyRules"),
        refused("stdin", "the process would find its input closed"),
        warned("stdinOnce", "it has no effect without stdin"),
        refused("tty", "the process would have no terminal"),
        refused("volumeDevices", "the devices would be missing"),
    ],
};

pub(crate) static RESTART_RULE: Kind = Kind {
    name: "ContainerRestartRule",
    place: "spec.containers[].restartPolicyRules[]",
    fields: &[yes("action"), yes("exitCodes")],
};

pub(crate) static RESTART_EXIT_CODES: Kind = Kind {
    name: "ContainerRestartRuleOnExitCodes",
    place: "spec.containers[].restartPolicyRules[].exitCodes",
    fields: &[yes("operator"), yes("values")],
};

pub(crate) static CONTAINER_PORT: Kind = Kind {
    name: "ContainerPort",
    place: "spec.containers[].ports[]",
    fields: &[
        yes("name"),
        yes("containerPort"),
        yes("protocol"),
        warned(
            "hostIP",
            "no port of the host is forwarded; the pod's own address is reached from the host",
        ),
        warned(
            "hostPort",
            "no port of the host is forwarded; the pod's own address is reached from the host",
        )
        .but("0"),
    ],
};

pub(crate) static ENV_VAR: Kind = Kind {
    name: "EnvVar",
    place: "spec.containers[].env[]",
    fields: &[
        yes("name"),
        yes("value"),
        refused("valueFrom", "the variable would be empty; write its value"),
    ],
};

pub(crate) static RESOURCES: Kind = Kind {
    name: "ResourceRequirements",
    place: "spec.containers[].resources",
    fields: &[yes("limits"), yes("requests"), refused("claims", NO_CLAIM)],
};

pub(crate) static RESOURCE_LIST: Kind = Kind {
    name: "ResourceList",
    place: "spec.containers[].resources.limits and .requests",
    fields: &[
        yes("cpu"),
        yes("memory"),
        warned("ephemeral-storage", "what a container writes is not measured"),
        refused("hugepages-1Gi", "the container would have no huge pages"),
        refused("hugepages-2Mi", "the container would have no huge pages"),
    ],
};

pub(crate) static VOLUME_MOUNT: Kind = Kind {
    name: "VolumeMount",
    place: "spec.containers[].volumeMounts[]",
    fields: &[
        yes("name"),
        yes("mountPath"),
        yes("readOnly"),
        refused("mountPropagation", "mounts made later would not be seen").but("\"None\""),
        refused("recursiveReadOnly", "mounts below could be written to").but("\"Disabled\""),
        refused("subPath", "the whole volume would be mounted"),
        refused("subPathExpr", "the whole volume would be mounted"),
    ],
};

pub(crate) static SECURITY_CONTEXT: Kind = Kind {
    name: "SecurityContext",
    place: "spec.containers[].securityContext",
    fields: &[
        yes("runAsUser"),
        yes("runAsGroup"),
        yes("capabilities"),
        yes("privileged"),
        yes("allowPrivilegeEscalation"),
        yes("readOnlyRootFilesystem"),
        refused("appArmorProfile", NO_MODULE),
        refused("procMount", "/proc would be masked as usual").but("\"Default\""),
        refused("runAsNonRoot", "the container could run as root; write runAsUser"),
        refused("seLinuxOptions", NO_MODULE),
        refused(
            "seccompProfile",
            "containers always run with the runtime's default profile",
        ),
        refused("windowsOptions", NO_WINDOWS),
    ],
};

pub(crate) static CAPABILITIES: Kind = Kind {
    name: "Capabilities",
    place: "spec.containers[].securityContext.capabilities",
    fields: &[yes("add"), yes("drop")],
};
