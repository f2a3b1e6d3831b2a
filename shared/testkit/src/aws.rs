//! An AWS endpoint on loopback: S3, Glue, Secrets Manager, SNS, SQS and CloudWatch, in memory, with faults on demand.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::Request;
use crate::process::Managed;
use crate::tools::{GroundError, script};

/// The region of everything on this endpoint.
pub const REGION: &str = "us-east-1";
/// The access key and the secret key alike: the endpoint checks neither.
pub const KEY: &str = "test";

/// The account that everything belongs to; moto's own.
const ACCOUNT: &str = "123456789012";
/// SNS's only API version.
const SNS_VERSION: &str = "2010-03-31";

/// Importing the server's many services takes a second, several on a busy machine.
const START_WAIT_MAX: Duration = Duration::from_secs(120);

/// A running endpoint. It ends, and forgets everything, when this is dropped.
#[derive(Debug)]
pub struct AwsServer {
    endpoint: String,
    port: u16,
    _process: Managed,
}

/// What happens to calls of one AWS operation. Faults are taken in the order in which they were injected.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    /// The operation by its AWS name: `UpdateTable`, `GetTable`, `PutObject`, `GetObject`.
    pub operation: String,
    /// What happens.
    pub mode: FaultMode,
    /// How many calls are hit.
    pub count: u32,
    /// How many calls pass unharmed before the first hit.
    pub skip: u32,
    /// How long a hit call waits: before it is applied or refused, or, when it is the reply that is lost, after it was applied.
    pub delay_ms: u64,
    /// Only calls whose path or body has this text are counted or hit; empty: all of them.
    pub matching: String,
}

/// The ways in which a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultMode {
    /// Not applied: Glue answers `ConcurrentModificationException` (400), S3 `PreconditionFailed` (412).
    Conflict,
    /// Not applied: Glue answers `ThrottlingException` (400), S3 `SlowDown` (503).
    Throttle,
    /// Not applied: status 500.
    Unavailable,
    /// Applied, then status 500.
    LostReply,
    /// Applied, then the connection is closed without an answer.
    DroppedReply,
    /// Applied and answered as always, after `delay_ms`.
    Delay,
    /// Of an S3 `DeleteObjects`, the keys that have [`Fault::matching`] in them are denied, each with its own error.
    DenyKeys,
}

impl Fault {
    /// A fault that hits the next call of `operation`.
    pub fn once(operation: &str, mode: FaultMode) -> Self {
        Self { operation: operation.into(), mode, count: 1, skip: 0, delay_ms: 0, matching: String::new() }
    }

    /// Hits `count` calls.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// Lets `skip` calls pass first.
    #[must_use]
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Holds each hit call for `delay_ms` milliseconds.
    #[must_use]
    pub fn delayed(self, delay_ms: u64) -> Self {
        Self { delay_ms, ..self }
    }

    /// Hits only calls whose path or body has `text`.
    #[must_use]
    pub fn matching(self, text: &str) -> Self {
        Self { matching: text.into(), ..self }
    }
}

/// One call that reached the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// The operation by its AWS name.
    pub operation: String,
    /// An S3 path (`/bucket/key`), or the beginning of another service's request.
    pub target: String,
    /// The HTTP status answered; none while the call runs, and when its reply was dropped.
    pub status: Option<u16>,
    /// When it had arrived, in microseconds since the server's start.
    pub started_us: u64,
    /// When its answer was ready; none while it runs.
    pub ended_us: Option<u64>,
}

/// An SNS topic, and the SQS queue that gets what is published to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribedTopic {
    /// The topic's ARN.
    pub arn: String,
    queue_url: String,
}

/// One object in a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StoredObject {
    /// Its key, without the bucket.
    pub key: String,
    /// Its size.
    pub size_bytes: u64,
}

impl AwsServer {
    /// Starts an endpoint on a free port of loopback; it answers when this returns (about a second).
    ///
    /// # Errors
    /// [`GroundError::NotInstalled`] before `tests/tools/setup`; [`GroundError::Process`] when it does not come up.
    pub fn start() -> Result<Self, GroundError> {
        #[derive(Deserialize)]
        struct Ready {
            port: u16,
        }
        let process = Managed::spawn("aws_server.py", script("aws_server.py")?)?;
        let line = process.next_line(START_WAIT_MAX)?;
        let ready: Ready = serde_json::from_str(&line)
            .map_err(|error| process.failed(format!("expected its port as JSON, found `{line}`: {error}")))?;
        Ok(Self { endpoint: format!("http://127.0.0.1:{}", ready.port), port: ready.port, _process: process })
    }

    /// `http://127.0.0.1:PORT`, of every service.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The environment in which an AWS SDK or a program of ours speaks to this endpoint and to nothing else.
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", KEY),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Makes an S3 bucket.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint refuses.
    pub fn create_bucket(&self, name: &str) -> Result<(), GroundError> {
        let headers = [("Authorization", authorization("s3"))];
        self.send("PUT", &format!("/{name}"), &headers, "").map(drop)
    }

    /// Makes a Glue database.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint refuses.
    pub fn create_database(&self, name: &str) -> Result<(), GroundError> {
        self.glue("CreateDatabase", &json!({"DatabaseInput": {"Name": name}})).map(drop)
    }

