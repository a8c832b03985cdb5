//! The one table of all fields that Kubernetes' v1 Pod has, and what becomes of each. `docs/fields.md` is made from it.

use std::fmt::Write as _;

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// It does what it does in Kubernetes.
    Supported,
    /// It is accepted and kept, for it is written by servers and says nothing to them.
    Set,
    /// It is accepted with a warning: the pod does the same without it, or lacks nothing that could hurt.
    Warned,
    /// It is refused: without it the pod would mean something else, or be in danger.
    Refused,
}

/// One field of an object.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) support: Support,
    /// Why it is not supported, or what differs.
    pub(crate) note: &'static str,
    /// The value, as JSON, that says only what is so anyway; for switches that is `false` unless stated.
    pub(crate) default: &'static str,
}

impl Field {
    /// Names the value that changes nothing.
    const fn but(self, default: &'static str) -> Self {
        Self { default, ..self }
    }
}

/// One kind of object.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Kubernetes' name for it.
    pub(crate) name: &'static str,
    /// Where it stands in a pod.
    place: &'static str,
    pub(crate) fields: &'static [Field],
}

const fn yes(name: &'static str) -> Field {
    Field {
        name,
        support: Support::Supported,
        note: "",
        default: "false",
    }
}

const fn noted(name: &'static str, note: &'static str) -> Field {
    Field {
        name,
        support: Support::Supported,
        note,
        default: "false",
    }
}

const fn set(name: &'static str) -> Field {
    Field {
        name,
        support: Support::Set,
        note: "kept as it is; servers write it",
        default: "false",
    }
}

const fn warned(name: &'static str, note: &'static str) -> Field {
    Field {
        name,
        support: Support::Warned,
        note,
        default: "false",
    }
}

const fn refused(name: &'static str, note: &'static str) -> Field {
    Field {
        name,
        support: Support::Refused,
        note,
        default: "false",
    }
}

const NO_CLUSTER: &str = "there is one node, so there is nothing to schedule";
const NO_SERVICE_ACCOUNT: &str = "there are no service accounts, so no token is mounted";
const NO_MODULE: &str = "the container would run without this protection";
const NO_WINDOWS: &str = "containers run on Linux only";
const NO_VOLUME_TYPE: &str = "only hostPath and emptyDir volumes are there";
const NO_CLAIM: &str = "there are no dynamically allocated devices";

pub(crate) static POD: Kind = Kind {
    name: "Pod",
    place: "the document",
    fields: &[
        yes("apiVersion"),
        yes("kind"),
        yes("metadata"),
        yes("spec"),
        noted("status", "dropped from what is read; the agent writes it"),
    ],
};

pub(crate) static METADATA: Kind = Kind {
    name: "ObjectMeta",
    place: "metadata",
    fields: &[
        yes("name"),
        yes("namespace"),
        yes("uid"),
        yes("labels"),
        yes("annotations"),
        set("creationTimestamp"),
        set("deletionGracePeriodSeconds"),
        set("deletionTimestamp"),
        set("generation"),
        set("managedFields"),
        set("resourceVersion"),
        set("selfLink"),
        refused("finalizers", "a deletion would not wait for them"),
        refused("generateName", "names are not generated; write metadata.name"),
        warned(
            "ownerReferences",
            "there are no owners, so the pod is not deleted with one",
        ),
    ],
};

pub(crate) static POD_SPEC: Kind = Kind {
    name: "PodSpec",
    place: "spec",
    fields: &[
        yes("containers"),
        yes("volumes"),
        yes("restartPolicy"),
        yes("terminationGracePeriodSeconds"),
        yes("hostNetwork"),
        yes("hostname"),
        yes("securityContext"),
        refused("activeDeadlineSeconds", "the pod would run on past its deadline"),
        warned("affinity", NO_CLUSTER),
        warned("automountServiceAccountToken", NO_SERVICE_ACCOUNT),
        refused("dnsConfig", "the containers would resolve names in another way"),
        warned(
            "dnsPolicy",
            "there is no cluster DNS; containers resolve names as their image says",
        )
        .but("\"ClusterFirst\""),
        warned("enableServiceLinks", "there are no services").but("true"),
        refused("ephemeralContainers", "they would not run"),
        refused("hostAliases", "the names would not be resolved"),
        refused("hostIPC", "the containers would not share the host's IPC namespace"),
        refused("hostPID", "the containers would not see the host's processes"),
        refused(
            "hostUsers",
            "the containers would run without a user namespace of their own",
        )
        .but("true"),
        refused("hostnameOverride", "the pod would have another host name"),
        warned("imagePullSecrets", "images are imported, not pulled"),
        refused(
            "initContainers",
            "they would not run before the containers; they come with the lifecycle issue",
        ),
        warned("nodeName", NO_CLUSTER),
        warned("nodeSelector", NO_CLUSTER),
        refused("os", "the pod's rules may depend on it").but("{\"name\":\"linux\"}"),
        warned("overhead", NO_CLUSTER),
        warned("preemptionPolicy", NO_CLUSTER).but("\"PreemptLowerPriority\""),
        warned("priority", NO_CLUSTER).but("0"),
        warned("priorityClassName", NO_CLUSTER),
        refused("readinessGates", "the pod would be ready without them"),
        refused("resourceClaims", NO_CLAIM),
        refused(
            "resources",
            "the pod as a whole would run without these limits; write them at the containers",
        ),
        refused("runtimeClassName", "the containers would run in another runtime"),
        warned("schedulerName", NO_CLUSTER).but("\"default-scheduler\""),
        refused("schedulingGates", "the pod would start before it may"),
        warned("schedulingGroup", NO_CLUSTER),
        warned("serviceAccount", NO_SERVICE_ACCOUNT).but("\"default\""),
        warned("serviceAccountName", NO_SERVICE_ACCOUNT).but("\"default\""),
        refused("setHostnameAsFQDN", "the pod would have another host name"),
        refused(
            "shareProcessNamespace",
            "the containers would not see each other's processes",
        ),
        warned("subdomain", "there is no cluster DNS"),
        warned("tolerations", NO_CLUSTER),
        warned("topologySpreadConstraints", NO_CLUSTER),
    ],
};

