//! Requests over a plain connection, for tests: HTTP/1.1, one request each.

use super::{Request, Response, SendError, url::Url};
use crate::{
    Failure,
    lines::Conversation,
    net::{self, Connection},
};

/// No header is longer, and there are no more of them.
const MAX_HEADER: usize = 16 << 10;
const MAX_HEADERS: usize = 100;

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unhealthy(reason) => Self::Failed(reason),
            Failure::Errored(reason) => Self::Impossible(reason),
        }
    }
}

pub(super) fn send(request: &Request, url: &Url<'_>, limit: usize) -> Result<Response, SendError> {
    if url.is_https {
        return Err(SendError::Impossible(
            "https is only there in a component, where the host does it".to_owned(),
        ));
    }
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let (host, port) = match url.authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (bare(host), port.parse().ok()),
        _ => (bare(url.authority), Some(80)),
    };
    let port = port.ok_or_else(|| SendError::Impossible(format!("`{}` has no port", url.authority)))?;
    let mut conversation = Conversation::new(net::connect(&host, port)?, url.authority);
    conversation.send(head(request, url))?;
    conversation.send(&request.body)?;
    read(&mut conversation, limit).map_err(SendError::from)
}

fn head(request: &Request, url: &Url<'_>) -> String {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nConnection: close\r\n",
        request.method, url.path_with_query
    );
    if !request
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head += &format!("Host: {}\r\n", url.authority);
    }
    if !request.body.is_empty() {
        head += &format!("Content-Length: {}\r\n", request.body.len());
    }
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}

fn read(conversation: &mut Conversation<Connection>, limit: usize) -> Result<Response, Failure> {
    let status = conversation.line(MAX_HEADER)?;
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| conversation.broken("does not speak HTTP"))?;
    let mut headers = Vec::new();
    loop {
        let line = conversation.line(MAX_HEADER)?;
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(':').filter(|_| headers.len() < MAX_HEADERS) else {
            return Err(conversation.broken("sent a header that is none, or too many"));
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut response = Response {
        status,
        headers,
        body: Vec::new(),
        truncated: false,
    };
    let length = response
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok());
    let is_chunked = response
        .header("transfer-encoding")
        .is_some_and(|coding| coding.contains("chunked"));
    let mut body = match length {
        _ if is_chunked => chunks(conversation, limit)?,
        Some(0) => Vec::new(),
        Some(length) => conversation.bytes(length.min(limit + 1))?,
        None => conversation
            .peek_until(limit + 1, |_| false)
            .map(<[u8]>::to_vec)
            .unwrap_or_default(),
    };
    response.truncated = body.len() > limit;
    body.truncate(limit);
    response.body = body;
    Ok(response)
}

/// At most one byte more than the limit, by which it shows that there is more.
fn chunks(conversation: &mut Conversation<Connection>, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while body.len() <= limit {
        let line = conversation.line(MAX_HEADER)?;
        let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16);
        let length = length.map_err(|_| conversation.broken("sent a chunk without a length"))?;
        if length == 0 {
            break;
        }
        let wanted = length.min(limit + 1 - body.len());
        body.extend(conversation.bytes(wanted)?);
        if wanted == length {
            conversation.line(MAX_HEADER)?;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use super::*;
    use crate::testing::Host;

    /// What comes of a response, as a server sends it, with a limit of 8 bytes.
    fn answered(response: &'static str) -> Result<Response, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(response.as_bytes());
        });
        let answer = Host::default().run(|| Request::get(url).send(8));
        server.join().expect("no panic");
        answer
    }

    #[test]
    fn bodies_are_read_up_to_the_limit() {
        let whole = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello",
        ];
        for response in whole {
            let answer = answered(response).expect("a response");
            assert_eq!(
                (answer.text().as_str(), answer.truncated),
                ("hello", false),
                "{response}"
            );
        }
        let long = [
            "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\nfar too long",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\nfar too long",
            "HTTP/1.0 200 OK\r\n\r\nfar too long",
        ];
        for response in long {
            let answer = answered(response).expect("a response");
            assert_eq!(
                (answer.text().as_str(), answer.truncated),
                ("far too ", true),
                "{response}"
            );
        }
    }

    #[test]
    fn what_is_no_http_is_unhealthy() {
        for response in [
            "",
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
            "HTTP/1.1 200",
        ] {
            let failure = answered(response).expect_err("no response");
            assert!(matches!(failure, Failure::Unhealthy(_)), "{response}: {failure}");
        }
    }
}
