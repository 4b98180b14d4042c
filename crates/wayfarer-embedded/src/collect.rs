//! Events in: from a claim to a durable row, for HTTP and for the application's own process alike.

use async_trait::async_trait;
use std::sync::Arc;
use wayfarer_collect::{Door, DoorKind, Outcome, Reject, Site};
use wayfarer_event::{Client, Event, EventSink, Micros, RawEvent, Receipt, Rejection, SinkError};
use wayfarer_lake::Ids;

use crate::{Error, ErrorKind, SiteSpec, Wayfarer};

/// How long a sender is asked to wait when there is too much to do, in seconds.
const RETRY_AFTER_S: u64 = 1;

/// Who hands events over.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// What kind of sender it is, and so what it may say.
    pub kind: DoorKind,
    /// The browser at the other end, where the sender is one.
    pub client: Option<&'a Client>,
}

impl Sender<'_> {
    /// The application's own process.
    #[must_use]
    pub fn in_process() -> Sender<'static> {
        Sender { kind: DoorKind::InProcess, client: None }
    }
}

impl Wayfarer {
    /// Takes events of one site; those that could not even be read come as their [`Reject`], at their place. When it
    /// answers, every accepted event is on disk.
    ///
    /// # Errors
    /// When nothing could be stored. [`ErrorKind::Busy`] and [`ErrorKind::StorageFull`] may be tried again.
    pub async fn collect(
        &self,
        site: &Site,
        raws: Vec<Result<RawEvent, Reject>>,
        sender: Sender<'_>,
    ) -> Result<Receipt, Error> {
        let now = self.now();
        let door =
            Door { site, kind: sender.kind, client: sender.client, received_at: Micros::from(now) };
        let (events, receipt) = self.claim(raws, &door);
        if events.is_empty() {
            return Ok(receipt);
        }
        self.control().salts().save(now).await?;
        self.lake().append(events, Ids::Window).await?;
        Ok(receipt)
    }

    /// What the collector says of each claim.
    fn claim(&self, raws: Vec<Result<RawEvent, Reject>>, door: &Door<'_>) -> (Vec<Event>, Receipt) {
        let mut events = Vec::with_capacity(raws.len());
        let mut receipt = Receipt::default();
        for (index, raw) in raws.into_iter().enumerate() {
            let outcome = match raw {
                Ok(raw) => self.collector().collect(raw, door),
                Err(reject) => Outcome::Reject(reject),
            };
            match outcome {
                Outcome::Take(event) => events.push(*event),
                Outcome::Decline => receipt.declined += 1,
                Outcome::Reject(reject) => {
                    receipt.rejected.push(Rejection { index, reason: reject.to_string() });
                }
            }
        }
        receipt.accepted = events.len();
        (events, receipt)
    }

    /// Where an application in this process sends the events of a site. A site that is not there yet is made, with the
    /// days of UTC, when its first events come.
    #[must_use]
    pub fn sink(&self, site: &str) -> Arc<dyn EventSink> {
        Arc::new(Sink { wayfarer: self.clone(), site: SiteSpec::new(site) })
    }
}

/// The sink of one site, in process.
struct Sink {
    wayfarer: Wayfarer,
    site: SiteSpec,
}

#[async_trait]
impl EventSink for Sink {
    async fn send(&self, events: Vec<RawEvent>) -> Result<Receipt, SinkError> {
        let now = Micros::from(self.wayfarer.now());
        let site = self
            .wayfarer
            .control()
            .ensure_site(&self.site, now)
            .await
            .map_err(|e| sink_error(&e))?;
        let raws = events.into_iter().map(Ok).collect();
        self.wayfarer.collect(&site, raws, Sender::in_process()).await.map_err(|e| sink_error(&e))
    }
}

fn sink_error(error: &Error) -> SinkError {
    match error.kind() {
        ErrorKind::Busy => SinkError::Busy { retry_after_s: RETRY_AFTER_S },
        ErrorKind::Invalid | ErrorKind::UnknownSite => SinkError::Refused(error.to_string()),
        _ => SinkError::Unavailable(crate::error::chain(error)),
    }
}
