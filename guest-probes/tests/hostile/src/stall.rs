//! Waiting without a look at the clock.

use std::time::Duration;

use probelet_plugin::{
    Verdict, time_left,
    wasip2::{
        cli::stdout::get_stdout,
        clocks::monotonic_clock::{subscribe_duration, subscribe_instant},
        io::poll::poll,
    },
};
use serde::Deserialize;

/// How to wait.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// For a moment that is too far away.
    FarMoment,
    /// For a duration that is too long.
    FarDuration,
    /// A thousandth of a second, again and again.
    ShortNaps,
    /// For many moments at once.
    ManyMoments,
    /// Until just after the run's time, and then to say that all is well.
    TooLate,
    /// For the output to take more, which it always does.
    Output,
    /// As the standard library sleeps.
    Sleep,
}

pub(crate) fn wait(how: Way) -> Verdict {
    match how {
        Way::FarMoment => subscribe_instant(u64::MAX).block(),
        Way::FarDuration => subscribe_duration(u64::MAX).block(),
        Way::ShortNaps => loop {
            subscribe_duration(1_000_000).block();
        },
        Way::ManyMoments => {
            let all: Vec<_> = (0..50).map(|number| subscribe_duration(u64::MAX - number)).collect();
            poll(&all.iter().collect::<Vec<_>>());
        }
        Way::TooLate => {
            let late = time_left() + Duration::from_secs(1);
            subscribe_duration(late.as_nanos() as u64).block();
        }
        Way::Output => loop {
            get_stdout().subscribe().block();
        },
        Way::Sleep => std::thread::sleep(Duration::from_secs(3600)),
    }
    Verdict::healthy()
}
