//! For tests of applications: a session made without a request, and the headers by which a client owns it.
//!
//! ```
//! # use wayfarer::{CookieKeys, SessionLayer, store::MemoryStore, testing::TestSession};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), wayfarer::Error> {
//! # let sessions = SessionLayer::builder(MemoryStore::new()).cookie_keys(CookieKeys::new(&[7; 32])?).build()?;
//! let test = TestSession::new(&sessions);
//! test.session().insert("cart", [3, 5]).await?;
//! let headers = test.headers("shop.example").await?;
//! assert!(headers.contains_key("cookie"));
//! # Ok(())
//! # }
//! ```

use http::{HeaderMap, HeaderValue, header};
#[cfg(feature = "auth")]
use wayfarer_auth::{AuthError, AuthLayer, UsersBackend};
use wayfarer_session::{CookieChange, Error, Outcome, Session};

use crate::layer::SessionLayer;

/// A session that a test prepares.
#[derive(Clone, Debug)]
pub struct TestSession {
    layer: SessionLayer,
    session: Session,
}

impl TestSession {
    /// A new session of this layer's store.
    #[must_use]
    pub fn new(layer: &SessionLayer) -> TestSession {
        TestSession { layer: layer.clone(), session: layer.manager().open(None) }
    }

    /// The session, to put things into.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Logs `user` in, without a password and as `auth` is set up.
    ///
    /// # Errors
    /// When the session cannot be made, or `auth` refuses.
    #[cfg(feature = "auth")]
    pub async fn login_as<B: UsersBackend>(
        &self,
        auth: &AuthLayer<B>,
        user: &B::User,
    ) -> Result<(), AuthError> {
        auth.auth(self.session.clone()).login_user(user).await
    }

    /// Stores the session, and gives the headers that its client sends to `host`. Empty for a session that holds nothing.
    ///
    /// # Errors
    /// When the session cannot be stored.
    pub async fn headers(self, host: &str) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        if let CookieChange::Set { value, .. } = self.session.finish(Outcome::Keep).await?.cookie {
            // Which cookie it is may depend on the host.
            if let Ok(host) = HeaderValue::from_str(host) {
                headers.insert(header::HOST, host);
            }
            self.layer.transport().carry(&value, &mut headers);
            headers.remove(header::HOST);
        }
        Ok(headers)
    }
}
