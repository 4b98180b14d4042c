//! When a session runs out: the rules of Django, kept in the session itself under `_session_expiry`.
//!
//! A whole number there is seconds from the last save, 0 means "when the browser closes", a text is an instant. Without
//! the entry the application's idle time counts.

use jiff::{SignedDuration, Timestamp, fmt::temporal::DateTimePrinter};

use crate::{clock::to_the_microsecond, error::Error, raw::Raw};

/// The name of the entry.
pub(crate) const ENTRY: &str = "_session_expiry";

/// When a session runs out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// As the application is set up: some time after it was last used.
    #[default]
    Default,
    /// So many seconds after it was last saved. 0 or less: it has run out already.
    Seconds(i64),
    /// At this instant.
    At(Timestamp),
    /// When the browser is closed. The server forgets it as by default.
    BrowserClose,
}

/// What the entry says, with fractions of seconds that other writers may have left there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    Unset,
    BrowserClose,
    After(SignedDuration),
    At(Timestamp),
}

impl Kept {
    /// What the entry says. An entry that says nothing sensible counts as unset.
    pub(crate) fn of(entry: Option<&Raw>) -> Kept {
        let Some(raw) = entry else { return Kept::Unset };
        // To Python a bool is a number.
        if let Ok(yes) = raw.read::<bool>() {
            return if yes {
                Kept::After(SignedDuration::from_secs(1))
            } else {
                Kept::BrowserClose
            };
        }
        if let Ok(seconds) = raw.read::<f64>() {
            return match SignedDuration::try_from_secs_f64(seconds) {
                Ok(SignedDuration::ZERO) => Kept::BrowserClose,
                Ok(after) => Kept::After(after),
                Err(_) => Kept::Unset,
            };
        }
        let instant = raw.read::<String>().ok().and_then(|text| text.parse().ok());
        instant.map_or(Kept::Unset, Kept::At)
    }

    /// How long the session lives, counted from `now`.
    pub(crate) fn age(self, idle: SignedDuration, now: Timestamp) -> SignedDuration {
        match self {
            Kept::Unset | Kept::BrowserClose => idle,
            Kept::After(after) => after,
            Kept::At(at) => SignedDuration::from_secs(floor_seconds(at.duration_since(now))),
        }
    }

    /// When the session runs out, if it is saved `now`.
    pub(crate) fn date(self, idle: SignedDuration, now: Timestamp) -> Timestamp {
        match self {
            Kept::At(at) => at,
            other => later(now, other.age(idle, now)),
        }
    }

    /// Whether the browser is to forget the cookie when it closes.
    pub(crate) fn browser_close(self) -> bool {
        self == Kept::BrowserClose
    }
}

impl Expiry {
    /// The value of the entry; `None` where there is to be none.
    pub(crate) fn to_raw(self) -> Result<Option<Raw>, Error> {
        match self {
            Expiry::Default => Ok(None),
            Expiry::BrowserClose => Raw::new(&0).map(Some),
            // 0 would be read as "when the browser closes".
            Expiry::Seconds(0) => Raw::new(&-1).map(Some),
            Expiry::Seconds(seconds) => Raw::new(&seconds).map(Some),
            Expiry::At(at) => Raw::new(&isoformat(at)).map(Some),
        }
    }

    pub(crate) fn from_kept(kept: Kept) -> Expiry {
        match kept {
            Kept::Unset => Expiry::Default,
            Kept::BrowserClose => Expiry::BrowserClose,
            Kept::After(after) => Expiry::Seconds(floor_seconds(after)),
            Kept::At(at) => Expiry::At(at),
        }
    }
}

/// `at` plus `step`, kept within what a timestamp can say.
pub(crate) fn later(at: Timestamp, step: SignedDuration) -> Timestamp {
    let limit = if step.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    at.checked_add(step).unwrap_or(limit)
}

fn floor_seconds(duration: SignedDuration) -> i64 {
    duration.as_secs() - i64::from(duration.subsec_nanos() < 0)
}

/// Python's `datetime.isoformat()` of an instant in UTC: microseconds only where there are any.
fn isoformat(at: Timestamp) -> String {
    let at = to_the_microsecond(at);
    let precision =
        if at.subsec_microsecond() == 0 && at.subsec_millisecond() == 0 { 0 } else { 6 };
    let zulu = DateTimePrinter::new().precision(Some(precision)).timestamp_to_string(&at);
    format!("{}+00:00", zulu.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: SignedDuration = SignedDuration::from_secs(1_209_600);

    fn now() -> Timestamp {
        Timestamp::from_second(1_767_225_600).unwrap()
    }

    fn kept(json: &str) -> Kept {
        Kept::of(Some(&Raw::from_json(json).unwrap()))
    }

    #[test]
    fn the_entry_is_read_as_django_reads_it() {
        assert_eq!(Kept::of(None).age(IDLE, now()), IDLE);
        assert_eq!(kept("0").age(IDLE, now()), IDLE);
        assert!(kept("0").browser_close());
        assert_eq!(kept("60").age(IDLE, now()), SignedDuration::from_secs(60));
        assert_eq!(kept("-1").age(IDLE, now()), SignedDuration::from_secs(-1));
        assert_eq!(kept("1.5").age(IDLE, now()), SignedDuration::from_millis(1500));
        assert_eq!(kept("true").age(IDLE, now()), SignedDuration::from_secs(1));
        assert!(kept("false").browser_close());
        let instant = kept("\"2026-01-02T00:00:00+00:00\"");
        assert_eq!(instant.age(IDLE, now()), SignedDuration::from_secs(86_400));
        let later_now = now() + SignedDuration::from_millis(650);
        assert_eq!(instant.age(IDLE, later_now), SignedDuration::from_secs(86_399));
        for junk in ["null", "[]", "\"soon\"", "NaN", "1e300"] {
            assert_eq!(kept(junk), Kept::Unset, "{junk}");
        }
    }

    #[test]
    fn an_instant_is_written_as_python_does() {
        assert_eq!(isoformat(now()), "2026-01-01T00:00:00+00:00");
        let half = now() + SignedDuration::from_millis(500);
        assert_eq!(isoformat(half), "2026-01-01T00:00:00.500000+00:00");
    }

    #[test]
    fn every_expiry_reads_back() {
        for expiry in [Expiry::BrowserClose, Expiry::Seconds(60), Expiry::At(now())] {
            let raw = expiry.to_raw().unwrap().unwrap();
            assert_eq!(Expiry::from_kept(kept(raw.as_str())), expiry);
        }
        assert_eq!(Expiry::Default.to_raw().unwrap(), None);
    }
}
