//! A program that lives exactly as long as the value that stands for it.
//!
//! Every program started here ends by itself when its standard input closes. The operating system closes it when the test
//! process ends in whatever way, so nothing is left behind even when the test runner is killed.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::tools::GroundError;

/// How long a program may take to end after its standard input closed, before it is killed.
const END_WAIT_MAX: Duration = Duration::from_secs(20);
/// How often its end is looked for.
const END_POLL: Duration = Duration::from_millis(5);
/// How much of a log an error shows.
const LOG_TAIL_BYTES_MAX: u64 = 6_000;

/// A running program: lines in, lines out, its standard error kept as a log.
#[derive(Debug)]
pub(crate) struct Managed {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    /// Locked, so that a server can be shared by the tests of one program.
    lines: Mutex<Receiver<String>>,
    log: File,
}

impl Managed {
    /// Starts `command`, which must end when its standard input closes.
    pub(crate) fn spawn(name: &'static str, mut command: Command) -> Result<Self, GroundError> {
        // Nameless from the start, so that no file stays when the test is killed.
        let log = tempfile::tempfile().map_err(GroundError::io(format!("make a log for `{name}`")))?;
        let log_of_child = log.try_clone().map_err(GroundError::io(format!("share the log of `{name}`")))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_of_child)
            .spawn()
            .map_err(GroundError::io(format!("start `{name}`")))?;
        let stdin = child.stdin.take();
        let lines = Mutex::new(lines_of(child.stdout.take()));
        Ok(Self { name, child, stdin, lines, log })
    }

    /// Writes `line` and a line end to the program's standard input.
    pub(crate) fn send_line(&mut self, line: &str) -> Result<(), GroundError> {
        let written = match self.stdin.as_mut() {
            Some(stdin) => stdin.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdin.flush()),
            None => return Err(self.failed("was ended already")),
        };
        written.map_err(|error| self.failed(format!("takes no more requests: {error}")))
    }

    /// The next line that the program wrote, waiting for at most `wait_max`.
    pub(crate) fn next_line(&self, wait_max: Duration) -> Result<String, GroundError> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.recv_timeout(wait_max).map_err(|error| match error {
            RecvTimeoutError::Timeout => self.failed(format!("did not answer within {} s", wait_max.as_secs())),
            RecvTimeoutError::Disconnected => self.failed("ended"),
        })
    }

    /// How the program ended, once it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, GroundError> {
        self.child.try_wait().map_err(GroundError::io(format!("look after `{}`", self.name)))
    }

    /// The last part of what the program wrote to its standard error.
    pub(crate) fn log_tail(&self) -> String {
        let size_bytes = self.log.metadata().map_or(0, |log| log.len());
        let tail_bytes = size_bytes.min(LOG_TAIL_BYTES_MAX);
        let mut tail = vec![0; usize::try_from(tail_bytes).unwrap_or(0)];
        // At a position: the program shares this file's cursor and must go on writing where it was.
        match self.log.read_exact_at(&mut tail, size_bytes - tail_bytes) {
            Ok(()) => String::from_utf8_lossy(&tail).into_owned(),
            Err(error) => format!("(no log: {error})"),
        }
    }

    /// The error that says `what` happened to this program, with the end of its log.
    pub(crate) fn failed(&self, what: impl Into<String>) -> GroundError {
        GroundError::Process { program: self.name, what: what.into(), log: self.log_tail() }
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let until = Instant::now() + END_WAIT_MAX;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(END_POLL);
        }
        // Both do nothing to a program that has ended, as nearly all have by now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of `stdout` as they come; the channel closes with the pipe.
fn lines_of(stdout: Option<ChildStdout>) -> Receiver<String> {
    let (sender, lines) = channel();
    if let Some(stdout) = stdout {
        // A thread of its own, since a pipe's reading end has no time limit. It ends with the program.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tools;

    const WAIT_MAX: Duration = Duration::from_secs(20);

    /// A sleeping program under `run_child.py`, its process id, and its scratch folder.
    fn sleeper() -> (Managed, String, tempfile::TempDir) {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = tools::script("run_child.py").unwrap();
        command.arg(scratch.path()).args(["sh", "-c", "echo $$; echo woken >&2; exec sleep 600"]);
        let program = Managed::spawn("sleeper", command).unwrap();
        let pid = program.next_line(WAIT_MAX).unwrap();
        (program, pid, scratch)
    }

    fn lives(pid: &str) -> bool {
        Path::new("/proc").join(pid).exists()
    }

    #[test]
    fn a_program_ends_with_its_value_and_leaves_no_folder() {
        let (program, pid, scratch) = sleeper();
        assert!(lives(&pid));
        drop(program);
        assert!(!lives(&pid));
        assert!(!scratch.path().exists());
    }

    #[test]
    fn a_program_ends_when_the_test_that_holds_it_panics() {
        let (program, pid, _scratch) = sleeper();
        let panicked = thread::spawn(move || {
            let _held = program;
            panic!("the test failed");
        });
        assert!(panicked.join().is_err());
        assert!(!lives(&pid));
    }

    #[test]
    fn a_program_that_ended_too_early_is_reported_with_its_log() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo the reason >&2; exit 3"]);
        let error = Managed::spawn("short", command).unwrap().next_line(WAIT_MAX).unwrap_err();
        assert_eq!(error.to_string(), "`short` ended; the end of its log:\nthe reason\n");
    }
}
