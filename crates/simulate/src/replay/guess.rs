//! From where on a life with other numbers is a guess.

use std::time::Duration;

use probelet_lifecycle::config::PodConfig;

use crate::duration::clock;

/// Why what a container does is a guess, and from when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    /// An instance lives longer than the recorded one did.
    Longer {
        container: usize,
        instance: u32,
        at: Duration,
    },
    /// An instance is given more time to stop than the recorded one, which was killed.
    Patience { container: usize, at: Duration },
    /// A probe has more time to answer than when it was cut off.
    Answer { container: usize, at: Duration },
    /// It is started, and never was.
    Never { container: usize, at: Duration },
    /// It starts, or is tried to, when it was not.
    OtherTimes { container: usize, at: Duration },
}

impl Guess {
    fn container(self) -> usize {
        match self {
            Self::Longer { container, .. }
            | Self::Patience { container, .. }
            | Self::Answer { container, .. }
            | Self::Never { container, .. }
            | Self::OtherTimes { container, .. } => container,
        }
    }

    fn at(self) -> Duration {
        match self {
            Self::Longer { at, .. }
            | Self::Patience { at, .. }
            | Self::Answer { at, .. }
            | Self::Never { at, .. }
            | Self::OtherTimes { at, .. } => at,
        }
    }

    /// Notes a guess, unless it follows from one of its sort about the same container.
    pub(crate) fn note(guesses: &mut Vec<Self>, guess: Self) {
        let same = |known: &Self| {
            let sorts = [*known, guess].map(|guess| std::mem::discriminant(&guess));
            known.container() == guess.container() && sorts[0] == sorts[1]
        };
        if !guesses.iter().any(same) {
            guesses.push(guess);
        }
    }

    fn text(self, config: &PodConfig, origin: Duration) -> String {
        let (name, from) = (
            &config.containers[self.container()].name,
            clock(self.at().saturating_sub(origin)),
        );
        match self {
            Self::Longer { instance: 0, .. } => {
                format!(
                    "from {from} on, {name}'s first instance lives longer than it did; its last answers are taken to hold"
                )
            }
            Self::Longer { instance, .. } => format!(
                "from {from} on, {name} lives longer than it did after restart {instance}; its last answers are taken to hold"
            ),
            Self::Patience { .. } => format!(
                "from {from} on, {name} has more time to stop than when it was killed; it is taken not to stop by itself"
            ),
            Self::Answer { .. } => format!(
                "from {from} on, a probe of {name} has more time to answer than when it was cut off; it is taken to fail all \
                 the same"
            ),
            Self::Never { .. } => format!("from {from} on, {name} runs, which it never did; it is taken to be well"),
            Self::OtherTimes { .. } => format!(
                "from {from} on, {name} is started at other times than it was; it is taken to do by its age what it did when \
                 it was started next to them"
            ),
        }
    }
}

/// What is said of guesses, in the order of time.
pub(super) fn told(guesses: &[Guess], config: &PodConfig, origin: Duration) -> Vec<String> {
    let mut guesses = guesses.to_vec();
    guesses.sort_by_key(|guess| guess.at());
    guesses.into_iter().map(|guess| guess.text(config, origin)).collect()
}
