//! The user of a request as an extractor: [`CurrentUser`] where one is needed, `Option<CurrentUser>` where not.

use std::fmt;

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

use crate::{
    auth::Auth,
    error::AuthError,
    layer::MissingAuth,
    user::{AuthUser, UsersBackend},
};

/// The user that is logged in. An extractor of axum: without one the answer is 401. Ask for `Option<CurrentUser<B>>` where
/// nobody need be logged in, and put a [`Guard`](crate::Guard) around pages that send people to log in.
pub struct CurrentUser<B: UsersBackend>(pub B::User);

impl<B: UsersBackend> Clone for CurrentUser<B> {
    fn clone(&self) -> CurrentUser<B> {
        CurrentUser(self.0.clone())
    }
}

/// Shows the id.
impl<B: UsersBackend> fmt::Debug for CurrentUser<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CurrentUser({})", self.0.id())
    }
}

/// Why there is no [`CurrentUser`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoUser {
    /// Nobody is logged in.
    #[error("nobody is logged in")]
    Anonymous,
    /// A layer is missing.
    #[error(transparent)]
    Missing(#[from] MissingAuth),
    /// The session or the backend failed.
    #[error(transparent)]
    Failed(#[from] AuthError),
}

impl IntoResponse for NoUser {
    fn into_response(self) -> Response {
        match self {
            NoUser::Anonymous => {
                (StatusCode::UNAUTHORIZED, "You are not logged in.\n").into_response()
            }
            NoUser::Missing(missing) => missing.into_response(),
            NoUser::Failed(error) => error.into_response(),
        }
    }
}

impl<B: UsersBackend, S: Send + Sync> FromRequestParts<S> for CurrentUser<B> {
    type Rejection = NoUser;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<CurrentUser<B>, NoUser> {
        let user = Auth::<B>::of(&parts.extensions, &parts.headers)?.user().await?;
        user.map(CurrentUser).ok_or(NoUser::Anonymous)
    }
}

impl<B: UsersBackend, S: Send + Sync> OptionalFromRequestParts<S> for CurrentUser<B> {
    type Rejection = NoUser;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, NoUser> {
        let user = Auth::<B>::of(&parts.extensions, &parts.headers)?.user().await?;
        Ok(user.map(CurrentUser))
    }
}
