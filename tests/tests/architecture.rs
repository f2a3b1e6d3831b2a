//! Who may import what, and that nothing is imported for nothing.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test that can't go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tributary_testkit::repo_root;

struct Package {
    folder: PathBuf,
    binaries: Vec<String>,
    normal: BTreeSet<String>,
    dev: BTreeSet<String>,
}

fn packages() -> BTreeMap<String, Package> {
    let listed = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(repo_root().unwrap())
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let metadata: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter().map(|package| {
        let of_kind = |kind: Value| -> BTreeSet<String> {
            let all = package["dependencies"].as_array().unwrap().iter();
            all.filter(|one| one["kind"] == kind).map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned();
        let targets = package["targets"].as_array().unwrap().iter().filter(|target| target["kind"][0] == "bin");
        let binaries = targets.map(|target| target["name"].as_str().unwrap().to_owned()).collect();
        let package_ = Package { folder, binaries, normal: of_kind(Value::Null), dev: of_kind("dev".into()) };
        (package["name"].as_str().unwrap().to_owned(), package_)
    });
    packages.collect()
}

fn ours(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().map(String::as_str).filter(|name| name.starts_with("tributary-")).collect()
}

/// What each shared crate may import of ours. `tributary-testkit` may know everything, and is kept out of the product below.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tributary-decode", &[]),
    ("tributary-function", &["tributary-runtime", "tributary-table"]),
    ("tributary-kafka", &[]),
    ("tributary-maintenance", &["tributary-runtime", "tributary-table"]),
    ("tributary-quality", &["tributary-decode", "tributary-runtime", "tributary-table"]),
    ("tributary-runtime", &[]),
    ("tributary-table", &["tributary-kafka"]),
];

#[test]
fn each_shared_crate_imports_only_what_its_place_allows() {
    let shared = repo_root().unwrap().join("shared");
    for (name, package) in packages() {
        if !package.folder.starts_with(&shared) || name == "tributary-testkit" {
            continue;
        }
        let rule = ALLOWED.iter().find(|(crate_, _)| *crate_ == name);
        let (_, allowed) = rule.unwrap_or_else(|| panic!("{name} has no rule"));
        let imports = ours(&package.normal);
        assert!(
            imports.is_subset(&allowed.iter().copied().collect()),
            "{name} imports {imports:?}, allowed: {allowed:?}"
        );
    }
}

#[test]
fn functions_import_shared_crates_and_never_each_other() {
    let root = repo_root().unwrap();
    let packages = packages();
    let functions = packages.iter().filter(|(_, package)| package.folder.starts_with(root.join("functions")));
    for (name, package) in functions {
        for import in ours(&package.normal) {
            assert!(packages[import].folder.starts_with(root.join("shared")), "{name} imports {import}");
        }
    }
}

/// The Lambda's name is all of these, for cargo-lambda, the sample events and the stack.
#[test]
fn a_functions_folder_package_and_binary_have_one_name() {
    for (name, package) in packages() {
        if !package.folder.starts_with(repo_root().unwrap().join("functions")) {
            continue;
        }
        let folder = package.folder.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, format!("tributary-{folder}"));
        assert_eq!(package.binaries, [folder]);
    }
}

#[test]
fn pure_crates_know_neither_the_network_nor_the_other_side() {
    let packages = packages();
    for (name, banned) in [
        ("tributary-decode", vec!["tokio", "aws-", "lambda_runtime", "rdkafka", "chrono"]),
        ("tributary-kafka", vec!["tokio", "aws-", "lambda_runtime", "rdkafka", "iceberg", "arrow"]),
        ("tributary-function", vec!["rdkafka", "arrow"]),
        ("tributary-table", vec!["lambda_runtime", "rdkafka"]),
        ("tributary-runtime", vec!["iceberg", "arrow", "aws-", "rdkafka"]),
    ] {
        for import in &packages[name].normal {
            assert!(!banned.iter().any(|banned| import.starts_with(banned)), "{name} imports {import}");
        }
    }
}

#[test]
fn the_testkit_is_for_tests_alone() {
    for (name, package) in packages() {
        let allowed = name == "tributary-tests" || !package.normal.contains("tributary-testkit");
        assert!(allowed, "{name} needs the testkit outside its tests");
    }
}

/// Every file below a folder that ends so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn sources(folder: &Path, parts: &[&str]) -> String {
    let files = parts.iter().flat_map(|part| files(&folder.join(part), ".rs"));
    files.map(|file| std::fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn no_dependency_is_declared_and_not_used() {
    let mut used = BTreeSet::new();
    for (name, package) in packages() {
        let product = sources(&package.folder, &["src"]);
        let everything = sources(&package.folder, &["src", "tests", "examples"]);
        for (names, text) in [(&package.normal, &product), (&package.dev, &everything)] {
            for dependency in names {
                let path = format!("{}::", dependency.replace('-', "_"));
                assert!(text.contains(&path), "{name} declares `{dependency}` and does not use it");
            }
        }
        used.extend(package.normal.into_iter().chain(package.dev));
    }
    let manifest = std::fs::read_to_string(repo_root().unwrap().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let declared = section.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    for name in declared {
        assert!(used.contains(name), "the workspace declares `{name}`, which no crate uses");
    }
}

#[test]
fn each_version_stands_once_and_in_the_workspace() {
    for (name, package) in packages() {
        let manifest = std::fs::read_to_string(package.folder.join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("dependencies]").skip(1).map(|rest| rest.split("\n[").next().unwrap());
        for line in dependencies.flat_map(str::lines).filter(|line| line.contains('=')) {
            assert!(line.contains("workspace = true"), "{name}: `{line}` does not take its version from the workspace");
        }
    }
}
