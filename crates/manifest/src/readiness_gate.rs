//! Readiness gates (C2.4).

use crate::{check::Object, fields, names};

/// The condition types of a pod's gates.
pub(crate) fn read(spec: &Object<'_>) -> Vec<String> {
    let mut types = Vec::new();
    for (path, item) in spec.list("readinessGates") {
        let Some(gate) = Object::new(item, path, &fields::READINESS_GATE, spec.report) else {
            continue;
        };
        let Some(name) = gate.required("conditionType") else {
            continue;
        };
        if !names::is_qualified(name) {
            let rule = "a condition's type has letters, digits, '-', '_' and '.', may have a domain and '/' before it, \
                        and at most 63 characters behind that";
            let message = format!("Invalid value: \"{name}\": {rule}");
            gate.report.error(&gate.at("conditionType"), message);
        }
        types.push(name.to_owned());
    }
    types
}
