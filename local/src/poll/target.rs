//! Where the events go: a Lambda function, over HTTP or in this process.

use std::time::Duration;

/// Lambda's own longest run is 15 minutes: no answer after that is none.
const INVOKE_TIMEOUT: Duration = Duration::from_secs(900);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an error answer is worth showing.
const ANSWER_SHOWN_CHARS: usize = 2_000;

/// A function that takes Kafka events.
pub trait Target: Sync {
    /// Invokes the function once, synchronously, with the event's JSON, and gives its answer's
    /// JSON.
    ///
    /// # Errors
    /// [`InvokeError`] if the function failed or was not reached. The poller then sends the same
    /// event again.
    fn invoke(&self, event: String) -> impl Future<Output = Result<String, InvokeError>> + Send;
}

/// One invocation that failed, or whose outcome is unknown.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct InvokeError {
    message: String,
}

impl InvokeError {
    /// An error with this message: for functions run in this process, the error's whole chain.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// An address that no function can be invoked at.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected the endpoint as `http://host:port` without TLS, found `{found}`")]
pub struct EndpointError {
    found: String,
}

/// A function behind Lambda's Invoke API, such as `cargo lambda watch` serves on this machine.
/// Requests are neither signed nor encrypted, so it can't be the API of AWS itself.
#[derive(Debug, Clone)]
pub struct HttpTarget {
    client: reqwest::Client,
    url: String,
}

impl HttpTarget {
    /// The function `function` at `endpoint`, an `http://host:port`.
    ///
    /// # Errors
    /// [`EndpointError`] if the endpoint is no such address.
    pub fn try_new(endpoint: &str, function: &str) -> Result<Self, EndpointError> {
        let error = || EndpointError { found: endpoint.to_owned() };
        let parsed = reqwest::Url::parse(endpoint).map_err(|_| error())?;
        if parsed.scheme() != "http" {
            return Err(error());
        }
        let base = endpoint.trim_end_matches('/');
        let url = format!("{base}/2015-03-31/functions/{function}/invocations");
        // No proxy: the function runs on this machine, whatever proxy serves the network.
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(INVOKE_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .build()
            .map_err(|_| error())?;
        Ok(Self { client, url })
    }
}

impl Target for HttpTarget {
    async fn invoke(&self, event: String) -> Result<String, InvokeError> {
        let request = self.client.post(&self.url);
        let request = request.header("content-type", "application/json").body(event);
        let unreached =
            |error: reqwest::Error| InvokeError::new(format!("no answer from `{}`: {}", self.url, chain(&error)));
        let response = request.send().await.map_err(unreached)?;
        let status = response.status();
        let function_error = response.headers().get("x-amz-function-error").is_some();
        let answer = response.text().await.map_err(unreached)?;
        // Lambda answers 200 when the function itself failed; the header or the body tells.
        if status.as_u16() >= 400 || function_error || names_an_error(&answer) {
            let shown: String = answer.chars().take(ANSWER_SHOWN_CHARS).collect();
            return Err(InvokeError::new(format!("the function answered {status}: {shown}")));
        }
        Ok(answer)
    }
}

/// Whether an answer is Lambda's form of an error: an object with `errorType`.
fn names_an_error(answer: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Answer {
        #[serde(rename = "errorType")]
        error_type: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_str::<Answer>(answer).is_ok_and(|answer| answer.error_type.is_some())
}

/// An error and its causes on one line: the outermost of reqwest's says little.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    #[test]
    fn the_invoke_path_is_appended_to_the_endpoint() {
        let target = HttpTarget::try_new("http://127.0.0.1:9000/", "ingest").unwrap();
        assert_eq!(target.url, "http://127.0.0.1:9000/2015-03-31/functions/ingest/invocations");
    }

    #[test]
    fn an_endpoint_that_is_no_plain_http_is_refused() {
        for endpoint in ["https://127.0.0.1:9000", "127.0.0.1:9000", "", "http://"] {
            let error = HttpTarget::try_new(endpoint, "ingest").unwrap_err();
            assert!(error.to_string().contains(&format!("found `{endpoint}`")), "{error}");
        }
    }

    /// Serves one request with this answer, on a port of the system's choice; gives the port and,
    /// when joined, the request.
    fn serve_once(answer: &'static str) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            while !request.ends_with(b"{\"records\":{}}") {
                let count = stream.read(&mut chunk).unwrap();
                assert_ne!(count, 0, "the request ended early");
                request.extend_from_slice(&chunk[..count]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (port, serving)
    }

    async fn invoke(answer: &'static str) -> Result<String, InvokeError> {
        let (port, serving) = serve_once(answer);
        let target = HttpTarget::try_new(&format!("http://127.0.0.1:{port}"), "ingest").unwrap();
        let result = target.invoke("{\"records\":{}}".to_owned()).await;
        let request = serving.join().unwrap();
        let line = "POST /2015-03-31/functions/ingest/invocations HTTP/1.1\r\n";
        assert!(request.starts_with(line), "{request}");
        result
    }

    #[tokio::test]
    async fn the_functions_answer_is_given_back() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"rows\":1}";
        assert_eq!(invoke(answer).await.unwrap(), "{\"rows\":1}");
    }

    #[tokio::test]
    async fn every_form_of_a_failed_invocation_is_an_error() {
        for (answer, told) in [
            ("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\nbusy", "502 Bad Gateway: busy"),
            ("HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\ncontent-length: 2\r\n\r\n{}", "200 OK: {}"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"errorType\":\"E\"}", "200 OK: {\"errorType\":\"E\"}"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", "no answer from"),
        ] {
            let error = invoke(answer).await.unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn only_an_object_with_an_error_type_names_an_error() {
        assert!(names_an_error(r#"{"errorType":"E","errorMessage":"m"}"#));
        assert!(names_an_error(r#"{"errorMessage":"m","errorType":{"a":[1]}}"#));
        for answer in ["", "null", "[]", "{}", r#"{"errorType":null}"#, r#"{"rows":1}"#, "\"errorType\""] {
            assert!(!names_an_error(answer), "{answer}");
        }
    }
}
