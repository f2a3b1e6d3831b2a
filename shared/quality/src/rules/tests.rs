use super::*;

const ALL: &str = r#"
table: analytics.events
window: {column: event_time, last: 1h}
checks:
  - freshness: {column: event_time, warn_after: 10m, error_after: 30m}
  - heartbeat: {last_commit_within: 15m}
  - row_count: {min: 1, max: 1000}
  - schema: {required: [id, event_time], allow_extra_columns: false}
columns:
  - name: account_id
    missing: {max_percent: 0.5}
    invalid: {min: 1, max: 9, max_percent: 0.1, level: warn}
  - name: email
    invalid: {regex: '^[^@]+@[^@]+$', values: ["a@b", "c@d"], max_count: 3}
"#;

fn refused(yaml: &str) -> String {
    Rules::from_yaml(yaml).unwrap_err().to_string()
}

#[test]
fn every_word_of_the_rules_is_read() {
    let rules = Rules::from_yaml(ALL).unwrap();
    assert_eq!(rules.table.as_deref(), Some("analytics.events"));
    assert_eq!(rules.window, Window::Last { column: "event_time".to_owned(), last: Age::hours(1) });
    let names: Vec<String> = rules.checks.iter().map(ToString::to_string).collect();
    let expected = [
        "freshness(event_time)",
        "heartbeat",
        "row_count",
        "schema",
        "missing(account_id)",
        "invalid(account_id)",
        "invalid(email)",
    ];
    assert_eq!(names, expected);
    let Check::Invalid { valid, tolerance, .. } = &rules.checks[5] else { panic!("{:?}", rules.checks[5]) };
    assert_eq!((&valid.min, &valid.max), (&Some(1.into()), &Some(9.into())));
    assert_eq!(*tolerance, Tolerance { limit: Limit::Percent(0.1), level: Level::Warn });
    let Check::Invalid { valid, tolerance, .. } = &rules.checks[6] else { panic!("{:?}", rules.checks[6]) };
    assert_eq!(valid.regex.as_ref().unwrap().as_str(), "^[^@]+@[^@]+$");
    assert_eq!(*tolerance, Tolerance { limit: Limit::Count(3), level: Level::Error });
}

#[test]
fn json_is_read_as_the_yaml_it_is() {
    let json = r#"{"window": {"since": "last_check"}, "checks": [{"heartbeat": {"last_commit_within": "15m"}}]}"#;
    let rules = Rules::from_yaml(json).unwrap();
    assert_eq!((rules.window, rules.checks.len()), (Window::SinceLastCheck, 1));
}

#[test]
fn what_is_not_said_is_the_strictest() {
    let rules = Rules::from_yaml("columns:\n  - {name: id, missing: {}}\n").unwrap();
    let Check::Missing { tolerance, .. } = &rules.checks[0] else { panic!("{:?}", rules.checks[0]) };
    assert_eq!(*tolerance, Tolerance { limit: Limit::Count(0), level: Level::Error });
    assert_eq!(rules.window, Window::Unset);
}

#[test]
fn what_is_not_served_yet_is_named_with_its_place() {
    for (yaml, subject, place) in [
        ("checks:\n  - duplicates: {columns: [id]}\n", "duplicates", "line 2, column 17"),
        ("checks:\n  - dead_letters: {max_percent: 0.1}\n", "dead_letters", "line 2, column 19"),
        ("checks:\n  - row_count: {min: 1, anomaly: {bucket: 1h}}\n", "anomaly", "line 2, column 34"),
        ("columns:\n  - name: a\n    sample: {rows: 5}\n", "sample", "line 3, column 13"),
        ("columns:\n  - name: a\n    reference: {table: b.c}\n", "reference", "line 3, column 16"),
    ] {
        let error = refused(yaml);
        let begins = format!("remove `{subject}` from the rules at {place}: expected ");
        assert!(error.starts_with(&begins) && error.ends_with("which is not served yet"), "{error}");
    }
}

