//! What another program did to the table: its rows are sorted and taken into files of ours, what it deleted goes.
//!
//! DuckDB may insert into `main.events`, delete from it, and merge our files its own way. Such files lack what readers need
//! (their order, and where each site lies), so they are written again: when the lake is opened, and in the background. Until
//! then readers do not have those rows; a view is of one moment, and this is a later one. Every value stays as it is.
//!
//! What every event has and a row lacks is filled in: the kind `daily`, the time of arrival from the time of the event, writer
//! 0, a `seq` from the file's number and the row's place, and the id that follows from both. A row without site, visitor,
//! time or name is no event: its file is left as it is, with an error that says so.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt64Array, new_null_array, types::Int32Type,
};
use arrow_schema::ArrowError;
use arrow_select::{interleave::interleave, take::take};
use wayfarer_event::{Column, Micros};

use crate::{
    Error, ErrorKind, Result,
    background::blocking,
    block::Values,
    catalog::{Reason, Strange},
    compact::Compactor,
    file::{
        DataFile, read, schema,
        write::{FileWriter, GROUP_ROWS, Written},
    },
    own_id,
    seal::{HalfMade, PREFIX},
    storage::Storage,
};

/// What every event has, and no row may lack.
const NEEDED: [Column; 4] = [Column::Site, Column::Visitor, Column::Ts, Column::Name];

impl Compactor {
    /// Takes in what waits, before anybody reads.
    pub(crate) async fn adopt_first(&self) -> Result<u64> {
        Ok(self.alone(false, self.adopt()).await?.unwrap_or_default())
    }

    /// Takes in what other programs wrote and deleted; says how many files that were. Who calls this holds `merging`.
    pub(crate) async fn adopt(&self) -> Result<u64> {
        self.adopt_each().await?.files()
    }

    /// The same, and goes on behind a file that cannot be taken in.
    pub(crate) async fn adopt_each(&self) -> Result<Adopted> {
        let mut adopted = Adopted::default();
        for strange in self.sealer.catalog.load(self.sealer.shared.writer).await?.strange {
            let id = strange.file.id;
            match self.adopt_one(strange).await {
                Ok(()) => adopted.files += 1,
                Err(error) => {
                    adopted.left.insert(id);
                    adopted.trouble.get_or_insert(error);
                }
            }
        }
        if adopted.files > 0 {
            // What was filled in may lie beyond the statistics that the other program left.
            self.sealer.catalog.narrow().await?;
        }
        Ok(adopted)
    }

    async fn adopt_one(&self, strange: Strange) -> Result<()> {
        let (id, heeded) = (strange.file.id, strange.deletes.clone());
        let now: Micros = (self.sealer.clock.0)();
        let writer = self.sealer.shared.writer;
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let stem = self.sealer.table.join(format!("{PREFIX}{writer:x}-a{id:x}-{attempt}"));
        let half_made = HalfMade::new(&self.sealer, &stem);
        let (storage, table) = (Arc::clone(&self.sealer.storage), self.sealer.table.clone());
        let rewrite = move || {
            let path = |n| PathBuf::from(format!("{}-{n}.parquet", stem.display()));
            Adoption::new(&storage, &table, &strange)?.run(&path)
        };
        let files = blocking("an adoption", rewrite).await;
        self.replace(vec![id], heeded, half_made.keep_if(files)?, Reason::Adopt, now).await
    }
}

/// What came of taking files in.
#[derive(Debug, Default)]
pub(crate) struct Adopted {
    files: u64,
    /// The files that cannot be taken in. Rows may be deleted from them, so they are not to be merged.
    pub(crate) left: HashSet<u64>,
    /// Why not; of the first.
    trouble: Option<Error>,
}

impl Adopted {
    /// How many files were taken in.
    ///
    /// # Errors
    /// When one could not be.
    pub(crate) fn files(self) -> Result<u64> {
        self.trouble.map_or(Ok(self.files), Err)
    }

    /// Adds what came of the next try, which looked at everything again.
    pub(crate) fn then(&mut self, next: Adopted) {
        *self = Adopted { files: self.files + next.files, ..next };
    }
}

/// A file that is being written again.
struct Adoption<'a> {
    storage: &'a dyn Storage,
    file: DataFile,
    /// Places of rows that were deleted.
    deleted: HashSet<u64>,
}

