//! The window in which the PIN is typed: a `pinentry` program of the system, started for one question.
//!
//! It is the same program that GnuPG asks passphrases with, so every desktop has one in its own look, and `pinentry-tty`
//! serves where there is no desktop. The program ends with its question: nothing of the PIN stays behind, and a request
//! that is dropped (the browser's tab was closed) takes its window with it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::TypedPin;
use super::assuan::{AssuanError, Conversation};

/// GnuPG's numbers for what can happen in a window (libgpg-error).
const TIMEOUT: u32 = 62;
const CANCELED: u32 = 99;
const FULLY_CANCELED: u32 = 198;

/// How long a window stays open: a card request lives two minutes.
const PATIENCE: Duration = Duration::from_secs(100);

/// The shortest time in which a person can press Cancel. `pinentry-tty` reports a terminal that it cannot open as if
/// somebody had pressed it: nobody can have done so yet.
pub const REACTION: Duration = Duration::from_millis(150);

/// Why no PIN came.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// The person closed the window or pressed Cancel.
    #[error("the PIN window was cancelled")]
    Cancelled,
    /// Nobody typed anything for too long.
    #[error("the PIN window was left alone")]
    TimedOut,
    /// Nothing was typed, or something far too long.
    #[error("what was typed is no PIN")]
    NotAPin,
    /// The program cannot be started.
    #[error("the PIN window {program} cannot be started: {source}")]
    NotStarted {
        /// The program that was to be started.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The program failed; typically there is neither a desktop nor a terminal for it.
    #[error("the PIN window {program} failed: {detail}")]
    Failed {
        /// The program.
        program: String,
        /// How; never what was typed.
        detail: String,
    },
}

/// What a window says. Plain text; each entry a few hundred bytes at most.
#[derive(Debug, Clone, Default)]
pub struct WindowText {
    /// The title bar.
    pub title: String,
    /// Which server, which relying party, whose card, how many tries.
    pub description: String,
    /// The label of the field.
    pub prompt: String,
    /// What went wrong at the last try.
    pub error: Option<String>,
    /// The label of the button that goes on.
    pub ok: String,
    /// The label of the button that gives up.
    pub cancel: String,
}

/// How to open a window.
#[derive(Debug, Clone)]
pub struct PinWindow {
    /// The program: a name on the path or an absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The terminal of `pinentry-tty` and `pinentry-curses`; desktops need none.
    pub tty: Option<String>,
    /// The kind of that terminal (`xterm`).
    pub tty_type: Option<String>,
    /// A Cancel that comes sooner is a window that did not open: [`REACTION`].
    pub reaction: Duration,
    /// The locale whose character set the texts are shown in.
    pub locale: String,
}