    /// Calls a Glue operation with a request in the JSON of its API, and returns the answer.
    ///
    /// # Errors
    /// [`GroundError::Answer`] with the service's error in it.
    pub fn glue(&self, operation: &str, request: &Value) -> Result<Value, GroundError> {
        let headers = [
            ("Authorization", authorization("glue")),
            ("X-Amz-Target", format!("AWSGlue.{operation}")),
            ("Content-Type", "application/x-amz-json-1.1".to_owned()),
        ];
        let answer = self.send("POST", "/", &headers, &request.to_string())?;
        if answer.is_empty() { Ok(Value::Null) } else { parsed(operation, &answer) }
    }

    /// Makes an SNS topic that an SQS queue of its own is subscribed to.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint refuses.
    pub fn create_topic(&self, name: &str) -> Result<SubscribedTopic, GroundError> {
        let created = self.sqs("CreateQueue", &json!({"QueueName": name}))?;
        let queue_url = created["QueueUrl"].as_str().unwrap_or_default().to_owned();
        self.sns(&format!("Action=CreateTopic&Version={SNS_VERSION}&Name={name}"))?;
        let (topic_arn, queue_arn) =
            (format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}"), format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"));
        let subscribe = "Action=Subscribe&Protocol=sqs";
        self.sns(&format!("{subscribe}&Version={SNS_VERSION}&TopicArn={topic_arn}&Endpoint={queue_arn}"))?;
        Ok(SubscribedTopic { arn: topic_arn, queue_url })
    }

    /// Takes the messages out of a topic's queue, each as SNS delivers it: `Subject`, `Message`, `MessageAttributes`, ...
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint refuses, or a message is no notification.
    pub fn take_messages(&self, topic: &SubscribedTopic) -> Result<Vec<Value>, GroundError> {
        let mut taken = Vec::new();
        // Ten a call; no test sends more than these.
        for _ in 0..10 {
            let request = json!({"QueueUrl": topic.queue_url, "MaxNumberOfMessages": 10});
            let answer = self.sqs("ReceiveMessage", &request)?;
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                taken.push(parsed("ReceiveMessage", message["Body"].as_str().unwrap_or_default())?);
                let handle = &message["ReceiptHandle"];
                self.sqs("DeleteMessage", &json!({"QueueUrl": topic.queue_url, "ReceiptHandle": handle}))?;
            }
        }
        Ok(taken)
    }

    fn sns(&self, form: &str) -> Result<String, GroundError> {
        let headers =
            [("Authorization", authorization("sns")), ("Content-Type", "application/x-www-form-urlencoded".to_owned())];
        self.send("POST", "/", &headers, form)
    }

    fn sqs(&self, operation: &str, request: &Value) -> Result<Value, GroundError> {
        let headers = [
            ("Authorization", authorization("sqs")),
            ("X-Amz-Target", format!("AmazonSQS.{operation}")),
            ("Content-Type", "application/x-amz-json-1.0".to_owned()),
        ];
        let answer = self.send("POST", "/", &headers, &request.to_string())?;
        if answer.is_empty() { Ok(Value::Null) } else { parsed(operation, &answer) }
    }

    /// The objects of `bucket` whose key begins with `prefix`, by key.
    ///
    /// Not an S3 call: neither counted nor touched by faults.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when there is no such bucket.
    pub fn objects(&self, bucket: &str, prefix: &str) -> Result<Vec<StoredObject>, GroundError> {
        self.control("GET", &format!("objects?bucket={bucket}&prefix={prefix}"), "")
    }

    /// Arms `fault`, behind those armed before.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint does not take it.
    pub fn inject(&self, fault: &Fault) -> Result<(), GroundError> {
        let _armed: Value = self.control("POST", "faults", &json!(fault).to_string())?;
        Ok(())
    }

    /// How many faults are still armed: 0 when every injected fault was met.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint does not answer as it should.
    pub fn faults_left(&self) -> Result<usize, GroundError> {
        let armed: Vec<Value> = self.control("GET", "faults", "")?;
        Ok(armed.len())
    }

    /// Disarms all faults.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint does not answer as it should.
    pub fn clear_faults(&self) -> Result<(), GroundError> {
        let _none: Value = self.control("DELETE", "faults", "")?;
        Ok(())
    }

    /// How often each operation was called since the start or [`Self::reset_calls`], an SDK's own retries included.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint does not answer as it should.
    pub fn calls(&self) -> Result<BTreeMap<String, u64>, GroundError> {
        self.control("GET", "calls", "")
    }

    /// Every such call in the order of arrival: which ones ran side by side, and how each was answered.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint does not answer as it should.
    pub fn call_log(&self) -> Result<Vec<Call>, GroundError> {
        self.control("GET", "log", "")
    }

    /// Begins counting anew.
    ///
    /// # Errors
    /// [`GroundError::Answer`] when the endpoint does not answer as it should.
    pub fn reset_calls(&self) -> Result<(), GroundError> {
        let _none: Value = self.control("DELETE", "calls", "")?;
        Ok(())
    }

    fn control<T: for<'de> Deserialize<'de>>(&self, method: &str, what: &str, body: &str) -> Result<T, GroundError> {
        let answer = self.send(method, &format!("/_tributary/{what}"), &[], body)?;
        parsed(what, &answer)
    }

    fn send(&self, method: &str, target: &str, headers: &[(&str, String)], body: &str) -> Result<String, GroundError> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Request { port: self.port, method, target, headers: &headers, body }.send()
    }
}

/// A signature that nobody checks: the endpoint reads only the service's name from it.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=none"
    )
}

fn parsed<T: for<'de> Deserialize<'de>>(request: &str, answer: &str) -> Result<T, GroundError> {
    serde_json::from_str(answer).map_err(|error| GroundError::Answer {
        request: request.into(),
        expected: format!("JSON of its form ({error})"),
        found: answer.into(),
    })
}
