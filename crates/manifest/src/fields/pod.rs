//! A pod, without its containers.

use super::{Kind, NO_CLAIM, NO_MODULE, NO_WINDOWS, noted, refused, set, warned, yes};

const NO_CLUSTER: &str = "there is one node, so there is nothing to schedule";
const NO_SERVICE_ACCOUNT: &str = "there are no service accounts, so no token is mounted";
const NO_VOLUME_TYPE: &str = "only hostPath and emptyDir volumes are there";

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
        noted(
            "annotations",
            "`probelet.dev/<container>.<liveness|readiness|startup|postStart|preStop>` is the handler `wasm` as JSON; \
             `probelet.dev/lint-ignore` names rules of `probelet lint`",
        ),
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
        yes("initContainers"),
        yes("volumes"),
        yes("restartPolicy"),
        yes("terminationGracePeriodSeconds"),
        yes("activeDeadlineSeconds"),
        yes("readinessGates"),
        noted("os", "`linux` only"),
        yes("hostNetwork"),
        yes("hostname"),
        yes("securityContext"),
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
        warned("nodeName", NO_CLUSTER),
        warned("nodeSelector", NO_CLUSTER),
        warned("overhead", NO_CLUSTER),
        warned("preemptionPolicy", NO_CLUSTER).but("\"PreemptLowerPriority\""),
        warned("priority", NO_CLUSTER).but("0"),
        warned("priorityClassName", NO_CLUSTER),
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

pub(crate) static READINESS_GATE: Kind = Kind {
    name: "PodReadinessGate",
    place: "spec.readinessGates[]",
    fields: &[yes("conditionType")],
};

pub(crate) static POD_OS: Kind = Kind {
    name: "PodOS",
    place: "spec.os",
    fields: &[yes("name")],
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