impl PinWindow {
    /// The window that fits the surroundings of this process.
    #[must_use]
    pub fn of_environment(program: Option<PathBuf>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            program: program.unwrap_or_else(|| "pinentry".into()),
            arguments: Vec::new(),
            tty: variable("GPG_TTY"),
            tty_type: variable("TERM"),
            reaction: REACTION,
            locale: variable("LC_ALL")
                .or_else(|| variable("LC_CTYPE"))
                .or_else(|| variable("LANG"))
                .unwrap_or_else(|| "C.UTF-8".to_owned()),
        }
    }

    /// Asks for the PIN, once. Dropping the future closes the window.
    ///
    /// # Errors
    /// [`WindowError`], one case per cause.
    pub async fn ask(&self, text: &WindowText) -> Result<TypedPin, WindowError> {
        let mut child = self.start()?;
        let started = Instant::now();
        let asked =
            tokio::time::timeout(PATIENCE + Duration::from_secs(10), self.converse(&mut child, text)).await;
        let outcome = match asked {
            Ok(Ok(data)) => TypedPin::new(data).ok_or(WindowError::NotAPin),
            Ok(Err(error)) => Err(match error.cause() {
                Some(CANCELED | FULLY_CANCELED) if started.elapsed() < self.reaction => {
                    self.failed("it gave up at once, so it found neither desktop nor terminal".to_owned())
                }
                Some(CANCELED | FULLY_CANCELED) => WindowError::Cancelled,
                Some(TIMEOUT) => WindowError::TimedOut,
                _ => self.failed(error.to_string()),
            }),
            Err(_) => Err(WindowError::TimedOut),
        };
        if outcome.is_err() {
            // Already gone in most cases; a window that hangs must not stay on the screen.
            let _ = child.start_kill();
        }
        let _ = child.wait().await;
        outcome
    }

    /// Asks for a yes, once. Whatever else comes of it is a no. Dropping the future closes the window.
    pub async fn confirm(&self, text: &WindowText) -> bool {
        let Ok(mut child) = self.start() else { return false };
        let asked = async {
            let (Some(from), Some(to)) = (child.stdout.take(), child.stdin.take()) else {
                return Err(AssuanError::Protocol);
            };
            let mut window = Conversation::begin(from, to).await?;
            self.set_options(&mut window).await?;
            tolerate(window.ask("SETTITLE", &text.title).await)?;
            window.ask("SETDESC", &text.description).await?;
            tolerate(window.ask("SETOK", &text.ok).await)?;
            tolerate(window.ask("SETCANCEL", &text.cancel).await)?;
            window.ask("CONFIRM", "").await
        };
        let is_yes = matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(_)));
        let _ = child.start_kill();
        let _ = child.wait().await;
        is_yes
    }

    /// Shows a message until the person has read it, if there is a screen to show it on.
    pub async fn tell(&self, title: &str, message: &str) {
        let Ok(mut child) = self.start() else { return };
        let told = async {
            let (Some(from), Some(to)) = (child.stdout.take(), child.stdin.take()) else {
                return Err(AssuanError::Protocol);
            };
            let mut window = Conversation::begin(from, to).await?;
            self.set_options(&mut window).await?;
            tolerate(window.ask("SETTITLE", title).await)?;
            window.ask("SETDESC", message).await?;
            window.ask("MESSAGE", "").await
        };
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, told).await {
            tracing::debug!(%error, "a message could not be shown");
        }
        let _ = child.start_kill();
        let _ = child.wait().await;
    }

    fn start(&self) -> Result<Child, WindowError> {
        Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| WindowError::NotStarted { program: self.program.display().to_string(), source })
    }

    async fn converse(
        &self,
        child: &mut Child,
        text: &WindowText,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, AssuanError> {
        let (Some(from), Some(to)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(AssuanError::Protocol);
        };
        let mut window = Conversation::begin(from, to).await?;
        self.set_options(&mut window).await?;
        tolerate(window.ask("SETTITLE", &text.title).await)?;
        window.ask("SETDESC", &text.description).await?;
        window.ask("SETPROMPT", &text.prompt).await?;
        tolerate(window.ask("SETOK", &text.ok).await)?;
        tolerate(window.ask("SETCANCEL", &text.cancel).await)?;
        if let Some(error) = &text.error {
            tolerate(window.ask("SETERROR", error).await)?;
        }
        let pin = window.ask("GETPIN", "").await?;
        tolerate(window.ask("BYE", "").await)?;
        Ok(pin)
    }

    async fn set_options(
        &self,
        window: &mut Conversation<ChildStdout, ChildStdin>,
    ) -> Result<(), AssuanError> {
        // Options that a program does not know are no reason to stop.
        for (name, value) in [
            ("ttyname", self.tty.as_deref()),
            ("ttytype", self.tty_type.as_deref()),
            ("lc-ctype", Some(self.locale.as_str())),
            ("lc-messages", Some(self.locale.as_str())),
        ] {
            if let Some(value) = value {
                tolerate(window.ask("OPTION", &format!("{name}={value}")).await)?;
            }
        }
        tolerate(window.ask("SETTIMEOUT", &PATIENCE.as_secs().to_string()).await)
    }

    fn failed(&self, detail: String) -> WindowError {
        WindowError::Failed { program: self.program.display().to_string(), detail }
    }
}

