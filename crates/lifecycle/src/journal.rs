//! What a machine was told, so that its life can be lived again: the same events give the same states and actions.

use serde::{Deserialize, Serialize};

use crate::{action::Action, config::PodConfig, event::Event, machine::step, state::State, time::Now};

/// One thing that a machine was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub now: Now,
    /// What.
    pub event: Event,
    /// The [`digest`] of the actions that followed, if it was recorded.
    #[serde(default)]
    pub actions: Option<u64>,
}

/// A short name for actions: the same ones have the same, and others hardly ever (FNV-1a, 64 bits). It is only good among
/// agents of one version, for whom actions look the same.
pub fn digest(actions: &[Action]) -> u64 {
    let text = format!("{actions:?}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A part of a machine's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// When the part begins.
    pub since: Now,
    /// When it ends.
    pub until: Now,
    /// The state that it begins with.
    pub state: State,
    /// All that the machine was told since, in order.
    pub told: Vec<Told>,
}

impl Journal {
    /// The pod's configuration.
    pub fn config(&self) -> &PodConfig {
        &self.state.config
    }

    /// Lives this part again. `seen` is given each thing that was told, the state after it, and the actions that followed.
    /// Returns the state at its end, which is the one that the machine had then.
    pub fn replay(&self, mut seen: impl FnMut(&Told, &State, Vec<Action>)) -> State {
        let mut state = self.state.clone();
        for told in &self.told {
            let mut actions = Vec::new();
            step(&mut state, told.now, told.event.clone(), &mut actions);
            seen(told, &state, actions);
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::ActionId;

    #[test]
    fn actions_that_differ_in_one_bit_have_other_names() {
        let cancel = |id| Action::Cancel { id: ActionId(id) };
        let mut names: Vec<_> = (0..1000).map(|id| digest(&[cancel(id)])).collect();
        names.push(digest(&[]));
        names.push(digest(&[cancel(1), cancel(2)]));
        names.push(digest(&[cancel(2), cancel(1)]));
        assert_eq!(digest(&[cancel(1)]), names[1]);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 1003);
    }

    #[test]
    fn the_name_is_that_of_fnv_1a() {
        // 64 bits, of the text "[]".
        assert_eq!(digest(&[]), 0x0961_2b07_b5ec_b5a5);
    }
}