impl<'a> Adoption<'a> {
    fn new(storage: &'a Arc<dyn Storage>, table: &Path, strange: &Strange) -> Result<Adoption<'a>> {
        let file = DataFile::new(Arc::clone(storage), strange.file.resolve(table), &strange.file);
        let mut deleted = HashSet::new();
        for deletes in &strange.deletes {
            let path = table.join(deletes);
            deleted.extend(deleted_places(&file.at(path))?);
        }
        Ok(Adoption { storage: storage.as_ref(), file, deleted })
    }

    /// Writes the rows in order, some of them in memory at a time, so into several files where they are many.
    fn run(&self, path: &dyn Fn(usize) -> PathBuf) -> Result<Vec<Written>> {
        let mut written = Vec::new();
        let (mut pieces, mut waiting, mut place) = (Vec::new(), 0, 0);
        for batch in read::batches(&self.file)? {
            let batch = batch.map_err(|error| self.failed(error))?;
            let rows: Vec<usize> = (0..batch.num_rows())
                .filter(|row| !self.deleted.contains(&(place + *row as u64)))
                .collect();
            waiting += rows.len();
            let columns = self.complete(&batch, place)?;
            place += batch.num_rows() as u64;
            match rows.len() {
                0 => continue,
                all if all == batch.num_rows() => pieces.push(Piece { columns }),
                _ => pieces.push(Piece { columns }.only(rows).map_err(|error| self.failed(error))?),
            }
            if waiting + batch.num_rows() > GROUP_ROWS {
                written.push(self.write(&std::mem::take(&mut pieces), &path(written.len()))?);
                waiting = 0;
            }
        }
        if waiting > 0 {
            written.push(self.write(&pieces, &path(written.len()))?);
        }
        Ok(written)
    }

    fn write(&self, pieces: &[Piece], path: &Path) -> Result<Written> {
        let mut keys = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            keys.extend(piece.keys(index));
        }
        keys.sort_unstable();
        let places: Vec<(usize, usize)> = keys.iter().map(|key| key.place).collect();
        let mut writer = FileWriter::create(self.storage, path)?;
        let mut arrays = Vec::with_capacity(Column::ALL.len());
        for column in 0..Column::ALL.len() {
            let sources = pieces.iter().filter_map(|piece| piece.columns.get(column));
            let sources: Vec<&dyn Array> = sources.map(AsRef::as_ref).collect();
            arrays.push(interleave(&sources, &places).map_err(|error| self.failed(error))?);
        }
        writer.push(arrays)?;
        writer.finish()
    }

    /// The columns of a batch whose first row has this place, with what events have filled in.
    fn complete(&self, batch: &RecordBatch, place: u64) -> Result<Vec<ArrayRef>> {
        for column in NEEDED {
            if batch.column_by_name(column.name()).is_none_or(|array| array.null_count() > 0) {
                let text = format!("{} has a row without `{column}`", self.file.path.display());
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
        }
        let fill = Fill { batch, first_seq: (self.file.id << 32) + place };
        let written = schema::written();
        let mut columns = Vec::with_capacity(Column::ALL.len());
        for column in Column::ALL {
            let array = match (column, batch.column_by_name(column.name())) {
                (Column::VisitorKind, _) => fill.visitor_kind(),
                (Column::ReceivedAt, _) => fill.received_at(),
                (Column::Writer, _) => Arc::new(fill.writer()),
                (Column::Seq, _) => Arc::new(fill.seq()),
                (Column::Id, _) => fill.id(),
                (_, Some(array)) => Arc::clone(array),
                (_, None) => {
                    let data_type = written.field(column.index()).data_type();
                    new_null_array(data_type, batch.num_rows())
                }
            };
            if array.data_type() != written.field(column.index()).data_type() {
                let text = format!("{}: `{column}` is not of its type", self.file.path.display());
                return Err(Error::new(ErrorKind::Unsupported, text));
            }
            columns.push(array);
        }
        Ok(columns)
    }

    fn failed(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        let text = format!("cannot take in {}", self.file.path.display());
        Error::because(ErrorKind::Corrupt, text, error)
    }
}

/// Some rows that wait to be sorted.
struct Piece {
    /// As [`Column::ALL`].
    columns: Vec<ArrayRef>,
}

/// The order of rows in a file.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    site: String,
    visitor: u64,
    ts: i64,
    seq: u64,
    writer: u64,
    place: (usize, usize),
}

impl Piece {
    /// The same without the other rows, of which no memory is held.
    fn only(self, rows: Vec<usize>) -> std::result::Result<Piece, ArrowError> {
        let rows = UInt64Array::from_iter_values(rows.into_iter().map(|row| row as u64));
        let columns = self.columns.iter().map(|column| take(column, &rows, None));
        Ok(Piece { columns: columns.collect::<std::result::Result<_, _>>()? })
    }

