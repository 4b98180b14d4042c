//! Tokens: who may send events of a site, and who may also read.
//!
//! A token is shown once, when it is made. The store keeps its SHA-256; the token itself has 256 random bits, so that a
//! slow hash would add nothing.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, PoisonError, RwLock},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::{Row, SqlitePool};
use wayfarer_collect::Site;
use wayfarer_event::Micros;

use super::Control;
use crate::{Error, ErrorKind, OpenError};

/// The most tokens of a folder.
const MOST: usize = 100_000;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Public, in the page: sends events of its site from the site's hosts, as the browser that it is.
    Browser,
    /// Secret, on a server: sends events on behalf of others, and reads insights and reports of its site.
    Server,
}

impl Scope {
    /// `browser` or `server`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Browser => "browser",
            Scope::Server => "server",
        }
    }

    /// What a token of this scope begins with, so that people and secret scanners tell them apart.
    fn prefix(self) -> &'static str {
        match self {
            Scope::Browser => "wfb_",
            Scope::Server => "wfs_",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Scope, Error> {
        match text {
            "browser" => Ok(Scope::Browser),
            "server" => Ok(Scope::Server),
            _ => Err(Error::new(
                ErrorKind::Invalid,
                format!("`{text}` is no scope: use browser or server"),
            )),
        }
    }
}

/// A token that was just made: the only time that its text is known.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToken {
    /// Its public name, for lists and for revoking it.
    pub id: String,
    /// Whose events.
    pub site: String,
    /// What it is good for.
    pub scope: Scope,
    /// The token. Keep it: nobody can show it again.
    pub token: String,
}

/// Without the token.
impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken")
            .field("id", &self.id)
            .field("site", &self.site)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A token as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Its public name.
    pub id: String,
    /// Whose events.
    pub site: String,
    /// What it is good for.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Micros,
}

/// What the holder of a token may do.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The token's public name.
    pub token: Arc<str>,
    /// With which site.
    pub site: Arc<Site>,
    /// How much.
    pub scope: Scope,
}

type Hash = [u8; 32];

/// All tokens, in memory, by hash.
#[derive(Default)]
pub(super) struct Tokens(RwLock<HashMap<Hash, Arc<TokenInfo>>>);

impl Tokens {
    pub(super) async fn load(pool: &SqlitePool) -> Result<Tokens, OpenError> {
        let rows = sqlx::query("SELECT id, site, scope, hash, created_at FROM token");
        let mut tokens = HashMap::new();
        for row in rows.fetch_all(pool).await? {
            let hash: Vec<u8> = row.try_get("hash")?;
            let scope: String = row.try_get("scope")?;
            let (Ok(hash), Ok(scope)) = (Hash::try_from(hash), scope.parse()) else {
                return Err(OpenError::Damaged { what: "a token in the control store" });
            };
            let info = TokenInfo {
                id: row.try_get("id")?,
                site: row.try_get("site")?,
                scope,
                created_at: Micros(row.try_get("created_at")?),
            };
            tokens.insert(hash, Arc::new(info));
        }
        Ok(Tokens(RwLock::new(tokens)))
    }

    /// Looking up a hash tells nothing of a token by its time: whoever asks cannot choose the hash.
    fn get(&self, token: &str) -> Option<Arc<TokenInfo>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&hash(token)).cloned()
    }

    fn put(&self, token: &str, info: TokenInfo) {
        let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tokens.insert(hash(token), Arc::new(info));
    }

    fn remove(&self, id: &str) {
        let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, info| info.id != id);
    }

    fn all(&self) -> Vec<TokenInfo> {
        let tokens = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = tokens.values().map(|info| TokenInfo::clone(info)).collect();
        all.sort_by(|a, b| (&a.site, a.created_at, &a.id).cmp(&(&b.site, b.created_at, &b.id)));
        all
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

impl Control {
    /// Makes a token of a site.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSite`]; [`ErrorKind::Unavailable`] if the store cannot be written.
    pub async fn create_token(
        &self,
        site: &str,
        scope: Scope,
        now: Micros,
    ) -> Result<NewToken, Error> {
        if self.site(site).is_none() {
            return Err(Error::unknown_site(site));
        }
        if self.tokens.all().len() >= MOST {
            return Err(Error::new(ErrorKind::Invalid, "a folder holds at most 100000 tokens"));
        }
        let token = format!("{}{}", scope.prefix(), self.random_text::<32>()?);
        let id = self.random_text::<6>()?;
        sqlx::query("INSERT INTO token (id, site, scope, hash, created_at) VALUES (?, ?, ?, ?, ?)")
            .bind(&id)
            .bind(site)
            .bind(scope.as_str())
            .bind(hash(&token).as_slice())
            .bind(now.0)
            .execute(&self.pool)
            .await?;
        let info = TokenInfo { id: id.clone(), site: site.to_owned(), scope, created_at: now };
        self.tokens.put(&token, info);
        Ok(NewToken { id, site: site.to_owned(), scope, token })
    }

    /// Every token, by site and age.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenInfo> {
        self.tokens.all()
    }

    /// Takes a token back. `false`: there was none of this name.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if the store cannot be written.
    pub async fn revoke_token(&self, id: &str) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM token WHERE id = ?").bind(id).execute(&self.pool);
        let found = done.await?.rows_affected() > 0;
        self.tokens.remove(id);
        Ok(found)
    }

    /// What this token allows; `None` if nobody made it, or it was taken back.
    #[must_use]
    pub fn grant(&self, token: &str) -> Option<Grant> {
        let info = self.tokens.get(token)?;
        let site = self.site(&info.site)?;
        Some(Grant { token: info.id.as_str().into(), site, scope: info.scope })
    }

    fn random_text<const BYTES: usize>(&self) -> Result<String, Error> {
        let mut bytes = [0; BYTES];
        self.random.fill(&mut bytes).map_err(|source| {
            Error::new(ErrorKind::Unavailable, "no random bytes are to be had").with(source)
        })?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }
}
