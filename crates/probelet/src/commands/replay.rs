//! `probelet replay`.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use probelet_api::client::{self, Client, OBJECTS};
use probelet_lifecycle::journal::Journal;
use probelet_manifest::{Pod, parse_json};
use probelet_simulate::{Otherwise, Report, duration, otherwise, replay};
use serde::Deserialize;
use serde_json::Value;

use super::{simulate::show, what::pod_name};
use crate::{
    arguments::{Replay, SimulationFormat},
    failure::Faults,
    output::print,
};

/// Lives the recorded life of a pod again.
pub(crate) async fn run(command: &Replay, client: &Client) -> anyhow::Result<()> {
    let namespace = &command.namespace.namespace;
    let journal = journal(client, namespace, &command.pod).await?;
    let again = replay(&journal);
    if let Some(at) = again.differs {
        bail!(
            "this program asks for something else than the agent did, after the {at}. of {} things that the agent's machine \
             was told: use the probelet that the agent was started from",
            again.told
        );
    }
    if command.set.is_empty() {
        show(std::slice::from_ref(&again.report), command.output)?;
        if command.output == SimulationFormat::Text {
            print(&format!(
                "The machine was told {} things, and asked for the same again.\n",
                again.told
            ))?;
        }
        return Ok(());
    }
    let document: Value = client
        .get(&client::pod(namespace, pod_name(&command.pod)?), OBJECTS)
        .await?;
    let pod = changed(document, &command.set, command.container.as_deref())?;
    let otherwise = otherwise(&journal, &pod).map_err(|fault| anyhow!("--set: {fault}"))?;
    if command.output == SimulationFormat::Text {
        print(&comparison(&again.report, &otherwise, &command.set))?;
    }
    show(std::slice::from_ref(&otherwise.report), command.output)
}

/// What the agent has recorded of a pod.
pub(super) async fn journal(client: &Client, namespace: &str, pod: &str) -> anyhow::Result<Journal> {
    let document: Value = client.get(&client::journal(namespace, pod_name(pod)?), OBJECTS).await?;
    Journal::deserialize(&document["journal"])
        .context("the agent's record is of another version: use the probelet that it was started from")
}

/// The pod with other numbers, checked as a manifest is.
fn changed(mut document: Value, settings: &[String], container: Option<&str>) -> anyhow::Result<Pod> {
    for setting in settings {
        set(&mut document, setting, container)?;
    }
    Ok(parse_json(document).map_err(Faults)?)
}

/// Sets one field, of the container or of the pod's spec. The path may begin with `spec`, as `kubectl explain` has it.
fn set(document: &mut Value, setting: &str, container: Option<&str>) -> anyhow::Result<()> {
    let (path, value) = setting
        .split_once('=')
        .with_context(|| format!("--set {setting}: write FIELD=VALUE"))?;
    let path = path.strip_prefix("spec.").unwrap_or(path);
    let element = LISTS
        .iter()
        .find_map(|&list| Some((list, element(path.strip_prefix(list)?)?)));
    let (number, path) = match element {
        Some((list, (number, below))) => (number.map(|number| (list, number)), below),
        None => (None, path),
    };
    let fields: Vec<_> = path.split('.').collect();
    ensure!(
        fields.iter().all(|field| !field.is_empty()),
        "--set {setting}: {path:?} is no field"
    );
    let of_container = element.is_some() || fields.len() > 1;
    let mut place = match number {
        Some(number) => numbered(document, number, container).with_context(|| format!("--set {setting}"))?,
        None if of_container => chosen(document, container)?,
        None => &mut document["spec"],
    };
    // What a probe would have found that nobody asked, no record tells.
    if let Some(probe) = fields.first().filter(|field| field.ends_with("Probe")) {
        let name = place["name"].as_str().unwrap_or("the pod");
        ensure!(place[*probe].is_object(), "--set {setting}: {name} has no {probe}");
    }
    for field in &fields {
        ensure!(
            place.is_object() || place.is_null(),
            "--set {setting}: there is no field {field} in it"
        );
        place = &mut place[*field];
    }
    ensure!(
        !of_container || !place.is_null() || fields.len() <= 2,
        "--set {setting}: the container has no such field"
    );
    let value: Value =
        serde_yaml::from_str(value).with_context(|| format!("--set {setting}: {value:?} is no value"))?;
    // A manifest may have one, for a second (A1.20); who asks what would have been means none.
    let is_negative = value.as_i64().is_some_and(|number| number < 0);
    ensure!(
        !(is_negative && path.ends_with("Seconds")),
        "--set {setting}: a time is not below zero"
    );
    *place = value;
    Ok(())
}

/// What follows the name of a list of containers in a path: the number of an element, if it is said, and the field.
fn element(rest: &str) -> Option<(Option<usize>, &str)> {
    if let Some(field) = rest.strip_prefix('.') {
        return Some((None, field));
    }
    let (number, field) = rest.strip_prefix('[')?.split_once("].")?;
    Some((Some(number.parse().ok()?), field))
}

/// The document of a container by its place in a list, which must be the one that is named, if one is.
fn numbered<'a>(
    document: &'a mut Value,
    (list, number): (&str, usize),
    name: Option<&str>,
) -> anyhow::Result<&'a mut Value> {
    let found = document["spec"][list].get_mut(number);
    let found = found.with_context(|| format!("the pod has no {list}[{number}]"))?;
    let own = found["name"].as_str().unwrap_or_default();
    if let Some(name) = name.filter(|name| *name != own) {
        bail!("{list}[{number}] is {own}, and --container says {name}");
    }
    Ok(found)
}

