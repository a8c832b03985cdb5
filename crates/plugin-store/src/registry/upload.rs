//! Bringing content into a repository: not at all if it is there, without sending it if the registry has it elsewhere,
//! else in pieces, and from where it stopped if the line breaks.

use bytes::Bytes;
use reqwest::{
    Method, Request, Response, StatusCode, Url,
    header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RANGE},
};

use crate::{
    Digest, Progress, RegistryError,
    registry::{
        retry::{self, MAX_TRIES, Trouble},
        session::Session,
    },
};

/// How much is sent in one request: what breaks is sent again from the last piece on. Some registries take no larger ones.
const PIECE: usize = 4 << 20;

/// The largest piece that a registry may ask for as its smallest; the largest that any is known to ask for is a third.
const MAX_PIECE: usize = 16 << 20;

/// A registry's word for its smallest piece.
const MIN_LENGTH: &str = "oci-chunk-min-length";

const WHAT: &str = "an upload";

/// How content got into a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// It was there.
    Present,
    /// The registry had it in another repository.
    Mounted,
    /// It was sent.
    Sent,
}

/// Content to be put into a repository.
pub(crate) struct Upload<'a> {
    pub(crate) bytes: Bytes,
    /// Another repository of the same registry that has it.
    pub(crate) mount_from: Option<&'a str>,
    pub(crate) progress: &'a Progress<'a>,
}

/// An upload that has begun.
struct Begun {
    place: Url,
    piece: usize,
}

impl Session<'_> {
    /// Puts content where manifests can point to it.
    pub(crate) async fn upload(&mut self, upload: Upload<'_>) -> Result<Uploaded, RegistryError> {
        let digest = Digest::of(&upload.bytes);
        if self.has(&digest).await? {
            return Ok(Uploaded::Present);
        }
        if let Some(repository) = upload.mount_from
            && self.mount(&digest, repository).await
        {
            return Ok(Uploaded::Mounted);
        }
        let begun = self.begin().await?;
        let answer = if upload.bytes.len() <= begun.piece {
            self.finish(begun.place, &digest, upload.bytes.clone()).await?
        } else {
            let place = self.send_pieces(begun, &upload).await?;
            self.finish(place, &digest, Bytes::new()).await?
        };
        // An answer may have been lost, and what was asked then a second time is of an upload that has ended well.
        if answer.status() != StatusCode::CREATED && !self.has(&digest).await? {
            return Err(self.refused(answer, WHAT).await);
        }
        (upload.progress)(upload.bytes.len() as u64, upload.bytes.len() as u64);
        Ok(Uploaded::Sent)
    }

    /// Whether the repository has this content.
    async fn has(&mut self, digest: &Digest) -> Result<bool, RegistryError> {
        let request = self.request(Method::HEAD, &format!("blobs/{digest}"))?;
        Ok(self.send(request, "a component").await?.status() == StatusCode::OK)
    }

    /// Has the registry take the content from another repository. If it does not, for whatever reason, it is sent.
    async fn mount(&mut self, digest: &Digest, repository: &str) -> bool {
        let path = format!("blobs/uploads/?mount={digest}&from={repository}");
        let Ok(request) = self.request(Method::POST, &path) else {
            return false;
        };
        match self.send(request, WHAT).await {
            Ok(response) => response.status() == StatusCode::CREATED,
            Err(error) => {
                tracing::debug!(%error, repository, "the component is sent, since it cannot be mounted");
                false
            }
        }
    }

    async fn begin(&mut self) -> Result<Begun, RegistryError> {
        let request = self.request(Method::POST, "blobs/uploads/")?;
        let response = self.send(request, WHAT).await?;
        let (StatusCode::ACCEPTED, Some(place)) = (response.status(), next_place(&response)) else {
            return Err(self.refused(response, WHAT).await);
        };
        let smallest = number(response.headers(), MIN_LENGTH).unwrap_or(0);
        Ok(Begun {
            place,
            piece: smallest.clamp(PIECE, MAX_PIECE),
        })
    }

    async fn finish(&mut self, mut place: Url, digest: &Digest, bytes: Bytes) -> Result<Response, RegistryError> {
        place.query_pairs_mut().append_pair("digest", &digest.to_string());
        self.send(with_body(Method::PUT, place, bytes), WHAT).await
    }

    /// Sends all of it but the word that this was all, and gives the place where that is to be said.
    async fn send_pieces(&mut self, mut begun: Begun, upload: &Upload<'_>) -> Result<Url, RegistryError> {
        let total = upload.bytes.len();
        let (mut sent, mut tried) = (0, 0);
        while sent < total {
            let end = total.min(sent + begun.piece);
            let error = match self
                .send_piece(&mut begun.place, upload.bytes.slice(sent..end), sent)
                .await
            {
                Ok(()) => {
                    sent = end;
                    (upload.progress)(sent as u64, total as u64);
                    continue;
                }
                Err(error) => error,
            };
            tried += 1;
            let Some(pause) = retry::pause(Trouble::Connection, tried, self.retry_pause()) else {
                return Err(error);
            };
            tracing::debug!(%error, tried, of = MAX_TRIES, "a piece of an upload is sent again");
            tokio::time::sleep(pause).await;
            sent = match self.progress_of(&mut begun.place).await? {
                Some(arrived) if arrived <= total => arrived,
                // Nobody knows of the upload any more.
                _ => {
                    begun = self.begin().await?;
                    0
                }
            };
        }
        Ok(begun.place)
    }

    async fn send_piece(&mut self, place: &mut Url, piece: Bytes, from: usize) -> Result<(), RegistryError> {
        let last = from + piece.len() - 1;
        let mut request = with_body(Method::PATCH, place.clone(), piece);
        if let Ok(range) = HeaderValue::try_from(format!("{from}-{last}")) {
            request.headers_mut().insert(CONTENT_RANGE, range);
        }
        let response = self.send(request, WHAT).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refused(response, WHAT).await);
        }
        if let Some(next) = next_place(&response) {
            *place = next;
        }
        match arrived(response.headers()) {
            Some(arrived) if arrived != last + 1 => Err(self.unreachable(format!(
                "it says that {arrived} bytes of an upload have arrived, and {} were sent",
                last + 1
            ))),
            _ => Ok(()),
        }
    }

    /// How much of an upload has arrived, if the registry knows of it.
    async fn progress_of(&mut self, place: &mut Url) -> Result<Option<usize>, RegistryError> {
        let response = self.send(Request::new(Method::GET, place.clone()), WHAT).await?;
        if response.status() != StatusCode::NO_CONTENT {
            return Ok(None);
        }
        if let Some(next) = next_place(&response) {
            *place = next;
        }
        Ok(arrived(response.headers()))
    }
}

fn with_body(method: Method, place: Url, bytes: Bytes) -> Request {
    let mut request = Request::new(method, place);
    let kind = HeaderValue::from_static("application/octet-stream");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    *request.body_mut() = Some(bytes.into());
    request
}

/// Where an answer says that the upload goes on.
fn next_place(response: &Response) -> Option<Url> {
    let place = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(place).ok()
}

/// `0-4194303` says that 4 MiB have arrived, and `0-0` that nothing has, which registries do not tell from one byte.
fn arrived(headers: &HeaderMap) -> Option<usize> {
    let range = headers.get(RANGE)?.to_str().ok()?;
    let (_, last) = range.trim_start_matches("bytes=").split_once('-')?;
    match last.parse::<usize>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<usize> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
