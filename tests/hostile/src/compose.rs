//! Puts an attack into a component around it.

/// Components with holes: `@body@` and others.
const SHAPES: [(&str, &str); 4] = [
    ("probe", include_str!("../shapes/probe.wat")),
    ("described", include_str!("../shapes/described.wat")),
    ("concurrent", include_str!("../shapes/concurrent.wat")),
    ("whole", "@body@"),
];

/// What fills a hole that a case does not mention.
const DEFAULTS: [(&str, &str); 4] = [
    ("realloc", ""),
    ("after", ""),
    ("encoding", "utf8"),
    ("version", "0.1.0"),
];

pub(crate) fn compose(shape: &str, body: &str, holes: &[(&str, &str)]) -> String {
    let Some((_, text)) = SHAPES.iter().find(|(name, _)| *name == shape) else {
        panic!("there is no shape {shape}");
    };
    let text = text.replace("@body@", body);
    let fill = |text: String, (hole, value): &(&str, &str)| text.replace(&format!("@{hole}@"), value);
    let text = holes.iter().fold(text, fill);
    DEFAULTS.iter().fold(text, fill)
}
