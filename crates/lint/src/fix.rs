//! What to write instead.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

/// A change of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Fix {
    /// The change as a strategic merge patch, as `kubectl patch` has it: objects are merged, `null` takes a field away,
    /// containers are found by their names and ports by their numbers and protocols; other lists are replaced.
    pub patch: Value,
}

impl Serialize for Fix {
    /// `{"yaml": …, "patch": …}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fix = serializer.serialize_struct("Fix", 2)?;
        fix.serialize_field("yaml", &self.to_string())?;
        fix.serialize_field("patch", &self.patch)?;
        fix.end()
    }
}

impl fmt::Display for Fix {
    /// The patch as YAML; a field to take away is a line `# remove FIELD`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_yaml::to_string(&self.patch).map_err(|_| fmt::Error)?;
        for line in text.lines() {
            match line.strip_suffix(": null") {
                Some(field) => {
                    let indent = field.len() - field.trim_start().len();
                    writeln!(formatter, "{}# remove {}", &field[..indent], field.trim_start())?;
                }
                None => writeln!(formatter, "{line}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fix_reads_as_a_piece_of_a_manifest() {
        let patch = json!({"spec": {"containers": [{"name": "web", "livenessProbe": {
            "initialDelaySeconds": null, "periodSeconds": 5,
        }}]}});
        let expected = "\
spec:
  containers:
  - name: web
    livenessProbe:
      # remove initialDelaySeconds
      periodSeconds: 5
";
        assert_eq!(Fix { patch }.to_string(), expected);
    }
}
