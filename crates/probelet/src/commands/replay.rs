//! `probelet replay`.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use probelet_api::client::{self, Client, OBJECTS};
use probelet_lifecycle::journal::Journal;
use probelet_manifest::{Pod, parse_json};
use probelet_simulate::{Report, duration, replay, script_of, simulate};
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
    let time = journal.until.boot.since(journal.since.boot);
    let otherwise = simulate(&pod, &script_of(&journal), time);
    if command.output != SimulationFormat::Text {
        return show(&[otherwise], command.output);
    }
    print(&comparison(&again.report, &otherwise, &command.set))?;
    show(&[otherwise], SimulationFormat::Text)
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
    let mut lists = LISTS.iter().map(|list| path.strip_prefix(list)?.strip_prefix('.'));
    let path = lists.find_map(|below| below).unwrap_or(path);
    let fields: Vec<_> = path.split('.').collect();
    let of_container = fields.len() > 1;
    let mut place = if of_container {
        chosen(document, container)?
    } else {
        &mut document["spec"]
    };
    ensure!(
        fields.iter().all(|field| !field.is_empty()),
        "--set {setting}: {path:?} is no field"
    );
    for field in &fields {
        ensure!(
            place.is_object() || place.is_null(),
            "--set {setting}: there is no field {field} in it"
        );
        place = &mut place[*field];
    }
    ensure!(
        !of_container || !place.is_null() || fields.len() == 2,
        "--set {setting}: the container has no such field"
    );
    *place = serde_yaml::from_str(value).with_context(|| format!("--set {setting}: {value:?} is no value"))?;
    Ok(())
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

fn comparison(recorded: &Report, otherwise: &Report, settings: &[String]) -> String {
    let row = |name: &str, report: &Report| {
        let unready = duration::text(whole_seconds(report.pod.unready));
        format!("  {name:10}  {:>8}  {unready:>12}\n", report.restarts_seen())
    };
    format!(
        "With {}, had the application done at each time what it did then:\n\n  {:10}  {:>8}  {:>12}\n{}{}\n",
        settings.join(" and "),
        "",
        "RESTARTS",
        "NOT READY",
        row("as it was", recorded),
        row("instead", otherwise),
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
        ] {
            let error = format!("{:#}", pod(&[setting], container).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        // A wrong name or value is found as in a manifest.
        assert!(pod(&["livenessProbe.failureTreshold=5"], Some("app")).is_err());
        assert!(pod(&["livenessProbe.failureThreshold=x"], Some("app")).is_err());
    }
}
