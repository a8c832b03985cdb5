//! The request's headers (A2.6 to A2.9).

use crate::{Header, url::Url};

/// What goes onto the wire, except what the host adds.
pub(crate) struct RequestHeaders {
    /// In the manifest's order; repeated names are kept.
    fields: Vec<(String, String)>,
    /// The page that redirected to this one, which a server is told as by Go's client.
    referer: Option<String>,
}

impl RequestHeaders {
    pub(crate) fn new(headers: &[Header], user_agent: &str) -> Self {
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut add_once = |name: &str, default: Option<&str>| {
            let given = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            // One that is explicitly empty is not sent at all.
            match given.map(|header| header.value.as_str()).or(default) {
                None | Some("") => {}
                Some(value) => fields.push((name.to_owned(), value.to_owned())),
            }
        };
        add_once("Host", None);
        add_once("User-Agent", Some(user_agent));
        add_once("Accept", Some("*/*"));
        // Go leaves out what would contradict a request without a body.
        const NOT_REPEATED: [&str; 6] = [
            "Host",
            "User-Agent",
            "Accept",
            "Content-Length",
            "Transfer-Encoding",
            "Trailer",
        ];
        let others = headers
            .iter()
            .filter(|header| !NOT_REPEATED.iter().any(|name| name.eq_ignore_ascii_case(&header.name)))
            .map(|header| (header.name.clone(), header.value.clone()));
        fields.extend(others);
        Self { fields, referer: None }
    }

    /// Notes where a redirect came from, unless that would tell a plain server of a secure one.
    pub(crate) fn set_referer(&mut self, from: &Url, to: &Url) {
        self.referer = (to.is_https() || !from.is_https()).then(|| from.to_string());
    }

    /// All of them, in order.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let referer = self
            .referer
            .iter()
            .map(|referer| ("Referer".to_owned(), referer.clone()));
        self.fields.iter().cloned().chain(referer).collect()
    }
}
