//! Containers, without their probes and hooks.

use serde_json::json;

use super::{Check, Rule};
use crate::{Severity, finding::Found, subject::ContainerSubject};

pub(super) const RULES: &[Rule] = &[Rule {
    name: "image-latest",
    severity: Severity::Warning,
    finds: "an image without a tag, or with the tag `latest`",
    why: "What runs depends on the day on which the image was imported, and the same manifest means two things on two \
          machines. The version in the fix is an example: name the one that you have tested.",
    checks: &[Check::Container(image_latest)],
}];

/// The name in a reference without digest whose tag is missing or `latest`.
pub(super) fn moving(reference: &str) -> Option<&str> {
    if reference.contains('@') {
        return None;
    }
    match reference.rsplit_once(':') {
        // A colon before a slash is a registry's port.
        Some((_, tag)) if tag.contains('/') => Some(reference),
        Some((name, "latest")) => Some(name),
        Some(_) => None,
        None => Some(reference),
    }
}

fn image_latest(subject: &ContainerSubject<'_>) -> Option<Found> {
    let image = &subject.container.image;
    let name = moving(image)?;
    let reason = format!("what \"{image}\" is depends on the day on which it was imported");
    Some(subject.found("image", reason, &json!({"image": format!("{name}:1.0.0")})))
}
