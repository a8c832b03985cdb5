//! YAML documents as JSON, with the position of every field.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use saphyr_parser::{Event, Parser};
use serde::Deserialize;
use serde_json::Value;

use crate::{Diagnostic, Severity, position::Positions};

/// The largest file. Kubernetes' own limit for any object is 1.5 MiB in its store; pods have kilobytes.
const MAX_BYTES: usize = 1 << 20;

/// How deep a document may be; pods have about twelve levels.
const MAX_DEPTH: usize = 64;

/// Aliases in a file. Each can repeat all before it, so that a few lines can stand for gigabytes.
const MAX_ALIASES: usize = 64;

/// Fields and values in a file, aliases resolved: a hundred times those of a large pod.
const MAX_NODES: usize = 200_000;

/// All paths of a file together: what 1 MiB of long names, deeply nested, would make of them is gigabytes.
const MAX_PATH_BYTES: usize = 32 << 20;

/// One document of a YAML file, with the positions of its fields.
pub struct Document {
    pub(crate) value: Value,
    pub(crate) positions: Arc<Positions>,
}

impl Document {
    /// What it says.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Adds file, line and column to what was said of a document. Paths are those of manifests: `a.b[0]`.
    pub fn locate(&self, file: &str, diagnostics: &mut [Diagnostic]) {
        for diagnostic in diagnostics {
            self.positions.locate(file, diagnostic);
        }
    }
}

/// Reads all documents of a file; empty ones are left out. `file` is its name for messages.
///
/// # Errors
///
/// The first fault, with its position: what is no YAML, and what is larger, deeper or wider than manifests may be.
pub fn read(text: &str, file: &str) -> Result<Vec<Document>, Vec<Diagnostic>> {
    let fault = |message: String, position: Option<(usize, usize)>| {
        let mut diagnostic = Diagnostic::new(Severity::Error, "", message);
        diagnostic.file = Some(file.to_owned());
        (diagnostic.line, diagnostic.column) = (position.map(|at| at.0), position.map(|at| at.1));
        vec![diagnostic]
    };
    if text.len() > MAX_BYTES {
        return Err(fault(format!("the file is larger than {} KiB", MAX_BYTES / 1024), None));
    }
    // Some editors mark a file as UTF-8 in this way.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let indexes = index(text).map_err(|(message, position)| fault(message, Some(position)))?;
    let mut documents = Vec::new();
    let mut indexes = indexes.into_iter();
    for document in serde_yaml::Deserializer::from_str(text) {
        // Should the two parsers ever count the documents differently, a position is lost, and never a document.
        let positions = indexes.next().unwrap_or_default();
        let value = Value::deserialize(document).map_err(|error| {
            let position = error.location().map(|location| (location.line(), location.column()));
            // What is wrong with a document as a whole has none.
            let position = position.or_else(|| positions.find(""));
            // The position is told beside it.
            let message = error.to_string();
            fault(
                message.split(" at line ").next().unwrap_or_default().to_owned(),
                position,
            )
        })?;
        if !value.is_null() {
            let positions = Arc::new(positions);
            documents.push(Document { value, positions });
        }
    }
    Ok(documents)
}

/// Where the indexer stands: in a mapping or sequence, and at which part of it.
enum Level {
    Mapping {
        path: String,
        keys: HashSet<String>,
        key: Option<String>,
    },
    Sequence {
        path: String,
        next: usize,
    },
}

type Fault = (String, (usize, usize));

/// The positions of all fields, a map a document. Refuses what serde_yaml would take in silence or choke on.
fn index(text: &str) -> Result<Vec<Positions>, Fault> {
    let mut indexer = Indexer::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let help = if error.info().contains("tab") {
                "; indent with spaces"
            } else {
                ""
            };
            (
                format!("{}{help}", error.info()),
                (error.marker().line(), error.marker().col() + 1),
            )
        })?;
        indexer.event(&event, (span.start.line(), span.start.col() + 1))?;
    }
    Ok(indexer.documents)
}

