//! Putting a component into a registry.

use bytes::Bytes;

use crate::{
    Digest, Progress, Reference, Registry, RegistryError, Uploaded, Version,
    registry::{check, manifest, silent, upload::Upload},
};

/// What a push came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the component's bytes.
    pub digest: Digest,
    /// The digest of its manifest: what to pin it by.
    pub manifest_digest: Digest,
    /// How it got there.
    pub uploaded: Uploaded,
}

impl Registry {
    /// Puts a component into the reference's registry. A tag that leads to this component already is left as it is, so
    /// that signatures of its manifest go on to count.
    ///
    /// With `mount_from`, another repository of the same registry that has it, it is not sent if the registry can do
    /// without.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]: the reference has no tag, the bytes are no component, or the registry does not take them.
    pub async fn push(
        &self,
        reference: &Reference,
        bytes: Vec<u8>,
        mount_from: Option<&str>,
        progress: &Progress<'_>,
    ) -> Result<Pushed, RegistryError> {
        let Version::Tag(tag) = reference.version() else {
            return Err(RegistryError::Reference {
                reference: reference.to_string(),
                reason: "a digest follows from the content; push by a tag",
            });
        };
        check(reference, &bytes)?;
        let interfaces = manifest::interfaces(&bytes).map_err(|reason| RegistryError::NotComponent {
            reference: reference.to_string(),
            reason,
        })?;
        let _permit = self.transfers.acquire().await;
        self.in_time(reference, async {
            let digest = Digest::of(&bytes);
            let mut session = self.session(reference).await?;
            if let Ok(there) = session.manifest(reference).await
                && manifest::component(&there).is_ok_and(|(found, _)| found == digest)
            {
                return Ok(Pushed {
                    digest,
                    manifest_digest: Digest::of(&there),
                    uploaded: Uploaded::Present,
                });
            }
            let bytes = Bytes::from(bytes);
            let config = manifest::config(&digest, &interfaces);
            let manifest = manifest::manifest(reference, &config, &bytes);
            let uploaded = session
                .upload(Upload {
                    bytes,
                    mount_from,
                    progress,
                })
                .await?;
            session.upload(small(config)).await?;
            session.tag(tag, &manifest).await?;
            Ok(Pushed {
                digest,
                manifest_digest: Digest::of(&manifest),
                uploaded,
            })
        })
        .await
    }
}

/// The upload of something that nobody waits for.
pub(crate) fn small(bytes: Bytes) -> Upload<'static> {
    Upload {
        bytes,
        mount_from: None,
        progress: &silent,
    }
}
