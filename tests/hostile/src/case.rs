//! The table's rows, read from the lines above each component.

use std::{fs, path::Path, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::compose::compose;

/// What begins a case: its name follows.
const BEGIN: &str = ";;= ";
/// What begins a line of a case's row.
const ROW: &str = ";; ";
/// What the component in Rust must be granted to be begun, since it imports everything.
const NEEDED: &str =
    r#"{"exec": [["true"]], "network": ["192.0.2.1:1"], "stats": true, "logs": true, "files": ["/data"]}"#;
/// Enough for every case that is not about time, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One attack.
pub struct Case {
    /// Its name, which no other one has.
    pub name: String,
    /// What it attacks: the name of its file.
    pub family: &'static str,
    /// What it does, in a sentence.
    pub about: String,
    /// Where its component comes from.
    pub source: Source,
    /// Its configuration. `{silent}`, `{drip}`, … in it stand for the ports of the suites' servers.
    pub config: Value,
    /// What it is granted, as below `allow` in a manifest.
    pub allow: Value,
    /// Its limits, as below `limits` in a manifest, where they are not the usual ones.
    pub limits: Value,
    /// Its time limit.
    pub timeout: Duration,
    /// Whether it is run as a postStart hook rather than as a probe.
    pub is_hook: bool,
    /// How it must end.
    pub end: End,
    /// How it must end on a node, where that says more, or says it earlier or in other words.
    pub on_a_node: Option<End>,
    /// Whether the host's answers about the container never come. On a node nothing can make them.
    pub host_hangs: bool,
    /// Whether only the engine alone can be attacked with it: its row says why.
    pub is_for_the_engine: bool,
}

/// Where a component comes from.
pub enum Source {
    /// WebAssembly text.
    Text(String),
    /// A file that is built from Rust.
    File(PathBuf),
    /// Bytes that are made.
    Made(fn() -> Vec<u8>),
    /// Another case's bytes, made by a function that cuts or damages them.
    Damaged(Box<dyn Fn() -> Vec<u8> + Send + Sync>),
}

/// How a case must end, and what must be said of it.
pub struct End {
    /// How.
    pub ending: Ending,
    /// What the message must hold, in this order.
    pub words: Vec<String>,
}

/// The ways to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is not loaded.
    Refused,
    /// The run is errored.
    Errored,
    /// The run is a failure: its time was over, or it said so itself.
    Failure,
    /// The run is a success with a message: the attack got what it may have, and says what.
    Warning,
    /// The run is a success: the attack has no effect.
    Success,
    /// Either it is not loaded or the run is a success: what decides is how fast the machine compiles.
    RefusedOrSuccess,
}

impl Case {
    pub(crate) fn new(name: &str, family: &'static str, about: &str, source: Source, end: End) -> Self {
        Self {
            name: name.to_owned(),
            family,
            about: about.to_owned(),
            source,
            config: json!({}),
            allow: json!({}),
            limits: json!({}),
            timeout: PATIENCE,
            is_hook: false,
            end,
            on_a_node: None,
            host_hangs: false,
            is_for_the_engine: false,
        }
    }

    /// Whether it can be written into a manifest and ends there as with the engine alone. What the machine's speed
    /// decides cannot be told.
    pub fn is_for_pods(&self) -> bool {
        !self.is_for_the_engine && !self.host_hangs && self.end.ending != Ending::RefusedOrSuccess
    }

    /// How it must end as a pod's probe or hook.
    pub fn end_on_a_node(&self) -> &End {
        self.on_a_node.as_ref().unwrap_or(&self.end)
    }

