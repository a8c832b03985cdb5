//! Where the fields of a file are.

use std::{collections::BTreeMap, sync::Arc};

use crate::{Diagnostic, Pod};

/// Line and column, from 1, by path. What lies below an alias has none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Positions(pub(crate) BTreeMap<String, (usize, usize)>);

impl Positions {
    /// The position of a field, or of the nearest one above it.
    pub(crate) fn find(&self, path: &str) -> Option<(usize, usize)> {
        let path = plain(path);
        let mut path = path.as_str();
        loop {
            match self.0.get(path) {
                Some(position) => return Some(*position),
                None if path.is_empty() => return None,
                None => path = &path[..path.rfind(['.', '[']).unwrap_or(0)],
            }
        }
    }

    /// Adds file, line and column.
    pub(crate) fn locate(&self, file: &str, diagnostic: &mut Diagnostic) {
        let position = self.find(&diagnostic.path);
        diagnostic.file = Some(file.to_owned());
        diagnostic.line = position.map(|(line, _)| line);
        diagnostic.column = position.map(|(_, column)| column);
    }
}

/// A path with dots before names only: people write `annotations[a.b/c]`, where a name has dots itself.
fn plain(path: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(path.len()), path);
    while let Some((before, (inner, after))) = rest
        .split_once('[')
        .and_then(|(before, tail)| Some((before, tail.split_once(']')?)))
    {
        plain.push_str(before);
        if inner.bytes().all(|digit| digit.is_ascii_digit()) {
            plain.extend(["[", inner, "]"]);
        } else {
            plain.extend([".", inner]);
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Where a pod stands. The positions are shared by all pods of a document, and no larger than the reader lets them be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    file: String,
    /// The pod's own path in its document, empty or `items[0]`.
    path: String,
    positions: Arc<Positions>,
}

impl Origin {
    pub(crate) fn new(file: &str, path: String, positions: &Arc<Positions>) -> Self {
        Self {
            file: file.to_owned(),
            path,
            positions: positions.clone(),
        }
    }

    fn path(&self, path: &str) -> String {
        match (self.path.as_str(), path) {
            ("", path) => path.to_owned(),
            (pod, "") => pod.to_owned(),
            (pod, path) => format!("{pod}.{path}"),
        }
    }
}

impl Pod {
    /// Line and column, from 1, of a field such as `spec.containers[0].livenessProbe.wasm.config.port`, or of the nearest
    /// one above it; `None` if the pod did not come from a file.
    pub fn position(&self, path: &str) -> Option<(usize, usize)> {
        let origin = self.origin.as_ref()?;
        origin.positions.find(&origin.path(path))
    }

    /// Whether a field stands in the file that the pod came from, and was not only filled in with its default; `false`
    /// if there is no file, and below an alias.
    pub fn is_written(&self, path: &str) -> bool {
        let origin = self.origin.as_ref();
        origin.is_some_and(|origin| origin.positions.0.contains_key(&plain(&origin.path(path))))
    }

    /// Adds file, line and column to what is said of this pod, if it came from a file. The paths are those in the pod;
    /// as in what [`parse_yaml`](crate::parse_yaml) says, they begin with the pod's place in a `List` afterwards.
    pub fn locate(&self, diagnostics: &mut [Diagnostic]) {
        let Some(origin) = &self.origin else { return };
        for diagnostic in diagnostics {
            diagnostic.path = origin.path(&diagnostic.path);
            origin.positions.locate(&origin.file, diagnostic);
        }
    }
}
