//! URLs as Go's `net/url` forms them: what the manifest's path becomes, and where a redirect leads (A2.5, A2.16).

use std::fmt::{self, Display, Write};

/// An http or https URL. Path and query are in the form that goes onto the wire.
pub(crate) struct Url {
    https: bool,
    authority: String,
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Url {
    /// A path of the manifest is taken as a URL reference, of which only path, query and fragment count; one that
    /// cannot be parsed is a path as it stands.
    pub(crate) fn of_probe(scheme: &str, host: &str, port: u16, path: &str) -> Self {
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let reference = Reference::parse(path).unwrap_or_else(|| Reference {
            scheme: None,
            authority: None,
            path: escape(path.as_bytes()),
            query: None,
            fragment: None,
        });
        let mut path = reference.path;
        if !path.is_empty() && !path.starts_with('/') {
            path.insert(0, '/');
        }
        Self {
            https: scheme.eq_ignore_ascii_case("https"),
            authority,
            path,
            query: reference.query,
            fragment: reference.fragment,
        }
    }

    /// Where a `Location` leads from here. None: it makes no sense, or leads to another protocol.
    pub(crate) fn join(&self, location: &str) -> Option<Self> {
        let reference = Reference::parse(location)?;
        let https = match reference.scheme.as_deref() {
            None => self.https,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => false,
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => true,
            Some(_) => return None,
        };
        let elsewhere = reference.authority.is_some();
        let query = match (&reference.query, reference.path.is_empty(), elsewhere) {
            (None, true, false) => self.query.clone(),
            _ => reference.query,
        };
        let base = if elsewhere { "/" } else { &self.path };
        Some(Self {
            https,
            authority: reference.authority.unwrap_or_else(|| self.authority.clone()),
            path: resolve_path(base, &reference.path),
            query,
            fragment: reference.fragment,
        })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// Host and port, as in the URL.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The host alone, without brackets.
    pub(crate) fn hostname(&self) -> &str {
        match self.authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => self.authority.split(':').next().unwrap_or_default(),
        }
    }

    /// What is asked for.
    pub(crate) fn path_with_query(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        }
    }
}

impl Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority, self.path)?;
        if let Some(query) = &self.query {
            write!(formatter, "?{query}")?;
        }
        if let Some(fragment) = &self.fragment {
            write!(formatter, "#{fragment}")?;
        }
        Ok(())
    }
}

/// A URL or a part of one, of which the path is escaped already.
struct Reference {
    scheme: Option<String>,
    authority: Option<String>,
    path: String,
    query: Option<String>,
    fragment: Option<String>,
}

impl Reference {
    /// None where Go's parser gives an error, and for `scheme:opaque`.
    fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return None;
        }
        let (text, fragment) = split(text, '#');
        let (text, query) = split(text, '?');
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme.to_owned()), rest),
            _ => (None, text),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = authority.rsplit('@').next().unwrap_or(authority);
                (Some(host.to_owned()).filter(|host| !host.is_empty()), path)
            }
            None => (None, rest),
        };
        let is_opaque = scheme.is_some() && !rest.starts_with('/');
        let has_colon_first = scheme.is_none() && path.split('/').next().is_some_and(|first| first.contains(':'));
        if is_opaque || has_colon_first {
            return None;
        }
        let path = escaped_path(path)?;
        let query = query.map(escape_query);
        Some(Self {
            scheme,
            authority,
            path,
            query,
            fragment: fragment.map(str::to_owned),
        })
    }
}

fn split(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A path that is a valid encoding stays as it is; any other is decoded and encoded again. None: a `%` without digits.
fn escaped_path(path: &str) -> Option<String> {
    let decoded = unescape(path.as_bytes())?;
    let is_valid = path.bytes().all(|byte| is_plain(byte) || b"!'()*[]%".contains(&byte));
    Some(if is_valid { path.to_owned() } else { escape(&decoded) })
}

fn unescape(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let [high, low, tail @ ..] = rest else { return None };
            decoded.push(digit(*high)? << 4 | digit(*low)?);
            rest = tail;
        } else {
            decoded.push(*first);
        }
    }
    Some(decoded)
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

fn escape(bytes: &[u8]) -> String {
    percent_encode(bytes, is_plain)
}

/// Go sends a query as it stands; what no server could read is encoded here.
fn escape_query(query: &str) -> String {
    percent_encode(query.as_bytes(), |byte| byte.is_ascii_graphic())
}

fn percent_encode(bytes: &[u8], stays: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if stays(byte) {
            text.push(byte as char);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// What Go leaves alone when it encodes a path.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

/// RFC 3986, 5.2: a relative path replaces what is behind the last slash, then the dots go.
fn resolve_path(base: &str, path: &str) -> String {
    let full = match path {
        "" => base.to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => format!("{}{path}", &base[..base.rfind('/').map_or(0, |slash| slash + 1)]),
    };
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for segment in full.split('/').skip(usize::from(full.starts_with('/'))) {
        ends_in_folder = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let slash = if ends_in_folder && !segments.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{slash}", segments.join("/"))
}
