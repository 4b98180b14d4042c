//! Who is logged in, and the way in and out: [`Auth`].

use std::{fmt, sync::Arc};

use subtle::ConstantTimeEq;
use wayfarer_session::{RequestContext, Session, Signal, SignalKind};

use crate::{
    csrf,
    entries::{USER_BACKEND, USER_HASH, USER_ID},
    error::AuthError,
    hash::Noted,
    policy::{Anonymous, AnonymousData, Policy},
    user::{AuthUser, UsersBackend, blanked},
};

/// Who is logged in, and the way in and out. An extractor of axum; `B` is the backend of the [`AuthLayer`](crate::AuthLayer).
pub struct Auth<B: UsersBackend> {
    pub(crate) session: Session,
    pub(crate) backend: Arc<B>,
    pub(crate) policy: Arc<Policy<B::User>>,
    /// The `User-Agent` of the request.
    pub(crate) user_agent: Option<Box<str>>,
}

/// The user of a request, once it was found out, with what it was found out from.
struct Known<U> {
    id: String,
    noted: String,
    user: U,
}

impl<B: UsersBackend> Auth<B> {
    /// The user that is logged in. The backend is asked once in a request.
    ///
    /// A user who is gone, or whose credentials have changed since the log-in, is logged out here: the session is flushed.
    ///
    /// # Errors
    /// When the session cannot be loaded, or the backend fails.
    pub async fn user(&self) -> Result<Option<B::User>, AuthError> {
        let Some(id) = self.session.get::<String>(USER_ID).await? else { return Ok(None) };
        if let Some(user) = self.known(&id).await? {
            return Ok(Some(user));
        }
        if !self.is_of_our_backend().await? {
            return Ok(None);
        }
        let user = self.backend.get_user(&id).await.map_err(AuthError::Backend)?;
        let noted = match &user {
            Some(user) => self.noted(user).await?,
            None => Noted::Another,
        };
        match (noted, user) {
            (Noted::Current, Some(user)) => Ok(Some(self.know(user).await?)),
            (Noted::Fallback, Some(user)) => {
                self.note_hash(&user).await?;
                Ok(Some(self.know(user).await?))
            }
            (_, gone) => {
                let reason = gone.map_or("the account is gone", |_| "other credentials");
                self.end(&id, reason).await?;
                Ok(None)
            }
        }
    }

    /// Logs in with `credentials`: the user, or `None` if they are wrong.
    ///
    /// # Errors
    /// When the session cannot be loaded, the backend fails, or the user has too many sessions.
    pub async fn login(&self, credentials: &B::Credentials) -> Result<Option<B::User>, AuthError> {
        let user = self.backend.authenticate(credentials).await.map_err(AuthError::Backend)?;
        match &user {
            Some(user) => self.login_user(user).await?,
            None => self.tell_failure(credentials).await,
        }
        Ok(user)
    }

    /// Logs in a user who has been authenticated in some other way.
    ///
    /// # Errors
    /// When the session cannot be loaded, the user has too many sessions, or the hand-over fails. The session is then as it
    /// was, save that one of another user has ended.
    pub async fn login_user(&self, user: &B::User) -> Result<(), AuthError> {
        self.make_room(user).await?;
        let anonymous = self.leave(user).await?;
        let goes = anonymous.is_some() && self.policy.anonymous == AnonymousData::Goes;
        // Whatever a handler answers to a log-in that failed, it must not save what there is of it.
        let attempt = match goes {
            true => self.session.attempt_anew().await?,
            false => self.session.attempt().await?,
        };
        let entered = self.enter(user, anonymous).await;
        let entered = match entered {
            Ok(()) => attempt.end_before().await.map_err(AuthError::Session),
            failed => failed,
        };
        if let Err(error) = entered {
            attempt.fail().await;
            return Err(error);
        }
        attempt.succeed();
        // Only now: the session has a subject at the latest when it holds something.
        let signal = self.signal(SignalKind::LoggedIn).with_user(user.id());
        self.session.signals().send(signal).await;
        Ok(())
    }

    /// Makes the session the user's, and hands over what the anonymous one held.
    async fn enter(&self, user: &B::User, anonymous: Option<Anonymous>) -> Result<(), AuthError> {
        self.session.insert(USER_ID, user.id()).await?;
        if let Some(path) = self.policy.hashing.backend_path() {
            self.session.insert(USER_BACKEND, path).await?;
        }
        self.note_hash(user).await?;
        csrf::rotate(&self.session).await?;
        if let Some(user_agent) = &self.user_agent {
            self.session.note_device(user_agent).await?;
        }
        if let (Some(before), Some(hook)) = (anonymous, &self.policy.hand_over) {
            let handed = hook.hand_over(&before, &self.session, user).await;
            handed.map_err(AuthError::HandOver)?;
        }
        Ok(())
    }

