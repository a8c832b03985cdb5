//! Whose a bridge is: one agent's at a time, and nobody's who has connected something else to it.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use rustix::fs::{FlockOperation, flock};

use crate::NetworkError;

/// Where the locks of bridges are. Only root may write there: a name that others could take, such as an abstract socket's,
/// would let them keep the agent from starting.
const LOCKS: &str = "/run/probelet";

/// The network namespace of the thread that asks.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// How often a lock's file may be gone again when it was just made or taken: each time another agent has ended meanwhile.
const TRIES: usize = 16;

/// A bridge that is taken; the lock ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes a bridge. It belongs to a network namespace, and so does its lock, whose name has the namespace's number.
    pub(crate) fn take(bridge: &str) -> Result<Self, NetworkError> {
        Self::take_in(Path::new(LOCKS), bridge)
    }

    fn take_in(locks: &Path, bridge: &str) -> Result<Self, NetworkError> {
        let namespace = fs::metadata(NAMESPACE).map_err(NetworkError::file(NAMESPACE))?.ino();
        let path = locks.join(format!("bridge-{bridge}-{namespace}.lock"));
        for _ in 0..TRIES {
            if let Some(lock) = Self::try_take(locks, &path, bridge)? {
                return Ok(lock);
            }
        }
        Err(NetworkError::BridgeTaken {
            name: bridge.to_owned(),
            pid: None,
        })
    }

    /// `None` if the file or its folder was removed meanwhile.
    fn try_take(locks: &Path, path: &Path, bridge: &str) -> Result<Option<Self>, NetworkError> {
        let mut folder = fs::DirBuilder::new();
        let made = folder.recursive(true).mode(0o700).create(locks);
        made.map_err(NetworkError::file(locks))?;
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(NetworkError::file(path))?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // It only makes the message better.
                let _ = file.read_to_string(&mut text);
                return Err(NetworkError::BridgeTaken {
                    name: bridge.to_owned(),
                    pid: text.trim().parse().ok(),
                });
            }
            Err(error) => return Err(NetworkError::file(path)(error)),
        }
        let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(NetworkError::file(path))?;
        let path = path.to_owned();
        let lock = Self { path, file };
        Ok(lock.is_there().then_some(lock))
    }

    /// Leaves no file, and no folder if it was the last. For when the bridge is gone; dropping the lock does it too, but
    /// a process may end without that.
    pub(crate) fn remove(&self) {
        if self.is_there() {
            // What cannot be removed is a file without a lock, which harms nobody; the folder may have others.
            let _ = fs::remove_file(&self.path);
            let _ = self.path.parent().map(fs::remove_dir);
        }
    }

    /// Whether the file that is locked is the one that others find.
    fn is_there(&self) -> bool {
        let number = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let found = fs::metadata(&self.path).map(number).ok();
        found.is_some() && found == self.file.metadata().map(number).ok()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.remove();
    }
}

/// What is on a bridge that exists already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its addresses.
    pub(crate) addresses: Vec<IpNet>,
    /// The names of the interfaces that are connected to it.
    pub(crate) ports: Vec<String>,
}

/// What an agent knows to be its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Own {
    /// The bridge's addresses, as this agent gives them.
    pub(crate) gateways: Vec<IpNet>,
    /// The addresses of its pods; they may be of a range that an agent before this one was given.
    pub(crate) pods: BTreeSet<IpAddr>,
    /// The names of its pods' interfaces.
    pub(crate) interfaces: BTreeSet<String>,
}

impl Own {
    /// Why a bridge is not this agent's, and what to do; `None` if all of it may be.
    pub(crate) fn objection(&self, bridge: &str, found: &Found) -> Option<String> {
        if let Some(port) = found.ports.iter().find(|port| !self.interfaces.contains(*port)) {
            return Some(format!(
                "the interface {port} is connected to it, which is none of this agent's pods; disconnect it with \
                 `ip link set {port} nomaster` if nobody needs it there"
            ));
        }
        let address = found.addresses.iter().find(|address| !self.has(**address))?;
        Some(format!(
            "it has the address {address}, which is not of this agent's ranges and pods; give the range that it was \
             made with (--pod-cidr, --pod-cidr-ipv6), or remove it with `ip link delete {bridge}` if nobody needs it"
        ))
    }

    fn has(&self, address: IpNet) -> bool {
        let is_link_local = match address {
            IpNet::V4(_) => false,
            // Every interface has one.
            IpNet::V6(address) => address.addr().is_unicast_link_local(),
        };
        is_link_local || self.gateways.contains(&address) || self.pods.iter().any(|pod| address.contains(pod))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(addresses: &[&str], ports: &[&str]) -> Found {
        Found {
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ports: ports.iter().map(|port| (*port).to_owned()).collect(),
        }
    }

    #[test]
    fn a_bridge_is_locked_until_its_owner_is_gone_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let locks = folder.path().join("locks");
        let take = |bridge: &str| Lock::take_in(&locks, bridge);
        let first = take("one").unwrap();
        assert_eq!(fs::metadata(&locks).unwrap().mode() & 0o777, 0o700);
        let text = take("one").unwrap_err().to_string();
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        let other = take("two").unwrap();
        drop(first);
        assert_eq!(fs::read_dir(&locks).unwrap().count(), 1);
        let first = take("one").unwrap();
        first.remove();
        // The next one has it, though the last one goes on for a moment.
        let next = take("one").unwrap();
        first.remove();
        assert!(take("one").is_err());
        next.remove();
        assert!(locks.exists());
        other.remove();
        assert!(!locks.exists());
    }

    #[test]
    fn what_an_agent_made_is_its_own_and_all_else_is_not() {
        let own = Own {
            gateways: vec!["10.88.0.1/16".parse().unwrap(), "fd00::1/64".parse().unwrap()],
            pods: ["10.87.0.2".parse().unwrap()].into(),
            interfaces: ["pl0h".to_owned()].into(),
        };
        for ours in [
            found(&[], &[]),
            found(&["10.88.0.1/16", "fd00::1/64", "fe80::1/64"], &["pl0h"]),
            // It was started with another range before, and has a pod from then.
            found(&["10.87.0.1/24"], &["pl0h"]),
        ] {
            assert_eq!(own.objection("br", &ours), None, "{ours:?}");
        }
        for (foreign, why) in [
            (found(&["10.88.0.1/16"], &["pl0h", "eth1"]), "ip link set eth1 nomaster"),
            (found(&["10.88.0.1/24"], &[]), "10.88.0.1/24"),
            (found(&["172.17.0.1/16"], &[]), "ip link delete br"),
            (found(&["fd01::1/64"], &[]), "--pod-cidr-ipv6"),
        ] {
            let text = own.objection("br", &foreign).unwrap();
            assert!(text.contains(why), "{text}");
        }
    }
}
