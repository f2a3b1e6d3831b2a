//! The few HTTP/1.1 requests that the test ground sends to its own servers on loopback.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::tools::GroundError;

/// Longer than any fault that a test injects on the way.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// A request to a server on loopback.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) port: u16,
    pub(crate) method: &'a str,
    /// Path and query, percent-encoded.
    pub(crate) target: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a str,
}

impl Request<'_> {
    /// Sends the request and returns the answer's body.
    ///
    /// Every status but 200 is an error that quotes the body.
    pub(crate) fn send(&self) -> Result<String, GroundError> {
        let answer = self.exchange().map_err(GroundError::io(self.line()))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| self.unexpected("a whole answer", &answer))?;
        match head.split(' ').nth(1) {
            Some("200") => Ok(body.to_owned()),
            status => Err(self.unexpected("status 200", &format!("{}: {body}", status.unwrap_or("none")))),
        }
    }

    fn exchange(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        let mut text = format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.method,
            self.target,
            self.port,
            self.body.len()
        );
        for (name, value) in self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.push_str(self.body);
        stream.write_all(text.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn line(&self) -> String {
        format!("{} http://127.0.0.1:{}{}", self.method, self.port, self.target)
    }

    fn unexpected(&self, expected: &str, found: &str) -> GroundError {
        GroundError::Answer { request: self.line(), expected: expected.into(), found: found.into() }
    }
}
