//! Where in the API things are.

use std::fmt::{self, Display, Write};

use probelet_node::handle::Collection;

use crate::PROBELET_API;

/// A path with parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    path: String,
    query: String,
}

impl Target {
    /// A path that has nothing to be escaped.
    pub fn fixed(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            query: String::new(),
        }
    }

    /// The same with one more parameter.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(name);
        self.query.push('=');
        escape(&mut self.query, value);
        self
    }

    /// The same with one more parameter, if it has a value.
    pub fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, &value.to_string()),
            None => self,
        }
    }

    /// What is below this.
    pub fn below(mut self, segment: &str) -> Self {
        self.path.push('/');
        escape(&mut self.path, segment);
        self
    }
}

impl Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.path, self.query)
    }
}

/// A collection, in one namespace or in all.
pub fn collection(collection: Collection, namespace: Option<&str>) -> Target {
    let name = match collection {
        Collection::Pods => "pods",
        Collection::Events => "events",
    };
    let root = Target::fixed("/api/v1");
    match namespace {
        Some(namespace) => root.below("namespaces").below(namespace),
        None => root,
    }
    .below(name)
}

/// A pod.
pub fn pod(namespace: &str, name: &str) -> Target {
    collection(Collection::Pods, Some(namespace)).below(name)
}

/// A pod's history.
pub fn history(namespace: &str, name: &str) -> Target {
    of_pod(namespace, name, "history")
}

/// What the runs of a pod's checks take.
pub fn usage(namespace: &str, name: &str) -> Target {
    of_pod(namespace, name, "usage")
}

/// A pod's journal.
pub fn journal(namespace: &str, name: &str) -> Target {
    of_pod(namespace, name, "journal")
}

/// Runs of components against a pod.
pub fn check(namespace: &str, name: &str) -> Target {
    of_pod(namespace, name, "check")
}

/// The record of a run of a pod.
pub fn record(namespace: &str, name: &str) -> Target {
    of_pod(namespace, name, "record")
}

/// What only probelet has of a pod.
fn of_pod(namespace: &str, name: &str, what: &str) -> Target {
    let root = Target::fixed(&format!("/apis/{PROBELET_API}"));
    root.below("namespaces")
        .below(namespace)
        .below("pods")
        .below(name)
        .below(what)
}

/// Escapes whatever could mean something in a path or a query.
fn escape(to: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => to.push(char::from(byte)),
            byte => write!(to, "%{byte:02X}").expect("a String takes all that is written to it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        let target = pod("default", "../a b")
            .below("exec")
            .with("command", "x&y=z")
            .with("command", "ä");
        let expected = "/api/v1/namespaces/default/pods/..%2Fa%20b/exec?command=x%26y%3Dz&command=%C3%A4";
        assert_eq!(target.to_string(), expected);
    }
}
