//! When a request is worth another try, and after which pause. Decided here, waited for elsewhere.

use std::time::Duration;

use reqwest::{Response, StatusCode, header::RETRY_AFTER};

/// How often one thing is tried in all. A registry that is being restarted, or a line that breaks, is back by then; for
/// what lasts longer, people want to be told.
pub(crate) const MAX_TRIES: u32 = 3;

/// The longest pause that a registry may ask for. Those who ask for more have counted too many requests, and mean minutes.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// What went wrong with a request, if that may pass by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// There was no connection, or it broke.
    Connection,
    /// The registry cannot just now, and perhaps says for how long, in seconds.
    Busy(Option<u64>),
}

/// What went wrong, if anything, and if it may pass.
pub(crate) fn trouble(outcome: &reqwest::Result<Response>) -> Option<Trouble> {
    match outcome {
        Err(error) if error.is_redirect() || error.is_builder() => None,
        Err(_) => Some(Trouble::Connection),
        Ok(response) => is_busy(response.status()).then(|| {
            let after = response.headers().get(RETRY_AFTER);
            Trouble::Busy(after.and_then(|after| after.to_str().ok()?.parse().ok()))
        }),
    }
}

pub(crate) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// How long to wait after try number `tried`, counted from one, before the next; nothing if there is to be none.
pub(crate) fn pause(trouble: Trouble, tried: u32, first: Duration) -> Option<Duration> {
    if tried >= MAX_TRIES {
        return None;
    }
    let own = first.saturating_mul(1 << (tried - 1));
    match trouble {
        Trouble::Busy(Some(seconds)) => {
            let asked = Duration::from_secs(seconds);
            (asked <= MAX_PAUSE).then(|| own.max(asked))
        }
        Trouble::Busy(None) | Trouble::Connection => Some(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_and_what_a_registry_asks_for_counts_unless_it_is_long() {
        let first = Duration::from_millis(300);
        for (trouble, tried, expected) in [
            (Trouble::Connection, 1, Some(300)),
            (Trouble::Connection, 2, Some(600)),
            (Trouble::Connection, 3, None),
            (Trouble::Busy(None), 1, Some(300)),
            (Trouble::Busy(Some(0)), 1, Some(300)),
            (Trouble::Busy(Some(2)), 1, Some(2000)),
            (Trouble::Busy(Some(2)), 3, None),
            (Trouble::Busy(Some(10)), 2, Some(10_000)),
            (Trouble::Busy(Some(11)), 1, None),
            (Trouble::Busy(Some(u64::MAX)), 1, None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(pause(trouble, tried, first), expected, "{trouble:?} {tried}");
        }
    }
}
