//! Single values: what a Django or native value holds, and Django's signature on a new one.

use std::{io::Read as _, path::PathBuf};

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use wayfarer_session::{
    CookieKeys, Handle, Ticket,
    django::{COOKIE_SALT, DjangoCodec, DjangoKeys, SALT},
};

use crate::{
    desk::Desk,
    failure::{Failure, cannot_read},
    show::output,
};

/// The secrets of a project
#[derive(Args, Debug)]
pub(crate) struct Secrets {
    /// A file that holds the project's secret key
    #[arg(
        long,
        value_name = "F",
        required_unless_present = "secret_key_env",
        conflicts_with = "secret_key_env"
    )]
    secret_key_file: Option<PathBuf>,
    /// The variable of the environment that holds it
    #[arg(long, value_name = "NAME")]
    secret_key_env: Option<String>,
    /// A file that holds an older key which still counts; may be given several times
    #[arg(long, value_name = "F")]
    fallback_file: Vec<PathBuf>,
}

/// Show what a value holds, or why it is refused
#[derive(Args, Debug)]
pub(crate) struct Decode {
    /// The value: of a cookie, a file or a row; `-` reads it from standard input
    #[arg(default_value = "-", allow_hyphen_values = true)]
    value: String,
    #[command(flatten)]
    secrets: Secrets,
    /// Django's salt: `session`, `cookie`, or a project's own
    #[arg(long, value_name = "S", default_value = "session")]
    salt: String,
    /// Refuse what was signed longer ago
    #[arg(long, value_name = "SECONDS")]
    max_age: Option<u32>,
}

/// Sign a session as Django does
#[derive(Args, Debug)]
pub(crate) struct Encode {
    /// The session, as a JSON object; `-` reads it from standard input
    #[arg(default_value = "-")]
    value: String,
    #[command(flatten)]
    secrets: Secrets,
    /// Django's salt: `session`, `cookie`, or a project's own
    #[arg(long, value_name = "S", default_value = "session")]
    salt: String,
}

impl Secrets {
    /// The secret key in a file, and no other.
    pub(super) fn in_file(file: PathBuf) -> Secrets {
        Secrets { secret_key_file: Some(file), secret_key_env: None, fallback_file: Vec::new() }
    }

    fn current(&self) -> Result<String, Failure> {
        match (&self.secret_key_file, &self.secret_key_env) {
            (Some(file), _) => read(file),
            (None, Some(name)) => std::env::var(name)
                .map_err(|_| Failure::new("cli-no-variable").with("name", name.as_str())),
            (None, None) => Err(Failure::new("cli-no-secret").usage()),
        }
    }

    fn fallbacks(&self) -> Result<Vec<String>, Failure> {
        self.fallback_file.iter().map(read).collect()
    }

    /// Django's keys.
    pub(crate) fn django(&self) -> Result<DjangoKeys, Failure> {
        let keys = DjangoKeys::new(&self.current()?)?;
        Ok(self.fallbacks()?.iter().fold(keys, |keys, key| keys.with_fallback(key)))
    }

    fn native(&self) -> Result<CookieKeys, Failure> {
        let mut keys = CookieKeys::new(self.current()?.as_bytes())?;
        for key in self.fallbacks()? {
            keys = keys.with_fallback(key.as_bytes())?;
        }
        Ok(keys)
    }
}

/// A secret in a file: all of it but the end of its last line.
fn read(file: impl AsRef<std::path::Path>) -> Result<String, Failure> {
    let file = file.as_ref();
    let text = std::fs::read_to_string(file).map_err(|error| cannot_read(file, &error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn salt(name: &str) -> &str {
    match name {
        "session" => SALT,
        "cookie" => COOKIE_SALT,
        own => own,
    }
}

/// A value as it was given, or from standard input. A cookie may come with the quotes that it travels in.
fn given(value: &str) -> Result<String, Failure> {
    let mut text = value.to_owned();
    if value == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text)?;
    }
    Ok(text.trim().trim_matches('"').to_owned())
}

/// What a Django value holds.
#[derive(Serialize)]
struct Held<'a> {
    /// `null` where Python's JSON is not everybody's, as with NaN.
    data: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    signed_at: Timestamp,
}

/// What a native cookie says.
#[derive(Serialize)]
struct Pass {
    subject: String,
    handle: Handle,
}

impl Decode {
    /// Prints what the value holds.
    pub(crate) fn run(self, desk: &Desk) -> Result<(), Failure> {
        let value = given(&self.value)?;
        if is_ticket(&value) {
            return self.ticket(&value);
        }
        let codec = DjangoCodec::new(&self.secrets.django()?, salt(&self.salt))?;
        let decoded = match self.max_age {
            None => codec.decode(&value),
            Some(seconds) => {
                let most = SignedDuration::from_secs(seconds.into());
                codec.decode_fresh(&value, most, Timestamp::now())
            }
        };
        let decoded =
            decoded.map_err(|refused| Failure::new("cli-session-refused").because(&refused))?;
        if !desk.json {
            return Ok(output::line(&format!("{}\n{}", decoded.signed_at, decoded.json))?);
        }
        let data: Option<&RawValue> = serde_json::from_str(&decoded.json).ok();
        let text = data.is_none().then_some(&*decoded.json);
        Ok(output::json(&Held { data, text, signed_at: decoded.signed_at })?)
    }

    /// A native cookie holds no data: its session lies in the store. The key in it is shown to nobody.
    fn ticket(&self, value: &str) -> Result<(), Failure> {
        let ticket = Ticket::verify(value, &self.secrets.native()?)
            .ok_or_else(|| Failure::new("cli-ticket-refused"))?;
        let handle = Handle::of(&ticket.subject);
        Ok(output::json(&Pass { subject: ticket.subject.to_string(), handle })?)
    }
}

/// Whether a value has the form of a native cookie: three parts of known lengths.
fn is_ticket(value: &str) -> bool {
    let lengths: Vec<usize> = value.split('.').map(str::len).collect();
    lengths == [22, 43, 22]
}

impl Encode {
    /// Prints the signed value.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let value = given(&self.value)?;
        let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&value)
            .map_err(|error| Failure::new("cli-session-no-object").because(&error).usage())?;
        let codec = DjangoCodec::new(&self.secrets.django()?, salt(&self.salt))?;
        // Python writes ASCII without spaces, and so does `Raw`.
        let json = wayfarer_session::Raw::new(&parsed)?;
        Ok(output::line(&codec.encode(json.as_str(), Timestamp::now()))?)
    }
}
