//! Stop signals (A1.18).

use crate::{check::Object, names};

/// What Linux has, beside the real-time signals.
const NAMES: [&str; 34] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
    "SIGWINCH",
    "SIGXCPU",
    "SIGXFSZ",
];

/// Real-time signals are counted up from `SIGRTMIN` this far, and down from `SIGRTMAX` one less.
const REAL_TIME_OFFSETS: u8 = 15;

/// The stop signal of a `lifecycle`; `None` if it is at fault, `Some(None)` if there is none.
pub(crate) fn stop_signal(lifecycle: &Object<'_>, has_os: bool) -> Option<Option<String>> {
    let Some(name) = lifecycle.text("stopSignal").filter(|name| !name.is_empty()) else {
        return Some(None);
    };
    let path = lifecycle.at("stopSignal");
    if !has_os {
        let message = "Forbidden: may not be set for containers with empty `spec.os.name`; write `os: {name: linux}`";
        lifecycle.report.error(&path, message);
    }
    if !is_signal(name) {
        let near = names::nearest(name, NAMES);
        let help = near.map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
        let message = format!("Unsupported value: \"{name}\": a signal of Linux such as SIGTERM or SIGRTMIN+1{help}");
        lifecycle.report.error(&path, message);
        return None;
    }
    Some(Some(name.to_owned()))
}

fn is_signal(name: &str) -> bool {
    stop_signals().any(|known| known == name)
}

/// All that `lifecycle.stopSignal` may be (A1.18).
pub fn stop_signals() -> impl Iterator<Item = String> {
    let up = (1..=REAL_TIME_OFFSETS).map(|offset| format!("SIGRTMIN+{offset}"));
    let down = (1..REAL_TIME_OFFSETS).map(|offset| format!("SIGRTMAX-{offset}"));
    let plain = NAMES.into_iter().chain(["SIGRTMIN", "SIGRTMAX"]);
    plain.map(str::to_owned).chain(up).chain(down)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a1_18_there_are_65_signals() {
        let up = (1..=20).map(|number| format!("SIGRTMIN+{number}"));
        let down = (1..=20).map(|number| format!("SIGRTMAX-{number}"));
        let plain = ["SIGRTMIN", "SIGRTMAX"]
            .iter()
            .chain(&NAMES)
            .map(|name| (*name).to_owned());
        let count = plain.chain(up).chain(down).filter(|name| is_signal(name)).count();
        assert_eq!(count, 65);
        for wrong in [
            "TERM",
            "sigterm",
            "SIGRTMIN+",
            "SIGRTMIN+01",
            "SIGRTMIN-1",
            "SIGRTMAX+1",
            "9",
            "",
        ] {
            assert!(!is_signal(wrong), "{wrong}");
        }
    }
}