/// The lists of containers in a spec; one that is not named is the only one of the first.
const LISTS: [&str; 2] = ["containers", "initContainers"];

/// The document of the container that is meant.
fn chosen<'a>(document: &'a mut Value, name: Option<&str>) -> anyhow::Result<&'a mut Value> {
    let spec = &document["spec"];
    let containers = LISTS.into_iter().flat_map(|list| {
        let containers = spec[list].as_array().into_iter().flatten().enumerate();
        containers.filter_map(move |(at, container)| Some((list, at, container["name"].as_str()?)))
    });
    let containers: Vec<_> = containers.collect();
    let names: Vec<_> = containers.iter().map(|(.., name)| *name).collect();
    let names = names.join(", ");
    let found = match name {
        Some(name) => containers.iter().find(|(.., other)| *other == name),
        None => {
            let regular = containers.iter().filter(|(list, ..)| *list == LISTS[0]).count();
            ensure!(regular == 1, "choose the container with --container, of {names}");
            containers.first()
        }
    };
    let (list, at, _) = *found.with_context(|| {
        let name = name.unwrap_or_default();
        format!("there is no container {name:?}; there is {names}")
    })?;
    Ok(&mut document["spec"][list][at])
}

/// The recorded life beside the other one, and how far that is a guess.
fn comparison(recorded: &Report, otherwise: &Otherwise, settings: &[String]) -> String {
    let row = |name: &str, report: &Report| {
        let unready = duration::text(whole_seconds(report.pod.unready));
        format!("  {name:10}  {:>8}  {unready:>12}\n", report.restarts_seen())
    };
    let guesses = match otherwise.parted {
        None => "All would have gone as it did.\n".to_owned(),
        Some(_) => otherwise
            .guesses
            .iter()
            .map(|guess| format!("A guess: {guess}.\n"))
            .collect(),
    };
    let gap = if guesses.is_empty() { "" } else { "\n" };
    format!(
        "With {}, had the containers done at each age what they did then:\n\n  {:10}  {:>8}  {:>12}\n{}{}\n{guesses}{gap}",
        settings.join(" and "),
        "",
        "RESTARTS",
        "NOT READY",
        row("as it was", recorded),
        row("instead", &otherwise.report),
    )
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(settings: &[&str], container: Option<&str>) -> anyhow::Result<Pod> {
        let document = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": [
                {"name": "app", "image": "x", "livenessProbe": {"tcpSocket": {"port": 80}}},
                {"name": "log", "image": "x"},
            ], "initContainers": [{"name": "migrate", "image": "x"}]},
        });
        let settings: Vec<_> = settings.iter().map(|&setting| setting.to_owned()).collect();
        changed(document, &settings, container)
    }

    #[test]
    fn numbers_of_a_container_and_of_the_pod_are_set() {
        let settings = ["livenessProbe.failureThreshold=5", "terminationGracePeriodSeconds=7"];
        let pod = pod(&settings, Some("app")).unwrap();
        assert_eq!(
            pod.spec.containers[0]
                .liveness_probe
                .as_ref()
                .unwrap()
                .failure_threshold,
            5
        );
        assert_eq!(pod.spec.termination_grace_period, Duration::from_secs(7));
    }

    #[test]
    fn a_path_may_be_written_as_messages_and_explain_write_it() {
        for setting in [
            "spec.containers[0].livenessProbe.failureThreshold=5",
            "containers[0].livenessProbe.failureThreshold=5",
        ] {
            for container in [None, Some("app")] {
                let pod = pod(&[setting], container).unwrap();
                let probe = pod.spec.containers[0].liveness_probe.as_ref().unwrap();
                assert_eq!(probe.failure_threshold, 5, "{setting}");
            }
        }
        let pod = pod(&["spec.containers.livenessProbe.periodSeconds=7"], Some("app")).unwrap();
        let probe = pod.spec.containers[0].liveness_probe.as_ref().unwrap();
        assert_eq!(probe.period, Duration::from_secs(7));
    }

    #[test]
    fn what_cannot_be_set_is_told() {
        for (setting, container, part) in [
            ("livenessProbe.failureThreshold", Some("app"), "FIELD=VALUE"),
            ("livenessProbe.failureThreshold=5", None, "of app, log, migrate"),
            (
                "livenessProbe.failureThreshold=5",
                Some("db"),
                "there is app, log, migrate",
            ),
            ("livenessProbe..x=5", Some("app"), "is no field"),
            ("name.x=5", Some("app"), "there is no field"),
            (
                "readinessProbe.failureThreshold=3",
                Some("app"),
                "app has no readinessProbe",
            ),
            (
                "containers[2].livenessProbe.failureThreshold=3",
                None,
                "the pod has no containers[2]",
            ),
            (
                "containers[0].livenessProbe.failureThreshold=3",
                Some("log"),
                "is app, and --container says log",
            ),
            ("terminationGracePeriodSeconds=-1", None, "below zero"),
        ] {
            let error = format!("{:#}", pod(&[setting], container).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        // A wrong name or value is found as in a manifest.
        assert!(pod(&["livenessProbe.failureTreshold=5"], Some("app")).is_err());
        assert!(pod(&["livenessProbe.failureThreshold=x"], Some("app")).is_err());
    }
}
