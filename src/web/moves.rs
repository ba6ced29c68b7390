//! Wakes what waits on this node when the thing that it waits for has moved: a sign-in, a question. Another node looks by
//! itself, every second or two, in the database.

use tokio::sync::broadcast;

/// How many moves somebody who is slow may miss before they look in any case.
const KEPT: usize = 1024;

/// What wakes them, each by the key of what it waits for.
#[derive(Debug)]
pub struct Waiting<T>(broadcast::Sender<T>);

impl<T: Clone> Default for Waiting<T> {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl<T: Clone> Waiting<T> {
    /// This one has moved.
    pub fn wake(&self, key: T) {
        // Nobody waits here.
        let _ = self.0.send(key);
    }

    /// What moves from now on.
    pub fn listen(&self) -> Moves<T> {
        Moves(self.0.subscribe())
    }
}

/// What moves on this node.
#[derive(Debug)]
pub struct Moves<T>(broadcast::Receiver<T>);

impl<T: Clone + PartialEq> Moves<T> {
    /// Until that one has moved, or may have.
    pub async fn moved(&mut self, key: T) {
        loop {
            match self.0.recv().await {
                Ok(moved) if moved != key => {}
                // Ours, or we missed some.
                _ => return,
            }
        }
    }
}
