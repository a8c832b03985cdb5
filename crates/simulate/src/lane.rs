//! A lane of the chart: what a container or pod was, from time to time.

use std::time::Duration;

use serde::Serialize;

/// What a container is, as charts show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Stage {
    /// It runs and is ready.
    Ready,
    /// It runs and is not ready.
    Unready,
    /// It runs and is being ended.
    Stopping,
    /// It does not run, and is to.
    Down,
    /// It does not run, and needs not.
    Ended,
}

impl Stage {
    /// All of them, in the order of a legend.
    pub(crate) const ALL: [Self; 5] = [Self::Ready, Self::Unready, Self::Stopping, Self::Down, Self::Ended];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unready => "running, not ready",
            Self::Stopping => "stopping",
            Self::Down => "not running",
            Self::Ended => "ended",
        }
    }
}

/// The most parts of a lane: a chart has a thousand columns at most, so this is twenty to a column.
const MAX_PARTS: usize = 20_000;

/// The parts of a lane: each from its time to that of the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lane {
    parts: Vec<(Duration, Stage)>,
}

impl Lane {
    /// From now on it is this.
    pub(crate) fn push(&mut self, now: Duration, stage: Stage) {
        if let Some(last) = self.parts.last_mut().filter(|last| last.0 == now) {
            last.1 = stage;
        } else {
            self.parts.push((now, stage));
        }
        // What was only for an instant leaves two parts alike.
        let length = self.parts.len();
        if length > 1 && self.parts[length - 1].1 == self.parts[length - 2].1 {
            self.parts.pop();
        }
        if self.parts.len() > MAX_PARTS {
            self.coarsen();
        }
    }

    /// Makes all times count from `origin`.
    pub(crate) fn shift(&mut self, origin: Duration) {
        self.parts
            .iter_mut()
            .for_each(|part| part.0 = part.0.saturating_sub(origin));
    }

    /// Makes one part of each two, of the longer one's sort.
    fn coarsen(&mut self) {
        let ends: Vec<_> = self.parts.iter().skip(1).map(|part| part.0).collect();
        let length = |at: usize| ends.get(at).map_or(Duration::ZERO, |end| *end - self.parts[at].0);
        let halves = (0..self.parts.len()).step_by(2).map(|at| {
            let other = self.parts.get(at + 1).filter(|_| length(at + 1) > length(at));
            (self.parts[at].0, other.unwrap_or(&self.parts[at]).1)
        });
        let mut halves: Vec<_> = halves.collect();
        halves.dedup_by_key(|part| part.1);
        self.parts = halves;
    }

    /// What it was at last.
    pub(crate) fn last(&self) -> Option<Stage> {
        self.parts.last().map(|part| part.1)
    }

    /// The parts with their beginnings and ends, up to `end`.
    pub(crate) fn parts(&self, end: Duration) -> impl Iterator<Item = (Duration, Duration, Stage)> + '_ {
        let ends = self.parts.iter().skip(1).map(|part| part.0).chain([end]);
        let parts = self.parts.iter().zip(ends);
        parts
            .map(move |(part, to)| (part.0, to.min(end), part.1))
            .filter(|part| part.0 < part.1)
    }

    /// What it mostly was in each of `count` columns that divide the time up to `end`; `None` where nothing is known.
    pub(crate) fn columns(&self, end: Duration, count: u32) -> Vec<Option<Stage>> {
        let mut shares = vec![[Duration::ZERO; Stage::ALL.len()]; count as usize];
        let width = end / count.max(1);
        for (from, to, stage) in self.parts(end) {
            let first = column(from, end, count);
            for (at, share) in shares.iter_mut().enumerate().skip(first) {
                let at = u32::try_from(at).unwrap_or(u32::MAX);
                let (begin, finish) = (width * at, width * (at + 1));
                if begin >= to {
                    break;
                }
                share[stage as usize] += to.min(finish).saturating_sub(from.max(begin));
            }
        }
        let mostly = |share: &[Duration; Stage::ALL.len()]| {
            let longest = Stage::ALL.into_iter().max_by_key(|stage| share[*stage as usize]);
            longest.filter(|stage| !share[*stage as usize].is_zero())
        };
        shares.iter().map(mostly).collect()
    }
}

/// The column in which a time lies.
pub(crate) fn column(time: Duration, end: Duration, count: u32) -> usize {
    let at = time.as_millis() * u128::from(count) / end.as_millis().max(1);
    usize::try_from(at)
        .unwrap_or(usize::MAX)
        .min(count.saturating_sub(1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_column_shows_what_lasted_longest() {
        let mut lane = Lane::default();
        for (second, stage) in [
            (0, Stage::Unready),
            (12, Stage::Ready),
            (35, Stage::Down),
            (35, Stage::Unready),
            (36, Stage::Ready),
        ] {
            lane.push(at(second), stage);
        }
        let columns = lane.columns(at(50), 5);
        let (unready, ready) = (Some(Stage::Unready), Some(Stage::Ready));
        assert_eq!(columns, [unready, ready, ready, ready, ready]);
        assert_eq!(lane.parts(at(50)).count(), 4);
    }

    #[test]
    fn a_restless_lane_stays_bounded_and_in_order() {
        let mut lane = Lane::default();
        for second in 0..100_000u64 {
            lane.push(
                at(second),
                if second.is_multiple_of(2) {
                    Stage::Ready
                } else {
                    Stage::Down
                },
            );
        }
        assert!(lane.parts.len() <= MAX_PARTS);
        assert!(lane.parts.is_sorted_by_key(|part| part.0));
    }
}
