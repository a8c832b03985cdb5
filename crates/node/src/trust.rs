//! Which components the node lets in, by who has signed them.

use std::path::PathBuf;

use probelet_plugin_store::{PublicKeys, Resolved, Resolver, SignatureError, SignaturePolicy, Source, Verified};

use crate::config::NodeError;

/// The node's policy, and the keys of those whom it trusts. Both are what they were when the agent started.
pub(crate) struct Trust {
    policy: SignaturePolicy,
    keys: PublicKeys,
}

impl Trust {
    /// Reads the keys. Blocks.
    pub(crate) fn read(policy: SignaturePolicy, files: &[PathBuf]) -> Result<Self, NodeError> {
        let keys = PublicKeys::read(files)?;
        if policy != SignaturePolicy::Ignore && files.is_empty() {
            return Err(NodeError::NoPluginKeys);
        }
        Ok(Self { policy, keys })
    }

    /// Nothing if the component may be run, or what people are to be told when it is; else why it is refused.
    pub(crate) async fn check(
        &self,
        resolver: &Resolver,
        source: Source<'_>,
        resolved: &Resolved,
    ) -> Result<Option<String>, String> {
        if self.policy == SignaturePolicy::Ignore {
            return Ok(None);
        }
        judge(self.policy, resolver.verify(source, resolved, &self.keys).await)
    }
}

/// What follows from a signature, or from the lack of one. That one cannot be asked for is the same lack: whoever can
/// hold answers back must not get a component in by that.
fn judge(policy: SignaturePolicy, verified: Result<Verified, SignatureError>) -> Result<Option<String>, String> {
    let Err(error) = verified else { return Ok(None) };
    match policy {
        SignaturePolicy::Ignore => Ok(None),
        SignaturePolicy::Warn => Ok(Some(format!("{error} (this node warns: --plugin-signatures warn)"))),
        SignaturePolicy::Require => Err(format!(
            "{error} (this node refuses what is not signed: --plugin-signatures require)"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_without_a_signature_is_run_or_not_as_the_node_says() {
        let unsigned = || {
            Err(SignatureError::Unsigned {
                component: "component \"a\"".to_owned(),
                place: "the store".to_owned(),
                keys: vec!["/etc/a.pub".into(), "/etc/b.pub".into()],
                way_out: "sign it".to_owned(),
            })
        };
        let said = "component \"a\" is not signed: looked in the store for one made with /etc/a.pub, /etc/b.pub; sign it \
                    (this node";
        assert_eq!(judge(SignaturePolicy::Ignore, unsigned()), Ok(None));
        let warning = judge(SignaturePolicy::Warn, unsigned()).unwrap().unwrap();
        assert!(
            warning.starts_with(said) && warning.ends_with("--plugin-signatures warn)"),
            "{warning}"
        );
        let refusal = judge(SignaturePolicy::Require, unsigned()).unwrap_err();
        assert!(
            refusal.starts_with(said) && refusal.ends_with("--plugin-signatures require)"),
            "{refusal}"
        );
        let verified = || {
            Ok(Verified {
                key: "/etc/a.pub".into(),
            })
        };
        assert_eq!(judge(SignaturePolicy::Require, verified()), Ok(None));
        assert_eq!(judge(SignaturePolicy::Warn, verified()), Ok(None));
    }

    #[test]
    fn nobody_can_be_trusted_without_a_key() {
        assert!(Trust::read(SignaturePolicy::Ignore, &[]).is_ok());
        for policy in [SignaturePolicy::Warn, SignaturePolicy::Require] {
            assert!(matches!(Trust::read(policy, &[]), Err(NodeError::NoPluginKeys)));
        }
        let absent = Trust::read(SignaturePolicy::Ignore, &["/nowhere/a.pub".into()]);
        assert!(matches!(absent, Err(NodeError::PluginKeys(_))));
    }
}
