//! A map that forgets: bounded memory for whatever keys come.

use std::{borrow::Borrow, hash::Hash};

use hashbrown::HashMap;

/// Keeps at least the `half` keys that were put in last, and at most twice as many.
///
/// Two generations: when the younger one is full it becomes the older one, and what was in the older one is forgotten.
/// A key that is found in the older one moves to the younger one, so keys in use stay.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    pub(crate) fn new(half: usize) -> Generations<K, V> {
        Generations { young: HashMap::new(), old: HashMap::new(), half: half.max(1) }
    }

    /// The value of a key, if it is not forgotten.
    pub(crate) fn get<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some((key, value)) = self.old.remove_entry(key) {
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    /// Puts a value in, in the place of the one that the key had.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_what_is_not_used_and_keeps_what_is() {
        let mut map = Generations::new(4);
        map.insert(0, 'a');
        for key in 1..100 {
            map.insert(key, 'b');
            assert_eq!(map.get(&0), Some(&mut 'a'));
            assert!(map.young.len() + map.old.len() <= 8);
        }
        assert_eq!(map.get(&1), None);
        assert_eq!(map.get(&99), Some(&mut 'b'));
    }
}
