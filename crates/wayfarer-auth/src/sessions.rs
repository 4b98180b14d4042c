//! A user's sessions, as their owner may see and end them, and the limit to how many there may be.
//!
//! All of this needs a store that lists sessions by user. One that cannot, such as Django's table, answers
//! [`ErrorKind::Unsupported`](wayfarer_session::ErrorKind::Unsupported). Sessions that lie in their cookies cannot be listed
//! either, but all of a user's, or all others, can be ended where they have [`Epochs`](wayfarer_session::Epochs).

use wayfarer_session::{Handle, SessionInfo};

use crate::{
    auth::Auth,
    entries::USER_ID,
    error::AuthError,
    policy::AtLimit,
    user::{AuthUser, UsersBackend},
};

/// One of a user's sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSession {
    /// Its name, its device, when it began and when it was last used.
    pub info: SessionInfo,
    /// It is the one that asks.
    pub current: bool,
}

impl<B: UsersBackend> Auth<B> {
    /// The live sessions of the user who is logged in, the most recent first. None for nobody.
    ///
    /// # Errors
    /// When the store cannot list sessions, or is in trouble.
    pub async fn sessions(&self) -> Result<Vec<UserSession>, AuthError> {
        let Some(id) = self.user_id().await? else { return Ok(Vec::new()) };
        let own = self.session.subject();
        let mut sessions = self.session.manager().sessions_of(&id).await?;
        sessions.sort_by_key(|info| std::cmp::Reverse(info.last_used.or(info.created)));
        let mark = |info: SessionInfo| UserSession { current: Some(info.subject) == own, info };
        Ok(sessions.into_iter().map(mark).collect())
    }

    /// Ends one of the user's sessions, and says whether there was one of this name. Another user's is not touched.
    ///
    /// # Errors
    /// When the store cannot list sessions, or is in trouble.
    pub async fn revoke(&self, handle: &Handle) -> Result<bool, AuthError> {
        let Some(id) = self.user_id().await? else { return Ok(false) };
        Ok(self.session.manager().revoke(&id, handle).await?)
    }

    /// Ends all other sessions of the user, and says how many there were. Offer it after every change of a credential.
    ///
    /// Sessions in cookies nobody can count: that is `None`. All that got their key before now are over; this one is given
    /// another, which comes with the response.
    ///
    /// # Errors
    /// When the store cannot list sessions and sessions in cookies have no epochs, or when either is in trouble.
    pub async fn revoke_others(&self) -> Result<Option<u64>, AuthError> {
        let Some(id) = self.user_id().await? else { return Ok(Some(0)) };
        let manager = self.session.manager();
        if !manager.is_in_cookies() {
            return Ok(Some(manager.revoke_all(&id, self.session.subject()).await?));
        }
        // This one has its new key before the others end, or else it would be one of them.
        let now = manager.now();
        self.session.cycle_key().await?;
        self.session.save().await?;
        Ok(manager.revoke_before(&id, now).await?)
    }

    /// Ends every session of the user, this one too: it logs out. Says how many there were, where they can be counted.
    ///
    /// # Errors
    /// As [`Auth::revoke_others`].
    pub async fn revoke_all(&self) -> Result<Option<u64>, AuthError> {
        let Some(id) = self.user_id().await? else { return Ok(Some(0)) };
        let manager = self.session.manager();
        let others = match manager.is_in_cookies() {
            true => manager.revoke_before(&id, manager.now()).await?,
            false => Some(manager.revoke_all(&id, self.session.subject()).await?),
        };
        self.logout().await?;
        Ok(others.map(|others| others + 1))
    }

    /// Before a log-in: sees to it that the user has room for one more session.
    pub(crate) async fn make_room(&self, user: &B::User) -> Result<(), AuthError> {
        let Some(limit) = self.policy.limit else { return Ok(()) };
        let (id, own, manager) = (user.id(), self.session.subject(), self.session.manager());
        let mut others = manager.sessions_of(&id).await?;
        others.retain(|info| Some(info.subject) != own);
        let room = limit.most.get() as usize - 1;
        if others.len() <= room {
            return Ok(());
        }
        if limit.at_limit == AtLimit::Refuse {
            return Err(AuthError::TooManySessions(limit.most.get()));
        }
        others.sort_by_key(|info| std::cmp::Reverse(info.last_used.or(info.created)));
        for oldest in others.into_iter().skip(room) {
            manager.revoke_because(&id, &oldest.handle, "too many sessions").await?;
        }
        Ok(())
    }

    async fn user_id(&self) -> Result<Option<String>, AuthError> {
        Ok(self.session.get::<String>(USER_ID).await?)
    }
}
