//! The OCI runtime configuration of a container, as containerd would write it for a pod.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxDeviceCgroupBuilder,
    LinuxMemoryBuilder, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPidsBuilder, LinuxResources,
    LinuxResourcesBuilder, Mount as OciMount, MountBuilder, Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder,
    UserBuilder,
};

use probelet_shim_protocol::cgroup::{Cgroup, Hierarchies};

use crate::{ContainerSpec, Mount, MountKind, Resources, capabilities, root, seccomp};

/// Where programs are looked for when neither the image nor the pod says.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Kernel interfaces that a container must not see.
const MASKED_PATHS: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Kernel interfaces that a container must not change.
const READ_ONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The mounts of every container: destination, type, source, options.
const DEFAULT_MOUNTS: [(&str, &str, &str, &str); 6] = [
    ("/proc", "proc", "proc", "nosuid noexec nodev"),
    ("/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"),
    (
        "/dev/pts",
        "devpts",
        "devpts",
        "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5",
    ),
    ("/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k"),
    ("/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"),
    ("/sys", "sysfs", "sysfs", "nosuid noexec nodev ro"),
];

/// Where a container sees its cgroup.
const CGROUP_DESTINATION: &str = "/sys/fs/cgroup";

/// How it sees it, unless it is privileged: a container that could write here could lift its own limits.
const CGROUP_OPTIONS: &str = "nosuid noexec nodev relatime ro";

/// The period in which a CPU limit is counted, in microseconds; Kubernetes' value.
const CPU_PERIOD: u64 = 100_000;

/// The least quota that the kernel takes, in microseconds.
const CPU_QUOTA_MIN: u64 = 1_000;

/// The CPU weights that the kernel takes; a container that requests nothing gets the least, as in Kubernetes.
const CPU_SHARES: (u64, u64) = (2, 262_144);

/// Builds the configuration. An error is a sentence about what the specification asks for in vain.
pub(crate) fn configuration(spec: &ContainerSpec, cgroup: &str, hierarchies: &Hierarchies) -> Result<Spec, String> {
    check(spec)?;
    let own = capabilities::own_bounding_set()?;
    let mut capabilities = capabilities::of_container(&spec.capabilities, spec.privileged, own)?;
    if hierarchies.is_unified() && !spec.privileged {
        // Without a device controller of version 1 nothing else keeps the container from opening what it makes.
        capabilities.remove(&Capability::Mknod);
    }
    create_working_directory(spec)?;
    build(spec, cgroup, hierarchies, &capabilities)
        .map_err(|error| format!("cannot build the OCI configuration: {error}"))
}

fn check(spec: &ContainerSpec) -> Result<(), String> {
    if spec.args.first().is_none_or(String::is_empty) {
        return Err("no command is given, neither by the pod nor by the image".to_owned());
    }
    if !spec.root.is_dir() {
        return Err(format!("the root file system {} is no folder", spec.root.display()));
    }
    if !spec.working_directory.is_absolute() {
        return Err(format!(
            "the working directory {} is no absolute path",
            spec.working_directory.display()
        ));
    }
    for mount in &spec.mounts {
        if !mount.destination.is_absolute() {
            return Err(format!(
                "the mount destination {} is no absolute path",
                mount.destination.display()
            ));
        }
        if let MountKind::Bind { source } = &mount.kind
            && let Err(error) = source.symlink_metadata()
        {
            let (source, destination) = (source.display(), mount.destination.display());
            return Err(format!("cannot mount {source} at {destination}: {error}"));
        }
    }
    let zero_byte = |text: &str| text.contains('\0');
    if spec.args.iter().any(|text| zero_byte(text))
        || spec
            .environment
            .iter()
            .any(|(name, value)| zero_byte(name) || zero_byte(value))
    {
        return Err("the command or the environment contains a zero byte".to_owned());
    }
    if let Some((name, _)) = spec
        .environment
        .iter()
        .find(|(name, _)| name.is_empty() || name.contains('='))
    {
        return Err(format!("{name:?} cannot name an environment variable"));
    }
    Ok(())
}

/// A missing working directory is made where it will be, in the root or in what is mounted over it.
fn create_working_directory(spec: &ContainerSpec) -> Result<(), String> {
    let mut place = (spec.root.as_path(), spec.working_directory.as_path(), 0);
    for mount in &spec.mounts {
        let Ok(rest) = spec.working_directory.strip_prefix(&mount.destination) else {
            continue;
        };
        let depth = mount.destination.components().count();
        if let MountKind::Bind { source } = &mount.kind
            && depth > place.2
            && source.is_dir()
        {
            place = (source, rest, depth);
        }
    }
    root::create_directory(place.0, place.1).map_err(|error| {
        format!(
            "cannot make the working directory {}: {error}",
            spec.working_directory.display()
        )
    })
}

