//! The chain of causes of a restart, or of not being ready, from what has happened.

mod state;

use std::ops::Range;

use crate::report::{Entry, EntryKind, Report};

/// The most causes of a chain: what led to something is in its first and in its last ones.
const MAX_CAUSES: usize = 16;

/// So many of the first ones are kept in any case.
const FIRST_CAUSES: usize = 4;

/// Why something is as it is.
#[derive(Clone, Debug)]
pub struct Why<'a> {
    /// What is explained, such as `restart 3 of app`.
    pub what: String,
    /// What led to it, in the order of time.
    pub causes: Vec<&'a Entry>,
    /// How many are left out, and behind how many: a long row of tries says no more than its beginning and its end.
    pub left_out: Option<(usize, usize)>,
}

impl<'a> Why<'a> {
    fn new(what: String, mut causes: Vec<&'a Entry>) -> Self {
        let more = causes.len().saturating_sub(MAX_CAUSES);
        causes.drain(FIRST_CAUSES.min(causes.len())..FIRST_CAUSES.min(causes.len()) + more);
        Self {
            what,
            causes,
            left_out: (more > 0).then_some((more, FIRST_CAUSES)),
        }
    }
}

/// Why a container was started again for the `restart`-th time. Without a number: what is wrong with the pod now, such as
/// a container that is not ready, waits or has failed, or whose restart is held back; or if nothing is, why the last
/// restart was. `container` narrows it to one.
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
    if restart.is_none() {
        let of_a_container = chosen
            .iter()
            .find_map(|container| state::of_container(report, *container));
        let of_the_pod = || state::of_pod(report).filter(|_| container.is_none());
        if let Some(why) = of_a_container.or_else(of_the_pod) {
            return Ok(why);
        }
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
            [] if restart.is_some() => "no restart is recorded".to_owned(),
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
    Ok(Why::new(
        what,
        causes(report, entry.container, life_before(report, at), Some(at)),
    ))
}

fn is_restart(entry: &Entry) -> bool {
    entry.kind == EntryKind::Start && entry.instance.is_some_and(|instance| instance > 0)
}

/// Whether an instance began: a try to start one that fails has none.
fn is_start(entry: &Entry) -> bool {
    entry.kind == EntryKind::Start && entry.instance.is_some()
}

/// The entries between the start before the one at `at`, and that one.
fn life_before(report: &Report, at: usize) -> Range<usize> {
    let container = report.entries[at].container;
    let before = &report.entries[..at];
    let started = |entry: &Entry| entry.container == container && is_start(entry);
    before.iter().rposition(started).map_or(0, |start| start + 1)..at
}

