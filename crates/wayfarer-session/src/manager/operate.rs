//! Sessions as an operator sees them: anybody's, named by their handles.
//!
//! A store finds sessions by keys that no operator knows, so a handle is found by walking over all of them. That is for
//! troubleshooting, not for requests: a user's own sessions are listed by `users`.

use jiff::Timestamp;
use serde::Serialize;

use super::SessionManager;
use crate::{
    device,
    error::{Error, ErrorKind},
    key::{Handle, Subject},
    raw::Raw,
    session::{subject_of, user_of},
    signal::{Signal, SignalKind},
    store::{Cursor, Listed},
};

/// How many sessions are read at once in search of a handle.
const BATCH: u32 = 500;

/// A live session, without what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SessionSummary {
    /// Its public name. Of a session without a subject it is made of its key, and changes with that.
    pub handle: Handle,
    /// Its internal id, where it has one.
    pub subject: Option<Subject>,
    /// The account, where one is known.
    pub user: Option<String>,
    /// Browser and system, where they were noted.
    pub device: Option<String>,
    /// When it began, where the record tells.
    pub created: Option<Timestamp>,
    /// When it runs out if it is not used.
    pub expires_at: Timestamp,
    /// How large it is as it is stored.
    pub bytes: usize,
}

/// A live session with what it holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionContents {
    /// What is known of it.
    pub summary: SessionSummary,
    /// Its entries, in their order, as they are stored.
    pub entries: Vec<(String, Raw)>,
}

impl SessionManager {
    /// At most `limit` live sessions in the store's own order, and where to go on; `None` at the end. What cannot be read is
    /// passed over.
    ///
    /// # Errors
    /// When the store cannot walk over its sessions ([`ErrorKind::Unsupported`]) or is in trouble.
    pub async fn page(
        &self,
        from: Option<&Cursor>,
        limit: u32,
    ) -> Result<(Vec<SessionSummary>, Option<Cursor>), Error> {
        let (listed, next) = self.walk(from, limit).await?;
        let summaries = listed.iter().filter_map(|listed| Some(self.open_record(listed)?.summary));
        Ok((summaries.collect(), next))
    }

    /// The live session of this name, with what it holds.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    pub async fn find(&self, handle: &Handle) -> Result<Option<SessionContents>, Error> {
        Ok(self.search(handle).await?.map(|(_, contents)| contents))
    }

    /// Ends the session of this name, whoever it is of, and says whether there was one. `reason` stands in the signal.
    ///
    /// # Errors
    /// As [`page`](Self::page). The session may then still be live.
    pub async fn end_named(&self, handle: &Handle, reason: &str) -> Result<bool, Error> {
        let Some((listed, contents)) = self.search(handle).await? else { return Ok(false) };
        if !self.end(&listed).await? {
            return Ok(false);
        }
        let SessionSummary { user, subject, .. } = contents.summary;
        let signal = Signal::new(SignalKind::Revoked, self.0.now()).with_detail("reason", reason);
        let signal = match user {
            Some(user) => signal.with_user(user),
            None => signal,
        };
        self.tell_revoked(signal, subject).await;
        Ok(true)
    }

    async fn search(&self, handle: &Handle) -> Result<Option<(Listed, SessionContents)>, Error> {
        let mut from = None;
        loop {
            let (listed, next) = self.walk(from.as_ref(), BATCH).await?;
            for listed in listed {
                if let Some(contents) = self.open_record(&listed)
                    && contents.summary.handle == *handle
                {
                    return Ok(Some((listed, contents)));
                }
            }
            match next {
                Some(next) => from = Some(next),
                None => return Ok(None),
            }
        }
    }

    async fn walk(
        &self,
        from: Option<&Cursor>,
        limit: u32,
    ) -> Result<(Vec<Listed>, Option<Cursor>), Error> {
        const DOING: &str = "walk over all sessions";
        if !self.0.store.capabilities().scan {
            return Err(Error::new(ErrorKind::Unsupported, DOING)
                .because("the store cannot tell its sessions"));
        }
        let page = self.0.store.scan(from, limit, self.0.now()).await;
        let page = page.map_err(|error| Error::from_store(DOING, error))?;
        Ok((page.sessions, page.next))
    }

    /// `None` for what is no session.
    fn open_record(&self, listed: &Listed) -> Option<SessionContents> {
        let record = &listed.loaded.record;
        let (about, data) = self.read(listed)?;
        let subject = record.subject.or_else(|| subject_of(&data));
        let user = record.user.as_deref().map(str::to_owned);
        let summary = SessionSummary {
            handle: subject.map_or_else(|| Handle::of_key(&listed.key), |s| Handle::of(&s)),
            subject,
            user: user.or_else(|| user_of(&data)),
            device: data.get(device::ENTRY).and_then(|raw| raw.read().ok()),
            created: about.created,
            expires_at: record.expires_at,
            bytes: record.data.len(),
        };
        let entry = |name: String| data.get(&name).map(|raw| (name, raw));
        Some(SessionContents {
            summary,
            entries: data.names().into_iter().filter_map(entry).collect(),
        })
    }
}