pub(crate) static POD_SECURITY_CONTEXT: Kind = Kind {
    name: "PodSecurityContext",
    place: "spec.securityContext",
    fields: &[
        yes("runAsUser"),
        yes("runAsGroup"),
        refused("appArmorProfile", NO_MODULE),
        refused("fsGroup", "the volumes would belong to another group"),
        warned("fsGroupChangePolicy", "it has no effect without fsGroup"),
        refused("runAsNonRoot", "a container could run as root; write runAsUser"),
        warned("seLinuxChangePolicy", "it has no effect without seLinuxOptions"),
        refused("seLinuxOptions", NO_MODULE),
        refused(
            "seccompProfile",
            "containers always run with the runtime's default profile",
        ),
        refused("supplementalGroups", "the processes would lack these groups"),
        refused("supplementalGroupsPolicy", "the processes could have other groups").but("\"Merge\""),
        refused("sysctls", "the kernel would have other settings"),
        refused("windowsOptions", NO_WINDOWS),
    ],
};

pub(crate) static CONTAINER: Kind = Kind {
    name: "Container",
    place: "spec.containers[]",
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
        yes("securityContext"),
        refused("envFrom", "the variables would be missing; write them under env"),
        warned("resizePolicy", "resources are not changed while a container runs"),
        refused("restartPolicy", "the pod's own policy would apply instead"),
        refused("restartPolicyRules", "the pod's own policy would apply instead"),
        refused("stdin", "the process would find its input closed"),
        warned("stdinOnce", "it has no effect without stdin"),
        warned("terminationMessagePath", "no message is read from there").but("\"/dev/termination-log\""),
        warned("terminationMessagePolicy", "no message is made from the log").but("\"File\""),
        refused("tty", "the process would have no terminal"),
        refused("volumeDevices", "the devices would be missing"),
    ],
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

pub(crate) static PROBE: Kind = Kind {
    name: "Probe",
    place: "spec.containers[].startupProbe, .livenessProbe and .readinessProbe",
    fields: &[
        yes("exec"),
        yes("httpGet"),
        yes("tcpSocket"),
        yes("initialDelaySeconds"),
        yes("timeoutSeconds"),
        yes("periodSeconds"),
        yes("successThreshold"),
        yes("failureThreshold"),
        yes("terminationGracePeriodSeconds"),
        refused("grpc", "no probe of this kind can be run"),
        refused("sleep", "Kubernetes has it for hooks only"),
        refused("wasm", "the handler comes with the plugin contract"),
    ],
};

