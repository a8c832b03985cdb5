//! Where a probe or hook is written: in its field, in its annotation, or the numbers here and the handler there.

use std::time::Duration;

use crate::{
    ContainerPort, Handler,
    check::{Object, Report},
    fields, probe,
    role::Role,
    wasm::{self, annotation::Annotation},
};

const MAX: i64 = i32::MAX as i64;

/// The least of `periodMilliseconds` and `timeoutMilliseconds`: checks that are closer leave no time for anything else.
const LEAST_MILLISECONDS: i64 = 10;

/// A probe or hook as it is written.
pub(crate) struct Source<'a> {
    pub(crate) role: Role,
    field: Option<Object<'a>>,
    annotation: Option<&'a Annotation>,
    /// What the annotation holds, if that is an object.
    content: Option<Object<'a>>,
    report: &'a Report,
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        role: Role,
        field: Option<Object<'a>>,
        annotation: Option<&'a Annotation>,
        report: &'a Report,
    ) -> Self {
        let kind = if role.is_hook() {
            &fields::WASM
        } else {
            &fields::WASM_PROBE
        };
        let content = annotation.and_then(|annotation| {
            let value = annotation.value.as_ref()?;
            Object::new(value, annotation.path.clone(), kind, report)
        });
        let source = Self {
            role,
            field,
            annotation,
            content,
            report,
        };
        source.refuse_both();
        source
    }

    /// Each number stands in one place.
    fn refuse_both(&self) {
        let (Some(field), Some(content)) = (&self.field, &self.content) else {
            return;
        };
        for number in fields::WASM_PROBE.fields {
            if has(field, number.name) && has(content, number.name) {
                let message = format!(
                    "Forbidden: {} is given, too; leave one of them out",
                    field.at(number.name)
                );
                self.report.error(&content.at(number.name), message);
            }
        }
    }

    /// Whether there is none.
    pub(crate) fn is_absent(&self) -> bool {
        self.field.is_none() && self.annotation.is_none()
    }

    pub(crate) fn handler(&self, ports: &[ContainerPort]) -> Option<Handler> {
        let Some(annotation) = self.annotation else {
            return probe::handler(self.field.as_ref()?, self.role, ports);
        };
        let own = self.field.as_ref().and_then(|field| {
            let mut kinds = self.role.handlers().iter();
            kinds.find(|kind| field.get(kind).is_some()).map(|kind| field.at(kind))
        });
        let wasm = self.content.as_ref().and_then(|content| wasm::wasm(content, self.role));
        if let (Some(field), Some(own)) = (&self.field, own) {
            let message = format!("Forbidden: may not specify more than 1 handler type: {own} is one, too");
            self.report.error(&annotation.path, message);
            // Its own faults are told, too.
            probe::handler(field, self.role, ports);
            return None;
        }
        wasm.map(|wasm| Handler::Wasm(Box::new(wasm)))
    }

    /// The object that has a field.
    pub(crate) fn having(&self, name: &str) -> Option<&Object<'a>> {
        let mut places = [&self.field, &self.content].into_iter().flatten();
        places.find(|object| has(object, name))
    }

    /// A count, such as a threshold.
    pub(crate) fn count(&self, name: &str) -> Option<u32> {
        let count = self.having(name)?.number(name, 0, MAX)?;
        u32::try_from(count).ok()
    }

    /// `period`, `timeout` or `initialDelay`, in seconds or milliseconds.
    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        let (seconds, milliseconds) = (format!("{name}Seconds"), format!("{name}Milliseconds"));
        let coarse = self.having(&seconds);
        let Some(fine) = self.having(&milliseconds) else {
            let count = coarse?.number(&seconds, 0, MAX)?;
            return u64::try_from(count).ok().map(Duration::from_secs);
        };
        if let Some(coarse) = coarse {
            let message = format!(
                "Forbidden: {} is given, too; leave one of them out",
                coarse.at(&seconds)
            );
            fine.report.error(&fine.at(&milliseconds), message);
        }
        let least = if name == "initialDelay" { 0 } else { LEAST_MILLISECONDS };
        let count = fine.number(&milliseconds, least, MAX)?;
        u64::try_from(count).ok().map(Duration::from_millis)
    }
}

/// Whether a field says something. Some writers spell out that there is no delay.
fn has(object: &Object<'_>, name: &str) -> bool {
    let value = object.get(name);
    value.is_some_and(|value| name != "initialDelaySeconds" || value.as_i64() != Some(0))
}
