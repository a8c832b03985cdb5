//! What a container's processes are and may do. It is read from process 1 while that waits to execute its command, so
//! that commands executed later are exactly what the container was set up as, whatever it has become since.

use std::ffi::CString;
use std::fs;
use std::io;

use libcontainer::oci_spec::runtime::Spec;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Gid, Pid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::filter::{Filter, FilterError};
use crate::program::c_string;
use crate::system::{self, Limit};

/// The width of the first column of `/proc/<pid>/limits`.
const LIMIT_NAME_BYTES: usize = 26;

/// A process's rights, limits and surroundings.
pub(crate) struct Identity {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    capabilities: CapabilitySets,
    bounding: CapabilitySet,
    ambient: CapabilitySet,
    no_new_privileges: bool,
    umask: Mode,
    limits: Vec<Limit>,
    filter: Option<Filter>,
    /// Where the container's commands run.
    pub(crate) working_directory: CString,
    /// The environment, `NAME=value` each.
    pub(crate) environment: Vec<CString>,
    /// Where programs are looked for.
    pub(crate) search: String,
}

/// Why an identity cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// A file of process 1, or a string of the configuration.
    #[error("cannot read what the container's process 1 is: {0}")]
    Read(#[from] io::Error),
    /// A line of `/proc/<pid>/status`.
    #[error("/proc/<pid>/status has no usable line {0}")]
    Status(&'static str),
    /// A line of `/proc/<pid>/limits`.
    #[error("/proc/<pid>/limits is not understood")]
    Limits,
    /// The configuration lacks a section.
    #[error("the OCI configuration has no section {0}")]
    Section(&'static str),
    /// The seccomp profile.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

impl Identity {
    /// Reads what `process` is, and from `spec` what cannot be read there.
    pub(crate) fn of(process: Pid, spec: &Spec) -> Result<Self, IdentityError> {
        let status = Status(fs::read_to_string(format!(
            "/proc/{}/status",
            process.as_raw_nonzero()
        ))?);
        let configured = spec.process().as_ref().ok_or(IdentityError::Section("process"))?;
        let linux = spec.linux().as_ref().ok_or(IdentityError::Section("linux"))?;
        let environment = configured.env().clone().unwrap_or_default();
        let search = environment
            .iter()
            .find_map(|variable| variable.strip_prefix("PATH="))
            .unwrap_or_default();
        Ok(Self {
            uid: Uid::from_raw(status.number("Uid:", 10)?),
            gid: Gid::from_raw(status.number("Gid:", 10)?),
            groups: status.numbers("Groups:")?.into_iter().map(Gid::from_raw).collect(),
            capabilities: CapabilitySets {
                effective: status.capabilities("CapEff:")?,
                permitted: status.capabilities("CapPrm:")?,
                inheritable: status.capabilities("CapInh:")?,
            },
            bounding: status.capabilities("CapBnd:")?,
            ambient: status.capabilities("CapAmb:")?,
            no_new_privileges: status.number("NoNewPrivs:", 10)? != 0,
            umask: Mode::from_raw_mode(status.number("Umask:", 8)?),
            limits: limits(&fs::read_to_string(format!(
                "/proc/{}/limits",
                process.as_raw_nonzero()
            ))?)?,
            filter: linux.seccomp().as_ref().map(Filter::compile).transpose()?,
            working_directory: c_string(configured.cwd().as_os_str())?,
            search: search.to_owned(),
            environment: environment
                .iter()
                .map(|variable| c_string(variable.as_ref()))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The container's user.
    pub(crate) fn uid(&self) -> Uid {
        self.uid
    }

    /// Changes to the container's working directory. Must happen when no folder of the host is open any more: a path
    /// such as `/proc/self/fd/7` would lead to it.
    pub(crate) fn enter_working_directory(&self) -> rustix::io::Result<()> {
        rustix::process::chdir(&self.working_directory)
    }

    /// Makes this process, which is root and inside the container, what the container's processes are. Only executing a
    /// program is left to do.
    pub(crate) fn assume(&self) -> io::Result<()> {
        rustix::process::umask(self.umask);
        for limit in &self.limits {
            system::set_limit(limit)?;
        }
        self.narrow_bounding_set()?;
        let own = rustix::thread::capabilities(None)?;
        rustix::thread::set_keep_capabilities(true)?;
        rustix::thread::set_thread_groups(&self.groups)?;
        rustix::thread::set_thread_res_gid(self.gid, self.gid, self.gid)?;
        rustix::thread::set_thread_res_uid(self.uid, self.uid, self.uid)?;
        // The change of user has cleared the effective set. A filter without no_new_privs needs CAP_SYS_ADMIN.
        rustix::thread::set_capabilities(
            None,
            CapabilitySets {
                effective: own.permitted,
                ..own
            },
        )?;
        if !self.no_new_privileges {
            self.load_filter()?;
        }
        rustix::thread::set_capabilities(None, self.capabilities)?;
        for capability in self.ambient.iter() {
            rustix::thread::configure_capability_in_ambient_set(capability, true)?;
        }
        if self.no_new_privileges {
            rustix::thread::set_no_new_privs(true)?;
            self.load_filter()?;
        }
        Ok(())
    }

    fn narrow_bounding_set(&self) -> rustix::io::Result<()> {
        for bit in 0..u64::BITS {
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            if !self.bounding.contains(capability) {
                match rustix::thread::remove_capability_from_bounding_set(capability) {
                    // One past the last that this kernel knows.
                    Err(Errno::INVAL) => break,
                    result => result?,
                }
            }
        }
        Ok(())
    }

    fn load_filter(&self) -> io::Result<()> {
        self.filter.as_ref().map_or(Ok(()), Filter::load)
    }
}

/// The limits in `/proc/<pid>/limits`, a table in the order of their numbers; prlimit(2) would need CAP_SYS_RESOURCE.
fn limits(table: &str) -> Result<Vec<Limit>, IdentityError> {
    let error = || IdentityError::Limits;
    let number = |field: &str| {
        if field == "unlimited" {
            Ok(u64::MAX)
        } else {
            field.parse().map_err(|_| error())
        }
    };
    let lines = (0..).zip(table.lines().skip(1));
    let limits = lines.map(|(resource, line)| {
        let mut fields = line.get(LIMIT_NAME_BYTES..).ok_or_else(error)?.split_whitespace();
        let mut next = || fields.next().ok_or_else(error).and_then(number);
        Ok(Limit {
            resource,
            soft: next()?,
            hard: next()?,
        })
    });
    limits.collect()
}

/// The text of `/proc/<pid>/status`.
struct Status(String);

impl Status {
    fn fields(&self, name: &'static str) -> Result<impl Iterator<Item = &str>, IdentityError> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.ok_or(IdentityError::Status(name))?.split_whitespace())
    }

    /// The first number of a line.
    fn number(&self, name: &'static str, radix: u32) -> Result<u32, IdentityError> {
        let field = self.fields(name)?.next().ok_or(IdentityError::Status(name))?;
        u32::from_str_radix(field, radix).map_err(|_| IdentityError::Status(name))
    }

    fn numbers(&self, name: &'static str) -> Result<Vec<u32>, IdentityError> {
        self.fields(name)?
            .map(|field| field.parse().map_err(|_| IdentityError::Status(name)))
            .collect()
    }

    fn capabilities(&self, name: &'static str) -> Result<CapabilitySet, IdentityError> {
        let field = self.fields(name)?.next().ok_or(IdentityError::Status(name))?;
        let bits = u64::from_str_radix(field, 16).map_err(|_| IdentityError::Status(name))?;
        Ok(CapabilitySet::from_bits_retain(bits))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_in_their_order() {
        let limits = limits(&fs::read_to_string("/proc/self/limits").unwrap()).unwrap();
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let read = limits
            .iter()
            .find(|limit| limit.resource == libc::RLIMIT_NOFILE)
            .unwrap();
        assert_eq!((Some(read.soft), Some(read.hard)), (files.current, files.maximum));
        assert_eq!(limits.len(), 16);
    }
}
