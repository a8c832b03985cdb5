//! Folding: what repeats itself is told once.

use std::{collections::HashMap, ops::Range};

use crate::report::Entry;

/// The longest block that is looked for again. The crash of a pod with three containers and all hooks makes some forty
/// entries.
const MAX_BLOCK: usize = 64;

/// So often must a block be there to be worth a line that says so.
const WORTH_FOLDING: usize = 3;

/// A part of a folded timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The entry with this number.
    Entry(usize),
    /// So many more outcomes of the same sort, each counted.
    Counted { times: usize },
    /// The `lines` parts before it come again so often, the last time with the entry of this number at their end.
    Again { lines: usize, times: usize, last: usize },
}

/// In a row of counted outcomes so many are told one by one; of more only the first and the last one.
const WORTH_COUNTING: usize = 4;

/// Tells each block of entries that comes again and again once. Entries are alike if they differ in their times and
/// notes only.
pub(crate) fn fold(entries: &[Entry]) -> Vec<Part> {
    let mut numbers = HashMap::new();
    let alike: Vec<usize> = entries
        .iter()
        .map(|entry| {
            let next = numbers.len();
            *numbers
                .entry((entry.container, entry.text.as_str(), entry.streak))
                .or_insert(next)
        })
        .collect();
    let (mut parts, mut at, mut told) = (Vec::new(), 0, 0);
    while at < alike.len() {
        let (block, times) = best(&alike[at..]);
        if times == 1 {
            at += 1;
            continue;
        }
        tell(entries, told..at, &mut parts);
        let before = parts.len();
        tell(entries, at..at + block, &mut parts);
        at += block * times;
        told = at;
        parts.push(Part::Again {
            lines: parts.len() - before,
            times: times - 1,
            last: at - 1,
        });
    }
    tell(entries, told..alike.len(), &mut parts);
    parts
}

/// Tells entries one by one, but for long rows of outcomes that are counted.
fn tell(entries: &[Entry], range: Range<usize>, parts: &mut Vec<Part>) {
    let mut at = range.start;
    let rows = entries[range].chunk_by(|one, other| {
        let counted = one.streak.is_some() && other.streak.is_some();
        counted && (one.container, &one.text) == (other.container, &other.text)
    });
    for row in rows {
        let last = at + row.len() - 1;
        if row.len() < WORTH_COUNTING {
            parts.extend((at..=last).map(Part::Entry));
        } else {
            parts.extend([
                Part::Entry(at),
                Part::Counted { times: row.len() - 2 },
                Part::Entry(last),
            ]);
        }
        at = last + 1;
    }
}

/// The length of the block at the beginning that, with its repetitions, covers most, and how often it is there.
fn best(alike: &[usize]) -> (usize, usize) {
    let mut best = (1, 1);
    for block in 1..=MAX_BLOCK.min(alike.len() / WORTH_FOLDING) {
        let first = &alike[..block];
        let times = alike.chunks_exact(block).take_while(|other| *other == first).count();
        // Of blocks that cover as much the shorter one tells it best.
        if times >= WORTH_FOLDING && times * block > best.0 * best.1 {
            best = (block, times);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::EntryKind;

    fn folded(letters: &str) -> String {
        let entry = |letter: char| Entry {
            at: Duration::ZERO,
            last: Duration::ZERO,
            times: 1,
            container: None,
            instance: None,
            kind: EntryKind::Event,
            text: letter.to_string(),
            streak: letter.is_uppercase().then_some((1, 9)),
            note: String::new(),
        };
        let entries: Vec<_> = letters.chars().map(entry).collect();
        let parts = fold(&entries);
        parts
            .iter()
            .map(|part| match part {
                Part::Entry(at) => entries[*at].text.clone(),
                Part::Counted { times } => format!("<{times}>"),
                Part::Again { lines, times, last } => format!("({lines}x{times}..{last})"),
            })
            .collect()
    }

    #[test]
    fn what_comes_three_times_is_told_once() {
        assert_eq!(folded("abcbcbcbd"), "abc(2x2..6)bd");
        assert_eq!(folded("aaaa"), "a(1x3..3)");
        assert_eq!(folded("abab"), "abab");
        assert_eq!(folded(&"xyz".repeat(100)), "xyz(3x99..299)");
        assert_eq!(folded("abAAAAAbAAAc"), "abA(1x4..6)bA(1x2..10)c");
        assert_eq!(folded(""), "");
    }

    #[test]
    fn no_entry_is_lost() {
        let text: String = (0..500u32)
            .map(|number| if number.is_multiple_of(7) { 'b' } else { 'a' })
            .collect();
        let entries = folded(&text);
        assert!(entries.len() < 60, "{entries}");
    }
}
