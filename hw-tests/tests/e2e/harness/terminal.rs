//! A terminal on which a person types the PIN: `pinentry-tty` asks there, the test answers.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::until;

/// A pseudoterminal: programs have one end, the test the other.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
    /// Held, so that the terminal does not hang up between two programs.
    _other_end: File,
    path: PathBuf,
}

impl Terminal {
    pub fn open() -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let path = PathBuf::from(ptsname(&keyboard, Vec::new()).unwrap().into_string().unwrap());
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other_end = rustix::fs::open(&path, flags, rustix::fs::Mode::empty()).unwrap();
        let keyboard = File::from(keyboard);
        let shown = Arc::default();
        let (mut screen, seen) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut part = [0; 1024];
            while let Ok(length @ 1..) = screen.read(&mut part) {
                let seen: &Mutex<Vec<u8>> = &seen;
                seen.lock().unwrap().extend(&part[..length]);
            }
        });
        Self { keyboard, shown, _other_end: File::from(other_end), path }
    }

    /// Its name, as `GPG_TTY` wants it.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// All that was shown on it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until `text` is shown.
    pub async fn shows(&self, text: &str) {
        until(&format!("the terminal to show “{text}”"), async || {
            self.text().contains(text).then_some(())
        })
        .await;
    }

    /// Types `text` and the return key.
    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        self.keyboard.write_all(b"\r").unwrap();
    }
}
