//! Verdicts, and the fields that go with them.

use crate::bindings::probe::probelet::plugin::types::{Field, Health, Value, Verdict};

impl Verdict {
    /// The container is well.
    pub fn healthy() -> Self {
        Self::new(Health::Healthy, String::new())
    }

    /// The container is not at its best, for the reason given; it counts as healthy.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self::new(Health::Degraded, message.into())
    }

    /// The container is not well, for the reason given.
    pub fn unhealthy(message: impl Into<String>) -> Self {
        Self::new(Health::Unhealthy, message.into())
    }

    /// Adds something that was measured or found.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.push(Field {
            name: name.into(),
            value: value.into(),
        });
        self
    }

    fn new(health: Health, message: String) -> Self {
        Self {
            health,
            message,
            fields: Vec::new(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(f64::from(number))
    }
}

impl From<u64> for Value {
    /// Numbers above 2^53 are rounded.
    fn from(number: u64) -> Self {
        Self::Number(number as f64)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}
