//! Cookies that were opened a moment ago, and what they came to.
//!
//! A browser sends one cookie with every request of a page. To open it is to compute MACs and hashes, which costs more than all
//! else that a session in memory does, and depends on nothing but the cookie and the keys: so an answer never grows old, and is
//! found again here. Only cookies that were genuine are kept, so that nobody can drive others out by guessing.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard},
};

/// So many bytes at its end, its MAC among them, tell one cookie of ours from all others.
const TAIL: usize = 24;

/// The last genuine cookies, a certain number of them at most.
pub(crate) struct Recent<T> {
    hashes: RandomState,
    /// What has more bytes is no cookie of ours, and is not looked at.
    longest: usize,
    slots: Box<[Mutex<Option<Opened<T>>>]>,
}

/// A cookie that was opened.
struct Opened<T> {
    /// Under a key of this process, so that what is compared tells nothing of the cookie by how long it takes.
    hash: u64,
    cookie: Arc<str>,
    came_to: T,
}

impl<T: Clone> Recent<T> {
    /// Keeps as many cookies as there are `slots`, of which there is one at least. None has more than `longest` bytes.
    pub(crate) fn new(slots: usize, longest: usize) -> Recent<T> {
        let slots = (0..slots.max(1)).map(|_| Mutex::new(None)).collect();
        Recent { hashes: RandomState::new(), longest, slots }
    }

    /// What `open` makes of this cookie, or made of it before.
    pub(crate) fn open(&self, cookie: &str, open: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        if cookie.len() > self.longest {
            return None;
        }
        let hash = self.hash(cookie);
        let mut slot = self.free_slot(hash);
        if let Some(Some(known)) = slot.as_deref()
            && known.hash == hash
            && *known.cookie == *cookie
        {
            return Some(known.came_to.clone());
        }
        let came_to = open(cookie)?;
        if let Some(slot) = slot.as_deref_mut() {
            *slot = Some(Opened { hash, cookie: cookie.into(), came_to: came_to.clone() });
        }
        Some(came_to)
    }

    /// Notes what a cookie will come to that was just made.
    #[cfg(feature = "cookies")]
    pub(crate) fn note(&self, cookie: &Arc<str>, came_to: T) {
        let hash = self.hash(cookie);
        if let Some(mut slot) = self.free_slot(hash) {
            *slot = Some(Opened { hash, cookie: Arc::clone(cookie), came_to });
        }
    }

    fn hash(&self, cookie: &str) -> u64 {
        let bytes = cookie.as_bytes();
        self.hashes.hash_one(bytes.last_chunk::<TAIL>().map_or(bytes, |tail| tail))
    }

    /// Where what has this hash lies, unless somebody is just there: that is not worth waiting for.
    fn free_slot(&self, hash: u64) -> Option<MutexGuard<'_, Option<Opened<T>>>> {
        let at = hash % u64::try_from(self.slots.len()).ok()?;
        self.slots.get(usize::try_from(at).ok()?)?.try_lock().ok()
    }
}

/// Shows nothing of what is in it: cookies are secrets.
impl<T> fmt::Debug for Recent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_genuine_cookie_is_opened_once() {
        let recent = Recent::new(8, 64);
        let mut opened = 0;
        for _ in 0..3 {
            let length = recent.open("cookie", |cookie| {
                opened += 1;
                Some(cookie.len())
            });
            assert_eq!(length, Some(6));
        }
        assert_eq!(opened, 1);
    }

    #[test]
    fn what_is_too_long_is_not_looked_at() {
        let recent = Recent::new(8, 5);
        assert_eq!(recent.open("cooki", |_| Some(1)), Some(1));
        assert_eq!(recent.open("cookie", |_| Some(1)), None);
    }

    #[test]
    fn what_is_not_genuine_is_judged_anew() {
        let recent = Recent::new(8, 64);
        assert_eq!(recent.open("cookie", |_| None::<u8>), None);
        assert_eq!(recent.open("cookie", |_| Some(1)), Some(1));
    }

    #[test]
    fn no_cookie_is_taken_for_another_in_its_slot() {
        let recent = Recent::new(8, 64);
        let cookies: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        for _ in 0..2 {
            for (n, cookie) in cookies.iter().enumerate() {
                assert_eq!(recent.open(cookie, |_| Some(n)), Some(n));
            }
        }
    }

    #[test]
    fn a_slot_that_is_held_is_not_waited_for() {
        let recent = Recent::new(8, 64);
        let inner = recent.open("cookie", |cookie| recent.open(cookie, |_| Some(2)).map(|n| n + 1));
        assert_eq!(inner, Some(3));
    }
}
