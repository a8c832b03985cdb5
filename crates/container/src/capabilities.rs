//! Which capabilities a container gets.

use oci_spec::runtime::{Capabilities as Set, Capability};

use crate::Capabilities;

/// All capabilities, in the order of the kernel's numbers.
const ALL: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// What containerd gives an ordinary container.
const DEFAULT: [Capability; 14] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fsetid,
    Capability::Fowner,
    Capability::Mknod,
    Capability::NetRaw,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setfcap,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::SysChroot,
    Capability::Kill,
    Capability::AuditWrite,
];

/// The capabilities of a container, none of which is beyond `own`, what this process may hand on.
pub(crate) fn of_container(changes: &Capabilities, privileged: bool, own: u64) -> Result<Set, String> {
    let mut set: Set = if privileged {
        all().collect()
    } else {
        DEFAULT.into_iter().collect()
    };
    // `ALL` first, so that it can be combined with names: drop ALL and add one.
    if changes.add.iter().any(|name| is_all(name)) {
        set = all().collect();
    }
    if changes.drop.iter().any(|name| is_all(name)) {
        set.clear();
    }
    for name in changes.add.iter().filter(|name| !is_all(name)) {
        set.insert(parse(name)?);
    }
    for name in changes.drop.iter().filter(|name| !is_all(name)) {
        set.remove(&parse(name)?);
    }
    set.retain(|capability| {
        ALL.iter()
            .position(|other| other == capability)
            .is_some_and(|bit| own >> bit & 1 == 1)
    });
    Ok(set)
}

/// The bounding set of this process: what a program that it starts can have at most.
pub(crate) fn own_bounding_set() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| format!("/proc/self/status: {error}"))?;
    let bits = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .ok_or_else(|| "/proc/self/status has no CapBnd line".to_owned())
}

fn all() -> impl Iterator<Item = Capability> {
    ALL.into_iter()
}

fn is_all(name: &str) -> bool {
    name.eq_ignore_ascii_case("ALL")
}

fn parse(name: &str) -> Result<Capability, String> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
    all().find(|capability| capability.to_string() == short).ok_or_else(|| {
        format!("unknown capability {name:?}; the names are those of capabilities(7) without CAP_, such as NET_ADMIN")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn change(add: &[&str], drop: &[&str]) -> Capabilities {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Capabilities {
            add: owned(add),
            drop: owned(drop),
        }
    }

    #[test]
    fn all_is_combined_with_names() {
        let set = of_container(&change(&["NET_BIND_SERVICE"], &["ALL"]), false, u64::MAX).unwrap();
        assert_eq!(set, Set::from([Capability::NetBindService]));
        let set = of_container(&change(&["ALL"], &["cap_sys_admin"]), false, u64::MAX).unwrap();
        assert_eq!(set.len(), ALL.len() - 1);
        assert!(!set.contains(&Capability::SysAdmin));
    }

    #[test]
    fn nothing_is_given_that_is_not_owned() {
        let sys_resource = 1 << 24;
        let set = of_container(&change(&["SYS_RESOURCE"], &[]), true, !sys_resource).unwrap();
        assert!(!set.contains(&Capability::SysResource));
        assert_eq!(set.len(), ALL.len() - 1);
    }

    #[test]
    fn an_unknown_name_is_named() {
        let error = of_container(&change(&["NET_ADMN"], &[]), false, u64::MAX).unwrap_err();
        assert!(error.contains("\"NET_ADMN\""), "{error}");
    }
}
