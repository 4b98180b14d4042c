//! Makes an empty catalog: the tables, the schema `main`, the table `main.events` and its order.

use wayfarer_event::Column;

use super::{
    Catalog, Dialect, EVENTS, VERSION, failed,
    link::{Value, Work},
};
use crate::{
    CatalogAt, Error, ErrorKind, Random, Result,
    file::schema::{column_id, ducklake_type},
};

const DUCKLAKE: &str = include_str!("ducklake.sql");

impl Catalog {
    /// Makes what is missing, and refuses what is newer.
    pub(super) async fn prepare(
        &self,
        at: &CatalogAt,
        random: &Random,
        now: jiff::Timestamp,
    ) -> Result<()> {
        if self.is_made().await? {
            return Ok(());
        }
        let doing = "cannot make the catalog";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        // Another node may have been faster.
        if exists(&mut work).await.map_err(failed("cannot read the catalog"))? {
            return check_version(&mut work).await;
        }
        work.script(tables(work.dialect())).await.map_err(failed(doing))?;
        fill(&mut work, &data_path(at)?, random, now).await.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))
    }

    /// Whether there is a catalog; one of a newer version is refused.
    pub(super) async fn is_made(&self) -> Result<bool> {
        let doing = "cannot read the catalog";
        let mut link = self.link().await?;
        let mut work = link.read().await.map_err(failed(doing))?;
        let exists = exists(&mut work).await.map_err(failed(doing))?;
        if exists {
            check_version(&mut work).await?;
        }
        Ok(exists)
    }

    /// The number of the folder's writer, where only one writes; it is drawn when the folder is new.
    pub(crate) async fn writer(&self, random: &Random) -> Result<u64> {
        let doing = "cannot read the writer";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        let known = work.row("SELECT writer FROM wayfarer_writer LIMIT 1", &[]).await;
        if let Some(known) = known.map_err(failed(doing))? {
            return known.count(0).map_err(failed(doing));
        }
        let writer = draw(random);
        add_writer(&mut work, writer).await.map_err(failed(doing))?;
        work.commit().await.map_err(failed(doing))?;
        Ok(writer)
    }
}

/// 52 bits, so that the number is exact in JSON and has a short own_id.
pub(super) fn draw(random: &Random) -> u64 {
    (random() >> 12).max(1)
}

pub(super) async fn add_writer(work: &mut Work<'_>, writer: u64) -> sqlx::Result<()> {
    let statement = "INSERT INTO wayfarer_writer (writer, next_seq) VALUES ($1, 1)";
    work.change(statement, &[writer.into()]).await.map(drop)
}

/// Where the catalog says that the data files lie: beside it, or in the folder that all nodes share.
fn data_path(at: &CatalogAt) -> Result<String> {
    match at {
        CatalogAt::Folder => Ok("lake/".to_owned()),
        #[cfg(feature = "postgres")]
        CatalogAt::Postgres(shared) => super::postgres::data_path(shared),
    }
}

/// The statements that make all tables.
fn tables(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => {
            let as_text = DUCKLAKE.replace(" UUID", " VARCHAR").replace(" TIMESTAMPTZ", " VARCHAR");
            as_text.replace(" BOOLEAN", " BIGINT") + include_str!("own_sqlite.sql")
        }
        #[cfg(feature = "postgres")]
        Dialect::Postgres => DUCKLAKE.to_owned() + include_str!("own_postgres.sql"),
    }
}

async fn exists(work: &mut Work<'_>) -> sqlx::Result<bool> {
    let statement = match work.dialect() {
        Dialect::Sqlite => {
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'ducklake_metadata'"
        }
        #[cfg(feature = "postgres")]
        Dialect::Postgres => {
            "SELECT count(*) FROM pg_class WHERE oid = to_regclass('ducklake_metadata')"
        }
    };
    let count = work.row(statement, &[]).await?;
    Ok(count.map(|row| row.count(0)).transpose()?.unwrap_or_default() > 0)
}