/// What of these entries about one container led to their end: the failures of the probe that has killed it, and all
/// from the kill on; else its own end and what followed.
fn causes(report: &Report, container: Option<usize>, range: Range<usize>, end: Option<usize>) -> Vec<&Entry> {
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

    use probelet_lifecycle::event::{ImageError, StartError};

    use super::*;
    use crate::{Script, read_script, simulate};

    fn told(script: &str, seconds: u64, restart: Option<u32>) -> Result<String, String> {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec:\n  containers:\n  - name: app\n    image: x\n    \
                    readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 7 }\n    \
                    livenessProbe: { tcpSocket: { port: 80 }, periodSeconds: 10, terminationGracePeriodSeconds: 5 }\n";
        told_of(text, script, seconds, restart, |_| {})
    }

    /// A pod with such a spec that has no probes.
    fn bare(spec: &str) -> String {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec: {{ {spec} }}\n")
    }

    const NEVER: &str = "restartPolicy: Never, containers: [{ name: app, image: x }]";

    fn told_of(
        pod: &str,
        script: &str,
        seconds: u64,
        restart: Option<u32>,
        change: impl Fn(&mut Script),
    ) -> Result<String, String> {
        let pods = parse_yaml(pod, "pod.yaml").unwrap();
        let mut script = read_script(script, "s", &pods).unwrap();
        change(&mut script);
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
    fn what_never_ran_is_told_with_its_tries() {
        let app = bare("containers: [{ name: app, image: x }]");
        insta::assert_snapshot!(told_of(&app, "- image is missing", 60, None, |_| {}).unwrap());
        insta::assert_snapshot!(
            told_of(&app, "- image is missing", 12, None, |script| {
                let fault = (ImageError::InvalidName, "invalid reference format".to_owned());
                script.containers.get_mut("app").unwrap().image_error = Some(fault);
            })
            .unwrap()
        );
        insta::assert_snapshot!(
            told_of(&app, "- start fails", 12, None, |script| {
                let fault = (StartError::Create, "there is no folder /data".to_owned());
                script.containers.get_mut("app").unwrap().start_error = Some(fault);
            })
            .unwrap()
        );
        // A day of tries is told by its beginning and its end.
        let day = told_of(&app, "- image is missing", 86_400, None, |_| {}).unwrap();
        assert_eq!(day.lines().count(), 1 + MAX_CAUSES, "{day}");
    }

    #[test]
    fn what_has_failed_for_good_is_told() {
        insta::assert_snapshot!(told_of(&bare(NEVER), "- start fails", 60, None, |_| {}).unwrap());
        insta::assert_snapshot!(told_of(&bare(NEVER), "- out of memory at 20s", 60, None, |_| {}).unwrap());
        let late = format!("activeDeadlineSeconds: 30, {NEVER}");
        insta::assert_snapshot!(told_of(&bare(&late), "", 60, None, |_| {}).unwrap());
        let well = told_of(&bare(NEVER), "- exits with 0 after 20s", 60, None, |_| {});
        assert!(well.unwrap_err().contains("nothing is to be explained"));
    }

    #[test]
    fn a_pod_whose_containers_are_ready_may_still_not_be() {
        let gate = bare("readinessGates: [{ conditionType: warm }], containers: [{ name: app, image: x }]");
        insta::assert_snapshot!(told_of(&gate, "", 60, None, |_| {}).unwrap());
        insta::assert_snapshot!(
            told_of(
                &gate,
                "pod: [condition warm is true at 5s, condition warm is false at 9s]",
                60,
                None,
                |_| {}
            )
            .unwrap()
        );
        assert!(told_of(&gate, "pod: condition warm is true at 5s", 60, None, |_| {}).is_err());
        let done = bare("restartPolicy: OnFailure, containers: [{ name: job, image: x }, { name: app, image: x }]");
        insta::assert_snapshot!(told_of(&done, "job: exits with 0 after 20s", 60, None, |_| {}).unwrap());
    }

    #[test]
    fn a_hook_that_does_not_end_and_an_init_container_are_told() {
        let hook = bare("containers: [{ name: app, image: x, lifecycle: { postStart: { exec: { command: [x] } } } }]");
        insta::assert_snapshot!(told_of(&hook, "- postStart hangs", 60, None, |_| {}).unwrap());
        let init = bare("initContainers: [{ name: migrate, image: x }], containers: [{ name: app, image: x }]");
        insta::assert_snapshot!(told_of(&init, "migrate: exits with 0 after 1h", 60, None, |_| {}).unwrap());
    }

    #[test]
    fn a_restart_that_is_held_back_goes_before_an_old_one() {
        let script = "- crashes at 30s\n- liveness fails from 2m saying stuck\n- hold from 1m";
        insta::assert_snapshot!(told(script, 200, None).unwrap());
        // It has recovered, and nothing is wrong any more.
        let script = "- crashes at 30s\n- liveness fails from 2m to 3m\n- hold from 1m";
        assert!(told(script, 300, None).unwrap().starts_with("restart 1 of app"));
    }

    #[test]
    fn what_is_not_recorded_is_said() {
        assert!(told("", 60, None).unwrap_err().contains("nothing is to be explained"));
        let error = told("- crashes at 30s", 60, Some(7)).unwrap_err();
        assert!(error.contains("recorded are 1 of app"), "{error}");
    }
}
