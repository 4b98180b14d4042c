//! What a session notes of a user's credentials, so that a change of them is seen.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
#[cfg(feature = "django")]
use wayfarer_session::django::DjangoKeys;

use crate::user::AuthUser;

/// How what was noted stands to what the credentials are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    Current,
    /// It was noted under a key that is still honoured.
    #[cfg_attr(not(feature = "django"), expect(dead_code, reason = "only Django has such keys"))]
    Fallback,
    Another,
}

/// Users that a Django project knows too.
///
/// [`AuthUser::id`] is then the user's primary key and [`AuthUser::auth_hash`] the `password` column, as UTF-8.
#[cfg(feature = "django")]
#[derive(Clone, Debug)]
pub struct DjangoUsers {
    /// The project's `SECRET_KEY` and `SECRET_KEY_FALLBACKS`.
    pub keys: DjangoKeys,
    /// The entry of `AUTHENTICATION_BACKENDS` that we stand for.
    pub backend: String,
}

#[cfg(feature = "django")]
impl DjangoUsers {
    /// Users of Django's own `ModelBackend`.
    #[must_use]
    pub fn new(keys: DjangoKeys) -> DjangoUsers {
        DjangoUsers { keys, backend: "django.contrib.auth.backends.ModelBackend".to_owned() }
    }
}

/// How credentials are hashed.
#[derive(Clone, Debug)]
pub(crate) enum Hashing {
    Native,
    #[cfg(feature = "django")]
    Django(DjangoUsers),
}

impl Hashing {
    /// What a session notes of a user's credentials: 64 hexadecimal digits.
    pub(crate) fn hash(&self, user: &impl AuthUser) -> String {
        match self {
            Hashing::Native => {
                let mut digest = Sha256::new();
                digest.update(b"wayfarer auth hash v1\0");
                digest.update(user.auth_hash());
                digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
            }
            #[cfg(feature = "django")]
            Hashing::Django(users) => users.keys.auth_hash(&password(user)),
        }
    }

    /// Compares what was noted, in constant time.
    pub(crate) fn compare(&self, user: &impl AuthUser, noted: &str) -> Noted {
        let same = |hash: &str| bool::from(hash.as_bytes().ct_eq(noted.as_bytes()));
        if same(&self.hash(user)) {
            return Noted::Current;
        }
        match self {
            #[cfg(feature = "django")]
            Hashing::Django(users)
                if users.keys.fallback_auth_hashes(&password(user)).any(|hash| same(&hash)) =>
            {
                Noted::Fallback
            }
            _ => Noted::Another,
        }
    }

    /// The dotted path that Django notes beside the user.
    pub(crate) fn backend_path(&self) -> Option<&str> {
        match self {
            Hashing::Native => None,
            #[cfg(feature = "django")]
            Hashing::Django(users) => Some(&users.backend),
        }
    }
}

#[cfg(feature = "django")]
fn password(user: &impl AuthUser) -> String {
    String::from_utf8_lossy(&user.auth_hash()).into_owned()
}
