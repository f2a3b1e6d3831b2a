//! The message about a run's alerts, for people and for programs. Pure.

use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};

use crate::alert::{Alert, Cause};
use crate::result::Status;

/// SNS: at most 100 characters, of ASCII.
const SUBJECT_CHARS_MAX: usize = 100;
/// Alerts written out; SNS takes 256 KiB in all, and nobody reads more.
const ALERTS_SHOWN_MAX: usize = 20;
/// Of one alert's message.
const MESSAGE_CHARS_MAX: usize = 500;

/// A message about a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// One line of at most 100 ASCII characters: the worst status, the table, the checks.
    pub subject: String,
    /// A line an alert.
    pub text: String,
    /// The same for programs.
    pub details: Value,
    /// The worst status among the alerts.
    pub status: Status,
}

impl Notice {
    /// A message about the alerts of a run, if there are any. `now_ms` is the run's time.
    pub fn of(table: &str, alerts: &[Alert], now_ms: i64) -> Option<Self> {
        let status = alerts.iter().map(|alert| alert.result.status).max()?;
        let shown = &alerts[..alerts.len().min(ALERTS_SHOWN_MAX)];
        let omitted = alerts.len() - shown.len();
        let mut text = format!("Table {table}, checked at {}\n\n", time(now_ms));
        for alert in shown {
            text.push_str(&line(alert));
        }
        if omitted > 0 {
            text.push_str(&format!("and {omitted} more\n"));
        }
        let details = json!({
            "table": table,
            "run_time": time(now_ms),
            "status": status,
            "alerts": shown.iter().map(detail).collect::<Vec<_>>(),
            "alerts_omitted": omitted,
        });
        Some(Self { subject: subject(table, status, alerts), text, details, status })
    }
}

fn subject(table: &str, status: Status, alerts: &[Alert]) -> String {
    let names: Vec<String> = alerts.iter().map(|alert| alert.result.name()).collect();
    let word = if status == Status::Pass { "RECOVERED" } else { status.as_str() };
    let whole = format!("Tributary {word} {table}: {}", names.join(", "));
    let plain: String = whole.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
    match plain.len() > SUBJECT_CHARS_MAX {
        // ASCII: a character is a byte.
        true => format!("{}...", &plain[..SUBJECT_CHARS_MAX - 3]),
        false => plain,
    }
}

fn line(alert: &Alert) -> String {
    let Alert { cause, previous, result } = alert;
    let before = match (cause, previous) {
        (Cause::Reminder, _) => " (still)".to_owned(),
        (_, Some(previous)) => format!(" (was {previous})"),
        (_, None) => String::new(),
    };
    format!("{} {}{before}: {}\n", result.status, result.name(), cut(&result.message))
}

fn detail(alert: &Alert) -> Value {
    let Alert { cause, previous, result } = alert;
    let mut detail = json!(result);
    detail["message"] = cut(&result.message).into();
    detail["cause"] = json!(cause);
    detail["previous"] = json!(previous);
    detail
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message.to_owned(),
    }
}

/// A time as RFC 3339 has it.
pub(crate) fn time(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms).map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true));
    time.unwrap_or_else(|| format!("{ms} ms since the epoch"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{CheckResult, Exactness};

    fn alert(check: &'static str, column: Option<&str>, status: Status, cause: Cause) -> Alert {
        let result = CheckResult {
            check,
            column: column.map(str::to_owned),
            status,
            value: Some(960.5),
            threshold: Some(900.0),
            exactness: Some(Exactness::Exact),
            message: "expected this, found that".to_owned(),
            snapshot_id: Some(7),
        };
        Alert { cause, previous: Some(Status::Pass), result }
    }

    #[test]
    fn a_notice_reads_well_and_has_every_detail() {
        let alerts = [
            alert("missing", Some("id"), Status::Warn, Cause::Changed),
            alert("heartbeat", None, Status::Fail, Cause::Reminder),
        ];
        let notice = Notice::of("analytics.events", &alerts, 0).unwrap();
        assert_eq!(notice.subject, "Tributary FAIL analytics.events: missing(id), heartbeat");
        assert_eq!(
            notice.text,
            "Table analytics.events, checked at 1970-01-01T00:00:00.000Z\n\n\
             WARN missing(id) (was PASS): expected this, found that\n\
             FAIL heartbeat (still): expected this, found that\n"
        );
        let expected = json!({
            "check": "missing", "column": "id", "status": "WARN", "previous": "PASS", "cause": "changed", "value": 960.5,
            "threshold": 900.0, "exactness": "exact", "message": "expected this, found that", "snapshot_id": 7,
        });
        assert_eq!(notice.details["alerts"][0], expected);
        assert_eq!((&notice.details["status"], &notice.details["alerts_omitted"]), (&json!("FAIL"), &json!(0)));
    }

    #[test]
    fn a_recovery_is_called_so_and_no_alert_is_no_notice() {
        let notice = Notice::of("a.b", &[alert("heartbeat", None, Status::Pass, Cause::Recovered)], 0).unwrap();
        assert_eq!(notice.subject, "Tributary RECOVERED a.b: heartbeat");
        assert_eq!(Notice::of("a.b", &[], 0), None);
    }

    #[test]
    fn a_notice_stays_within_what_sns_takes() {
        let mut long = alert("missing", Some("größe"), Status::Fail, Cause::Changed);
        long.result.message = "ü".repeat(100_000);
        let notice = Notice::of("analytics.bücher", &vec![long; 500], 0).unwrap();
        assert!(notice.subject.is_ascii() && notice.subject.len() == 100, "{}", notice.subject);
        assert!(notice.subject.starts_with("Tributary FAIL analytics.b?cher: missing(gr??e), "), "{}", notice.subject);
        assert!(notice.text.ends_with("and 480 more\n"));
        // Text once and details for each of four protocols, escaped once more.
        assert!(notice.text.len() + 4 * 2 * notice.details.to_string().len() < 256 << 10);
    }
}
