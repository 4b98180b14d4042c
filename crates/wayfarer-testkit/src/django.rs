//! Real Django for tests: a script in a project made for it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use wayfarer_session::{
    CookieChange, Expiry, Outcome, Session, SessionManager, django::DjangoKeys,
};

/// A Django project: settings, and what every script starts with.
pub struct Django {
    python: PathBuf,
    settings: String,
    prelude: String,
}

impl Django {
    /// A project with these settings, as the arguments of Django's `settings.configure`, and these lines before each script.
    /// `modules` are what must be there beside Django, such as `psycopg`.
    ///
    /// # Errors
    /// When Django or a module is missing.
    pub fn new(
        modules: &[&str],
        settings: impl Into<String>,
        prelude: impl Into<String>,
    ) -> Result<Django> {
        let python = crate::python(&[&["django"], modules].concat())?;
        Ok(Django { python, settings: settings.into(), prelude: prelude.into() })
    }

    /// Runs a script in the project and gives what it prints, without the last line's end.
    ///
    /// # Errors
    /// When it fails; the error is what it wrote to stderr.
    pub fn run(&self, script: &str) -> Result<String> {
        let program = format!(
            "import django\nfrom django.conf import settings\nsettings.configure({})\ndjango.setup()\n{}\n{script}\n",
            self.settings, self.prelude
        );
        let output = Command::new(&self.python).args(["-c", &program]).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout).context("Django printed no UTF-8")?.trim().to_owned())
    }
}

/// The secret key of [`project`].
pub const SECRET: &str = "a-secret-key-of-a-project-that-never-was";

/// A project with sessions in this engine (`db`, `cache`), and with users. In its scripts `S(key)` opens a session, and
/// `request(key)` makes a request that has it. `more` are the settings of its database or cache.
///
/// # Errors
/// When Django or a module is missing.
pub fn project(modules: &[&str], engine: &str, more: &str) -> Result<Django> {
    let settings = format!(
        "SECRET_KEY={SECRET:?}, USE_TZ=True, DEFAULT_AUTO_FIELD='django.db.models.AutoField',
        INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes',
                        'django.contrib.sessions'],
        PASSWORD_HASHERS=['django.contrib.auth.hashers.MD5PasswordHasher'],
        SESSION_ENGINE='django.contrib.sessions.backends.{engine}', {more}"
    );
    let prelude = format!(
        r#"
import json, math
from django.contrib.auth import get_user, get_user_model, login, logout
from django.contrib.sessions.backends.{engine} import SessionStore as S
from django.core.management import call_command
from django.test import RequestFactory
def request(key=None):
    request = RequestFactory().get("/"); request.session = S(key)
    return request
"#
    );
    Django::new(modules, settings, prelude)
}

/// The settings of a project whose database is this SQLite file.
#[must_use]
pub fn sqlite(path: &Path) -> String {
    format!("DATABASES={{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': {path:?}}}}}")
}

/// Tries that a [`project`] and we read, write and end the same sessions, and log the same users in and out.
///
/// # Errors
/// When one does not find what the other left.
pub async fn both_ways(django: &Django, manager: &SessionManager) -> Result<()> {
    they_write_and_we_change(django, manager).await.context("Django writes, we change")?;
    we_write_and_they_end(django, manager).await.context("we write, Django ends")?;
    they_log_in(django, manager).await.context("Django logs a user in")?;
    we_log_in(django, manager).await.context("we log a user in")
}

