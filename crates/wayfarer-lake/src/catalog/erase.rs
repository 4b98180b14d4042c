//! What an erasure needs of the catalog: rules, statistics worked out anew, and a database without traces.

use wayfarer_event::Column;

use super::{
    Catalog, Dialect, EVENTS, IdFileRow,
    append::{change_id_files, widen_table},
    failed,
    link::Work,
    nodes::ask_others,
};
use crate::{
    Error, ErrorKind, Result,
    file::{
        schema::column_id,
        stats::{Bound, ColumnStats},
    },
    ids::Fingerprint,
};

impl Catalog {
    /// The rules that decline what erased persons did, each with the time up to which it holds.
    pub(crate) async fn rules(&self) -> Result<Vec<(Fingerprint, i64)>> {
        let doing = "cannot read the catalog";
        let mut link = self.link().await?;
        let mut work = link.read().await.map_err(failed(doing))?;
        load_rules(&mut work).await.map_err(failed(doing))
    }

    /// Adds rules, and asks the other nodes to follow them.
    pub(crate) async fn add_rules(
        &self,
        writer: u64,
        rules: &[Fingerprint],
        until: i64,
    ) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        for rule in rules {
            work.change(
                "INSERT INTO wayfarer_erased VALUES ($1, $2)
                 ON CONFLICT (print) DO UPDATE SET until = excluded.until",
                &[rule.to_be_bytes().to_vec().into(), until.into()],
            )
            .await
            .map_err(failed(doing))?;
        }
        if self.is_shared() {
            ask_others(&mut work, writer).await.map_err(failed(doing))?;
        }
        work.commit().await.map_err(failed(doing))
    }

    /// Puts files of ids in the place of others.
    ///
    /// # Errors
    /// [`Busy`](ErrorKind::Busy) when another node did so meanwhile; nothing is changed then.
    pub(crate) async fn replace_id_files(
        &self,
        added: &[IdFileRow],
        gone: &[String],
    ) -> Result<()> {
        let doing = "cannot write the catalog";
        let mut link = self.link().await?;
        let mut work = link.write().await.map_err(failed(doing))?;
        if !change_id_files(&mut work, added, gone).await.map_err(failed(doing))? {
            return Err(Error::new(ErrorKind::Busy, "another node merged files of ids meanwhile"));
        }
        work.commit().await.map_err(failed(doing))
    }

    /// Works the table's statistics out from its live files: they may hold a value that was erased.
    pub(crate) async fn narrow(&self) -> Result<()> {
        self.again(|| async {
            let doing = "cannot write the catalog";
            let mut link = self.link().await?;
            let mut work = link.write().await.map_err(failed(doing))?;
            narrow(&mut work).await.map_err(failed(doing))?;
            work.commit().await.map_err(failed(doing))
        })
        .await
    }

    /// Writes the database again without what is free in it.
    ///
    /// # Errors
    /// `Busy` when another program reads it for so long that its log, which has old pages, could not be emptied.
    pub(crate) async fn vacuum(&self) -> Result<()> {
        let mut link = self.link().await?;
        let doing = "cannot rewrite the catalog";
        let statements = match link.dialect() {
            Dialect::Sqlite => "VACUUM",
            // The tables that can hold a person's values, and what the planner keeps of them.
            #[cfg(feature = "postgres")]
            Dialect::Postgres => {
                "VACUUM (FULL, ANALYZE) ducklake_file_column_stats, ducklake_table_column_stats,
                 ducklake_data_file, wayfarer_span, wayfarer_id_file"
            }
        };
        link.script(statements).await.map_err(failed(doing))?;
        if link.empty_log().await.map_err(failed(doing))? {
            return Ok(());
        }
        let text = "another program reads the catalog, whose log keeps old values for it: end it, then erase again";
        Err(Error::new(ErrorKind::Busy, text))
    }
}

pub(super) async fn load_rules(work: &mut Work<'_>) -> sqlx::Result<Vec<(Fingerprint, i64)>> {
    let mut rules = Vec::new();
    for row in work.rows("SELECT print, until FROM wayfarer_erased", &[]).await? {
        if let Some(print) = row.bytes(0)?.first_chunk::<16>() {
            rules.push((u128::from_be_bytes(*print), row.number(1)?));
        }
    }
    Ok(rules)
}

async fn narrow(work: &mut Work<'_>) -> sqlx::Result<()> {
    let statement = "DELETE FROM ducklake_table_column_stats WHERE table_id = $1";
    work.change(statement, &[EVENTS.into()]).await?;
    for &column in Column::ALL {
        let files = work
            .rows(
                "SELECT null_count, contains_nan, min_value, max_value
                 FROM ducklake_file_column_stats JOIN ducklake_data_file USING (data_file_id)
                 WHERE column_id = $1 AND end_snapshot IS NULL",
                &[column_id(column).into()],
            )
            .await?;
        let mut all = ColumnStats::default();
        for file in files {
            all.nulls += file.count(0)?;
            all.nan |= file.maybe_truth(1)?.unwrap_or(false);
            let bound = |at: usize| -> sqlx::Result<Option<Bound>> {
                Ok(file.maybe_text(at)?.and_then(|text| Bound::parse(column, &text)))
            };
            if let (Some(least), Some(greatest)) = (bound(2)?, bound(3)?) {
                all.widen(&(least, greatest));
            }
        }
        widen_table(work, column, all).await?;
    }
    Ok(())
}
