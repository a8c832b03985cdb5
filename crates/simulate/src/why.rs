//! The chain of causes of a restart, or of not being ready, from what has happened.

use std::ops::Range;

use crate::{
    lane::Stage,
    report::{Entry, EntryKind, Report},
};

/// Why something is as it is.
#[derive(Clone, Debug)]
pub struct Why<'a> {
    /// What is explained, such as `restart 3 of app`.
    pub what: String,
    /// What led to it, in the order of time.
    pub causes: Vec<&'a Entry>,
}

/// Why a container was started again for the `restart`-th time. Without a number: why a container is not ready, or if all
/// are, why the last restart was. `container` narrows it to one.
///
/// # Errors
/// If there is no such container or restart, or nothing to explain: says what there is.
pub fn why<'a>(report: &'a Report, container: Option<&str>, restart: Option<u32>) -> Result<Why<'a>, String> {
    let names = || report.containers.iter().map(|container| container.name.as_str());
    let chosen: Vec<usize> = match container {
        None => (0..report.containers.len()).collect(),
        Some(name) => {
            let known = names().collect::<Vec<_>>().join(", ");
            let at = names().position(|other| other == name);
            vec![at.ok_or_else(|| format!("there is no container {name:?}; there is {known}"))?]
        }
    };
    if restart.is_none()
        && let Some(why) = chosen.iter().find_map(|container| why_not_ready(report, *container))
    {
        return Ok(why);
    }
    let is_wanted = |entry: &Entry| {
        let known = entry.container.is_some_and(|container| chosen.contains(&container));
        known && is_restart(entry) && restart.is_none_or(|restart| entry.instance == Some(restart))
    };
    let at = report.entries.iter().rposition(is_wanted).ok_or_else(|| {
        let restarts = report.entries.iter().filter(|entry| is_restart(entry));
        let known: Vec<_> = restarts
            .filter_map(|entry| Some(format!("{} of {}", entry.instance?, report.subject(entry.container))))
            .collect();
        match known.as_slice() {
            [] => "nothing is to be explained: no restart is recorded, and all that runs is ready".to_owned(),
            known => format!("that restart is not recorded; recorded are {}", known.join(", ")),
        }
    })?;
    let entry = &report.entries[at];
    let what = format!(
        "restart {} of {}",
        entry.instance.unwrap_or_default(),
        report.subject(entry.container)
    );
    Ok(Why {
        what,
        causes: causes(report, life_before(report, at), Some(at)),
    })
}

fn is_restart(entry: &Entry) -> bool {
    entry.kind == EntryKind::Start && entry.instance.is_some_and(|instance| instance > 0)
}

/// Why a container is not ready at the end of the record; `None` if it is, or has ended for good.
fn why_not_ready(report: &Report, container: usize) -> Option<Why<'_>> {
    let now = report.lanes[container].last()?;
    let what = match now {
        Stage::Ready | Stage::Ended => return None,
        Stage::Unready => "not ready",
        Stage::Stopping => "being stopped",
        Stage::Down => "not running",
    };
    let what = format!("{} is {what}", report.subject(Some(container)));
    let own = |entry: &Entry| entry.container == Some(container);
    let from = match now {
        // What it was before its end explains it.
        Stage::Down | Stage::Stopping => report
            .entries
            .iter()
            .rposition(|entry| own(entry) && entry.kind == EntryKind::Start),
        // It has lost its readiness, or never had it since its start.
        _ => report.entries.iter().rposition(|entry| {
            own(entry) && (entry.kind == EntryKind::Start || entry.note == "→ ready" || entry.text == "is ready")
        }),
    };
    let range = from.map_or(0, |from| from + 1)..report.entries.len();
    let mut causes = causes(report, range, None);
    if causes.is_empty() {
        causes.extend(from.map(|from| &report.entries[from]));
    }
    Some(Why { what, causes })
}

/// The entries between the start before the one at `at`, and that one.
fn life_before(report: &Report, at: usize) -> Range<usize> {
    let container = report.entries[at].container;
    let before = &report.entries[..at];
    let started = |entry: &Entry| entry.container == container && entry.kind == EntryKind::Start;
    before.iter().rposition(started).map_or(0, |start| start + 1)..at
}