fn build(
    spec: &ContainerSpec,
    cgroup: &str,
    hierarchies: &Hierarchies,
    capabilities: &Capabilities,
) -> Result<Spec, OciSpecError> {
    let namespaces = namespaces(spec, hierarchies.is_unified())?;
    let resources = resources(&spec.resources, spec.privileged, hierarchies.has_controller("cpu"))?;
    let linux = LinuxBuilder::default()
        .cgroups_path(PathBuf::from(cgroup))
        .namespaces(namespaces)
        .resources(resources);
    let mut configuration = SpecBuilder::default()
        .version("1.0.2")
        .root(
            RootBuilder::default()
                .path(spec.root.clone())
                .readonly(spec.read_only_root)
                .build()?,
        )
        .mounts(mounts(spec, &cgroup_mounts(&hierarchies.cgroup(cgroup)))?)
        .process(process(spec, capabilities)?)
        .linux(restrictions(spec, linux.build()?, capabilities)?)
        .annotations(spec.annotations.iter().cloned().collect::<HashMap<_, _>>())
        .build()?;
    // The builder's default would be the name of another runtime; ours comes with the namespace.
    configuration.set_hostname(None);
    Ok(configuration)
}

fn process(spec: &ContainerSpec, capabilities: &Capabilities) -> Result<Process, OciSpecError> {
    let mut environment = spec.environment.clone();
    let mut default = |name: &str, value: String| {
        if environment.iter().all(|(other, _)| other != name) {
            environment.push((name.to_owned(), value));
        }
    };
    default("PATH", DEFAULT_PATH.to_owned());
    default("HOME", root::home_directory(&spec.root, spec.user.uid));
    let user = UserBuilder::default()
        .uid(spec.user.uid)
        .gid(spec.user.gid)
        .additional_gids(spec.user.additional_gids.clone())
        .build()?;
    // A set that is absent would not be dropped.
    let capabilities = LinuxCapabilitiesBuilder::default()
        .bounding(capabilities.clone())
        .effective(capabilities.clone())
        .permitted(capabilities.clone())
        .inheritable(Capabilities::default())
        .ambient(Capabilities::default())
        .build()?;
    let mut process = ProcessBuilder::default()
        .terminal(false)
        .user(user)
        .args(spec.args.clone())
        .env(
            environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>(),
        )
        .cwd(spec.working_directory.clone())
        .capabilities(capabilities)
        .build()?;
    process.set_rlimits(None);
    // libcontainer cannot set up a filter with `false`.
    process.set_no_new_privileges((!spec.allow_privilege_escalation).then_some(true));
    Ok(process)
}

fn restrictions(spec: &ContainerSpec, mut linux: Linux, capabilities: &Capabilities) -> Result<Linux, OciSpecError> {
    linux.set_masked_paths(None).set_readonly_paths(None).set_seccomp(None);
    if !spec.privileged {
        linux.set_masked_paths(Some(MASKED_PATHS.map(str::to_owned).to_vec()));
        linux.set_readonly_paths(Some(READ_ONLY_PATHS.map(str::to_owned).to_vec()));
        linux.set_seccomp(Some(seccomp::default_profile(capabilities)?));
    }
    Ok(linux)
}

/// As with containerd, the container sees the host's cgroup paths on hybrid hosts, and only its own on unified ones.
fn namespaces(spec: &ContainerSpec, unified_cgroups: bool) -> Result<Vec<LinuxNamespace>, OciSpecError> {
    let new = |kind| LinuxNamespaceBuilder::default().typ(kind).build();
    let joined = |kind, path: &Path| LinuxNamespaceBuilder::default().typ(kind).path(path).build();
    let mut namespaces = vec![new(LinuxNamespaceType::Pid)?, new(LinuxNamespaceType::Mount)?];
    namespaces.push(match &spec.ipc_namespace {
        Some(path) => joined(LinuxNamespaceType::Ipc, path)?,
        None => new(LinuxNamespaceType::Ipc)?,
    });
    if unified_cgroups {
        namespaces.push(new(LinuxNamespaceType::Cgroup)?);
    }
    if let Some(path) = &spec.network_namespace {
        namespaces.push(joined(LinuxNamespaceType::Network, path)?);
    }
    if let Some(path) = &spec.uts_namespace {
        namespaces.push(joined(LinuxNamespaceType::Uts, path)?);
    }
    Ok(namespaces)
}

