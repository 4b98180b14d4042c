//! A catalog in PostgreSQL, for several collectors on one lake: how it is reached, and who may do what at a time.
//!
//! Advisory locks of the database order the nodes. A transaction that changes something holds one of them until it ends. The
//! writer of a node is held for as long as its connection lives, so no second process writes under the same number, and the
//! others can tell whether a node is there. Whoever compacts or erases holds a third. A server lets go of them all when a
//! connection ends, whichever way. So a pooler that hands transactions to changing connections must not stand in between.

use sqlx::{
    ConnectOptions, Connection, Encode, PgConnection, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgConnectOptions, PgTypeInfo},
};

use crate::{Error, ErrorKind, Result, SharedCatalog};

/// Taken by every transaction that changes something. The first number is "WFLK".
pub(super) const LOCK_WRITES: &str = "SELECT pg_advisory_xact_lock(1464224843, 1)";

/// What waits longer than this for another connection's lock gives up; it is tried again from the start.
const SETTINGS: &str = "SET lock_timeout = '20s'; SET timezone = 'UTC';";

/// Connects, and takes the number of the writer for this connection.
pub(super) async fn connect(
    options: &PgConnectOptions,
    writer: Option<u64>,
) -> sqlx::Result<PgConnection> {
    let mut link = PgConnection::connect_with(options).await?;
    sqlx::raw_sql(SETTINGS).execute(&mut link).await?;
    if let Some(writer) = writer {
        hold_writer(&mut link, writer).await?;
    }
    Ok(link)
}

/// Waits until nobody else is connected as this writer.
pub(super) async fn hold_writer(link: &mut PgConnection, writer: u64) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(lock_of(writer)).execute(link).await?;
    Ok(())
}

/// The folder of all data files, as the catalog names it.
pub(super) fn data_path(shared: &SharedCatalog) -> Result<String> {
    let Some(files) = &shared.files else {
        let text = "the catalog is new: name the folder that all nodes share";
        return Err(Error::new(ErrorKind::Catalog, text));
    };
    let files = std::path::absolute(files)
        .map_err(|error| Error::io("cannot find the folder", files, error))?;
    let name = files.to_str().ok_or_else(|| {
        let text = format!("{} is no folder with a name of UTF-8", files.display());
        Error::new(ErrorKind::Catalog, text)
    })?;
    Ok(format!("{}/lake/", name.trim_end_matches('/')))
}

/// The address as libpq takes it, without the password: also how far the server is to be trusted.
pub(super) fn libpq(options: &PgConnectOptions) -> String {
    let (host, port, user) = (options.get_host(), options.get_port(), options.get_username());
    let database = options.get_database().unwrap_or(user);
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let [host, user, database] = [host, user, database].map(quoted);
    let mut address = format!("host='{host}' port={port} user='{user}' dbname='{database}'");
    for (name, value) in options.to_url_lossy().query_pairs() {
        let of_tls = ["sslmode", "sslrootcert", "sslcert", "sslkey"].contains(&&*name);
        // So sqlx shows that a certificate is in a file.
        let value = value.strip_prefix("file: ").unwrap_or(&value);
        if of_tls && (&*name, value) != DEFAULT {
            address += &format!(" {name}='{}'", quoted(value));
        }
    }
    address
}

/// What libpq does when nothing is said.
const DEFAULT: (&str, &str) = ("sslmode", "prefer");

/// Negative, since other programs rather choose positive numbers.
pub(super) fn lock_of(writer: u64) -> i64 {
    -writer.cast_signed()
}

/// An instant as `timestamptz`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) jiff::Timestamp);

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const YEAR_2000: i64 = 946_684_800_000_000;

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let micros = self.0.as_microsecond() - YEAR_2000;
        buffer.extend_from_slice(&micros.to_be_bytes());
        Ok(IsNull::No)
    }
}

/// A `uuid`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uuid(pub(super) uuid::Uuid);

impl Type<Postgres> for Uuid {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("uuid")
    }
}

impl Encode<'_, Postgres> for Uuid {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}
