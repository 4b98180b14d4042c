//! A session that lies in its cookie: loaded from it, and saved by writing another.

use jiff::Timestamp;

use super::{
    inner::Inner,
    load::Looker,
    save::{Draft, Round, interrupted},
    state::{NewKey, Row, Stored},
};
use crate::{
    carried::{Carried, Carrier, Content},
    data::Data,
    error::{Error, ErrorKind},
    history::Whose,
    mode::Identity,
    native::About,
    recent::Recent,
    signal::SignalKind,
    store::{Met, Version},
};

impl Inner {
    /// Notes what lies in the cookie, and says whether it is a session that is not over.
    pub(super) async fn look_inside(
        &self,
        carrier: &Carrier,
        identity: Option<Identity>,
    ) -> Result<bool, Error> {
        let found = match &identity {
            Some(Identity::Carried(carried)) => carried.content.clone().map(|it| (carried, it)),
            _ => None,
        };
        let Some((carried, Content { about, data, expires_at })) = found else {
            self.state().absent(&self.shared);
            return Ok(false);
        };
        let now = self.shared.now();
        let end = self.shared.life.at_the_latest(about.created).min(expires_at);
        if end <= now || carrier.is_over(carried, &data).await? {
            self.state().absent(&self.shared);
            return Ok(false);
        }
        let mut state = self.state();
        state.journal.bytes = Some(carried.value.len());
        state.stored = Stored::Row(Row { version: Version::number(0), about, data, expires_at });
        Ok(true)
    }

    /// Puts a new state into a new cookie.
    pub(super) fn carry(
        &self,
        (carrier, recent): (&Carrier, &Recent<Identity>),
        (identity, row): (Option<Identity>, Option<Row>),
        data: Data,
        new_key: Option<NewKey>,
    ) -> Result<Round, Error> {
        if row.is_none() && data.is_empty() {
            return Ok(Round::Done);
        }
        self.head_must_be_open()?;
        let now = self.shared.now();
        let identity = match identity {
            Some(identity) if row.is_some() || self.state().fresh => identity,
            _ => self.state().mint(&self.shared)?,
        };
        let about = match &row {
            Some(row) if new_key.is_some() => About { renewed: Some(now), ..row.about.clone() },
            Some(row) => row.about.clone(),
            None => About::new(now),
        };
        let draft = self.draft((about, data, now), &identity, None)?;
        let Draft { about, data, record, .. } = &draft;
        let subject = identity.subject();
        let value = carrier.seal(record, subject, &*self.shared.random)?;
        let (about, data, expires_at) = (about.clone(), data.clone(), record.expires_at);
        let carried = Carried::new(subject, Some(Content { about, data, expires_at }), value);
        let signal = match row {
            None => Some(SignalKind::Created),
            Some(_) => new_key.map(|_| SignalKind::Rotated),
        };
        let identity = Identity::carried(carried);
        // Django's cookies tell by themselves when they were signed, to the second.
        if let (Identity::Carried(carried), false) = (&identity, carrier.is_django()) {
            recent.note(&carried.value, identity.clone());
        }
        Ok(self.done(draft, Version::number(0), Some(identity), signal))
    }

    /// Writes the same session into a cookie that lives on.
    pub(super) async fn carry_on(&self, identity: Identity) -> Result<(), Error> {
        let (_, row) = self.known();
        let Some(row) = row else { return Ok(()) };
        let data = row.data.clone();
        self.attempt(Some(identity), Some(row), data, None).await.map(drop)
    }

    /// Ends the session of a cookie: where there are epochs, for everybody who kept one.
    pub(super) async fn end_inside(&self) -> Result<Met, Error> {
        const ENDING: &str = "end a session";
        if !self.look(Looker::Cookie, "load a session").await? {
            return Ok(Met::Gone);
        }
        let subject = self.known().0.and_then(|identity| identity.subject());
        if let (Some(epochs), Some(subject)) = (self.shared.mode.epochs(), subject) {
            // No instant is late enough: another request may just be giving this session a new key.
            let (whose, forget_at) = (Whose::Session(subject), self.shared.forget_at());
            let noted = epochs.end_before(&whose, Timestamp::MAX, forget_at).await;
            noted.map_err(|why| Error::new(ErrorKind::Unavailable, ENDING).because(why))?;
        }
        Ok(Met::Live)
    }

    /// Sees to it that a session which was ended meanwhile gets no new cookie.
    pub(super) async fn still_carried(
        &self,
        carrier: &Carrier,
        identity: Option<&Identity>,
        row: Option<&Row>,
    ) -> Result<(), Error> {
        let (Some(Identity::Carried(carried)), Some(row)) = (identity, row) else { return Ok(()) };
        match carrier.is_over(carried, &row.data).await? {
            true => Err(interrupted()),
            false => Ok(()),
        }
    }
}
