//! What lies under a key of a native session: one line that says what it is, then the user, then the data.
//!
//! ```text
//! wf1 <version> <end> <subject> <length of user>\n<user><data>
//! ```
//!
//! The end is in microseconds of UTC. Version 0 is the mark of a session that was ended: it has no user and no data, and
//! lies there for as long as the session would have. Where there is no subject or no user, there is a `-`.

use std::{io::Write, str::FromStr, sync::Arc};

use jiff::Timestamp;
use wayfarer_session::{Record, Subject};

/// The most bytes that the line takes.
const LINE: usize = 128;

/// What lies under a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// 0 if the session was ended.
    pub(crate) version: u64,
    pub(crate) record: Record,
}

impl Held {
    /// The mark of a session that was ended and would have run out at `end`.
    #[cfg(feature = "memcached")]
    pub(crate) fn ended(end: Timestamp) -> Held {
        let record = Record { data: [].into(), expires_at: end, subject: None, user: None };
        Held { version: 0, record }
    }

    /// Whether it is a session that lives.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.version > 0 && self.record.expires_at > now
    }
}

/// What is stored of a record.
pub(crate) fn encode(version: u64, record: &Record) -> Vec<u8> {
    let end = record.expires_at.as_microsecond();
    let user = record.user.as_deref();
    let mut held = Vec::with_capacity(LINE + user.map_or(0, str::len) + record.data.len());
    // Writing into a vector does not fail.
    let _ = write!(held, "wf1 {version} {end} ");
    let _ = match record.subject {
        Some(subject) => write!(held, "{subject} "),
        None => held.write_all(b"- "),
    };
    let _ = match user {
        Some(user) => write!(held, "{}\n{user}", user.len()),
        None => held.write_all(b"-\n"),
    };
    held.extend_from_slice(&record.data);
    held
}

/// Reads what is stored. `None` if nobody of ours stored it.
pub(crate) fn decode(held: &[u8]) -> Option<Held> {
    let head = head(held)?;
    let subject =
        (head.subject != "-").then(|| Subject::from_str(head.subject)).transpose().ok()?;
    let length = (head.length != "-").then(|| head.length.parse::<usize>()).transpose().ok()?;
    let (user, data) = head.rest.split_at_checked(length.unwrap_or(0))?;
    let user = std::str::from_utf8(user).ok()?;
    let record = Record {
        data: data.into(),
        expires_at: head.expires_at,
        subject,
        user: length.map(|_| Arc::from(user)),
    };
    Some(Held { version: head.version, record })
}

/// Whether this is what is stored of a session that lives, in this version.
#[cfg(feature = "redis")]
pub(crate) fn lives(held: &[u8], version: u64, now: Timestamp) -> bool {
    version > 0 && head(held).is_some_and(|head| head.version == version && head.expires_at > now)
}

/// The words of the line, and what comes after it.
struct Head<'a> {
    version: u64,
    expires_at: Timestamp,
    subject: &'a str,
    length: &'a str,
    rest: &'a [u8],
}

fn head(held: &[u8]) -> Option<Head<'_>> {
    let line = held.iter().take(LINE).position(|&byte| byte == b'\n')?;
    let rest = held.get(line + 1..)?;
    let line = std::str::from_utf8(held.get(..line)?).ok()?;
    let mut words = line.split(' ');
    let words = [(); 6].map(|()| words.next());
    let [Some("wf1"), Some(version), Some(end), Some(subject), Some(length), None] = words else {
        return None;
    };
    let version = version.parse().ok()?;
    let expires_at = Timestamp::from_microsecond(end.parse().ok()?).ok()?;
    Some(Head { version, expires_at, subject, length, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(user: Option<&str>) -> Record {
        Record {
            data: b"1\n2 \xff"[..].into(),
            expires_at: Timestamp::from_microsecond(1_768_435_200_654_321).unwrap(),
            subject: Some(Subject::from_bytes([7; 16])),
            user: user.map(Arc::from),
        }
    }

    #[test]
    fn what_is_stored_reads_back() {
        for record in [record(None), record(Some("")), record(Some("a b\nc")), record(Some("Zoë"))]
        {
            let held = encode(7, &record);
            assert_eq!(decode(&held), Some(Held { version: 7, record }));
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_session_lives_in_its_version_until_its_end() {
        let record = record(None);
        let (held, end) = (encode(7, &record), record.expires_at);
        let before = end - jiff::SignedDuration::from_micros(1);
        assert!(lives(&held, 7, before));
        assert!(!lives(&held, 7, end) && !lives(&held, 8, before) && !lives(b"", 7, before));
        assert!(!lives(&encode(0, &record), 0, before), "it was ended");
    }

    #[test]
    fn what_nobody_of_ours_stored_is_refused() {
        let held = encode(7, &record(Some("ada")));
        for cut in 0..held.len() - record(None).data.len() {
            assert_eq!(decode(&held[..cut]), None, "{cut}");
        }
        let long = [&b"wf1 1 "[..], &[b'1'; 200], b" - -\n"].concat();
        let bad: [&[u8]; 6] = [
            b"",
            b"\n",
            b"wf2 1 1 - -\n",
            b"wf1 1 1 - 9999999999999999999999\n",
            b"wf1 1 1 - 5\nuser",
            &long,
        ];
        for bad in bad {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
