//! `wayfarer session history`: why somebody was logged out, from what the store keeps of the past.

use clap::Args;
use serde::Serialize;
use serde_json::json;
use wayfarer_server::messages::{Catalogue, Variable};
use wayfarer_session::{Handle, HistoryEntry, SessionManager, SignalKind, Whose, last_end};

use super::store::StoreArgs;
use crate::{
    desk::Desk,
    failure::Failure,
    show::{output, rows},
};

/// Tell why somebody was logged out, and what happened before
#[derive(Args, Debug)]
pub(crate) struct History {
    /// The session, by its handle
    #[arg(required_unless_present = "user", conflicts_with = "user", allow_hyphen_values = true)]
    handle: Option<String>,
    /// A user, instead of one session: all sessions while that user was logged in
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// The most entries to tell
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    store: StoreArgs,
}

/// An entry, for people and for scripts alike.
#[derive(Serialize)]
struct Told {
    at: String,
    kind: String,
    handle: Option<Handle>,
    user: Option<String>,
    device: Option<String>,
    reason: Option<String>,
}

impl History {
    /// Tells it, or says that nothing is known.
    pub(crate) async fn run(self, desk: &Desk) -> Result<(), Failure> {
        let (named, whose) = match (self.handle, self.user) {
            (Some(handle), _) => (handle.clone(), Whose::Handle(Handle::from_text(handle))),
            (None, user) => {
                let user = user.unwrap_or_default();
                (user.clone(), Whose::User(user))
            }
        };
        let opened = self.store.open().await?;
        let history =
            opened.history.as_ref().ok_or_else(|| Failure::new("cli-history-not-kept"))?;
        let entries = history.read(&whose, self.limit).await?;
        let manager = self.store.manager_of(opened)?;
        let end = last_end(&entries);
        let live = is_live(&manager, &whose, end).await?;
        if entries.is_empty() && !live {
            return Err(Failure::new("cli-history-unknown").with("whose", named));
        }
        let why = why(&desk.words, end.filter(|_| !live || is_user(&whose)), live);
        if desk.json {
            let told: Vec<Told> = entries.iter().map(plain).collect();
            let end = end.map(plain);
            let all = json!({ "live": live, "why": why, "end": end, "entries": told });
            return Ok(output::json(&all)?);
        }
        output::line(&why)?;
        let told: Vec<Told> = entries.iter().map(|entry| in_words(&desk.words, entry)).collect();
        if told.is_empty() { Ok(()) } else { rows(desk, &told) }
    }
}

fn is_user(whose: &Whose) -> bool {
    matches!(whose, Whose::User(_))
}

/// Whether the session, or any of the user's, is live. The end of a session is its last: then nothing has to be walked over.
async fn is_live(
    manager: &SessionManager,
    whose: &Whose,
    end: Option<&HistoryEntry>,
) -> Result<bool, Failure> {
    match whose {
        Whose::User(user) => Ok(!manager.sessions_of(user).await?.is_empty()),
        Whose::Handle(handle) if end.is_none() => Ok(manager.find(handle).await?.is_some()),
        _ => Ok(false),
    }
}

/// The answer, in a sentence.
fn why(words: &Catalogue, end: Option<&HistoryEntry>, live: bool) -> String {
    let Some(end) = end else {
        return words.text(if live { "history-live" } else { "history-end-unknown" });
    };
    let key = match (&end.kind, &end.reason) {
        (SignalKind::LoggedOut, None) => "history-logged-out",
        (SignalKind::LoggedOut, Some(_)) => "history-put-out",
        (SignalKind::Expired, _) => "history-expired",
        (SignalKind::Revoked, _) => "history-revoked",
        _ => "history-flushed",
    };
    let no_reason = || words.text("history-no-reason");
    let reason = end.reason.as_deref().map_or_else(no_reason, |text| reason(words, text));
    let variables = [("at", Variable::from(second(end))), ("reason", Variable::from(reason))];
    words.with(key, &variables)
}

fn second(entry: &HistoryEntry) -> String {
    entry.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn plain(entry: &HistoryEntry) -> Told {
    Told {
        at: entry.at.to_string(),
        kind: entry.kind.to_string(),
        handle: entry.handle(),
        user: entry.user.clone(),
        device: entry.device.clone(),
        reason: entry.reason.clone(),
    }
}

fn in_words(words: &Catalogue, entry: &HistoryEntry) -> Told {
    let key = format!("signal-{}", entry.kind.as_str().replace('_', "-"));
    let kind = if words.has(&key) { words.text(&key) } else { entry.kind.to_string() };
    let reason = entry.reason.as_deref().map(|text| reason(words, text));
    Told { at: second(entry), kind, reason, ..plain(entry) }
}

/// The reasons that Wayfarer gives by itself, and their words. Others are the application's, and stand as they are.
const REASONS: [(&str, &str); 8] = [
    ("ended by an operator", "reason-operator"),
    ("it was ended by its name", "reason-named"),
    ("all other sessions of the user were ended", "reason-others"),
    ("all sessions of the user were ended", "reason-all"),
    ("all sessions of the user from before an instant were ended", "reason-before"),
    ("too many sessions", "reason-too-many"),
    ("the account is gone", "reason-account-gone"),
    ("other credentials", "reason-credentials"),
];

fn reason(words: &Catalogue, text: &str) -> String {
    let known = REASONS.iter().find(|(known, _)| *known == text);
    known.map_or_else(|| text.to_owned(), |(_, key)| words.text(key))
}
