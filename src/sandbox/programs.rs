//! The other programs of the demonstration: found beside this one, started, watched, and ended with it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};

/// How long a program may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a program may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(5);

/// Why a program is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is not where this program is.
    #[error("{0} is missing: build everything (`cargo build --workspace --bins`, or `make demo`)")]
    Missing(PathBuf),
    /// The system does not start it.
    #[error("{name} cannot be started: {source}")]
    Start {
        /// Its name.
        name: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It ended where it should not have, or with an error.
    #[error("{name} ended ({status}): {said}")]
    Ended {
        /// Its name.
        name: &'static str,
        /// How.
        status: String,
        /// What it said last.
        said: String,
    },
    /// It runs and says nothing.
    #[error("{0} did not become ready within 30 s")]
    Late(&'static str),
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs(PathBuf);

impl Programs {
    /// The directory of this program.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn beside_this_one() -> io::Result<Self> {
        let mut path = std::env::current_exe()?;
        path.pop();
        Ok(Self(path))
    }

    /// A command for the program `name`.
    ///
    /// # Errors
    /// [`ProgramError::Missing`].
    pub fn command(&self, name: &'static str) -> Result<Command, ProgramError> {
        let path = self.path(name)?;
        let mut command = Command::new(path);
        // In a group of its own: Ctrl-C is meant for this program, which then asks the others to end.
        command.process_group(0).kill_on_drop(true).stdin(Stdio::null());
        Ok(command)
    }

    /// As [`command`](Self::command), for a program that stays: the kernel ends it should this one be killed.
    ///
    /// # Errors
    /// [`ProgramError::Missing`].
    pub fn companion(&self, name: &'static str) -> Result<Command, ProgramError> {
        let path = self.path(name)?;
        // The signal is tied to the thread that starts the program, so start it from the main one.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(path);
        command.process_group(0).kill_on_drop(true).stdin(Stdio::null());
        Ok(command)
    }

    fn path(&self, name: &str) -> Result<PathBuf, ProgramError> {
        let path = self.0.join(name);
        if path.is_file() { Ok(path) } else { Err(ProgramError::Missing(path)) }
    }
}

/// Runs a program to its end, with `input` on its standard input, and yields what it printed.
///
/// # Errors
/// [`ProgramError::Ended`] with what it said, where it failed.
pub async fn finish(name: &'static str, mut command: Command, input: &str) -> Result<String, ProgramError> {
    let failed = |source| ProgramError::Start { name, source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends without reading says why by itself.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ProgramError::Ended { name, status: output.status.to_string(), said })
}

/// A program that runs beside this one.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    child: Child,
    /// Open as long as the program shall run, for those that end with it.
    input: Option<ChildStdin>,
}

impl Running {
    /// Starts a program that says `ready …` on a line of standard output, and waits for that; yields the rest of the
    /// line. It ends when its standard input does.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub async fn start_and_listen(
        name: &'static str,
        mut command: Command,
    ) -> Result<(Self, String), ProgramError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Self::start(name, command)?;
        running.input = running.child.stdin.take();
        let output = running.child.stdout.take().map(BufReader::new);
        let mut lines = output.ok_or(ProgramError::Late(name))?.lines();
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(rest) = line.strip_prefix("ready ") {
                    return Some(rest.to_owned());
                }
            }
            None
        };
        match tokio::time::timeout(PATIENCE, ready).await {
            Ok(Some(rest)) => Ok((running, rest)),
            Ok(None) => Err(running.ended().await),
            Err(_) => Err(ProgramError::Late(name)),
        }
    }

    /// Starts a program that is ready when `ready` says so.
    ///
    /// # Errors
    /// [`ProgramError`].
    pub async fn start_until(
        name: &'static str,
        command: Command,
        ready: impl Fn() -> bool,
    ) -> Result<Self, ProgramError> {
        let mut running = Self::start(name, command)?;
        let asking = async {
            while !ready() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            error = running.ended() => return Err(error),
            answered = tokio::time::timeout(PATIENCE, asking) => {
                answered.map_err(|_| ProgramError::Late(name))?;
            }
        }
        Ok(running)
    }

    fn start(name: &'static str, mut command: Command) -> Result<Self, ProgramError> {
        let child = command.spawn().map_err(|source| ProgramError::Start { name, source })?;
        Ok(Self { name, child, input: None })
    }

    /// Waits until it ends by itself, which it should not.
    pub async fn ended(&mut self) -> ProgramError {
        let status = match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        ProgramError::Ended { name: self.name, status, said: "what it said is above".into() }
    }

    /// Asks it to end, and ends it where it does not.
    pub async fn stop(mut self) {
        drop(self.input.take());
        if let Some(id) = self.child.id() {
            // SIGTERM. It may have ended by itself just now: then there is nobody to ask.
            // The shell's own `kill`: the program of that name is not on every machine.
            let mut kill = Command::new("sh");
            kill.args(["-c", "kill \"$1\"", "sh", &id.to_string()]).stderr(Stdio::null());
            let _ = kill.status().await;
        }
        if tokio::time::timeout(FAREWELL, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// Whether a program listens on `port` of this machine. Asked of the kernel: a connection that says nothing would be
/// reported as an oddity by whoever listens.
pub fn listens(port: u16) -> bool {
    // `sl local_address rem_address st …`, the port in hexadecimal, 0A for LISTEN (proc(5)).
    let in_table = |table: &str| {
        table.lines().any(|row| {
            let mut fields = row.split_ascii_whitespace().skip(1);
            let (local, state) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
            state == "0A" && local.ends_with(&format!(":{port:04X}"))
        })
    };
    let read = |name: &str| std::fs::read_to_string(name).is_ok_and(|table| in_table(&table));
    read("/proc/net/tcp") || read("/proc/net/tcp6")
}

/// `path` as an argument of a program that runs elsewhere.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_known_to_be_taken() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listens(port));
        // Nobody's, and no system gives it out: a port that was just freed may be another test's by now.
        assert!(!listens(1));
    }

    #[tokio::test]
    async fn a_program_that_fails_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo reason >&2; exit 3"]);
        let error = finish("sh", command, "input").await.unwrap_err().to_string();
        assert!(error.contains("reason") && error.contains('3'), "{error}");
        let mut command = Command::new("sh");
        command.args(["-c", "cat"]);
        assert_eq!(finish("sh", command, "input").await.unwrap(), "input");
    }

    #[tokio::test]
    async fn a_companion_is_waited_for_and_ends_with_its_input() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo starting; echo ready here; cat >/dev/null"]);
        let (running, said) = Running::start_and_listen("sh", command).await.unwrap();
        assert_eq!(said, "here");
        running.stop().await;

        let mut command = Command::new("sh");
        command.args(["-c", "exit 1"]);
        let error = Running::start_and_listen("sh", command).await.unwrap_err();
        assert!(matches!(error, ProgramError::Ended { .. }), "{error}");
        let mut command = Command::new("sh");
        command.args(["-c", "exit 1"]);
        let error = Running::start_until("sh", command, || false).await.unwrap_err();
        assert!(matches!(error, ProgramError::Ended { .. }), "{error}");
    }
}