#[test]
fn a_value_without_sense_is_refused_with_its_place() {
    for (yaml, error) in [
        (
            "checks:\n  - freshness: {column: a, warn_after: 2h, error_after: 1h}\n",
            "line 2, column 5: `freshness`: expected `warn_after` at most `error_after`, found 2h and 1h",
        ),
        (
            "checks:\n  - freshness: {column: a}\n",
            "line 2, column 5: `freshness`: expected `warn_after`, `error_after` or both, found neither",
        ),
        ("checks:\n  - row_count: {}\n", "line 2, column 5: `row_count`: expected `min`, `max` or both, found neither"),
        (
            "checks:\n  - row_count: {min: 2, max: 1}\n",
            "line 2, column 5: `row_count`: expected `min` at most `max`, found 2 and 1",
        ),
        (
            "checks:\n  - {}\n",
            "line 2, column 5: an entry of `checks`: expected one kind of check an entry, found none",
        ),
        (
            "checks:\n  - heartbeat: {last_commit_within: 1h}\n    row_count: {min: 1}\n",
            "line 2, column 5: an entry of `checks`: expected one kind of check an entry, found several",
        ),
        (
            "checks:\n  - heartbeat: {last_commit_within: 1h}\n  - heartbeat: {last_commit_within: 2h}\n",
            "line 3, column 5: check `heartbeat`: expected each check once, found it twice",
        ),
        (
            "columns:\n  - {name: a, missing: {max_percent: 101}}\n",
            "line 2, column 5: `missing`: expected `max_percent` from 0 to 100, found 101",
        ),
        (
            "columns:\n  - {name: a, missing: {max_percent: 1, max_count: 1}}\n",
            "line 2, column 5: `missing`: expected `max_percent` or `max_count`, found both",
        ),
        (
            "columns:\n  - {name: a, invalid: {max_count: 1}}\n",
            "line 2, column 5: `invalid`: expected `min`, `max`, `values`, `regex` or several of them, found none of them",
        ),
        (
            "columns:\n  - {name: a, invalid: {values: []}}\n",
            "line 2, column 5: `values`: expected 1 to 1000 values, found 0",
        ),
        (
            "columns:\n  - {name: a}\n",
            "line 2, column 5: column `a`: expected `missing`, `invalid` or both, found neither",
        ),
        ("window: {column: a}\nchecks: []\n", "line 1, column 9: `window`: expected either `column` and `last`"),
        ("window: {since: last_check, last: 1h}\nchecks: []\n", "line 1, column 9: `window`: expected either"),
        (
            "columns:\n  - name: a\n    invalid: {regex: '('}\n",
            "line 3, column 22: `regex`: expected a pattern, found regex",
        ),
    ] {
        let found = refused(yaml);
        assert!(found.starts_with(&format!("correct the rules at {error}")), "{found}\nis not\n{error}");
    }
    assert_eq!(refused("table: a.b\n"), "correct the rules: the document: expected 1 to 500 checks, found 0");
    assert!(refused(&" ".repeat(300_000)).contains("at most 262144 bytes, found 300000 bytes"));
}

#[test]
fn what_is_no_rules_document_is_refused_with_its_place() {
    for (yaml, place, words) in [
        ("checks:\n  - heartbeat: {last_commit_within: 15}\n", "line 2, column 37", "expected an age such as `5d`"),
        ("checks:\n  - heartbeat: {}\n", "line 2, column 16", "last_commit_within"),
        ("checks:\n  - heartbeats: {}\n", "line 2, column 5", "heartbeats"),
        ("columns:\n  - {name: a, missing: {max: 3}}\n", "line 2, column 25", "max_count"),
        ("window: {since: yesterday}\n", "line 1, column 17", "last_check"),
        ("checks: 5\n", "line 1, column 9", "sequence"),
        ("checks: [\n", "line 1, column 9", "unclosed bracket"),
        ("\t- a\n", "line 1, column", ""),
    ] {
        let found = refused(yaml);
        assert!(found.starts_with(&format!("correct the rules at {place}")), "{found}");
        assert!(found.contains(words), "{found}");
        assert_eq!(found.matches("line ").count(), 1, "{found}");
    }
}

#[test]
fn no_damaged_document_panics() {
    // Every prefix, and every document without one of its bytes.
    for end in 0..ALL.len() {
        let (before, after) = (&ALL[..end], &ALL[end + 1..]);
        let _either = (Rules::from_yaml(before), Rules::from_yaml(&format!("{before}{after}")));
    }
    let bomb = format!("checks: {}", "[".repeat(100_000));
    assert!(Rules::from_yaml(&bomb).is_err());
}
