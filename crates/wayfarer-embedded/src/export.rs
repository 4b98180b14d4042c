//! Every event as it is kept, for whoever wants to take the data elsewhere.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use wayfarer_event::{Event, Micros};
use wayfarer_lake::{Person, Selection, Stored, View};

use crate::{Error, Wayfarer};

/// Events in one batch.
const BATCH: usize = 1000;
/// Batches that wait for whoever takes them.
const WAITING: usize = 2;

/// Which events to export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExportRequest {
    /// Of one site; of all when not given.
    pub site: Option<String>,
    /// First day, in the time zone of the site (UTC for all sites), or another time as reports take it.
    pub from: Option<String>,
    /// Last day, included.
    pub to: Option<String>,
    /// Of one person: what an erasure of the same person would take.
    pub person: Option<Person>,
}

/// An event with its place in the lake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exported {
    /// Which writer took it.
    pub writer: u64,
    /// Its place in the order of arrival at that writer.
    pub seq: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

impl From<Stored> for Exported {
    fn from(stored: Stored) -> Exported {
        Exported { writer: stored.writer, seq: stored.seq, event: stored.event }
    }
}

/// Events in the order (site, visitor, ts, seq), batch by batch.
#[derive(Debug)]
pub struct Export {
    batches: mpsc::Receiver<Result<Vec<Exported>, Error>>,
}

impl Export {
    /// The next events; `None` at the end.
    ///
    /// # Errors
    /// When the lake cannot be read on; nothing comes after that.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Exported>>, Error> {
        self.batches.recv().await.transpose()
    }
}

impl Wayfarer {
    /// Starts an export of everything that was acknowledged before the call. What it reads stays the same however long
    /// it takes.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSite`](crate::ErrorKind::UnknownSite); [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) for a period that is none.
    pub fn export(&self, request: &ExportRequest) -> Result<Export, Error> {
        let (view, selection) = (self.lake().view(), self.selection(request)?);
        let (sender, batches) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = send_all(&view, &selection, &sender) {
                // Nobody who waits means nobody who must know.
                let _ = sender.blocking_send(Err(error));
            }
        });
        Ok(Export { batches })
    }

    fn selection(&self, request: &ExportRequest) -> Result<Selection, Error> {
        let zone = match &request.site {
            Some(site) => self.known_site(site)?.timezone.clone(),
            None => jiff::tz::TimeZone::UTC,
        };
        let (from, to) = (request.from.as_deref(), request.to.as_deref());
        let now = Micros::from(self.now());
        let (from, until) = wayfarer_analysis::bounds(from, to, &zone, now)?;
        let (site, person) = (request.site.clone(), request.person.clone());
        Ok(Selection { site, from, until, person })
    }
}

fn send_all(
    view: &View,
    selection: &Selection,
    sender: &mpsc::Sender<Result<Vec<Exported>, Error>>,
) -> Result<(), Error> {
    let mut batch = Vec::with_capacity(BATCH);
    for stored in view.select(selection)? {
        batch.push(Exported::from(stored?));
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if sender.blocking_send(Ok(full)).is_err() {
                return Ok(());
            }
        }
    }
    if !batch.is_empty() {
        let _ = sender.blocking_send(Ok(batch));
    }
    Ok(())
}
