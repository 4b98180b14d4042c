//! Real Django for tests: scripts in a project made for them, and what must hold between Django and us.
//!
//! Start with [`project`], or with [`project_of`] for another version of Django, then [`both_ways`].

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};
use wayfarer_session::{
    CookieChange, Expiry, Outcome, Session, SessionManager, django::DjangoKeys,
};

/// A Django project: settings, and what every script starts with. Its scripts run in one process of Python, one after another,
/// each with names of its own.
pub struct Django {
    running: Mutex<Running>,
    prelude: String,
}

/// The process, and its two ends.
struct Running {
    python: Child,
    scripts: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Reads a script a line, as JSON, and answers with what it printed and how it failed.
const RUN: &str = r#"
import contextlib, io, json, sys, traceback
for line in sys.stdin:
    printed, failed = io.StringIO(), None
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(json.loads(line), "script", "exec"), {"__name__": "__main__"})
    except BaseException:
        failed = traceback.format_exc()
    print(json.dumps([printed.getvalue(), failed]), flush=True)
"#;

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
        Django::by(&python, &settings.into(), prelude)
    }

    /// The same by another interpreter, which has another Django.
    pub(crate) fn by(python: &Path, settings: &str, prelude: impl Into<String>) -> Result<Django> {
        let program = format!(
            "import django\nfrom django.conf import settings\nsettings.configure({settings})\ndjango.setup()\n{RUN}"
        );
        let mut python = Command::new(python)
            .args(["-c", &program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let scripts = python.stdin.take().context("Python has no stdin")?;
        let answers = BufReader::new(python.stdout.take().context("Python has no stdout")?);
        let running = Mutex::new(Running { python, scripts, answers });
        Ok(Django { running, prelude: prelude.into() })
    }

    /// Runs a script in the project and gives what it prints, without the last line's end.
    ///
    /// # Errors
    /// When it fails; the error is Python's.
    pub fn run(&self, script: &str) -> Result<String> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::to_string(&format!("{}\n{script}\n", self.prelude))?;
        writeln!(running.scripts, "{line}").context("Django has ended: see what it wrote above")?;
        let mut answer = String::new();
        running.answers.read_line(&mut answer)?;
        let (printed, failed): (String, Option<String>) =
            serde_json::from_str(&answer).context("Django has ended: see what it wrote above")?;
        match failed {
            Some(failed) => bail!("{failed}"),
            None => Ok(printed.trim().to_owned()),
        }
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = running.python.kill().and_then(|()| running.python.wait()) {
            eprintln!("Python may still be running: {error}");
        }
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
    let python = crate::python(&[&["django"], modules].concat())?;
    Django::by(&python, &settings(engine, more), prelude(engine))
}

/// A version of Django beside the one of all other tests.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    /// The oldest that is supported, 4.2.
    Oldest,
    /// The newest, 6, which needs Python 3.12.
    Newest,
}

impl Version {
    /// The variable that names its interpreter, and what its version begins with.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Version::Oldest => ("WAYFARER_TEST_PYTHON_DJANGO_4_2", "4.2."),
            Version::Newest => ("WAYFARER_TEST_PYTHON_DJANGO_6", "6."),
        }
    }
}

/// As [`project`], by this version of Django.
///
/// # Errors
/// When it is missing, or is another version.
pub fn project_of(version: Version, engine: &str, more: &str) -> Result<Django> {
    let (variable, begins) = version.names();
    let python: PathBuf = std::env::var_os(variable)
        .with_context(|| {
            format!("{variable} names no Python: run the tests with `cargo xtask test`")
        })?
        .into();
    let django = Django::by(&python, &settings(engine, more), prelude(engine))?;
    let found = django.run("import django; print(django.get_version())")?;
    ensure!(found.starts_with(begins), "{} has Django {found}", python.display());
    Ok(django)
}

fn settings(engine: &str, more: &str) -> String {
    format!(
        "SECRET_KEY={SECRET:?}, USE_TZ=True, DEFAULT_AUTO_FIELD='django.db.models.AutoField',
        INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes',
                        'django.contrib.sessions'],
        PASSWORD_HASHERS=['django.contrib.auth.hashers.MD5PasswordHasher'],
        SESSION_ENGINE='django.contrib.sessions.backends.{engine}', {more}"
    )
}

fn prelude(engine: &str) -> String {
    format!(
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
    )
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

/// Tries that a [`project`] whose sessions lie in signed cookies and we read each other's, log-ins among them. The one thing
/// that nobody can do there is to end a session that somebody kept.
///
/// # Errors
/// When one does not find what the other left.
pub async fn cookies_both_ways(django: &Django, manager: &SessionManager) -> Result<()> {
    let theirs = django.run(&format!(
        r#"{ADA}
r = request(); s = r.session
s["name"] = "Zoë"; s["odd"] = [math.nan, 10**30]; s["long"] = "x" * 500
login(r, ada, "django.contrib.auth.backends.ModelBackend"); s.save(); print(s.session_key)"#
    ))?;
    let session = manager.open(Some(&theirs));
    let name: Option<String> = session.get("name").await?;
    ensure!(name.as_deref() == Some("Zoë"), "we read {name:?}");
    let hash: Option<String> = session.get("_auth_user_hash").await?;
    ensure!(hash == Some(DjangoKeys::new(SECRET)?.auth_hash("!x")), "the hash is {hash:?}");
    session.insert("ours", vec!["é"]).await?;
    let ours = cookie(&session).await?;
    django.run(&format!(
        r#"{ADA}
s = S({ours:?}); assert s["ours"] == ["é"] and s["long"] == "x" * 500, dict(s.items())
assert math.isnan(s["odd"][0]) and s["odd"][1] == 10**30, s["odd"]
assert s["_auth_user_hash"] == ada.get_session_auth_hash() and s["_auth_user_id"] == "7""#
    ))?;
    let out = manager.open(Some(&ours));
    out.flush().await?;
    ensure!(out.finish(Outcome::Keep).await?.cookie == CookieChange::Remove, "the cookie stays");
    Ok(())
}

/// The cookie of a session that is saved now.
async fn cookie(session: &Session) -> Result<String> {
    match session.finish(Outcome::Keep).await?.cookie {
        CookieChange::Set { value, .. } => Ok(value),
        other => bail!("a new session gives the cookie {other:?}"),
    }
}
