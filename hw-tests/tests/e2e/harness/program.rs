//! A program that runs beside the test, with what it says kept for when the test fails.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};

use super::{listens, until};

/// A running program. Dropping it ends it at once.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    log: tempfile::TempDir,
}

impl Program {
    /// Starts `command`. `name` is how it is called in messages.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let log = tempfile::tempdir().unwrap();
        let file = || File::options().create(true).append(true).open(log.path().join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file())
            .stderr(file())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} ({command:?}): {error}; run `make setup`"));
        Self { name: name.to_owned(), child, log }
    }

    /// Waits until it listens on `port`.
    pub async fn listening_on(mut self, port: u16) -> Self {
        until(&format!("{} to listen on {port}", self.name), async || {
            self.assert_alive();
            listens(port).await.then_some(())
        })
        .await;
        self
    }

    /// Waits until it has said something in which `find` finds what it looks for.
    pub async fn said<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        until(&format!("{} to say {what}", self.name), async || {
            let found = find(&self.log());
            if found.is_none() {
                self.assert_alive();
            }
            found
        })
        .await
    }

    /// All that it has said.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Asks it to end, as a system does, and waits until it has.
    pub async fn stop(self) -> ExitStatus {
        self.signal(Signal::TERM).await
    }

    /// Asks it to end, as Ctrl-C does, and waits until it has.
    pub async fn interrupt(self) -> ExitStatus {
        self.signal(Signal::INT).await
    }

    async fn signal(mut self, signal: Signal) -> ExitStatus {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
        until(&format!("{} to end", self.name), async || self.child.try_wait().unwrap()).await
    }

    fn assert_alive(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{} has ended ({status})", self.name);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            println!("--- {} said:\n{}", self.name, self.log());
        }
    }
}

/// Runs a command that has to succeed.
pub fn finished(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make setup`"));
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// A program of this workspace: it stands beside the test program, and `cargo test --workspace` has built it.
pub fn ours(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace`, or `make test`", path.display());
    path
}

/// `program` as an ordinary user, because some servers refuse to start as root: the user exists in a namespace only,
/// so that files stay those of whoever runs the test, root or not.
pub fn as_ordinary_user(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).arg(program);
    command
}
