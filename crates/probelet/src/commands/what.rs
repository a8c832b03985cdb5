//! What a command is about, in kubectl's forms: `pods`, `pod NAME…`, `pod/NAME…`.

use anyhow::bail;
use probelet_api::client::{self, Client, OBJECTS};
use probelet_node::handle::Collection;
use serde_json::Value;

/// Objects of one kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct What {
    /// Their kind.
    pub(super) collection: Collection,
    /// Their names; none is all of them.
    pub(super) names: Vec<String>,
}

impl What {
    /// Reads the words of a command line.
    pub(super) fn parse(words: &[String]) -> anyhow::Result<Self> {
        let Some((first, rest)) = words.split_first() else {
            bail!("say what: pods, or pod NAME")
        };
        if !first.contains('/') {
            return Ok(Self {
                collection: collection(first)?,
                names: rest.to_vec(),
            });
        }
        let mut names = Vec::with_capacity(words.len());
        let mut kinds = Vec::with_capacity(words.len());
        for word in words {
            let Some((kind, name)) = word.split_once('/') else {
                bail!("there is no need to say {word:?} where others are said as KIND/NAME: use one of the two forms")
            };
            kinds.push(collection(kind)?);
            names.push(name.to_owned());
        }
        kinds.dedup();
        let &[collection] = kinds.as_slice() else {
            bail!("only objects of one kind can be asked for at once")
        };
        Ok(Self { collection, names })
    }

    /// Reads the words of a command that takes pods only, by name.
    pub(super) fn pods(words: &[String]) -> anyhow::Result<Vec<String>> {
        let what = Self::parse(words)?;
        if what.collection != Collection::Pods {
            bail!("only pods can be asked for here");
        }
        if what.names.is_empty() {
            bail!("name at least one pod");
        }
        Ok(what.names)
    }
}

/// The name of a pod that may be written as `pod/NAME`.
pub(super) fn pod_name(word: &str) -> anyhow::Result<&str> {
    match word.split_once('/') {
        None => Ok(word),
        Some((kind, name)) if collection(kind)? == Collection::Pods => Ok(name),
        Some(_) => bail!("{word} is no pod"),
    }
}

/// Tells which container is meant where none is named and there are several, as kubectl does.
pub(super) async fn tell_default_container(client: &Client, namespace: &str, pod: &str, named: Option<&str>) {
    if named.is_some() {
        return;
    }
    // What is wrong with the pod, the command itself is told.
    let pod = client.get::<Value>(&client::pod(namespace, pod), OBJECTS).await;
    if let Some(text) = pod.ok().and_then(|pod| default_container(&pod)) {
        eprintln!("{text}");
    }
}

/// Nothing if there is no choice.
fn default_container(pod: &Value) -> Option<String> {
    let names = |field: &str, suffix: &str| {
        let containers = pod["spec"][field].as_array();
        let names = containers
            .into_iter()
            .flatten()
            .filter_map(|container| container["name"].as_str());
        names.map(|name| format!("{name}{suffix}")).collect::<Vec<_>>()
    };
    let containers = names("containers", "");
    let first = containers.first()?.clone();
    let all = [containers, names("initContainers", " (init)")].concat();
    (all.len() > 1).then(|| format!("Defaulted container \"{first}\" out of: {}", all.join(", ")))
}

fn collection(kind: &str) -> anyhow::Result<Collection> {
    match kind.to_lowercase().as_str() {
        "pods" | "pod" | "po" => Ok(Collection::Pods),
        "events" | "event" | "ev" => Ok(Collection::Events),
        _ => bail!("the server doesn't have a resource type {kind:?}: there are pods and events"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(line: &str) -> anyhow::Result<What> {
        What::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn kubectls_forms_are_understood() {
        for (line, collection, names) in [
            ("pods", Collection::Pods, &[][..]),
            ("po a", Collection::Pods, &["a"]),
            ("pod/a pods/b", Collection::Pods, &["a", "b"]),
            ("ev", Collection::Events, &[]),
        ] {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(parse(line).unwrap(), What { collection, names }, "{line}");
        }
        assert_eq!(pod_name("pod/a").unwrap(), "a");
    }

    #[test]
    fn a_choice_of_containers_is_told() {
        let pod = |containers: Value, init: Value| json!({"spec": {"containers": containers, "initContainers": init}});
        let two = pod(json!([{"name": "web"}, {"name": "log"}]), json!([{"name": "setup"}]));
        let text = "Defaulted container \"web\" out of: web, log, setup (init)";
        assert_eq!(default_container(&two).as_deref(), Some(text));
        assert_eq!(default_container(&pod(json!([{"name": "web"}]), Value::Null)), None);
    }

    #[test]
    fn other_forms_are_refused() {
        for line in ["secrets", "pod/a b", "pod/a event/b"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(What::pods(&["pods".to_owned()]).is_err());
        assert!(pod_name("event/a").is_err());
    }
}
