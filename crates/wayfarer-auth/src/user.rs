//! What the application knows of its users: [`AuthUser`] and [`UsersBackend`].

use async_trait::async_trait;
use serde_json::{Map, Value};
use wayfarer_session::BoxError;

/// A user, as the session needs to know one.
pub trait AuthUser: Clone + Send + Sync + 'static {
    /// Names the user for ever, such as a primary key.
    fn id(&self) -> String;

    /// Changes when the user's credentials change, such as the hash of the password. A session in which another one was
    /// noted is logged out. Only a hash of it is stored.
    fn auth_hash(&self) -> Vec<u8>;
}

/// Where users come from.
#[async_trait]
pub trait UsersBackend: Send + Sync + 'static {
    /// A user.
    type User: AuthUser;
    /// What a user shows to log in.
    type Credentials: Send + Sync;

    /// The user that these credentials belong to, or `None` if they are wrong.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn authenticate(
        &self,
        credentials: &Self::Credentials,
    ) -> Result<Option<Self::User>, BoxError>;

    /// The user of this id, or `None` if there is none any more.
    ///
    /// # Errors
    /// When that cannot be found out.
    async fn get_user(&self, id: &str) -> Result<Option<Self::User>, BoxError>;

    /// What the signal of a failed log-in says of the credentials. Values whose name sounds like a secret are blanked.
    fn describe(&self, credentials: &Self::Credentials) -> Map<String, Value> {
        let _ = credentials;
        Map::new()
    }
}

/// The same details, with everything blanked whose name sounds like a secret. The words are Django's.
pub(crate) fn blanked(mut details: Map<String, Value>) -> Map<String, Value> {
    const SECRETS: [&str; 6] = ["api", "token", "key", "secret", "password", "signature"];
    for (name, value) in &mut details {
        let name = name.to_lowercase();
        if SECRETS.iter().any(|secret| name.contains(secret)) {
            *value = Value::from("********************");
        }
    }
    details
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_blanked_by_name() {
        let details = serde_json::json!({
            "username": "ada", "Password": "x", "api_token": {"a": 1}, "mfa_Signature": 2,
        });
        let Value::Object(details) = details else { panic!("an object") };
        let blanked = Value::Object(blanked(details));
        let stars = "********************";
        let expected = serde_json::json!({
            "username": "ada", "Password": stars, "api_token": stars, "mfa_Signature": stars,
        });
        assert_eq!(blanked, expected);
    }
}
