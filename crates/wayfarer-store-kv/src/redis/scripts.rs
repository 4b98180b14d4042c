//! The scripts of native sessions: what they take, and what they say.

use jiff::Timestamp;
use redis::{Script, Value};
use wayfarer_session::{Record, StoreError, StoreErrorKind, StoreKey};

use super::forget_at;
use crate::held;

pub(super) struct Scripts {
    pub(super) remember: Script,
    pub(super) create: Script,
    pub(super) save: Script,
    pub(super) touch: Script,
    pub(super) end: Script,
    pub(super) rotate: Script,
}

macro_rules! script {
    ($($name:literal),+) => {
        Script::new(concat!($(include_str!(concat!("lua/", $name))),+))
    };
}

impl Scripts {
    pub(super) fn new() -> Scripts {
        Scripts {
            remember: script!("common.lua", "remember.lua"),
            create: script!("common.lua", "create.lua"),
            save: script!("save_at_once.lua", "common.lua", "save.lua"),
            touch: script!("common.lua", "touch.lua"),
            end: script!("common.lua", "end.lua"),
            rotate: script!("common.lua", "rotate.lua"),
        }
    }
}

/// A new state on its way, as scripts take it.
pub(super) struct Draft<'a> {
    pub(super) key: &'a StoreKey,
    pub(super) record: &'a Record,
    pub(super) value: Vec<u8>,
    pub(super) forget_at: String,
    pub(super) now: String,
    pub(super) end: String,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        key: &'a StoreKey,
        record: &'a Record,
        version: u64,
        now: Timestamp,
    ) -> Draft<'a> {
        Draft {
            key,
            record,
            value: held::encode(version, record),
            forget_at: forget_at(record.expires_at).to_string(),
            now: micros(now),
            end: micros(record.expires_at),
        }
    }

    /// What a script takes that writes it: value, when Redis forgets it, now.
    pub(super) fn written(&self) -> [&[u8]; 3] {
        [&self.value, self.forget_at.as_bytes(), self.now.as_bytes()]
    }

    /// What a script takes at its end that also tells an index of it: end, member.
    pub(super) fn indexed(&self) -> [&[u8]; 2] {
        [self.end.as_bytes(), self.key.expose().as_bytes()]
    }
}

/// What a script says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Stored,
    Conflict,
    Gone,
    Taken,
    /// The session has this user.
    User(String),
}

impl Said {
    pub(super) fn of(call: &'static str, value: Value) -> Result<Said, StoreError> {
        let unreadable =
            |why: &str| StoreError::new(StoreErrorKind::Unreadable, call, why.to_owned());
        if let Value::Array(words) = value {
            let word = words.into_iter().next().unwrap_or(Value::Nil);
            let user = redis::from_redis_value(word);
            return user.map(Said::User).map_err(|_| unreadable("a user that is not UTF-8"));
        }
        let word: String = redis::from_redis_value(value).unwrap_or_default();
        match word.as_str() {
            "stored" => Ok(Said::Stored),
            "conflict" => Ok(Said::Conflict),
            "gone" => Ok(Said::Gone),
            "taken" => Ok(Said::Taken),
            _ => Err(unreadable("Redis answers what no script of ours says")),
        }
    }
}

pub(super) fn micros(at: Timestamp) -> String {
    at.as_microsecond().to_string()
}