async fn they_write_and_we_change(django: &Django, manager: &SessionManager) -> Result<()> {
    let key = django.run(
        r#"
s = S(); s["name"] = "Zoë"; s["odd"] = [math.nan, 10**30, 1e16]; s["cart"] = {"1": 2}
s["long"] = "x" * 500; s.set_expiry(3600); s.create(); s.save(); print(s.session_key)"#,
    )?;
    let session = manager.open(Some(&key));
    let name: Option<String> = session.get("name").await?;
    ensure!(name.as_deref() == Some("Zoë"), "we read {name:?}");
    let expiry = session.expiry().await?;
    ensure!(expiry == Expiry::Seconds(3600), "we read {expiry:?}");
    session.insert("ours", vec!["é"]).await?;
    let _ = session.finish(Outcome::Keep).await?;
    // What only Python can say stays as it was.
    django.run(&format!(
        r#"
s = S({key:?}); assert s["ours"] == ["é"] and s["long"] == "x" * 500
odd = s["odd"]; assert math.isnan(odd[0]) and odd[1:] == [10**30, 1e16], odd
assert list(s.keys())[:5] == ["name", "odd", "cart", "long", "_session_expiry"], list(s.keys())
assert s.get_expiry_age() == 3600; s["back"] = True; s.save()"#
    ))?;
    let session = manager.open(Some(&key));
    ensure!(session.get::<bool>("back").await? == Some(true), "we do not see what Django added");
    session.flush().await?;
    // In the cache of `cached_db` a mark of ours lies under the key: an entry, to Django, that holds nothing.
    let gone = django.run(&format!(
        r#"
s = S({key:?}); marked = s.__module__.endswith("cached_db") and s._cache.get(s.cache_key_prefix + {key:?}, 1) is None
print(s.get("name"), s.session_key, S().exists({key:?}) and not marked)"#
    ))?;
    ensure!(gone == "None None False", "Django finds {gone}");
    Ok(())
}

async fn we_write_and_they_end(django: &Django, manager: &SessionManager) -> Result<()> {
    let session = manager.open(None);
    session.insert("hello", 1).await?;
    let key = cookie(&session).await?;
    django.run(&format!("s = S({key:?}); assert s['hello'] == 1; s.flush()"))?;
    ensure!(manager.open(Some(&key)).is_empty().await?, "what Django ended is there");
    Ok(())
}

/// A user that is in no database, and a log-in that notes nothing in one.
const ADA: &str = r#"
from django.contrib.auth.signals import user_logged_in
user_logged_in.disconnect(dispatch_uid="update_last_login")
ada = get_user_model()(pk=7, username="ada", password="!x")
"#;

async fn they_log_in(django: &Django, manager: &SessionManager) -> Result<()> {
    let key = django.run(&format!(
        r#"{ADA}
r = request(); r.session["cart"] = 3
login(r, ada, "django.contrib.auth.backends.ModelBackend"); r.session.save()
print(r.session.session_key)"#
    ))?;
    let session = manager.open(Some(&key));
    let user: Option<String> = session.get("_auth_user_id").await?;
    ensure!(user.as_deref() == Some("7"), "Django's user is {user:?}");
    let hash: Option<String> = session.get("_auth_user_hash").await?;
    ensure!(hash == Some(DjangoKeys::new(SECRET)?.auth_hash("!x")), "its hash is {hash:?}");
    django.run(&format!("{ADA}\nr = request({key:?}); r.user = ada; logout(r)"))?;
    ensure!(manager.open(Some(&key)).is_empty().await?, "who logged out there is logged in here");
    Ok(())
}

async fn we_log_in(django: &Django, manager: &SessionManager) -> Result<()> {
    let session = manager.open(None);
    session.insert("_auth_user_id", "7").await?;
    session.insert("_auth_user_backend", "django.contrib.auth.backends.ModelBackend").await?;
    session.insert("_auth_user_hash", DjangoKeys::new(SECRET)?.auth_hash("!x")).await?;
    let key = cookie(&session).await?;
    django.run(&format!(
        r#"{ADA}
s = S({key:?}); assert s["_auth_user_id"] == "7"
assert s["_auth_user_hash"] == ada.get_session_auth_hash()"#
    ))?;
    let session = manager.open(Some(&key));
    session.flush().await?;
    let left = django.run(&format!("print(S({key:?}).get('_auth_user_id'))"))?;
    ensure!(left == "None", "who logged out here is {left} there");
    Ok(())
}

/// The cookie of a session that is saved now.
async fn cookie(session: &Session) -> Result<String> {
    match session.finish(Outcome::Keep).await?.cookie {
        CookieChange::Set { value, .. } => Ok(value),
        other => bail!("a new session gives the cookie {other:?}"),
    }
}
