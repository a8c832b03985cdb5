//! Requests to one repository of a registry, signed in as far as it asks for that, and tried again where that may help.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Client, Method, Request, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::Deserialize;

use crate::{
    Digest, Progress, Reference, RegistryError, Version,
    credentials::Credentials,
    registry::{
        answer::{self, Challenge, Unread},
        connection::{self, Connections},
        manifest::MANIFEST_TYPE,
        retry::{self, Trouble},
        silent,
    },
};

/// The largest manifest. That of a component has one kilobyte, and some people add many annotations.
const MAX_MANIFEST: usize = 256 << 10;

/// The largest answer with a token. Tokens have a few kilobytes.
const MAX_TOKEN: usize = 64 << 10;

/// Also indexes, which are of no use, so that the error can say what is there.
const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// One repository, for as long as one thing is done there.
pub(crate) struct Session<'a> {
    connections: &'a Connections,
    registry: &'a str,
    repository: String,
    base: Url,
    credentials: Option<Credentials>,
    retry_pause: Duration,
    /// What the registry took last.
    authorization: Option<HeaderValue>,
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        connections: &'a Connections,
        registry: &'a str,
        repository: &str,
        credentials: Option<Credentials>,
        retry_pause: Duration,
    ) -> Result<Self, RegistryError> {
        let base = connection::base(registry).ok_or_else(|| RegistryError::Unreachable {
            registry: registry.to_owned(),
            reason: "it is no host name or address".to_owned(),
        })?;
        Ok(Self {
            connections,
            registry,
            repository: repository.to_owned(),
            base,
            credentials,
            retry_pause,
            authorization: None,
        })
    }

    /// How long to wait before something is tried a second time.
    pub(crate) fn retry_pause(&self) -> Duration {
        self.retry_pause
    }

    /// A manifest as it is.
    pub(crate) async fn manifest(&mut self, reference: &Reference) -> Result<Vec<u8>, RegistryError> {
        let version = match reference.version() {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => digest.to_string(),
        };
        let mut request = self.request(Method::GET, &format!("manifests/{version}"))?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        self.download(request, reference, "manifest", MAX_MANIFEST, &silent)
            .await
    }

    /// Exactly the content with this digest, of at most `limit` bytes.
    pub(crate) async fn blob(
        &mut self,
        reference: &Reference,
        what: &'static str,
        digest: &Digest,
        limit: usize,
        progress: &Progress<'_>,
    ) -> Result<Vec<u8>, RegistryError> {
        let request = self.request(Method::GET, &format!("blobs/{digest}"))?;
        let bytes = self.download(request, reference, what, limit, progress).await?;
        let found = Digest::of(&bytes);
        if found == *digest {
            return Ok(bytes);
        }
        Err(RegistryError::Corrupt {
            reference: reference.to_string(),
            what,
            expected: *digest,
            found,
        })
    }

    /// Puts a tag on a manifest.
    pub(crate) async fn tag(&mut self, tag: &str, manifest: &Bytes) -> Result<(), RegistryError> {
        const WHAT: &str = "a new manifest";
        let mut put = self.request(Method::PUT, &format!("manifests/{tag}"))?;
        put.headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(MANIFEST_TYPE));
        *put.body_mut() = Some(manifest.clone().into());
        let done = self.send(put, WHAT).await?;
        if done.status() == StatusCode::CREATED {
            Ok(())
        } else {
            Err(self.refused(done, WHAT).await)
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Result<Request, RegistryError> {
        // Both were checked letter by letter when the reference was read.
        let url = self.base.join(&format!("{}/{path}", self.repository));
        Ok(Request::new(
            method,
            url.map_err(|error| self.unreachable(error.to_string()))?,
        ))
    }

    async fn download(
        &mut self,
        request: Request,
        reference: &Reference,
        what: &'static str,
        limit: usize,
        progress: &Progress<'_>,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut tried = 0;
        loop {
            let again = request.try_clone().ok_or_else(|| self.unreachable(String::new()))?;
            let response = self.send(again, what).await?;
            match response.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND => {
                    return Err(RegistryError::NotFound {
                        reference: reference.to_string(),
                        reason: format!(" ({what}: {})", answer::refusal(response).await),
                    });
                }
                _ => return Err(self.refused(response, what).await),
            }
            tried += 1;
            let unread = match answer::body(response, limit, progress).await {
                Ok(body) => return Ok(body),
                Err(unread) => unread,
            };
            match (unread, retry::pause(Trouble::Connection, tried, self.retry_pause)) {
                (Unread::TooLarge, _) => {
                    return Err(RegistryError::TooLarge {
                        reference: reference.to_string(),
                        what,
                        limit,
                    });
                }
                (Unread::Broken(reason), None) => return Err(self.unreachable(reason)),
                (Unread::Broken(reason), Some(pause)) => {
                    tracing::debug!(%reference, what, reason, "it is asked for again");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Sends a request, and once more signed in if the registry asks for that. Whom it has sent on to may ask in vain.
    pub(crate) async fn send(&mut self, request: Request, what: &'static str) -> Result<Response, RegistryError> {
        let again = request.try_clone();
        let response = self.send_once(request).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        if self.elsewhere(response.url()).is_some() {
            return Err(self.refused(response, what).await);
        }
        let challenge = answer::challenge(response.headers());
        let said = answer::refusal(response).await;
        let (Some(challenge), Some(again)) = (challenge, again) else {
            return Err(self.unauthorized(&said));
        };
        self.sign_in(challenge, &said).await?;
        let response = self.send_once(again).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.refused(response, what).await);
        }
        Ok(response)
    }

    async fn send_once(&self, mut request: Request) -> Result<Response, RegistryError> {
        // Uploads may go to another place, which has no business with the registry's password.
        if let Some(authorization) = &self.authorization
            && self.elsewhere(request.url()).is_none()
        {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let client = self.client(request.url(), "the place that it sends on to")?;
        // The usual mistake with a registry that has no certificate.
        let hint = match request.url().scheme() {
            "https" => " (over HTTPS; plain HTTP is only for registries on this machine)",
            _ => "",
        };
        let sent = self.execute(client, request).await;
        sent.map_err(|error| self.unreachable(connection::reason(&error.without_url()) + hint))
    }

    /// The client for a place that the registry has named. One that is spoken to with TLS leads nowhere without, and so
    /// not to other programs of this machine either.
    fn client(&self, url: &Url, what: &str) -> Result<&Client, RegistryError> {
        let client = self.connections.client(url);
        let is_as_safe = url.scheme() == "https" || self.base.scheme() != "https";
        client.filter(|_| is_as_safe).ok_or_else(|| {
            let place = url.origin().ascii_serialization();
            self.unreachable(format!(
                "{what}, {place}, is neither HTTPS nor beside it on this machine"
            ))
        })
    }

    /// The origin of a URL, if it is not the registry's own.
    fn elsewhere(&self, url: &Url) -> Option<String> {
        let origin = url.origin();
        (origin != self.base.origin()).then(|| origin.ascii_serialization())
    }

    /// Sends a request, and again after a pause if what went wrong may pass.
    async fn execute(&self, client: &Client, mut request: Request) -> reqwest::Result<Response> {
        let mut tried = 0;
        loop {
            // A piece of an upload that may have arrived is not sent blindly again.
            let again = (request.method() != Method::PATCH).then(|| request.try_clone());
            let outcome = client.execute(request).await;
            tried += 1;
            let pause = retry::trouble(&outcome).and_then(|trouble| retry::pause(trouble, tried, self.retry_pause));
            let (Some(pause), Some(again)) = (pause, again.flatten()) else {
                return outcome;
            };
            tracing::debug!(registry = self.registry, tried, ?pause, "a request is sent again");
            tokio::time::sleep(pause).await;
            request = again;
        }
    }

    async fn sign_in(&mut self, challenge: Challenge, said: &str) -> Result<(), RegistryError> {
        let value = match challenge {
            Challenge::Basic => {
                let credentials = self.credentials.as_ref().ok_or_else(|| self.unauthorized(said))?;
                credentials.header()
            }
            Challenge::Bearer { realm, service, scope } => self.token(&realm, service, scope).await?,
        };
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| self.unauthorized("its token, or the password, has letters that HTTP cannot carry"))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(())
    }

    /// Has a token given out, with the password if there is one. The place is the registry's own word for where that is
    /// done, which most have at another host; it is theirs to choose, since it is they who are to be told the password.
    async fn token(
        &self,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
    ) -> Result<String, RegistryError> {
        const WHAT: &str = "a token";
        let mut url = Url::parse(realm)
            .map_err(|_| self.unreachable("the place where its tokens are given out is no URL".to_owned()))?;
        let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.repository));
        if let Some(service) = service {
            url.query_pairs_mut().append_pair("service", &service);
        }
        // Several, where content is taken from another repository.
        for scope in scope.split(' ') {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        let client = self.client(&url, "the place where its tokens are given out")?;
        let mut request = client.get(url);
        if let Some(credentials) = &self.credentials {
            request = request.basic_auth(&credentials.user, Some(&credentials.password));
        }
        let sent = match request.build() {
            Ok(request) => self.execute(client, request).await,
            Err(error) => Err(error),
        };
        let response = sent.map_err(|error| self.unreachable(connection::reason(&error.without_url())))?;
        if response.status() != StatusCode::OK {
            return Err(self.refused_itself(response, WHAT).await);
        }
        let body = answer::body(response, MAX_TOKEN, &silent)
            .await
            .map_err(|unread| match unread {
                Unread::TooLarge => self.unreachable(format!("its token is larger than {MAX_TOKEN} bytes")),
                Unread::Broken(reason) => self.unreachable(reason),
            })?;
        let token = serde_json::from_slice::<Token>(&body).ok();
        let token = token.and_then(|token| token.token.or(token.access_token));
        token.map_or_else(
            || Err(self.unreachable("its answer to a request for a token holds none".to_owned())),
            |token| Ok(format!("Bearer {token}")),
        )
    }

    /// What an answer comes to that is none of those that were hoped for.
    pub(crate) async fn refused(&self, response: Response, what: &'static str) -> RegistryError {
        let Some(place) = self.elsewhere(response.url()) else {
            return self.refused_itself(response, what).await;
        };
        let said = answer::refusal(response).await;
        RegistryError::Refused {
            registry: self.registry.to_owned(),
            what,
            answer: format!("{said} (from {place}, where it sends on to, and which is told no password)"),
        }
    }

    /// The same for one of the registry, or of the place where its tokens are given out.
    async fn refused_itself(&self, response: Response, what: &'static str) -> RegistryError {
        let status = response.status();
        let said = answer::refusal(response).await;
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
            return self.unauthorized(&said);
        }
        RegistryError::Refused {
            registry: self.registry.to_owned(),
            what,
            answer: said,
        }
    }

    fn unauthorized(&self, said: &str) -> RegistryError {
        let hint = match &self.credentials {
            Some(credentials) => format!(
                "this was asked as \"{}\"; see to its password and rights",
                credentials.user
            ),
            None => "there is no password for it; put one into the docker config.json that --registry-config names"
                .to_owned(),
        };
        RegistryError::Unauthorized {
            registry: self.registry.to_owned(),
            repository: self.repository.clone(),
            reason: format!("{said}; {hint}"),
        }
    }

    pub(crate) fn unreachable(&self, reason: String) -> RegistryError {
        RegistryError::Unreachable {
            registry: self.registry.to_owned(),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_with_tls_leads_nowhere_without() {
        let connections = Connections::new(None).unwrap();
        let session = |registry| Session::new(&connections, registry, "a", None, Duration::ZERO).unwrap();
        let leads_to = |session: &Session<'_>, url| session.client(&Url::parse(url).unwrap(), "the place").is_ok();
        let far = session("registry.example");
        assert!(leads_to(&far, "https://tokens.example/"));
        for place in ["http://registry.example/", "http://127.0.0.1:2375/", "ftp://localhost/"] {
            assert!(!leads_to(&far, place), "{place}");
        }
        let near = session("127.0.0.1:5000");
        assert!(leads_to(&near, "http://127.0.0.1:5001/") && leads_to(&near, "https://tokens.example/"));
        assert!(!leads_to(&near, "http://tokens.example/"));
    }

    #[test]
    fn a_registry_is_one_origin() {
        let connections = Connections::new(None).unwrap();
        let session = Session::new(&connections, "registry.example", "a", None, Duration::ZERO).unwrap();
        let elsewhere = |url| session.elsewhere(&Url::parse(url).unwrap());
        assert_eq!(elsewhere("https://registry.example:443/other"), None);
        for place in [
            "https://registry.example:444",
            "http://registry.example",
            "https://cdn.registry.example",
        ] {
            assert_eq!(elsewhere(place).as_deref(), Some(place));
        }
    }
}
