//! Where the test ground's programs are, and what can go wrong with them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why a part of the test ground did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// A program that the tests run is not on this machine.
    #[error("run `tests/tools/setup` (or `make test`): `{}` is not there", path.display())]
    NotInstalled {
        /// What was looked for.
        path: PathBuf,
    },
    /// An engine that only `make interop` needs is not on this machine.
    #[error("run `tests/tools/setup {engine}` (or `make interop`): `{}` is not there", path.display())]
    EngineNotInstalled {
        /// `spark` or `trino`.
        engine: &'static str,
        /// What was looked for.
        path: PathBuf,
    },
    /// A server or reader did not start, ended, or did not answer in time.
    #[error("`{program}` {what}; the end of its log:\n{log}")]
    Process {
        /// The program, by the name it has in this crate.
        program: &'static str,
        /// What happened to it.
        what: String,
        /// The last part of what it wrote to its standard error.
        log: String,
    },
    /// A server answered, but not as expected.
    #[error("`{request}`: expected {expected}, found {found}")]
    Answer {
        /// What was asked.
        request: String,
        /// The answer that was expected.
        expected: String,
        /// The answer that came.
        found: String,
    },
    /// A reader could not read the table.
    #[error("{engine} could not read {table}: {message}")]
    Unreadable {
        /// `pyiceberg` or `duckdb`.
        engine: &'static str,
        /// The table.
        table: String,
        /// The engine's own words.
        message: String,
    },
    /// An engine did not run a statement.
    #[error("{engine} refused `{sql}`: {message}")]
    Refused {
        /// `spark` or `trino`.
        engine: &'static str,
        /// The beginning of the statement.
        sql: String,
        /// The engine's own words.
        message: String,
    },
    /// Two readings of one table differ.
    #[error("{table}: {left} and {right} disagree: {difference}")]
    Disagree {
        /// The table.
        table: String,
        /// The first reading.
        left: &'static str,
        /// The second reading.
        right: &'static str,
        /// Where they differ.
        difference: String,
    },
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The refusal.
        source: io::Error,
    },
}

impl GroundError {
    /// For `map_err`: an I/O error together with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// The repository's root: the nearest folder above this crate that holds `tests/tools/setup`.
///
/// # Errors
/// [`GroundError::NotInstalled`] when the crate was taken out of its repository.
pub fn repo_root() -> Result<PathBuf, GroundError> {
    let setup = Path::new("tests/tools/setup");
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join(setup).is_file())
        .map(Path::to_path_buf)
        .ok_or_else(|| GroundError::NotInstalled { path: setup.into() })
}

/// The folder that `tests/tools/setup` fills: `.tools` at the repository's root.
///
/// # Errors
/// [`GroundError::NotInstalled`] when nothing was set up yet.
pub fn tools_dir() -> Result<PathBuf, GroundError> {
    existing(repo_root()?.join(".tools"))
}

/// The Python interpreter that has the servers' and readers' packages.
///
/// # Errors
/// [`GroundError::NotInstalled`] when `tests/tools/setup python` was not run to its end.
pub fn python() -> Result<PathBuf, GroundError> {
    // The stamp is written last; an interpreter alone may be half an installation.
    existing(tools_dir()?.join("venv.done"))?;
    existing(tools_dir()?.join("venv/bin/python"))
}

/// A command that runs the script `name` of `tests/tools`, shielded from the caller's own settings for Python, AWS and proxies.
///
/// # Errors
/// [`GroundError::NotInstalled`] when the interpreter or the script is not there.
pub fn script(name: &str) -> Result<Command, GroundError> {
    script_by(&python()?, name)
}

/// As [`script`], run by another interpreter.
pub(crate) fn script_by(python: &Path, name: &str) -> Result<Command, GroundError> {
    let mut command = Command::new(python);
    command
        .arg("-B")
        .arg(existing(repo_root()?.join("tests/tools").join(name))?)
        .env("PYTHONUNBUFFERED", "1")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("no_proxy", "127.0.0.1,localhost");
    for name in ["PYTHONPATH", "PYTHONHOME", "AWS_PROFILE", "AWS_CONFIG_FILE"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// `path`, if there is something.
pub(crate) fn existing(path: PathBuf) -> Result<PathBuf, GroundError> {
    if path.exists() { Ok(path) } else { Err(GroundError::NotInstalled { path }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_answered_with_the_command_that_brings_it() {
        let error = existing("/no/such/tool".into()).unwrap_err();
        assert_eq!(error.to_string(), "run `tests/tools/setup` (or `make test`): `/no/such/tool` is not there");
    }

    #[test]
    fn a_missing_engine_is_answered_with_the_command_that_brings_it() {
        let error = GroundError::EngineNotInstalled { engine: "trino", path: "/no/such/stamp".into() };
        let expected = "run `tests/tools/setup trino` (or `make interop`): `/no/such/stamp` is not there";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn the_repository_is_found_from_the_crate() {
        assert!(repo_root().unwrap().join("Cargo.lock").is_file());
    }
}
