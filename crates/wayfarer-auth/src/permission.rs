//! What users may do: [`PermissionsBackend`].

use std::{collections::HashSet, hash::Hash};

use async_trait::async_trait;
use wayfarer_session::BoxError;

use crate::user::UsersBackend;

/// A users backend that also knows what each user may do.
///
/// One method is enough for most. Where the set is large, write [`has_permission`](PermissionsBackend::has_permission), which
/// is what guards ask.
#[async_trait]
pub trait PermissionsBackend: UsersBackend {
    /// Something that a user may do.
    type Permission: Clone + Eq + Hash + Send + Sync + 'static;

    /// What this user may do, by the user's own right.
    ///
    /// # Errors
    /// When that cannot be found out. Guards then let nobody through.
    async fn permissions(&self, user: &Self::User) -> Result<HashSet<Self::Permission>, BoxError>;

    /// What this user may do as a member of groups. Nothing, unless it is written.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn group_permissions(
        &self,
        user: &Self::User,
    ) -> Result<HashSet<Self::Permission>, BoxError> {
        let _ = user;
        Ok(HashSet::new())
    }

    /// Whether this user may do this, by the user's own right or as a member of a group.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn has_permission(
        &self,
        user: &Self::User,
        permission: &Self::Permission,
    ) -> Result<bool, BoxError> {
        Ok(self.permissions(user).await?.contains(permission)
            || self.group_permissions(user).await?.contains(permission))
    }
}