    fn keys(&self, index: usize) -> impl Iterator<Item = Key> {
        let values = |column: Column| {
            self.columns.get(column.index()).and_then(|array| read::values(array, &mut None))
        };
        let site = values(Column::Site);
        let number = |column| match values(column) {
            Some(Values::Unsigned { values }) => values.to_vec(),
            _ => Vec::new(),
        };
        let [visitors, seqs, writers] = [Column::Visitor, Column::Seq, Column::Writer].map(number);
        let times = match values(Column::Ts) {
            Some(Values::Int { values, .. }) => values.to_vec(),
            _ => Vec::new(),
        };
        let rows = self.columns.first().map_or(0, Array::len);
        (0..rows).filter_map(move |row| {
            Some(Key {
                site: site.as_ref()?.text_at(row)?.to_owned(),
                visitor: *visitors.get(row)?,
                ts: *times.get(row)?,
                seq: *seqs.get(row)?,
                writer: *writers.get(row)?,
                place: (index, row),
            })
        })
    }
}

/// Fills in what a batch lacks.
struct Fill<'a> {
    batch: &'a RecordBatch,
    first_seq: u64,
}

impl Fill<'_> {
    fn rows(&self) -> std::ops::Range<usize> {
        0..self.batch.num_rows()
    }

    fn values(&self, column: Column) -> Option<Values> {
        read::values(self.batch.column_by_name(column.name())?, &mut None)
    }

    fn visitor_kind(&self) -> ArrayRef {
        let known = self.values(Column::VisitorKind);
        let kind = |row| known.as_ref().and_then(|known| known.text_at(row)).unwrap_or("daily");
        Arc::new(self.rows().map(kind).collect::<DictionaryArray<Int32Type>>())
    }

    fn received_at(&self) -> ArrayRef {
        let times = |column: Column| {
            let array = self.batch.column_by_name(column.name());
            array.and_then(|a| a.as_any().downcast_ref::<TimestampMicrosecondArray>().cloned())
        };
        let (received, happened) = (times(Column::ReceivedAt), times(Column::Ts));
        let at = |array: &Option<TimestampMicrosecondArray>, row| {
            array.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row))
        };
        let time = |row| at(&received, row).or_else(|| at(&happened, row)).unwrap_or_default();
        let times = TimestampMicrosecondArray::from_iter_values(self.rows().map(time));
        Arc::new(times.with_timezone("UTC"))
    }

    fn unsigned(&self, column: Column, or: impl Fn(usize) -> u64) -> UInt64Array {
        let array = self.batch.column_by_name(column.name());
        let known = array.and_then(|array| array.as_any().downcast_ref::<UInt64Array>());
        let value = |row| {
            known.filter(|known| known.is_valid(row)).map_or_else(|| or(row), |k| k.value(row))
        };
        UInt64Array::from_iter_values(self.rows().map(value))
    }

    fn writer(&self) -> UInt64Array {
        self.unsigned(Column::Writer, |_| 0)
    }

    fn seq(&self) -> UInt64Array {
        self.unsigned(Column::Seq, |row| self.first_seq + row as u64)
    }

    fn id(&self) -> ArrayRef {
        let (known, writer, seq) = (self.values(Column::Id), self.writer(), self.seq());
        let id = |row| match known.as_ref().and_then(|known| known.text_at(row)) {
            Some(id) => id.to_owned(),
            None => own_id(writer.value(row), seq.value(row)).to_string(),
        };
        Arc::new(StringArray::from_iter_values(self.rows().map(id)))
    }
}

/// The places of rows that a delete file of DuckLake names: its column `pos`.
fn deleted_places(file: &DataFile) -> Result<Vec<u64>> {
    let what = |what: &str| Error::corrupt(&file.path, what);
    let mut places = Vec::new();
    for batch in read::batches(file)? {
        let batch = batch.map_err(|error| {
            Error::because(
                ErrorKind::Corrupt,
                format!("cannot read {}", file.path.display()),
                error,
            )
        })?;
        let pos = batch.column_by_name("pos").ok_or_else(|| what("it has no column `pos`"))?;
        let pos = pos.as_any().downcast_ref::<Int64Array>();
        let pos = pos.ok_or_else(|| what("its column `pos` holds no numbers"))?;
        places.extend(pos.values().iter().map(|pos| pos.unsigned_abs()));
    }
    Ok(places)
}
