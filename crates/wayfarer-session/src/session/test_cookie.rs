//! Django's test cookie: whether a browser keeps cookies at all, asked before a log-in form is believed.

use super::Session;
use crate::error::Error;

/// Django's own entry and value.
const ENTRY: &str = "testcookie";
const WORKED: &str = "worked";

impl Session {
    /// Leaves something that only a browser which keeps cookies brings back.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn set_test_cookie(&self) -> Result<(), Error> {
        self.insert(ENTRY, WORKED).await
    }

    /// Whether the browser brought back what [`Session::set_test_cookie`] left in an earlier request.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn test_cookie_worked(&self) -> Result<bool, Error> {
        let value = self.get_raw(ENTRY).await?;
        Ok(value.is_some_and(|raw| raw.read::<String>().is_ok_and(|text| text == WORKED)))
    }

    /// Takes it away again.
    ///
    /// # Errors
    /// When the session cannot be loaded.
    pub async fn delete_test_cookie(&self) -> Result<(), Error> {
        self.remove(ENTRY).await.map(drop)
    }
}
