//! Wakes what waits on this node when the thing that it waits for has moved: a sign-in, a question. Nobody else is woken, so
//! that a move costs as much among twenty thousand who wait as among two. Other nodes look in the database.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Who waits, by the key of what they wait for.
#[derive(Debug)]
pub struct Waiting<K: Hash + Eq>(Arc<Mutex<Listeners<K>>>);

type Listeners<K> = HashMap<K, Vec<Arc<Notify>>>;

impl<K: Hash + Eq> Default for Waiting<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Hash + Eq + Clone> Waiting<K> {
    /// This one has moved.
    pub fn wake(&self, key: K) {
        for listener in held(&self.0).get(&key).into_iter().flatten() {
            listener.notify_one();
        }
    }

    /// Any may have moved.
    pub fn wake_all(&self) {
        for listener in held(&self.0).values().flatten() {
            listener.notify_one();
        }
    }

    /// What this one does from now on.
    pub fn listen(&self, key: K) -> Moves<K> {
        let notify = Arc::new(Notify::new());
        held(&self.0).entry(key.clone()).or_default().push(Arc::clone(&notify));
        Moves { all: Arc::clone(&self.0), key, notify }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        held(&self.0).is_empty()
    }
}

/// The moves of one thing.
#[derive(Debug)]
pub struct Moves<K: Hash + Eq> {
    all: Arc<Mutex<Listeners<K>>>,
    key: K,
    notify: Arc<Notify>,
}

impl<K: Hash + Eq> Moves<K> {
    /// Until it has moved since this was called last, or may have.
    pub async fn moved(&mut self) {
        self.notify.notified().await;
    }
}

impl<K: Hash + Eq> Drop for Moves<K> {
    fn drop(&mut self) {
        let mut all = held(&self.all);
        if let Some(listeners) = all.get_mut(&self.key) {
            listeners.retain(|listener| !Arc::ptr_eq(listener, &self.notify));
            if listeners.is_empty() {
                all.remove(&self.key);
            }
        }
        // Memory of a rush comes back.
        if all.len() < all.capacity() / 8 {
            all.shrink_to_fit();
        }
    }
}

fn held<K: Hash + Eq>(all: &Mutex<Listeners<K>>) -> MutexGuard<'_, Listeners<K>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_it_is_woken_also_by_what_came_before_they_waited_and_nobody_else() {
        let waiting = Waiting::default();
        let [mut one, mut two, mut other] = [1, 1, 2].map(|key| waiting.listen(key));
        waiting.wake(1);
        waiting.wake(1);
        for woken in [&mut one, &mut two] {
            woken.moved().await;
            assert!(woken.moved().now_or_never().is_none(), "once for all that came");
        }
        assert!(other.moved().now_or_never().is_none());
        waiting.wake_all();
        for woken in [&mut one, &mut two, &mut other] {
            woken.moved().await;
        }
        drop((one, two));
        assert!(!waiting.is_empty());
        drop(other);
        assert!(waiting.is_empty());
        waiting.wake(1);
    }
}
