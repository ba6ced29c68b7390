//! Wakes what waits on this node for an answer. Another node's looks by itself.

use tokio::sync::broadcast;

use crate::ids::ApprovalId;

/// The questions of this node that have moved.
#[derive(Debug)]
pub(super) struct Waiting(broadcast::Sender<ApprovalId>);

impl Default for Waiting {
    fn default() -> Self {
        Self(broadcast::Sender::new(1024))
    }
}

impl Waiting {
    /// This one has moved.
    pub(super) fn wake(&self, approval: ApprovalId) {
        // Nobody waits here.
        let _ = self.0.send(approval);
    }

    /// What moves from now on.
    pub(super) fn listen(&self) -> Moves {
        Moves(self.0.subscribe())
    }
}

/// What moves on this node.
pub(super) struct Moves(broadcast::Receiver<ApprovalId>);

impl Moves {
    /// Until that question has moved, or may have.
    pub(super) async fn moved(&mut self, approval: ApprovalId) {
        loop {
            match self.0.recv().await {
                Ok(moved) if moved != approval => {}
                // Ours, or we missed some.
                _ => return,
            }
        }
    }
}
