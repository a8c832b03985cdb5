//! The whole machine for small pods: in each state all that can happen, breadth first, so that what is found wrong is
//! found by a shortest way. States that cannot be told apart are visited once.
//!
//! `properties` asks the same of larger pods and longer lives, but only of some of them. Both hold the machine against
//! `truth`. Where a state is stored and read again nothing may change, so that an agent may die in each of them.

mod alike;
mod node;
mod pods;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    thread,
};

use self::{
    alike::stored_and_key,
    node::{Node, Step},
    pods::Pod,
};
use probelet_lifecycle::action::Action;

/// A pod with more states than this is too large, or two of its states that are alike are not seen to be: exploring it
/// would take a debug build longer than somebody waits for a test.
const MAX_STATES: usize = 10_000;

/// What was found of a pod.
struct Found {
    states: usize,
    steps: usize,
    /// How many steps from the beginning the farthest state is that was gone on from.
    depth: usize,
    /// Whether nothing new was left at the end.
    is_all: bool,
    /// The reasons of events, and the other actions' names.
    seen: BTreeMap<String, usize>,
}

/// How the state under examination was reached; printed if something is wrong with it.
struct Path<'a> {
    parents: &'a [(usize, Option<Step>)],
    parent: usize,
    step: Option<&'a Step>,
}

impl Drop for Path<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let mut steps: Vec<_> = self.step.into_iter().collect();
        let mut at = self.parent;
        while let (parent, Some(step)) = &self.parents[at] {
            steps.push(step);
            at = *parent;
        }
        eprintln!("what led there, in the fewest steps:");
        for (number, step) in steps.into_iter().rev().enumerate() {
            eprintln!("{:3}. {step}", number + 1);
        }
    }
}

fn explore(pod: &Pod) -> Found {
    let first = Node::new(pod);
    let mut known = HashSet::from([stored_and_key(&first).1]);
    let mut parents: Vec<(usize, Option<Step>)> = vec![(0, None)];
    let mut layer = vec![(0, first)];
    let (mut steps, mut depth) = (0, 0);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    while depth < pod.depth && !layer.is_empty() {
        let mut next = Vec::new();
        for (parent, here) in layer {
            for step in here.steps(pod) {
                steps += 1;
                let mut there = here.clone();
                let path = Path {
                    parents: &parents,
                    parent,
                    step: Some(&step),
                };
                for action in there.take(&step) {
                    *seen.entry(name(&action)).or_default() += 1;
                }
                let (stored, key) = stored_and_key(&there);
                let is_new = known.insert(key);
                assert!(known.len() <= MAX_STATES, "too many states after {depth} steps");
                if is_new {
                    there.check_what_changes_nothing(stored);
                }
                drop(path);
                if is_new {
                    parents.push((parent, Some(step)));
                    next.push((parents.len() - 1, there));
                }
            }
        }
        depth += 1;
        layer = next;
    }
    for (parent, mut last) in layer.iter().cloned() {
        let _path = Path {
            parents: &parents,
            parent,
            step: None,
        };
        last.end();
    }
    Found {
        states: known.len(),
        steps,
        depth,
        is_all: layer.is_empty(),
        seen,
    }
}

/// What an action is, by which tests tell whether it was ever seen.
fn name(action: &Action) -> String {
    match action {
        Action::RecordEvent(event) => event.reason.clone(),
        Action::Request { request, .. } => first_word(&format!("{request:?}")),
        Action::Signal { signal, .. } => format!("{signal:?}"),
        other => first_word(&format!("{other:?}")),
    }
}

fn first_word(text: &str) -> String {
    text.split(|letter: char| !letter.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Explores a pod, and holds what was found against what must have been: an exploration that turns back at once finds
/// nothing wrong either.
fn all_is_well(pod: &Pod) {
    let found = explore(pod);
    let Found {
        states,
        steps,
        depth,
        is_all,
        seen,
    } = found;
    let extent = if is_all {
        "all there are"
    } else {
        "all within that depth"
    };
    println!("{states} states in {steps} steps, {depth} deep, {extent}: {seen:?}");
    assert!(states >= pod.states, "{states} states, not {}", pod.states);
    let missing: BTreeSet<_> = pod.seen.iter().filter(|what| !seen.contains_key(**what)).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
}