    /// Logs a user in who was logged in by another library, from what that noted: the id, and what is here
    /// [`AuthUser::auth_hash`]. Says whether the user is there and has those credentials.
    ///
    /// # Errors
    /// As for [`Auth::login_user`].
    pub async fn resume(&self, id: &str, auth_hash: &[u8]) -> Result<bool, AuthError> {
        let user = self.backend.get_user(id).await.map_err(AuthError::Backend)?;
        let same = |user: &B::User| bool::from(user.auth_hash().ct_eq(auth_hash));
        let Some(user) = user.filter(same) else { return Ok(false) };
        self.login_user(&user).await?;
        Ok(true)
    }

    /// Ends the session of another user, if there is one, and gives the anonymous one if there is one.
    async fn leave(&self, user: &B::User) -> Result<Option<Anonymous>, AuthError> {
        match self.session.get::<String>(USER_ID).await? {
            Some(id) if id == user.id() && self.noted(user).await? == Noted::Current => Ok(None),
            Some(_) => {
                // Nothing of one user is left for another.
                self.session.flush().await?;
                Ok(None)
            }
            None => self.anonymous().await,
        }
    }

    async fn anonymous(&self) -> Result<Option<Anonymous>, AuthError> {
        let values = self.session.items().await?;
        if values.is_empty() {
            return Ok(None);
        }
        Ok(Some(Anonymous { subject: self.session.subject(), values }))
    }

    /// Keeps this session logged in although the user's credentials have just changed. Every other session of the user is
    /// logged out at its next use. Django's `update_session_auth_hash`.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    #[doc(alias = "update_session_auth_hash")]
    pub async fn credentials_changed(&self, user: &B::User) -> Result<(), AuthError> {
        self.note_hash(user).await
    }

    /// Logs out: the session is flushed, for everybody who has its key. Receivers hear of it first, while it still says who
    /// it was.
    ///
    /// # Errors
    /// When the session cannot be loaded or deleted. The user is then still logged in.
    pub async fn logout(&self) -> Result<(), AuthError> {
        let user = self.session.get::<String>(USER_ID).await?;
        let mut signal = self.signal(SignalKind::LoggedOut);
        signal.user = user;
        self.session.signals().send(signal).await;
        self.session.flush().await?;
        Ok(())
    }

    /// The session that it works on.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The backend that users come from.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Logs out somebody who did not ask for it, and says why.
    async fn end(&self, id: &str, reason: &'static str) -> Result<(), AuthError> {
        let signal = self.signal(SignalKind::LoggedOut).with_user(id).with_detail("reason", reason);
        self.session.signals().send(signal).await;
        self.session.flush().await?;
        Ok(())
    }

    /// A signal of this session, that names the browser also where no other layer has noted the request.
    fn signal(&self, kind: SignalKind) -> Signal {
        let mut signal = self.session.signal(kind);
        if signal.context.is_none() {
            let user_agent = self.user_agent.as_deref().map(str::to_owned);
            let context = user_agent
                .map(|text| RequestContext { user_agent: Some(text), ..RequestContext::default() });
            signal.context = context.map(Arc::new);
        }
        signal
    }

    /// The user that was found out earlier in this request, if the session still says the same.
    async fn known(&self, id: &str) -> Result<Option<B::User>, AuthError> {
        let Some(known) = self.session.extension::<Arc<Known<B::User>>>() else { return Ok(None) };
        let same = known.id == id && known.noted == self.noted_text().await?;
        Ok(same.then(|| known.user.clone()))
    }

    async fn know(&self, user: B::User) -> Result<B::User, AuthError> {
        let noted = self.noted_text().await?;
        let known = Known { id: user.id(), noted, user: user.clone() };
        self.session.put_extension(Arc::new(known));
        Ok(user)
    }

    /// Notes the user's credentials as they are now, under a new key.
    async fn note_hash(&self, user: &B::User) -> Result<(), AuthError> {
        self.session.cycle_key().await?;
        self.session.insert(USER_HASH, self.policy.hashing.hash(user)).await?;
        Ok(())
    }

    /// How what the session notes of the user's credentials stands to what they are.
    async fn noted(&self, user: &B::User) -> Result<Noted, AuthError> {
        Ok(self.policy.hashing.compare(user, &self.noted_text().await?))
    }

    async fn noted_text(&self) -> Result<String, AuthError> {
        Ok(self.session.get::<String>(USER_HASH).await?.unwrap_or_default())
    }

    /// Whether the user logged in by the backend that we stand for: a project of Django may have others beside it.
    async fn is_of_our_backend(&self) -> Result<bool, AuthError> {
        let Some(path) = self.policy.hashing.backend_path() else { return Ok(true) };
        Ok(self.session.get::<String>(USER_BACKEND).await?.as_deref() == Some(path))
    }

    async fn tell_failure(&self, credentials: &B::Credentials) {
        let mut signal = self.signal(SignalKind::LoginFailed);
        signal.detail = blanked(self.backend.describe(credentials));
        self.session.signals().send(signal).await;
    }
}

impl<B: UsersBackend> fmt::Debug for Auth<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("session", &self.session).finish_non_exhaustive()
    }
}
