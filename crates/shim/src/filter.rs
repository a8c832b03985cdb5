//! The container's seccomp filter, compiled once and loaded for every command that is executed in it.
//!
//! libcontainer loads the same profile for process 1 but offers no compiled form, so the profile is translated here as
//! it does, its reading of masks included: a test holds process 1 and commands to the same behaviour.

use std::fs::File;
use std::io::{self, Read, Seek};

use libcontainer::oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator};
use libseccomp::error::SeccompError;
use libseccomp::{ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use rustix::fs::MemfdFlags;

use crate::system::{self, FILTER_INSTRUCTION_BYTES};

/// How libseccomp sorts the rules: 2 is a tree by number, which a system call passes in some ten steps instead of
/// hundreds.
const OPTIMIZE_TREE: u32 = 2;

/// Why a profile cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    /// It asks for something that our profiles never do.
    #[error("the seccomp action {0:?} is not supported for commands executed in a container")]
    Action(LinuxSeccompAction),
    /// libseccomp refuses.
    #[error("the seccomp profile cannot be compiled: {0}")]
    Library(#[from] SeccompError),
    /// The compiled form cannot be taken over.
    #[error("the compiled seccomp profile cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// A compiled filter.
pub(crate) struct Filter(Vec<[u8; FILTER_INSTRUCTION_BYTES]>);

impl Filter {
    /// Compiles a profile.
    pub(crate) fn compile(profile: &LinuxSeccomp) -> Result<Self, FilterError> {
        let mut file = File::from(rustix::fs::memfd_create(c"seccomp", MemfdFlags::CLOEXEC).map_err(io::Error::from)?);
        build(profile)?.export_bpf(&file)?;
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(Self(bytes.as_chunks().0.to_vec()))
    }

    /// Puts it on this process.
    pub(crate) fn load(&self) -> io::Result<()> {
        system::load_filter(&self.0)
    }
}

fn build(profile: &LinuxSeccomp) -> Result<ScmpFilterContext, FilterError> {
    let default = action(profile.default_action(), profile.default_errno_ret())?;
    let mut context = ScmpFilterContext::new(default)?;
    context.set_ctl_optimize(OPTIMIZE_TREE)?;
    for architecture in profile.architectures().iter().flatten() {
        context.add_arch(architecture_of(*architecture))?;
    }
    for rule in profile.syscalls().iter().flatten() {
        let action = action(rule.action(), rule.errno_ret())?;
        let conditions: Vec<_> = rule.args().iter().flatten().map(condition).collect();
        // A call that this libseccomp does not know by name is left to the default action, as for process 1.
        for call in rule.names().iter().filter_map(|name| ScmpSyscall::from_name(name).ok()) {
            if action != default {
                context.add_rule_conditional(action, call, &conditions)?;
            }
        }
    }
    Ok(context)
}

/// The actions that our profiles use.
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<ScmpAction, FilterError> {
    match action {
        LinuxSeccompAction::ScmpActAllow => Ok(ScmpAction::Allow),
        LinuxSeccompAction::ScmpActErrno => Ok(ScmpAction::Errno(
            errno.and_then(|errno| errno.try_into().ok()).unwrap_or(libc::EPERM),
        )),
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => Ok(ScmpAction::KillThread),
        LinuxSeccompAction::ScmpActKillProcess => Ok(ScmpAction::KillProcess),
        LinuxSeccompAction::ScmpActLog => Ok(ScmpAction::Log),
        other => Err(FilterError::Action(other)),
    }
}

fn condition(argument: &LinuxSeccompArg) -> ScmpArgCompare {
    let operator = match argument.op() {
        LinuxSeccompOperator::ScmpCmpNe => ScmpCompareOp::NotEqual,
        LinuxSeccompOperator::ScmpCmpLt => ScmpCompareOp::Less,
        LinuxSeccompOperator::ScmpCmpLe => ScmpCompareOp::LessOrEqual,
        LinuxSeccompOperator::ScmpCmpEq => ScmpCompareOp::Equal,
        LinuxSeccompOperator::ScmpCmpGe => ScmpCompareOp::GreaterEqual,
        LinuxSeccompOperator::ScmpCmpGt => ScmpCompareOp::Greater,
        LinuxSeccompOperator::ScmpCmpMaskedEq => ScmpCompareOp::MaskedEqual(argument.value_two().unwrap_or(0)),
    };
    ScmpArgCompare::new(
        u32::try_from(argument.index()).unwrap_or(u32::MAX),
        operator,
        argument.value(),
    )
}

fn architecture_of(architecture: Arch) -> ScmpArch {
    match architecture {
        Arch::ScmpArchX86 => ScmpArch::X86,
        Arch::ScmpArchX86_64 => ScmpArch::X8664,
        Arch::ScmpArchX32 => ScmpArch::X32,
        Arch::ScmpArchArm => ScmpArch::Arm,
        Arch::ScmpArchAarch64 => ScmpArch::Aarch64,
        // No other occurs in our profiles.
        _ => ScmpArch::Native,
    }
}
