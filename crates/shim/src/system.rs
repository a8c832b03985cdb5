//! System calls that no crate wraps, or not for a process with one thread. All unsafe code of the shim is here.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

/// One past the highest signal number of Linux.
const SIGNALS: i32 = 65;

/// The size of the kernel's signal sets.
const SIGNAL_SET_BYTES: usize = 8;

/// The flag of clone3 for [`clone_into`]; libc's constant has lost its upper half.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Where a fork comes out.
pub(crate) enum Forked {
    /// In the new process.
    Child,
    /// In the old one, with the new one's number.
    Parent(Pid),
}

/// Where [`clone_into`] comes out.
pub(crate) enum Cloned {
    /// In the new process.
    Child,
    /// In the old one, with a descriptor of the new process.
    Parent(OwnedFd),
}

/// Starts a process that goes on with the same code and a copy of everything.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: this process has one thread, so that the child finds no lock held and no half-done work.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(Pid::from_raw(pid).ok_or(io::ErrorKind::Other)?)),
    }
}

/// As [`fork`], and the new process begins its life in `cgroup`, a folder of a cgroup2.
pub(crate) fn clone_into(cgroup: BorrowedFd<'_>) -> io::Result<Cloned> {
    let mut descriptor: RawFd = -1;
    let arguments = libc::clone_args {
        flags: CLONE_INTO_CGROUP | libc::CLONE_PIDFD as u64,
        pidfd: ptr::from_mut(&mut descriptor) as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.as_raw_fd() as u64,
    };
    // SAFETY: without CLONE_VM and without a stack this is a fork, for which the above holds; the arguments are those
    // that the kernel expects, of the size it is told, and `descriptor` outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Cloned::Child),
        // SAFETY: the kernel has just made this descriptor for us.
        _ => Ok(Cloned::Parent(unsafe { OwnedFd::from_raw_fd(descriptor) })),
    }
}

/// Ends this process at once.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: ends the process without running anything else of it.
    unsafe { libc::_exit(code) }
}

/// Runs another program in this process. Comes back only to say why not.
pub(crate) fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let arguments = pointers(arguments);
    let environment = pointers(environment);
    // SAFETY: all are strings that end in 0, in lists that end in a null pointer, and live until the call is over.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr())
        .chain([ptr::null()])
        .collect()
}

/// Gives every signal its default effect and lets all of them through, as a new program expects it. Rust's runtime
/// ignores SIGPIPE, and a program would inherit that. The C library would hide two signals that it uses itself and that
/// may come to us ignored, so the kernel is asked directly.
pub(crate) fn reset_signals() {
    // SIG_DFL, no flags, no restorer, an empty mask: the kernel's struct is all zeros, and at most this long.
    let default = [0_u64; 4];
    for signal in 1..SIGNALS {
        // SAFETY: sets a default disposition; the two signals that cannot be changed are refused, which is as good.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                ptr::null::<u64>(),
                SIGNAL_SET_BYTES,
            )
        };
    }
    let none = 0_u64;
    let mask = ptr::from_ref(&none);
    // SAFETY: makes an empty set the mask of the only thread.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            mask,
            ptr::null::<u64>(),
            SIGNAL_SET_BYTES,
        );
    }
}

/// Makes this process deaf to a signal.
pub(crate) fn ignore_signal(signal: i32) {
    // SAFETY: no handler is involved.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Blocks SIGCHLD and returns a descriptor that is readable when one is pending.
pub(crate) fn watch_children() -> io::Result<OwnedFd> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: initialises the set before it is used, and takes ownership of a descriptor that was just made.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut()))?;
        let descriptor = check(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Sends a signal, which may be a real-time one.
pub(crate) fn kill(pid: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: passes two numbers.
    check(unsafe { libc::kill(pid.as_raw_nonzero().get(), signal) }).map(drop)
}

/// Closes every descriptor from 3 on that is not in `kept`.
pub(crate) fn close_all_but(kept: &[RawFd]) -> io::Result<()> {
    let mut kept: Vec<_> = kept
        .iter()
        .filter_map(|descriptor| libc::c_uint::try_from(*descriptor).ok())
        .collect();
    kept.sort_unstable();
    let mut first = 3;
    for descriptor in kept {
        if descriptor > first {
            close_range(first, descriptor - 1)?;
        }
        first = first.max(descriptor + 1);
    }
    close_range(first, libc::c_uint::MAX)
}

fn close_range(first: libc::c_uint, last: libc::c_uint) -> io::Result<()> {
    // SAFETY: closes descriptors; the callers are at a point where the owners of those are never used or dropped again.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } as libc::c_int).map(drop)
}

/// One limit of a process.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    /// Which, by the kernel's number.
    pub(crate) resource: u32,
    /// What is enforced; `u64::MAX` for nothing.
    pub(crate) soft: u64,
    /// How far the process itself may raise that.
    pub(crate) hard: u64,
}

/// Makes `limit` this process's own.
pub(crate) fn set_limit(limit: &Limit) -> io::Result<()> {
    let value = libc::rlimit {
        rlim_cur: limit.soft,
        rlim_max: limit.hard,
    };
    // SAFETY: passes a value that outlives the call.
    check(unsafe { libc::setrlimit(limit.resource as _, &raw const value) }).map(drop)
}

/// One instruction of a seccomp filter, as the kernel has it.
pub(crate) const FILTER_INSTRUCTION_BYTES: usize = size_of::<libc::sock_filter>();

/// Puts a compiled seccomp filter on this process. Needs CAP_SYS_ADMIN or no_new_privs.
pub(crate) fn load_filter(instructions: &[[u8; FILTER_INSTRUCTION_BYTES]]) -> io::Result<()> {
    let length = libc::c_ushort::try_from(instructions.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog {
        len: length,
        filter: instructions.as_ptr().cast_mut().cast(),
    };
    const NO_FLAGS: libc::c_ulong = 0;
    // SAFETY: the kernel copies `len` instructions of this size, byte by byte, and checks them itself.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER as libc::c_ulong,
            NO_FLAGS,
            &raw const program,
        )
    };
    check(result as libc::c_int).map(drop)
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
