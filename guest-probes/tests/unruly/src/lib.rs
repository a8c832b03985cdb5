//! A plugin that does what its configuration says, most of it bad: the engine's tests are driven with it.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use probelet_plugin::{
    Describe, Hook, Probe, Verdict, config, context, export_description, export_hook, export_probe, go_duration, sleep,
    time_left, timeout_text, wasip2,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
enum Deed {
    /// Be well.
    Nothing,
    /// Be well, with something to say.
    Degrade { message: String },
    /// Say that the check could not be done.
    GiveUp { message: String },
    /// Say who is checked and how.
    Tell,
    /// Compute without end.
    Loop,
    /// Take this much memory.
    Allocate { bytes: usize },
    /// Call itself without end.
    Recurse,
    /// Write this much to standard output.
    Write { bytes: usize },
    /// Wait for the soft deadline, then say so.
    WaitPolitely,
    /// Wait, whatever the deadline is.
    WaitForEver,
    /// Take handles of the host's and give none back.
    HoardHandles,
    /// Panic.
    Panic,
    /// Have a message of this size.
    Talk { bytes: usize },
    /// Say how many runs this instance has seen.
    Count,
}

static RUNS: AtomicU32 = AtomicU32::new(0);

struct Unruly;

impl Probe for Unruly {
    fn check() -> Result<Verdict, String> {
        match config()? {
            Deed::Nothing => {}
            Deed::Degrade { message } => return Ok(Verdict::degraded(message)),
            Deed::GiveUp { message } => return Err(message),
            Deed::Tell => return Ok(Verdict::degraded(tell())),
            Deed::Loop => loop {
                std::hint::black_box(());
            },
            Deed::Allocate { bytes } => drop(std::hint::black_box(vec![1_u8; bytes])),
            Deed::Recurse => drop(recurse([0; 1024])),
            Deed::Write { bytes } => println!("{}", "x".repeat(bytes)),
            Deed::WaitPolitely => {
                sleep(Duration::from_secs(3600));
                return Ok(Verdict::unhealthy("was waiting for nothing"));
            }
            Deed::WaitForEver => loop {
                wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX / 2).block();
            },
            Deed::HoardHandles => loop {
                std::mem::forget(wasip2::clocks::monotonic_clock::subscribe_duration(1));
            },
            Deed::Panic => panic!("on purpose"),
            Deed::Count => {
                let runs = RUNS.fetch_add(1, Ordering::Relaxed) + 1;
                return Ok(Verdict::degraded(format!("run {runs} of this instance")));
            }
            Deed::Talk { bytes } => return Ok(Verdict::unhealthy("y".repeat(bytes))),
        }
        Ok(Verdict::healthy())
    }
}

impl Hook for Unruly {
    fn run() -> Result<(), String> {
        match Unruly::check()?.message {
            message if message.is_empty() => Ok(()),
            message => Err(message),
        }
    }
}

impl Describe for Unruly {
    fn name() -> String {
        "unruly".to_owned()
    }

    fn version() -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn config_schema() -> Option<String> {
        None
    }

    fn grants() -> Vec<String> {
        Vec::new()
    }
}

export_probe!(Unruly);
export_hook!(Unruly);
export_description!(Unruly);

/// Everything that the context has, except the time that is left, which is only looked at.
fn tell() -> String {
    let ports: Vec<String> = context::ports()
        .into_iter()
        .map(|port| format!("{}={}/{}", port.name.unwrap_or_default(), port.number, port.protocol))
        .collect();
    assert!(time_left() > Duration::ZERO);
    format!(
        "{}/{} {} {} restarts={} address={:?} ports={} started={:?} {:?} attempt={} previous={:?} timeout={} why={:?} grace={:?}",
        context::namespace(),
        context::pod(),
        context::container(),
        context::container_id(),
        context::restart_count(),
        context::address(),
        ports.join(","),
        context::started_at(),
        context::kind(),
        context::attempt(),
        context::previous_outcome(),
        timeout_text(),
        context::hook_reason(),
        context::grace_left().map(|left| go_duration(Duration::from_nanos(left))),
    )
}

#[allow(unconditional_recursion)]
fn recurse(frame: [u8; 1024]) -> [u8; 1024] {
    let mut deeper = recurse(std::hint::black_box(frame));
    deeper[0] += 1;
    deeper
}
