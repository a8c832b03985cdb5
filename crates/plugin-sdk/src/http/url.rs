//! URLs, as far as a request needs them.

/// An http URL in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) is_https: bool,
    /// Host and port, as in the URL.
    pub(super) authority: &'a str,
    /// Never empty.
    pub(super) path_with_query: String,
}

impl<'a> Url<'a> {
    /// None: it is no http URL, or has something in it that would not stay in its place on the wire.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let rest = rest.split('#').next()?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains('@') {
            return None;
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Some(Self {
            is_https,
            authority,
            path_with_query: format!("{slash}{path}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_nothing_that_leaves_its_place() {
        let url = Url::parse("http://10.0.0.7:80/a?b=c#d").expect("a URL");
        assert_eq!((url.authority, url.path_with_query.as_str()), ("10.0.0.7:80", "/a?b=c"));
        assert_eq!(Url::parse("HTTPS://[::1]?q").expect("a URL").path_with_query, "/?q");
        for wrong in [
            "",
            "/path",
            "ftp://a/",
            "http:///a",
            "http://a b/",
            "http://a/\r\nHost: b",
            "http://user@a/",
        ] {
            assert_eq!(Url::parse(wrong), None, "{wrong}");
        }
    }
}