pub(crate) static LIFECYCLE: Kind = Kind {
    name: "Lifecycle",
    place: "spec.containers[].lifecycle",
    fields: &[
        yes("postStart"),
        yes("preStop"),
        refused("stopSignal", "the process would get the image's stop signal"),
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
        refused("grpc", "Kubernetes has it for probes only"),
        refused("wasm", "the handler comes with the plugin contract"),
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
    fields: &[yes("host"), yes("port"), yes("path"), yes("scheme"), yes("httpHeaders")],
};

pub(crate) static HTTP_HEADER: Kind = Kind {
    name: "HTTPHeader",
    place: "httpGet.httpHeaders[]",
    fields: &[yes("name"), yes("value")],
};

pub(crate) static TCP_SOCKET: Kind = Kind {
    name: "TCPSocketAction",
    place: "tcpSocket",
    fields: &[yes("host"), yes("port")],
};

pub(crate) static SLEEP: Kind = Kind {
    name: "SleepAction",
    place: "sleep",
    fields: &[yes("seconds")],
};

pub(crate) static VOLUME: Kind = Kind {
    name: "Volume",
    place: "spec.volumes[]",
    fields: &[
        yes("name"),
        yes("hostPath"),
        yes("emptyDir"),
        refused("awsElasticBlockStore", NO_VOLUME_TYPE),
        refused("azureDisk", NO_VOLUME_TYPE),
        refused("azureFile", NO_VOLUME_TYPE),
        refused("cephfs", NO_VOLUME_TYPE),
        refused("cinder", NO_VOLUME_TYPE),
        refused("configMap", NO_VOLUME_TYPE),
        refused("csi", NO_VOLUME_TYPE),
        refused("downwardAPI", NO_VOLUME_TYPE),
        refused("ephemeral", NO_VOLUME_TYPE),
        refused("fc", NO_VOLUME_TYPE),
        refused("flexVolume", NO_VOLUME_TYPE),
        refused("flocker", NO_VOLUME_TYPE),
        refused("gcePersistentDisk", NO_VOLUME_TYPE),
        refused("gitRepo", NO_VOLUME_TYPE),
        refused("glusterfs", NO_VOLUME_TYPE),
        refused("image", NO_VOLUME_TYPE),
        refused("iscsi", NO_VOLUME_TYPE),
        refused("nfs", NO_VOLUME_TYPE),
        refused("persistentVolumeClaim", NO_VOLUME_TYPE),
        refused("photonPersistentDisk", NO_VOLUME_TYPE),
        refused("portworxVolume", NO_VOLUME_TYPE),
        refused("projected", NO_VOLUME_TYPE),
        refused("quobyte", NO_VOLUME_TYPE),
        refused("rbd", NO_VOLUME_TYPE),
        refused("scaleIO", NO_VOLUME_TYPE),
        refused("secret", NO_VOLUME_TYPE),
        refused("storageos", NO_VOLUME_TYPE),
        refused("vsphereVolume", NO_VOLUME_TYPE),
    ],
};

pub(crate) static HOST_PATH: Kind = Kind {
    name: "HostPathVolumeSource",
    place: "spec.volumes[].hostPath",
    fields: &[yes("path"), yes("type")],
};

pub(crate) static EMPTY_DIR: Kind = Kind {
    name: "EmptyDirVolumeSource",
    place: "spec.volumes[].emptyDir",
    fields: &[
        yes("medium"),
        noted("sizeLimit", "enforced with `medium: Memory` only; warned about without"),
    ],
};

/// The whole table.
pub(crate) static TABLE: &[&Kind] = &[
    &POD,
    &METADATA,
    &POD_SPEC,
    &POD_SECURITY_CONTEXT,
    &CONTAINER,
    &CONTAINER_PORT,
    &ENV_VAR,
    &RESOURCES,
    &RESOURCE_LIST,
    &VOLUME_MOUNT,
    &SECURITY_CONTEXT,
    &CAPABILITIES,
    &PROBE,
    &LIFECYCLE,
    &LIFECYCLE_HANDLER,
    &EXEC,
    &HTTP_GET,
    &HTTP_HEADER,
    &TCP_SOCKET,
    &SLEEP,
    &VOLUME,
    &HOST_PATH,
    &EMPTY_DIR,
];

/// The text of `docs/fields.md`: the table, for people.
pub fn documentation() -> String {
    let mut text = "# Fields of a Pod\n\n\
        Every field of Kubernetes' v1 Pod, and what probelet makes of it. Made from the table in \
        `crates/manifest/src/fields.rs`; a test compares them (`UPDATE_DOCS=1 cargo test -p probelet-manifest` writes \
        this file anew).\n\n\
        - **supported**: it does what it does in Kubernetes.\n\
        - **kept**: servers write it, and it is accepted and kept.\n\
        - **warned**: accepted with a warning, and without effect.\n\
        - **refused**: without it the pod would mean something else or be in danger, so the pod is not accepted.\n\n\
        A warned or refused field may always have the value that changes nothing: none, an empty list or text, the \
        value in the last column, or `false` for a switch where that column is empty. Any name that is not here is refused.\n"
        .to_owned();
    for kind in TABLE {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n## {} (`{}`)\n\n| field | | note | changes nothing |\n|---|---|---|---|\n",
            kind.name, kind.place
        );
        for field in kind.fields {
            let support = match field.support {
                Support::Supported => "supported",
                Support::Set => "kept",
                Support::Warned => "warned",
                Support::Refused => "**refused**",
            };
            let default = if field.default == "false" {
                String::new()
            } else {
                format!("`{}`", field.default)
            };
            let _ = writeln!(text, "| `{}` | {support} | {} | {default} |", field.name, field.note);
        }
    }
    text
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