async fn check_version(work: &mut Work<'_>) -> Result<()> {
    let duck = metadata(work, "version").await?;
    let own = work.row(r#"SELECT "value" FROM wayfarer_meta WHERE "key" = 'version'"#, &[]).await;
    let own = own.and_then(|row| row.map(|row| row.text(0)).transpose());
    let own = own.map_err(failed("cannot read the version of the catalog"))?;
    match own.as_deref().map(str::parse::<u32>) {
        Some(Ok(own)) if own <= VERSION && duck.as_deref() == Some("1.0") => Ok(()),
        Some(Ok(own)) if own <= VERSION => {
            let duck = duck.unwrap_or_default();
            let text = format!("the catalog is a DuckLake {duck:?} and this program reads 1.0");
            Err(Error::new(ErrorKind::NewerVersion, text))
        }
        Some(Ok(own)) => {
            let text =
                format!("the catalog has version {own} and this program reads up to {VERSION}");
            Err(Error::new(ErrorKind::NewerVersion, text))
        }
        _ => Err(Error::new(ErrorKind::Corrupt, "the catalog does not say its version")),
    }
}

/// What DuckLake's table of metadata says.
pub(super) async fn metadata(work: &mut Work<'_>, key: &str) -> Result<Option<String>> {
    let statement = r#"SELECT "value" FROM ducklake_metadata WHERE "key" = $1"#;
    let row = work.row(statement, &[key.into()]).await;
    let value = row.and_then(|row| row.map(|row| row.text(0)).transpose());
    value.map_err(failed("cannot read the catalog"))
}

async fn fill(
    work: &mut Work<'_>,
    data_path: &str,
    random: &Random,
    now: jiff::Timestamp,
) -> sqlx::Result<()> {
    for statement in ROWS {
        work.change(statement, &[]).await?;
    }
    for (key, value) in
        [("data_path", data_path), ("created_by", concat!("wayfarer ", env!("CARGO_PKG_VERSION")))]
    {
        let statement = "INSERT INTO ducklake_metadata VALUES ($1, $2, NULL, NULL)";
        work.change(statement, &[key.into(), value.into()]).await?;
    }
    let version = VERSION.to_string();
    work.change("INSERT INTO wayfarer_meta VALUES ('version', $1)", &[version.into()]).await?;
    fill_table(work, random, now).await
}

/// What is the same in every catalog of ours.
const ROWS: [&str; 5] = [
    "INSERT INTO ducklake_metadata VALUES
         ('version', '1.0', NULL, NULL),
         ('encrypted', 'false', NULL, NULL),
         ('data_inlining_row_limit', '0', NULL, NULL)",
    r#"INSERT INTO ducklake_snapshot_changes VALUES
           (0, 'created_schema:"main"', NULL, NULL, NULL),
           (1, 'created_table:"main"."events"', NULL, NULL, NULL)"#,
    "INSERT INTO ducklake_schema_versions VALUES (1, 1, 1)",
    "INSERT INTO ducklake_sort_info VALUES (2, 1, 1, NULL)",
    "INSERT INTO ducklake_sort_expression VALUES
         (2, 1, 0, 'site', 'duckdb', 'ASC', 'NULLS_LAST'),
         (2, 1, 1, 'visitor', 'duckdb', 'ASC', 'NULLS_LAST'),
         (2, 1, 2, 'ts', 'duckdb', 'ASC', 'NULLS_LAST'),
         (2, 1, 3, 'seq', 'duckdb', 'ASC', 'NULLS_LAST')",
];

async fn fill_table(
    work: &mut Work<'_>,
    random: &Random,
    now: jiff::Timestamp,
) -> sqlx::Result<()> {
    work.change(
        "INSERT INTO ducklake_snapshot VALUES (0, $1, 0, 1, 0), (1, $1, 1, 3, 0)",
        &[now.into()],
    )
    .await?;
    work.change(
        "INSERT INTO ducklake_schema VALUES (0, $1, 0, NULL, 'main', 'main/', TRUE)",
        &[uuid(random)],
    )
    .await?;
    work.change(
        "INSERT INTO ducklake_table VALUES ($1, $2, 1, NULL, 0, 'events', 'events/', TRUE)",
        &[EVENTS.into(), uuid(random)],
    )
    .await?;
    for &column in Column::ALL {
        work.change(
            "INSERT INTO ducklake_column
             VALUES ($1, 1, NULL, $2, $1, $3, $4, NULL, 'NULL', TRUE, NULL, 'literal', 'duckdb')",
            &[
                column_id(column).into(),
                EVENTS.into(),
                column.name().into(),
                ducklake_type(column).into(),
            ],
        )
        .await?;
    }
    Ok(())
}

/// A random UUID, version 4.
fn uuid(random: &Random) -> Value<'static> {
    let drawn = u128::from(random()) << 64 | u128::from(random());
    Value::Uuid(uuid::Builder::from_random_bytes(drawn.to_be_bytes()).into_uuid())
}
