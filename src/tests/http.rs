//! HTTP written by hand over a plain connection, so that a test can say anything a browser or an attacker could.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An HTTP request, written by hand so that a test can say anything.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Call {
    /// A form that a browser posts by navigation from a page of `origin`.
    pub(crate) fn post(path: &str, host: &str, origin: &str, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self {
            method: "POST".into(),
            target: path.into(),
            headers: [
                ("host", host),
                ("origin", origin),
                ("content-type", "application/x-www-form-urlencoded"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("accept-language", "fr"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            body: body.into_bytes(),
        }
    }

    /// A link that a browser follows.
    pub(crate) fn get(path: &str, host: &str) -> Self {
        Self { method: "GET".into(), body: Vec::new(), ..Self::post(path, host, "", &[]) }
            .without("origin")
            .without("content-type")
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn instead(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    pub(crate) async fn send(self, address: SocketAddr) -> Answer {
        let call = self.clone();
        self.try_send(address).await.unwrap_or_else(|| panic!("no answer to {} {}", call.method, call.target))
    }

    /// The answer; none where the server went away before it gave one.
    pub(crate) async fn try_send(self, address: SocketAddr) -> Option<Answer> {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", self.body.len()));
        stream.write_all(head.as_bytes()).await.ok()?;
        // The agent may have answered and closed before the end of a body that is too large.
        let _ = stream.write_all(&self.body).await;
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        let text = String::from_utf8(text).unwrap();
        text.contains("\r\n\r\n").then(|| Answer::parse(&text))
    }
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { unchunked(body) } else { body.to_owned() };
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok()).unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Self { status, headers, body }
    }

    /// The value of the first header of that name; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The value of an attribute that follows `before` in the page.
    pub(crate) fn after(&self, before: &str) -> String {
        let (_, rest) = self.body.split_once(before).unwrap_or_else(|| panic!("no {before} in {self:?}"));
        rest.split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&")
    }

    pub(crate) fn token(&self) -> String {
        self.after("name=\"token\" value=\"")
    }

    /// The code that the page shows, if it is one of an error.
    pub(crate) fn code(&self) -> Option<&str> {
        let (_, rest) = self.body.rsplit_once("<dl class=\"reference\">")?;
        let (_, rest) = rest.split_once("<dd>")?;
        rest.split('<').next()
    }
}

fn unchunked(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(&rest[..size]);
        text = rest[size..].trim_start_matches("\r\n");
    }
    body
}
