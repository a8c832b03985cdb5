//! Registries: where a component's name leads, its bytes, and putting it there.

mod answer;
mod connection;
mod manifest;
mod push;
mod retry;
mod session;
mod signatures;
mod upload;

use std::{future::Future, path::PathBuf, time::Duration};

pub use push::Pushed;
pub(crate) use signatures::place as signatures_of;
use tokio::sync::{OnceCell, Semaphore};
pub use upload::Uploaded;

use crate::{
    Digest, Reference, RegistryError, StoreError, Version, component,
    component::MAX_COMPONENT_BYTES,
    registry::{connection::Connections, session::Session},
};

/// How long one request for a manifest, a component or a push may take in all, with signing in: the largest component
/// at half a megabyte a second.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(120);

/// How many components are under way at a time, since each is held in memory.
const MAX_TRANSFERS: usize = 2;

/// How long to wait before a request is sent a second time; twice as long before the third, which is the last.
pub const DEFAULT_RETRY_PAUSE: Duration = Duration::from_millis(300);

/// Is told how many bytes of how many have gone over the line.
pub type Progress<'a> = dyn Fn(u64, u64) + Send + Sync + 'a;

/// A [`Progress`] that nobody sees.
pub fn silent(_done: u64, _total: u64) {}

/// How registries are spoken to.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// A docker `config.json` with names and passwords. It is read at every request, so that a new password counts at
    /// once. Without it everything is anonymous.
    pub credentials: Option<PathBuf>,
    /// Certificate authorities to trust beside this machine's, in PEM.
    pub certificate_authorities: Option<PathBuf>,
    /// How long one request may take.
    pub deadline: Duration,
    /// How long to wait before a request that failed is sent again.
    pub retry_pause: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            credentials: None,
            certificate_authorities: None,
            deadline: DEFAULT_DEADLINE,
            retry_pause: DEFAULT_RETRY_PAUSE,
        }
    }
}

/// What a reference leads to, as its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The digest of the manifest.
    pub manifest_digest: Digest,
    /// The digest of the component's bytes.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
}

/// A client of registries.
#[derive(Debug)]
pub struct Registry {
    config: RegistryConfig,
    connections: OnceCell<Connections>,
    transfers: Semaphore,
}

impl Registry {
    /// Nothing is read or connected to before the first request.
    #[must_use]
    pub fn new(config: RegistryConfig) -> Self {
        Self {
            config,
            connections: OnceCell::new(),
            transfers: Semaphore::new(MAX_TRANSFERS),
        }
    }

    /// Asks the reference's registry what it leads to.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]: nothing is there, it is no component or too large, or the registry cannot be spoken to.
    pub async fn locate(&self, reference: &Reference) -> Result<Located, RegistryError> {
        self.in_time(reference, async {
            locate(&mut self.session(reference).await?, reference).await
        })
        .await
    }

    /// Downloads what [`locate`](Self::locate) has found: exactly these bytes, or an error.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]: it is gone, other than it should be, or the registry cannot be spoken to.
    pub async fn fetch(
        &self,
        reference: &Reference,
        located: &Located,
        progress: &Progress<'_>,
    ) -> Result<Vec<u8>, RegistryError> {
        let _permit = self.transfers.acquire().await;
        self.in_time(reference, async {
            let limit = usize::try_from(located.size).unwrap_or(usize::MAX);
            if limit > MAX_COMPONENT_BYTES {
                return Err(too_large(reference));
            }
            let mut session = self.session(reference).await?;
            let blob = session.blob(reference, "component", &located.digest, limit, progress);
            let bytes = blob.await?;
            check(reference, &bytes)?;
            Ok(bytes)
        })
        .await
    }

    async fn session<'a>(&'a self, reference: &'a Reference) -> Result<Session<'a>, RegistryError> {
        let Some(registry) = reference.registry() else {
            return Err(RegistryError::Reference {
                reference: reference.to_string(),
                reason: "the name has no registry; write its host before the name, as in `registry.example/name`",
            });
        };
        let authorities = self.config.certificate_authorities.clone();
        let connections = self
            .connections
            .get_or_try_init(|| blocking(move || Connections::new(authorities.as_deref())))
            .await?;
        let credentials = match self.config.credentials.clone() {
            Some(path) => {
                let registry = registry.to_owned();
                blocking(move || crate::credentials::find(&path, &registry)).await?
            }
            None => None,
        };
        let pause = self.config.retry_pause;
        Session::new(connections, registry, reference.repository(), credentials, pause)
    }

    async fn in_time<T, E: From<RegistryError>>(
        &self,
        reference: &Reference,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let deadline = self.config.deadline;
        tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| {
            let registry = reference.registry().unwrap_or_default().to_owned();
            Err(RegistryError::Deadline { registry, deadline }.into())
        })
    }
}

async fn locate(session: &mut Session<'_>, reference: &Reference) -> Result<Located, RegistryError> {
    let manifest = session.manifest(reference).await?;
    let manifest_digest = Digest::of(&manifest);
    if let Version::Digest(expected) = *reference.version()
        && expected != manifest_digest
    {
        return Err(RegistryError::Corrupt {
            reference: reference.to_string(),
            what: "manifest",
            expected,
            found: manifest_digest,
        });
    }
    let (digest, size) = manifest::component(&manifest).map_err(|reason| RegistryError::NotComponent {
        reference: reference.to_string(),
        reason,
    })?;
    if size > MAX_COMPONENT_BYTES as u64 {
        return Err(too_large(reference));
    }
    Ok(Located {
        manifest_digest,
        digest,
        size,
    })
}

/// As the store refuses what it is to keep.
fn check(reference: &Reference, bytes: &[u8]) -> Result<(), RegistryError> {
    component::check(reference, bytes).map_err(|error| match error {
        StoreError::TooLarge { .. } => too_large(reference),
        StoreError::NotComponent { reason, .. } => RegistryError::NotComponent {
            reference: reference.to_string(),
            reason,
        },
        other => RegistryError::NotComponent {
            reference: reference.to_string(),
            reason: other.to_string(),
        },
    })
}

fn too_large(reference: &Reference) -> RegistryError {
    RegistryError::TooLarge {
        reference: reference.to_string(),
        what: "component",
        limit: MAX_COMPONENT_BYTES,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(RegistryError::Stopping),
        })
}
