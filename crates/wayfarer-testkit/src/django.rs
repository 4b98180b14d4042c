//! Real Django for tests: a script in a project made for it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

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

/// The setting of a database that is this SQLite file.
#[must_use]
pub fn sqlite(path: &Path) -> String {
    format!("DATABASES={{'default': {{'ENGINE': 'django.db.backends.sqlite3', 'NAME': {path:?}}}}}")
}
