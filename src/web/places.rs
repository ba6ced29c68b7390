//! How many may wait at once: on this node, and from one source, so that whoever takes all that they get leaves enough for the
//! others. A place comes back by itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places to wait in.
#[derive(Debug)]
pub struct Places<S: Hash + Eq> {
    most: usize,
    of_one: usize,
    taken: Mutex<Taken<S>>,
}

#[derive(Debug)]
struct Taken<S> {
    all: usize,
    by: HashMap<S, usize>,
}

impl<S: Hash + Eq + Clone> Places<S> {
    /// `most` places, of which one source takes at most `of_one`.
    #[must_use]
    pub fn new(most: usize, of_one: usize) -> Arc<Self> {
        Arc::new(Self { most, of_one, taken: Mutex::new(Taken { all: 0, by: HashMap::new() }) })
    }

    /// A place; none where all are taken, or this source has its share.
    pub fn take(self: &Arc<Self>, source: S) -> Option<Place<S>> {
        let mut taken = self.taken();
        let its = taken.by.get(&source).copied().unwrap_or_default();
        if taken.all >= self.most || its >= self.of_one {
            return None;
        }
        taken.all += 1;
        taken.by.insert(source.clone(), its + 1);
        drop(taken);
        Some(Place { of: Arc::clone(self), source })
    }

    fn taken(&self) -> MutexGuard<'_, Taken<S>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place<S: Hash + Eq + Clone> {
    of: Arc<Places<S>>,
    source: S,
}

impl<S: Hash + Eq + Clone> Drop for Place<S> {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.all = taken.all.saturating_sub(1);
        if let Some(its) = taken.by.get_mut(&self.source) {
            *its = its.saturating_sub(1);
            if *its == 0 {
                taken.by.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_takes_its_share_and_leaves_the_rest() {
        let places = Places::new(3, 2);
        let [first, second] = [0, 1].map(|_| places.take("one").expect("its share"));
        assert!(places.take("one").is_none());
        let _other = places.take("other").expect("the rest is for others");
        assert!(places.take("third").is_none(), "all are taken");
        drop(first);
        let third = places.take("third").expect("a place came back");
        assert!(places.take("one").is_none());
        drop((second, third));
        assert_eq!(places.taken().by.keys().collect::<Vec<_>>(), [&"other"], "nobody is remembered");
    }
}
