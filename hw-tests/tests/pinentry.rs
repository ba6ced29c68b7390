//! The agent's PIN window with a real `pinentry-tty` on a terminal of the test's own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a step that cannot be taken ends the test, and its place in the source says which"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use sceau::agent::pin::{PinWindow, REACTION, WindowError, WindowText};

const PINENTRY: &str = "/usr/bin/pinentry-tty";

/// A terminal: what is typed into it, and what it shows.
struct Terminal {
    name: String,
    keyboard: File,
    screen: mpsc::Receiver<Vec<u8>>,
    shown: String,
    /// Keeps the terminal alive between the programs that use it.
    _open: std::os::fd::OwnedFd,
}

impl Terminal {
    fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let open =
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let keyboard = File::from(master);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, screen) = mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 256];
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                if sender.send(piece[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { name, keyboard, screen, shown: String::new(), _open: open }
    }

    /// Waits until the screen shows `text`.
    fn shows(&mut self, text: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.shown.contains(text) {
            let left = end.saturating_duration_since(Instant::now());
            let piece =
                self.screen.recv_timeout(left).unwrap_or_else(|_| panic!("no {text:?} in {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }
}

fn window(terminal: &Terminal) -> PinWindow {
    assert!(
        Path::new(PINENTRY).exists(),
        "{PINENTRY} is missing: run `make setup` (Debian package pinentry-tty)"
    );
    PinWindow {
        program: PINENTRY.into(),
        arguments: Vec::new(),
        tty: Some(terminal.name.clone()),
        tty_type: Some("xterm".into()),
        // Under load the program itself may need longer than that to find that it has no terminal.
        reaction: REACTION * 20,
        locale: "C.UTF-8".into(),
    }
}

fn text() -> WindowText {
    WindowText {
        title: "Agent Sceau".into(),
        description: "Dossier patient demande votre carte par CHU d’Essai\nClaire DUPONT, 100 % prête".into(),
        prompt: "Code de la carte :".into(),
        error: None,
        ok: "Se connecter".into(),
        cancel: "Annuler".into(),
    }
}

#[tokio::test]
async fn the_pin_is_typed_on_the_terminal_and_does_not_show() {
    let mut terminal = Terminal::open();
    let (window, text) = (window(&terminal), text());
    let asked = tokio::spawn(async move { window.ask(&text).await });
    let typed = tokio::task::spawn_blocking(move || {
        terminal.shows("Code de la carte");
        terminal.types("1234\n");
        terminal
    });
    let pin = asked.await.unwrap().unwrap();
    assert_eq!(pin.expose(), b"1234");
    let mut terminal = typed.await.unwrap();
    while let Ok(piece) = terminal.screen.try_recv() {
        terminal.shown.push_str(&String::from_utf8_lossy(&piece));
    }
    for shown in ["Dossier patient", "CHU d’Essai", "Claire DUPONT, 100 % prête"] {
        assert!(terminal.shown.contains(shown), "{shown:?} in {:?}", terminal.shown);
    }
    assert!(!terminal.shown.contains("1234"), "{:?}", terminal.shown);
}

#[tokio::test]
async fn an_error_of_the_try_before_is_shown() {
    let mut terminal = Terminal::open();
    let (window, text) = (window(&terminal), WindowText { error: Some("Code faux".into()), ..text() });
    let asked = tokio::spawn(async move { window.ask(&text).await });
    let typed = tokio::task::spawn_blocking(move || {
        terminal.shows("Code faux");
        terminal.shows("Code de la carte");
        terminal.types("9\n");
    });
    assert_eq!(asked.await.unwrap().unwrap().expose(), b"9");
    typed.await.unwrap();
}

#[tokio::test]
async fn nothing_typed_is_no_pin() {
    let mut terminal = Terminal::open();
    let (window, text) = (window(&terminal), text());
    let asked = tokio::spawn(async move { window.ask(&text).await });
    let typed = tokio::task::spawn_blocking(move || {
        terminal.shows("Code de la carte");
        terminal.types("\n");
    });
    assert!(matches!(asked.await.unwrap(), Err(WindowError::NotAPin | WindowError::Cancelled)));
    typed.await.unwrap();
}

#[tokio::test]
async fn the_window_goes_with_the_tab_that_asked_for_it() {
    let mut terminal = Terminal::open();
    let (first, text_of_first) = (window(&terminal), text());
    let asked = tokio::spawn(async move { first.ask(&text_of_first).await });
    let mut terminal = tokio::task::spawn_blocking(move || {
        terminal.shows("Code de la carte");
        terminal
    })
    .await
    .unwrap();
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    // A second one would fight with the first over the keys, were it still there.
    terminal.shown.clear();
    let (second, text_of_second) = (window(&terminal), text());
    let asked = tokio::spawn(async move { second.ask(&text_of_second).await });
    let typed = tokio::task::spawn_blocking(move || {
        terminal.shows("Code de la carte");
        terminal.types("4321\n");
    });
    assert_eq!(asked.await.unwrap().unwrap().expose(), b"4321");
    typed.await.unwrap();
}

#[tokio::test]
async fn a_terminal_that_does_not_exist_is_told() {
    let terminal = Terminal::open();
    let window = PinWindow { tty: Some("/dev/pts/does-not-exist".into()), ..window(&terminal) };
    assert!(matches!(window.ask(&text()).await, Err(WindowError::Failed { .. })));
}
