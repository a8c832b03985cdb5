//! Ports by number or by the name that the container declares, as in Kubernetes' handlers.

use serde::Deserialize;

use crate::{Failure, context};

/// A port in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "macros", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Port {
    /// Its number.
    Number(u16),
    /// The name of one of the container's ports.
    Name(String),
}

impl Port {
    /// The number. A name that the container does not declare is an error of the check.
    pub fn number(&self) -> Result<u16, Failure> {
        let name = match self {
            Self::Number(number) => return Ok(*number),
            Self::Name(name) => name,
        };
        let ports = context::ports();
        let port = ports.iter().find(|port| port.name.as_ref() == Some(name));
        port.map(|port| port.number).ok_or_else(|| {
            Failure::Errored(format!(
                "the container has no port that is called `{name}`; name one of `ports` in the manifest, or give a number"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn a_name_is_one_of_the_containers_ports() {
        let mut host = Host {
            ports: vec![context::Port {
                name: Some("web".to_owned()),
                number: 8080,
                protocol: "TCP".to_owned(),
            }],
            ..Host::default()
        };
        let port: Port = serde_json::from_str("\"web\"").expect("a port");
        assert_eq!(host.run(|| port.number()), Ok(8080));
        let unknown = host
            .run(|| Port::Name("db".to_owned()).number())
            .expect_err("no such port");
        assert!(unknown.message().contains("no port that is called `db`"), "{unknown}");
        assert_eq!(serde_json::from_str::<Port>("99").expect("a port").number(), Ok(99));
    }
}