    /// Its component.
    ///
    /// # Panics
    ///
    /// If it cannot be built, which is a mistake in the case.
    pub fn component(&self) -> Vec<u8> {
        match &self.source {
            Source::Text(text) => wat::parse_str(text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", self.name)),
            Source::File(path) => fs::read(path)
                .unwrap_or_else(|error| panic!("run `cargo xtask build` first: {}: {error}", path.display())),
            Source::Made(make) => make(),
            Source::Damaged(make) => make(),
        }
    }
}

impl Ending {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "refused" => Self::Refused,
            "errored" => Self::Errored,
            "failure" => Self::Failure,
            "warning" => Self::Warning,
            "success" => Self::Success,
            _ => return None,
        })
    }
}

impl End {
    /// `words` has the parts that a message must hold, with `…` between them.
    pub(crate) fn new(ending: Ending, words: &str) -> Self {
        let words = words.split('…').map(|part| part.trim().to_owned());
        Self {
            ending,
            words: words.filter(|part| !part.is_empty()).collect(),
        }
    }

    /// Whether a message holds the words, in order.
    pub fn is_said_in(&self, message: &str) -> bool {
        let mut rest = message;
        self.words.iter().all(|word| match rest.split_once(word.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

/// Reads a file of cases.
pub(crate) fn parse(family: &'static str, text: &str, guests: &Path) -> Vec<Case> {
    let (_, cases) = text.split_once(BEGIN).unwrap_or_else(|| panic!("{family} has no case"));
    cases
        .split(&format!("\n{BEGIN}"))
        .map(|case| parse_case(family, case, guests))
        .collect()
}

fn parse_case(family: &'static str, text: &str, guests: &Path) -> Case {
    let (name, text) = text.split_once('\n').unwrap_or((text, ""));
    let wrong = |what: &str, value: &str| -> ! { panic!("{family}: {name}: {what}: {value}") };
    let rows: Vec<&str> = text.lines().map_while(|line| line.strip_prefix(ROW)).collect();
    let body: String = text.lines().skip(rows.len()).flat_map(|line| [line, "\n"]).collect();
    let json = |value: &str| serde_json::from_str(value).unwrap_or_else(|_| wrong("no JSON", value));

    let mut case = Case::new(
        name,
        family,
        "",
        Source::Text(String::new()),
        End::new(Ending::Success, ""),
    );
    let (mut is_ended, mut shape, mut holes, mut granted) = (false, "probe", Vec::new(), None);
    for row in rows {
        let (key, value) = row.split_once(": ").unwrap_or((row.trim_end_matches(':'), ""));
        let ending = Ending::named(key);
        match key {
            _ if ending.is_some() => {
                is_ended = true;
                case.end = End::new(ending.unwrap_or(Ending::Success), value);
            }
            "config" => case.config = json(value),
            // Beside what the component needs to be begun at all; or all that it has.
            "allow" => granted = Some(json(value)),
            "only" => case.allow = json(value),
            "limits" => case.limits = json(value),
            "milliseconds" => match value.parse() {
                Ok(milliseconds) => case.timeout = Duration::from_millis(milliseconds),
                Err(_) => wrong("no number", value),
            },
            "hook" => case.is_hook = true,
            "node" => {
                let (ending, words) = value.split_once(':').unwrap_or((value, ""));
                let ending = Ending::named(ending).unwrap_or_else(|| wrong("no ending", value));
                case.on_a_node = Some(End::new(ending, words));
            }
            "hangs" => case.host_hangs = true,
            "engine" => case.is_for_the_engine = true,
            "shape" => shape = value,
            "guest" => {
                case.source = Source::File(guests.join(value));
                case.allow = json(NEEDED);
            }
            "realloc" | "after" | "version" | "exports" | "encoding" => holes.push((key, value)),
            _ => {
                let space = if case.about.is_empty() { "" } else { " " };
                case.about += &format!("{space}{row}");
            }
        }
    }
    if let (Some(Value::Object(granted)), Some(allow)) = (granted, case.allow.as_object_mut()) {
        allow.extend(granted);
    }
    if !is_ended {
        wrong("it does not say how it ends", "");
    }
    if let Source::Text(source) = &mut case.source {
        *source = compose(shape, &body, &holes);
    }
    case
}