fn resources(wanted: &Resources, privileged: bool, cpu_controller: bool) -> Result<LinuxResources, OciSpecError> {
    let all_devices = LinuxDeviceCgroupBuilder::default()
        .allow(privileged)
        .access("rwm")
        .build()?;
    let mut cpu = LinuxCpuBuilder::default();
    // A weight that nobody asked for is no reason to fail where there are none.
    if wanted.cpu_request_millis.is_some() || cpu_controller {
        let (shares_min, shares_max) = CPU_SHARES;
        let shares = wanted.cpu_request_millis.unwrap_or(0) * 1024 / 1000;
        cpu = cpu.shares(shares.clamp(shares_min, shares_max));
    }
    if let Some(millis) = wanted.cpu_limit_millis {
        let quota = (millis * CPU_PERIOD / 1000).max(CPU_QUOTA_MIN);
        cpu = cpu.period(CPU_PERIOD).quota(signed(quota));
    }
    let mut memory = LinuxMemoryBuilder::default();
    if let Some(bytes) = wanted.memory_limit {
        memory = memory.limit(signed(bytes));
    }
    if let Some(bytes) = wanted.memory_request {
        memory = memory.reservation(signed(bytes));
    }
    let resources = LinuxResourcesBuilder::default()
        .devices([all_devices])
        .cpu(cpu.build()?)
        .memory(memory.build()?);
    match wanted.pids_limit {
        Some(limit) => resources
            .pids(LinuxPidsBuilder::default().limit(signed(limit)).build()?)
            .build(),
        None => resources.build(),
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Destination, type, source, options.
type DefaultMount = (String, &'static str, PathBuf, &'static str);

fn mounts(spec: &ContainerSpec, cgroup: &[DefaultMount]) -> Result<Vec<OciMount>, OciSpecError> {
    let defaults = DEFAULT_MOUNTS
        .map(|(destination, kind, source, options)| (destination.to_owned(), kind, PathBuf::from(source), options));
    let mut mounts = Vec::new();
    for (destination, kind, source, options) in defaults.iter().chain(cgroup) {
        if spec
            .mounts
            .iter()
            .any(|mount| mount.destination == Path::new(destination))
        {
            continue;
        }
        let wanted = |option: &&str| !(spec.privileged && *option == "ro");
        let options: Vec<_> = options.split(' ').filter(wanted).map(str::to_owned).collect();
        let mount = MountBuilder::default()
            .destination(destination)
            .typ(*kind)
            .source(source)
            .options(options);
        mounts.push(mount.build()?);
    }
    for mount in &spec.mounts {
        mounts.push(user_mount(mount)?);
    }
    Ok(mounts)
}

/// The container's own cgroup. On hybrid hosts this is not OCI's mount of type `cgroup`: libcontainer 0.7 mounts the
/// hierarchies of version 1 writable whatever the options say, and the named ones from the host's root.
fn cgroup_mounts(cgroup: &Cgroup) -> Vec<DefaultMount> {
    let version1: Vec<_> = cgroup.version1().collect();
    if version1.is_empty() {
        return vec![(CGROUP_DESTINATION.to_owned(), "cgroup", "cgroup".into(), CGROUP_OPTIONS)];
    }
    let folder = (
        CGROUP_DESTINATION.to_owned(),
        "tmpfs",
        "tmpfs".into(),
        "nosuid noexec nodev mode=755 size=64k",
    );
    let hierarchy = |(name, directory): (&str, &Path)| {
        let destination = format!("{CGROUP_DESTINATION}/{name}");
        (
            destination,
            "bind",
            directory.to_owned(),
            "bind nosuid noexec nodev relatime ro",
        )
    };
    [folder]
        .into_iter()
        .chain(version1.into_iter().map(hierarchy))
        .collect()
}

fn user_mount(mount: &Mount) -> Result<OciMount, OciSpecError> {
    let mut options = vec![if mount.read_only { "ro" } else { "rw" }.to_owned()];
    let builder = MountBuilder::default().destination(mount.destination.clone());
    let builder = match &mount.kind {
        MountKind::Bind { source } => {
            options.extend(["rbind", "rprivate"].map(str::to_owned));
            builder.typ("bind").source(source.clone())
        }
        MountKind::Tmpfs { size_bytes } => {
            options.extend(["nosuid", "nodev", "mode=1777"].map(str::to_owned));
            options.extend(size_bytes.map(|bytes| format!("size={bytes}")));
            builder.typ("tmpfs").source("tmpfs")
        }
    };
    builder.options(options).build()
}