/// Goes on where the program merely does not know a command.
fn tolerate<T>(answer: Result<T, AssuanError>) -> Result<(), AssuanError> {
    match answer {
        Ok(_) | Err(AssuanError::Answered(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that follows the protocol, answers `GETPIN` with `answer` and writes what it was told to a file.
    fn program(dir: &tempfile::TempDir, answer: &str) -> PinWindow {
        let script = format!(
            "#!/bin/sh\necho 'OK ready'\nwhile IFS= read -r line; do\n  echo \"$line\" >> '{log}'\n  case \"$line\" in\n    GETPIN) {answer};;\n    BYE) echo OK; exit 0;;\n    SETTITLE*) echo 'ERR 536871187 Unknown IPC command';;\n    *) echo OK;;\n  esac\ndone\n",
            log = dir.path().join("log").display(),
        );
        let path = dir.path().join("pinentry");
        std::fs::write(&path, script).unwrap();
        PinWindow {
            program: "/bin/sh".into(),
            arguments: vec![path.display().to_string()],
            tty: Some("/dev/pts/7".into()),
            tty_type: None,
            reaction: Duration::ZERO,
            locale: "C.UTF-8".into(),
        }
    }

    fn text() -> WindowText {
        WindowText {
            title: "Sceau".into(),
            description: "CHU de Test\nDossier patient — 100 %".into(),
            prompt: "Code".into(),
            error: Some("Code erroné".into()),
            ok: "Continuer".into(),
            cancel: "Annuler".into(),
        }
    }

    #[tokio::test]
    async fn a_cancel_that_nobody_can_have_pressed_is_a_window_that_did_not_open() {
        let dir = tempfile::tempdir().unwrap();
        let window =
            PinWindow { reaction: Duration::from_secs(60), ..program(&dir, "echo 'ERR 83886179 cancelled'") };
        assert!(matches!(window.ask(&text()).await, Err(WindowError::Failed { .. })));
    }

    async fn ask(answer: &str) -> (Result<TypedPin, WindowError>, String) {
        let dir = tempfile::tempdir().unwrap();
        let result = program(&dir, answer).ask(&text()).await;
        (result, std::fs::read_to_string(dir.path().join("log")).unwrap_or_default())
    }

    #[tokio::test]
    async fn the_pin_comes_back_and_the_texts_arrive_escaped() {
        let (pin, log) = ask("printf 'D 1234\\nOK\\n'").await;
        assert_eq!(pin.unwrap().expose(), b"1234");
        for line in [
            "OPTION ttyname=/dev/pts/7",
            "OPTION lc-ctype=C.UTF-8",
            "SETDESC CHU de Test%0ADossier patient — 100 %25",
            "SETERROR Code erroné",
            "SETTIMEOUT 100",
        ] {
            assert!(log.lines().any(|l| l == line), "{line} in {log}");
        }
    }

    #[tokio::test]
    async fn giving_up_and_leaving_alone_are_told_apart() {
        assert!(matches!(
            ask("echo 'ERR 83886179 Operation cancelled'").await.0,
            Err(WindowError::Cancelled)
        ));
        assert!(matches!(ask("echo 'ERR 83886142 Timeout'").await.0, Err(WindowError::TimedOut)));
    }

    #[tokio::test]
    async fn a_window_that_fails_says_so() {
        assert!(matches!(ask("echo 'ERR 83886129 No such device'").await.0, Err(WindowError::Failed { .. })));
        assert!(matches!(ask("exit 3").await.0, Err(WindowError::Failed { .. })));
        assert!(matches!(ask("echo OK").await.0, Err(WindowError::NotAPin)));
        assert!(matches!(ask("printf 'D %040d\\nOK\\n' 1").await.0, Err(WindowError::NotAPin)));
        let absent = PinWindow::of_environment(Some("/nonexistent/pinentry".into()));
        assert!(matches!(absent.ask(&text()).await, Err(WindowError::NotStarted { .. })));
    }

    #[tokio::test]
    async fn a_pin_is_not_printed() {
        let (pin, _) = ask("printf 'D 1234\\nOK\\n'").await;
        assert_eq!(format!("{pin:?}"), "Ok(TypedPin(…))");
    }
}