/// What of these entries about one container led to their end: the failures of the probe that has killed it, and all
/// from the kill on; else its own end and what followed.
fn causes(report: &Report, range: Range<usize>, end: Option<usize>) -> Vec<&Entry> {
    let container = match end {
        Some(end) => report.entries[end].container,
        None => report.entries[range.clone()].iter().find_map(|entry| entry.container),
    };
    let life: Vec<_> = report.entries[range]
        .iter()
        .filter(|entry| entry.container == container || entry.kind == EntryKind::Delete)
        .collect();
    let is_end = |entry: &&Entry| {
        entry.kind == EntryKind::Exit || entry.text.starts_with("Killing") || entry.kind == EntryKind::Delete
    };
    let turn = life.iter().position(is_end);
    let mut causes = match turn {
        Some(turn) if life[turn].kind == EntryKind::Event => [failures(&life[..turn]), life[turn..].to_vec()].concat(),
        Some(turn) => life[turn..].to_vec(),
        None => failures(&life),
    };
    // A probe that goes on while its container is stopped brings nothing about.
    if let Some(turn) = turn {
        let killed = life[turn].at;
        causes.retain(|entry| entry.kind != EntryKind::Probe || entry.at <= killed);
    }
    causes.extend(end.map(|end| &report.entries[end]));
    causes
}

/// The last row of failures of a probe that has reached its threshold, else the last failure of all.
fn failures<'a>(life: &[&'a Entry]) -> Vec<&'a Entry> {
    let failed: Vec<_> = life.iter().filter(|entry| is_failure(entry)).copied().collect();
    let reached = |entry: &&Entry| entry.streak.is_some_and(|(streak, threshold)| streak == threshold);
    let Some(last) = failed.iter().rposition(reached) else {
        return failed.last().copied().into_iter().collect();
    };
    let name = words(failed[last]).0;
    let mut row = Vec::new();
    for entry in failed[..=last].iter().rev().filter(|entry| words(entry).0 == name) {
        row.push(*entry);
        if entry.streak.is_none_or(|(streak, _)| streak == 1) {
            break;
        }
    }
    row.reverse();
    row
}

fn is_failure(entry: &Entry) -> bool {
    let probe_or_hook = matches!(entry.kind, EntryKind::Probe | EntryKind::Hook);
    probe_or_hook && matches!(words(entry).1, "fails" | "goes" | "cannot")
}

/// The name of a probe or hook, and the first word of what is said of it.
fn words(entry: &Entry) -> (&str, &str) {
    let mut words = entry.text.split(' ').map(|word| word.trim_end_matches(':'));
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probelet_manifest::parse_yaml;

    use super::*;
    use crate::{read_script, simulate};

    fn told(script: &str, seconds: u64, restart: Option<u32>) -> Result<String, String> {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec:\n  containers:\n  - name: app\n    image: x\n    \
                    readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 7 }\n    \
                    livenessProbe: { tcpSocket: { port: 80 }, periodSeconds: 10, terminationGracePeriodSeconds: 5 }\n";
        let pods = parse_yaml(text, "pod.yaml").unwrap();
        let script = read_script(script, "s", &pods).unwrap();
        let report = simulate(&pods[0], &script, Duration::from_secs(seconds));
        let why = why(&report, None, restart)?;
        let causes = why.causes.iter().map(|entry| {
            format!(
                "\n{} {} {:?} {}",
                entry.at.as_secs(),
                entry.text,
                entry.streak,
                entry.note
            )
        });
        Ok(why.what + &causes.collect::<String>())
    }

    #[test]
    fn a_kill_is_told_from_its_first_failure_to_the_start_that_follows() {
        insta::assert_snapshot!(
            told(
                "- liveness fails at 2m until restart saying 503\n- hangs on SIGTERM",
                600,
                Some(1)
            )
            .unwrap()
        );
    }

    #[test]
    fn an_own_end_is_its_own_cause() {
        insta::assert_snapshot!(told("- crashes every 45s", 600, Some(2)).unwrap());
    }

    #[test]
    fn what_is_not_ready_is_told_without_asking_for_a_restart() {
        insta::assert_snapshot!(
            told(
                "- readiness fails from 2m saying no database\n- crashes at 1m",
                600,
                None
            )
            .unwrap()
        );
        insta::assert_snapshot!(told("- crashes every 45s", 200, None).unwrap());
    }

    #[test]
    fn what_is_not_recorded_is_said() {
        assert!(told("", 60, None).unwrap_err().contains("nothing is to be explained"));
        let error = told("- crashes at 30s", 60, Some(7)).unwrap_err();
        assert!(error.contains("recorded are 1 of app"), "{error}");
    }
}
