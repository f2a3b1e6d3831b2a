//! `docs/configuration.md` is generated from the declarations in the code. To write it:
//! `TRIBUTARY_BLESS=1 cargo test -p tributary-tests --test configuration`.
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::collections::BTreeSet;

use tributary_function::FunctionReference;
use tributary_runtime::{Environment, ReportMetrics};
use tributary_testkit::repo_root;

const INTRODUCTION: &str = "# Settings, options and metrics

Generated from the declarations in the code; a test fails when this page is stale.

**Settings** are environment variables of the function. AWS credentials, region and endpoints come from the standard AWS variables.
**Options** are the fields of the JSON object a scheduled function is invoked with; all may be left out, and a field that is no
option is refused. **Metrics** go to CloudWatch, namespace `Tributary`, with dimensions `Table` and `Table` + `Function`.
";

/// Every function, in the order of the page.
fn functions() -> Vec<FunctionReference> {
    vec![
        FunctionReference {
            name: tributary_ingest::NAME,
            settings: tributary_ingest::SETTINGS.to_vec(),
            options: Vec::new(),
            metrics: tributary_ingest::Report::METRICS,
        },
        FunctionReference::of_job::<tributary_compaction::Compaction>(),
        FunctionReference::of_job::<tributary_snapshot_expiry::SnapshotExpiry>(),
        FunctionReference::of_job::<tributary_retention::Retention>(),
        FunctionReference::of_job::<tributary_data_quality::DataQuality>(),
    ]
}

#[test]
fn the_configuration_page_is_fresh() {
    let sections = functions().iter().map(|function| format!("\n{}", function.section())).collect::<String>();
    let page = format!("{INTRODUCTION}{sections}");
    let path = repo_root().unwrap().join("docs/configuration.md");
    if Environment::of_process().is_set("TRIBUTARY_BLESS") {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, page, "run with TRIBUTARY_BLESS=1 to write the page");
}

#[test]
fn every_function_of_the_repository_is_on_the_page_under_its_folders_name() {
    let folders = std::fs::read_dir(repo_root().unwrap().join("functions")).unwrap();
    let folders: BTreeSet<String> = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    let listed: BTreeSet<String> = functions().iter().map(|function| function.name.to_owned()).collect();
    assert_eq!(listed, folders);
}

#[test]
fn no_setting_of_a_function_is_declared_twice() {
    for FunctionReference { name, settings, .. } in functions() {
        let names: BTreeSet<&str> = settings.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), settings.len(), "{name}");
    }
}
