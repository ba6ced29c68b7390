//! Hears for all who wait on this node whether the questions that they wait for have been answered.
//!
//! What a hospital gets: a desk goes on within half a second of the answer, whichever node the phone spoke to, and who waits
//! costs the database nothing. An answer that this node takes wakes whoever waits for it at once. What another node takes is
//! found by one question for all, a few times a second ([ADR 0020](../../docs/adr/0020-who-waits.md)).
//!
//! Never: a word about what was answered. Whoever is woken looks in the database, and so does whoever comes back after a lost
//! connection; to be woken for nothing is no fault. No clock of another node is believed: changes have numbers.

use tokio::sync::Mutex;

use super::moves::{Moves, Waiting};
use crate::ids::{ApprovalId, TransactionId};
use crate::store::approval::{self, Approval};
use crate::store::{Db, StoreError};

/// What somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Awaited {
    /// The question of a sign-in, whichever it is now.
    SignIn(TransactionId),
    /// One question.
    Question(ApprovalId),
}

/// Who waits on this node.
#[derive(Debug, Default)]
pub struct Answers {
    waiting: Waiting<Awaited>,
    /// The last change that was heard of; none before the first, and after a time when nobody waited.
    heard: Mutex<Option<i64>>,
}

impl Answers {
    /// What happens to it from now on. Listen, then look.
    pub fn listen(&self, to: Awaited) -> Moves<Awaited> {
        self.waiting.listen(to)
    }

    /// This node has changed a question, or put another in its place.
    pub fn moved(&self, question: &Approval) {
        self.wake(question.id, question.transaction_id);
    }

    fn wake(&self, id: ApprovalId, transaction: Option<TransactionId>) {
        self.waiting.wake(Awaited::Question(id));
        if let Some(transaction) = transaction {
            self.waiting.wake(Awaited::SignIn(transaction));
        }
    }

    /// Looks what other nodes have changed since the last time, and wakes whoever waits for that. A job calls it; while nobody
    /// waits it asks nothing.
    ///
    /// # Errors
    /// [`StoreError`]; the next time hears of what this one missed.
    pub async fn hear(&self, db: &Db) -> Result<(), StoreError> {
        let mut heard = self.heard.lock().await;
        if self.waiting.is_empty() {
            *heard = None;
            return Ok(());
        }
        let last = approval::last_move(db).await?;
        match *heard {
            Some(before) if before == last => return Ok(()),
            Some(before) if before < last => {
                for moved in approval::moves_since(db, before).await? {
                    self.wake(moved.id, moved.transaction_id);
                }
            }
            // Whoever waits may have looked before; or the database was put back to what it was.
            _ => self.waiting.wake_all(),
        }
        // What came after that number is told twice rather than never.
        *heard = Some(last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::{Clock as _, MockClock};
    use crate::ids::CountingRandom;
    use crate::store::approval::Way;
    use crate::store::approval::tests::question;
    use crate::store::testing::on_both;

    fn is_woken(moves: &mut Moves<Awaited>) -> bool {
        moves.moved().now_or_never().is_some()
    }

    #[tokio::test]
    async fn what_another_node_changed_wakes_those_who_wait_for_it_alone() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let now = clock.now();
            let (here, there) = (Answers::default(), Answers::default());
            let [one, other] = [0, 1].map(|_| Approval {
                transaction_id: Some(TransactionId::new(now, &random)),
                ..question(None, Way::Scan, now, &random)
            });
            for asked in [&one, &other] {
                approval::ask(&db, asked).await.unwrap();
            }
            let mut moves = [
                here.listen(Awaited::SignIn(one.transaction_id.unwrap())),
                here.listen(Awaited::Question(one.id)),
                here.listen(Awaited::SignIn(other.transaction_id.unwrap())),
            ];
            here.hear(&db).await.unwrap();
            assert!(moves.iter_mut().all(is_woken), "they may have looked before this node listened");
            here.hear(&db).await.unwrap();
            assert!(!moves.iter_mut().any(is_woken));
            approval::withdraw(&db, one.id).await.unwrap();
            there.moved(&one);
            here.hear(&db).await.unwrap();
            assert_eq!(moves.each_mut().map(is_woken), [true, true, false]);
            // Nobody waits for a while, and then somebody who has looked before the change and listens after it.
            drop(moves);
            here.hear(&db).await.unwrap();
            let mut late = here.listen(Awaited::SignIn(other.transaction_id.unwrap()));
            approval::withdraw(&db, other.id).await.unwrap();
            here.hear(&db).await.unwrap();
            assert!(is_woken(&mut late));
        })
        .await;
    }

    #[tokio::test]
    async fn a_database_that_was_put_back_loses_nobody() {
        on_both(async |db| {
            let (clock, random) = (MockClock::default(), CountingRandom::default());
            let asked = question(None, Way::Scan, clock.now(), &random);
            approval::ask(&db, &asked).await.unwrap();
            let here = Answers::default();
            let mut moves = here.listen(Awaited::Question(asked.id));
            *here.heard.lock().await = Some(1_000);
            here.hear(&db).await.unwrap();
            assert!(is_woken(&mut moves));
            approval::withdraw(&db, asked.id).await.unwrap();
            here.hear(&db).await.unwrap();
            assert!(is_woken(&mut moves));
        })
        .await;
    }
}
