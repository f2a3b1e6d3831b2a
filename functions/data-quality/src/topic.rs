//! The SNS topic that alerts go to.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::DisplayErrorContext;
use aws_sdk_sns::types::MessageAttributeValue;
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use tributary_quality::Notice;

/// An SNS topic, and the client for it.
#[derive(Debug, Clone)]
pub struct Topic {
    arn: String,
    client: Client,
}

/// An alert that could not be published.
#[derive(Debug, thiserror::Error)]
#[error(
    "grant `sns:Publish` on topic `{topic}`, or try again: expected it to take an alert, found: {reason} (nothing was recorded: the next run alerts again)"
)]
pub struct TopicError {
    topic: String,
    reason: String,
}

impl Topic {
    /// A topic by its ARN.
    ///
    /// # Errors
    /// What is wrong with the ARN, or that there is no AWS configuration.
    pub fn try_new(arn: &str, aws: Option<&SdkConfig>) -> Result<Self, String> {
        let parts: Vec<&str> = arn.split(':').collect();
        if parts.len() != 6 || parts[0] != "arn" || parts[2] != "sns" || parts.contains(&"") {
            return Err("not an SNS topic's ARN".to_owned());
        }
        let aws = aws.ok_or("no AWS region is configured")?;
        Ok(Self { arn: arn.to_owned(), client: Client::new(aws) })
    }

    /// Publishes a notice: its text to people (e-mail, SMS), its details to programs (SQS, Lambda, HTTP), and table and status as
    /// attributes, by which a subscription can filter.
    pub(crate) async fn publish(&self, table: &str, notice: &Notice, deadline: Instant) -> Result<(), TopicError> {
        let error = |reason| TopicError { topic: self.arn.clone(), reason };
        let details = notice.details.to_string();
        let message = json!({
            "default": notice.text,
            "sqs": details,
            "lambda": details,
            "http": details,
            "https": details,
        });
        let text = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let attribute = |value: &str| text(value).map_err(|failed| error(failed.to_string()));
        let request = self
            .client
            .publish()
            .topic_arn(&self.arn)
            .subject(&notice.subject)
            .message_structure("json")
            .message(message.to_string())
            .message_attributes("table", attribute(table)?)
            .message_attributes("status", attribute(notice.status.as_str())?);
        match timeout_at(deadline, request.send()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failed)) => Err(error(DisplayErrorContext(failed).to_string())),
            Err(_) => Err(error("no answer before the function's limit".to_owned())),
        }
    }
}
