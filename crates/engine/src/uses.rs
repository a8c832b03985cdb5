//! What a run reached for: each grant that it used, and each that it lacked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::cut;

/// Different things that one run is known to have reached for. An honest check has a handful; of a hostile one the rest
/// is only counted with the last.
const MAX_USES: usize = 32;
/// A detail that is longer is no command, address or path that anybody would grant.
const MAX_DETAIL: usize = 1024;

/// What a manifest can grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// `exec`.
    Exec,
    /// `network`.
    Network,
    /// `stats`.
    Stats,
    /// `logs`.
    Logs,
    /// `files`.
    Files,
    /// `environment`.
    Environment,
}

impl Grant {
    /// Its name below `allow`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Network => "network",
            Self::Stats => "stats",
            Self::Logs => "logs",
            Self::Files => "files",
            Self::Environment => "environment",
        }
    }
}

/// Something that a run reached for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantUse {
    /// Which grant it takes.
    pub grant: Grant,
    /// What of it: the command as a JSON list, `HOST:PORT`, a path, a variable's name. Empty where there is nothing to
    /// tell apart, or nothing is known because the plugin was not even linked.
    pub detail: String,
    /// How often it was granted.
    pub granted: u32,
    /// How often it was refused.
    pub refused: u32,
}

impl GrantUse {
    /// A refusal of something that is not known more closely.
    pub(crate) fn refused(grant: Grant) -> Self {
        Self {
            grant,
            detail: String::new(),
            granted: 0,
            refused: 1,
        }
    }
}

/// The uses of one run. A clone is the same run's.
#[derive(Clone, Default)]
pub(crate) struct Uses(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    uses: Vec<GrantUse>,
    /// Why the first refusal was one, and what would grant it.
    refusal: Option<String>,
}

impl Uses {
    pub(crate) fn granted(&self, grant: Grant, detail: &str) {
        self.lock().count(grant, detail).granted += 1;
    }

    /// `why` says what would grant it.
    pub(crate) fn refused(&self, grant: Grant, detail: &str, why: &str) {
        let mut known = self.lock();
        known.count(grant, detail).refused += 1;
        known.refusal.get_or_insert_with(|| why.to_owned());
    }

    /// Why the first refusal was one.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.lock().refusal.clone()
    }

    pub(crate) fn all(&self) -> Vec<GrantUse> {
        self.lock().uses.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn count(&mut self, grant: Grant, detail: &str) -> &mut GrantUse {
        let detail = &detail[..detail.floor_char_boundary(MAX_DETAIL)];
        let known = self
            .uses
            .iter()
            .position(|one| one.grant == grant && one.detail == detail);
        let at = known.unwrap_or_else(|| {
            if self.uses.len() < MAX_USES {
                self.uses.push(GrantUse {
                    detail: detail.to_owned(),
                    refused: 0,
                    ..GrantUse::refused(grant)
                });
            }
            self.uses.len() - 1
        });
        &mut self.uses[at]
    }
}

/// A detail as it is shown: whole, but for what nobody would grant.
pub(crate) fn shown(detail: &str) -> String {
    cut(detail.to_owned(), MAX_DETAIL)
}

/// The lines of a manifest that grant something, as one: events and histories are shown in tables, which have no room for
/// more.
pub(crate) fn lines_that_grant(line: &str) -> String {
    format!("to grant it, add to the handler: wasm: {{ allow: {{ {line} }} }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_is_counted_and_their_number_is_bounded() {
        let uses = Uses::default();
        uses.granted(Grant::Exec, "[\"a\"]");
        uses.granted(Grant::Exec, "[\"a\"]");
        uses.refused(Grant::Network, "db:1", "first");
        uses.refused(Grant::Network, "db:2", "second");
        assert_eq!(uses.all().len(), 3);
        assert_eq!((uses.all()[0].granted, uses.all()[1].refused), (2, 1));
        assert_eq!(uses.refusal().as_deref(), Some("first"));
        for port in 0..100 {
            uses.refused(Grant::Network, &format!("host:{port}"), "more");
        }
        assert_eq!(uses.all().len(), MAX_USES);
        uses.granted(Grant::Files, &"ä".repeat(MAX_DETAIL));
    }
}
