//! The default seccomp profile: what containerd lets an ordinary container call, as tables.
//!
//! Everything else gives EPERM. A capability opens the calls that are of use with it only.

use std::collections::BTreeSet;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, Capabilities, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscallBuilder,
};

/// System calls that every container may make.
const ALLOWED: &str = "
    accept accept4 access adjtimex alarm
    bind brk
    cachestat capget capset chdir chmod chown chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64
    clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range
    creat
    dup dup2 dup3
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
    eventfd2 execve execveat exit exit_group
    faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown
    fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64
    fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv
    futex_wake futimesat
    getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32
    getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid
    getresuid32 getrlimit get_robust_list getrusage getsid getsockname getsockopt get_thread_area gettid
    gettimeofday getuid getuid32 getxattr getxattrat
    inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel ioctl io_destroy io_getevents
    io_pgetevents io_pgetevents_time64 ioprio_get ioprio_set io_setup io_submit ipc
    kill
    landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen
    listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64
    madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2
    mlockall mmap mmap2 mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap
    name_to_handle_at nanosleep newfstatat _newselect
    open openat openat2
    pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll ppoll_time64 prctl
    pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv process_vm_writev pselect6 pselect6_time64
    ptrace pwrite64 pwritev pwritev2
    read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages
    removexattr removexattrat rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending
    rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64
    rt_tgsigqueueinfo
    sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send sendfile
    sendfile64 sendmmsg sendmsg sendto setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
    setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
    setreuid32 setrlimit set_robust_list setsid setsockopt set_thread_area set_tid_address setuid setuid32 setxattr
    setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall
    socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs
    sysinfo
    tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
    timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill
    truncate truncate64
    ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes
    vfork vmsplice
    wait4 waitid waitpid write writev
";

/// System calls of one processor architecture.
#[cfg(target_arch = "x86_64")]
const OF_ARCHITECTURE: &str = "arch_prctl modify_ldt";
#[cfg(target_arch = "aarch64")]
const OF_ARCHITECTURE: &str = "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2";

/// The instruction sets that the filter judges; the processor can run programs of all of them.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [Arch; 3] = [Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [Arch; 2] = [Arch::ScmpArchAarch64, Arch::ScmpArchArm];

/// System calls that a capability opens.
const WITH_CAPABILITY: [(Capability, &str); 14] = [
    (Capability::Bpf, "bpf"),
    (Capability::DacReadSearch, "open_by_handle_at"),
    (Capability::Perfmon, "perf_event_open"),
    (
        Capability::SysAdmin,
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount
         open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare",
    ),
    (Capability::SysBoot, "reboot"),
    (Capability::SysChroot, "chroot"),
    (Capability::SysModule, "delete_module finit_module init_module"),
    (
        Capability::SysNice,
        "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    ),
    (Capability::SysPacct, "acct"),
    (Capability::SysPtrace, "kcmp pidfd_getfd process_madvise"),
    (Capability::SysRawio, "ioperm iopl"),
    (Capability::SysTime, "clock_settime clock_settime64 settimeofday stime"),
    (Capability::SysTtyConfig, "vhangup"),
    (Capability::Syslog, "syslog"),
];

/// The execution domains that exist on any Linux: the default, with or without UNAME26, and the query.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// AF_VSOCK, which would reach the hypervisor and other virtual machines past the pod's network.
const VSOCK: u64 = 40;

/// All flags of clone(2) that make a new namespace, hence need CAP_SYS_ADMIN.
const CLONE_NEW_NAMESPACE: u64 = 0x7e02_0000;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The default profile for a container with these capabilities.
pub(crate) fn default_profile(capabilities: &Capabilities) -> Result<LinuxSeccomp, OciSpecError> {
    use LinuxSeccompAction::{ScmpActAllow, ScmpActErrno};
    let opened = WITH_CAPABILITY
        .iter()
        .filter(|(capability, _)| capabilities.contains(capability));
    let tables = [ALLOWED, OF_ARCHITECTURE]
        .into_iter()
        .chain(opened.map(|(_, names)| *names));
    // Each name once: libseccomp refuses a rule that is there already.
    let names: BTreeSet<_> = tables.flat_map(str::split_whitespace).collect();
    let mut rules = vec![rule(names, ScmpActAllow).build()?];
    rules.push(rule(["socket"], ScmpActAllow).args([other_than(VSOCK)?]).build()?);
    for personality in PERSONALITIES {
        rules.push(
            rule(["personality"], ScmpActAllow)
                .args([equal_to(personality)?])
                .build()?,
        );
    }
    if !capabilities.contains(&Capability::SysAdmin) {
        rules.push(
            rule(["clone"], ScmpActAllow)
                .args([without_bits(CLONE_NEW_NAMESPACE)?])
                .build()?,
        );
        // A filter cannot see the flags of clone3; with this answer C libraries fall back to clone.
        rules.push(rule(["clone3"], ScmpActErrno).errno_ret(ENOSYS).build()?);
    }
    LinuxSeccompBuilder::default()
        .default_action(ScmpActErrno)
        .default_errno_ret(EPERM)
        .architectures(ARCHITECTURES)
        .syscalls(rules)
        .build()
}

fn rule<'a>(names: impl IntoIterator<Item = &'a str>, action: LinuxSeccompAction) -> LinuxSyscallBuilder {
    let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    LinuxSyscallBuilder::default().names(names).action(action)
}

fn equal_to(value: u64) -> Result<LinuxSeccompArg, OciSpecError> {
    first_argument(LinuxSeccompOperator::ScmpCmpEq).value(value).build()
}

fn other_than(value: u64) -> Result<LinuxSeccompArg, OciSpecError> {
    first_argument(LinuxSeccompOperator::ScmpCmpNe).value(value).build()
}

/// OCI's own meaning is that `value` is the mask and `value_two` the result; libcontainer 0.7 reads them the other way
/// round, and would let every clone pass. The test of the shim that calls clone with a namespace flag notices a change.
fn without_bits(mask: u64) -> Result<LinuxSeccompArg, OciSpecError> {
    first_argument(LinuxSeccompOperator::ScmpCmpMaskedEq)
        .value(0_u64)
        .value_two(mask)
        .build()
}

fn first_argument(operator: LinuxSeccompOperator) -> LinuxSeccompArgBuilder {
    LinuxSeccompArgBuilder::default().index(0_usize).op(operator)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names_of(capabilities: &[Capability]) -> Vec<String> {
        let profile = default_profile(&capabilities.iter().copied().collect()).unwrap();
        profile
            .syscalls()
            .iter()
            .flatten()
            .flat_map(|rule| rule.names().clone())
            .collect()
    }

    #[test]
    fn a_capability_opens_its_calls_and_nothing_else() {
        let without = names_of(&[]);
        let with = names_of(&[Capability::SysChroot]);
        let opened: Vec<_> = with.iter().filter(|name| !without.contains(name)).collect();
        assert_eq!(opened, ["chroot"]);
        assert!(
            !without
                .iter()
                .any(|name| ["mount", "unshare", "bpf", "reboot"].contains(&name.as_str()))
        );
    }

    #[test]
    fn no_name_is_allowed_twice() {
        let all = WITH_CAPABILITY.map(|(capability, _)| capability);
        let mut names = names_of(&all);
        names.retain(|name| name != "personality");
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
        assert!(names.contains(&"clone3".to_owned()));
    }
}