#[derive(Default)]
struct Indexer {
    documents: Vec<Positions>,
    levels: Vec<Level>,
    nodes: usize,
    aliases: usize,
    path_bytes: usize,
    /// How many nodes each anchor stands for.
    sizes: BTreeMap<usize, usize>,
    /// Anchors that are open, with the count of nodes at their start.
    open: Vec<Option<(usize, usize)>>,
}

impl Indexer {
    fn event(&mut self, event: &Event<'_>, at: (usize, usize)) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => self.documents.push(Positions::default()),
            Event::MappingStart(anchor, _) => {
                let path = self.value(at)?;
                self.enter(
                    *anchor,
                    Level::Mapping {
                        path,
                        keys: HashSet::new(),
                        key: None,
                    },
                    at,
                )?;
            }
            Event::SequenceStart(anchor, _) => {
                let path = self.value(at)?;
                self.enter(*anchor, Level::Sequence { path, next: 0 }, at)?;
            }
            Event::MappingEnd | Event::SequenceEnd => self.leave(),
            Event::Scalar(text, _, anchor, _) => self.scalar(text, *anchor, at)?,
            Event::Alias(anchor) => {
                self.aliases += 1;
                if self.aliases > MAX_ALIASES {
                    return Err((format!("more than {MAX_ALIASES} aliases"), at));
                }
                self.nodes += self.sizes.get(anchor).copied().unwrap_or(0);
                self.value(at)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn enter(&mut self, anchor: usize, level: Level, at: (usize, usize)) -> Result<(), Fault> {
        if self.levels.len() == MAX_DEPTH {
            return Err((format!("more than {MAX_DEPTH} levels deep"), at));
        }
        self.levels.push(level);
        self.open.push((anchor > 0).then_some((anchor, self.nodes)));
        Ok(())
    }

    fn leave(&mut self) {
        self.levels.pop();
        if let Some(Some((anchor, before))) = self.open.pop() {
            self.sizes.insert(anchor, self.nodes - before + 1);
        }
    }

    fn scalar(&mut self, text: &str, anchor: usize, at: (usize, usize)) -> Result<(), Fault> {
        if !self.key(text, at)? {
            self.value(at)?;
            self.sizes.insert(anchor, 1);
        }
        Ok(())
    }

    /// Takes a scalar as a key, if a key is due.
    fn key(&mut self, text: &str, at: (usize, usize)) -> Result<bool, Fault> {
        let Some(Level::Mapping {
            path,
            keys,
            key: key @ None,
        }) = self.levels.last_mut()
        else {
            return Ok(false);
        };
        let path = if path.is_empty() {
            text.to_owned()
        } else {
            format!("{path}.{text}")
        };
        if !keys.insert(text.to_owned()) {
            return Err((format!("{path}: the field is there twice"), at));
        }
        *key = Some(path.clone());
        self.remember(path, at)?;
        Ok(true)
    }

    fn remember(&mut self, path: String, at: (usize, usize)) -> Result<(), Fault> {
        self.path_bytes += path.len();
        if self.path_bytes > MAX_PATH_BYTES {
            return Err(("the names of fields are too long for how deep they are".to_owned(), at));
        }
        if let Some(positions) = self.documents.last_mut() {
            positions.0.insert(path, at);
        }
        Ok(())
    }

    /// Counts a value, and gives its path.
    fn value(&mut self, at: (usize, usize)) -> Result<String, Fault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err((
                format!("more than {MAX_NODES} fields and values, with aliases resolved"),
                at,
            ));
        }
        let path = match self.levels.last_mut() {
            None => String::new(),
            Some(Level::Mapping { key, .. }) => match key.take() {
                Some(path) => return Ok(path),
                None => return Err(("a field's name must be a plain text".to_owned(), at)),
            },
            Some(Level::Sequence { path, next }) => {
                let path = format!("{path}[{next}]");
                *next += 1;
                path
            }
        };
        self.remember(path.clone(), at)?;
        Ok(path)
    }
}
