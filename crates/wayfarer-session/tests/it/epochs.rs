//! Epochs: the laws, and that each of them is seen to be broken.

use async_trait::async_trait;
use jiff::Timestamp;
use wayfarer_session::{BoxError, CookieOwner, Epochs, Handle, MemoryEpochs, Whose, conformance};

#[tokio::test]
async fn the_laws_are_kept() {
    conformance::run_epochs(&MemoryEpochs::new()).await.unwrap();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    ForgetsUsers,
    ForgetsSessions,
    IgnoresHandles,
    IgnoresCase,
    MixesUsersAndSessions,
    OverwritesInstants,
    EndsForAYear,
    PurgesAll,
    PurgesAtOnce,
    OverwritesForgetting,
}

/// Epochs with one flaw.
#[derive(Debug)]
struct Flawed(Flaw, MemoryEpochs);

#[async_trait]
impl Epochs for Flawed {
    async fn not_before(&self, whose: CookieOwner<'_>) -> Result<Option<Timestamp>, BoxError> {
        let handle = Handle::of(&whose.subject).to_string();
        let lower = whose.user.map(str::to_lowercase);
        let asked = match self.0 {
            Flaw::IgnoresCase => CookieOwner::new(lower.as_deref(), whose.subject),
            Flaw::MixesUsersAndSessions => {
                let as_user = CookieOwner::new(Some(&handle), whose.subject);
                let mixed = self.1.not_before(as_user).await?;
                return Ok(mixed.max(self.1.not_before(whose).await?));
            }
            _ => whose,
        };
        self.1.not_before(asked).await
    }

    async fn end_before(
        &self,
        whose: &Whose,
        instant: Timestamp,
        forget_at: Timestamp,
    ) -> Result<(), BoxError> {
        let year = Timestamp::now() + jiff::SignedDuration::from_hours(24 * 366);
        match (self.0, whose) {
            (Flaw::ForgetsUsers, Whose::User(_))
            | (Flaw::ForgetsSessions, Whose::Session(_))
            | (Flaw::IgnoresHandles, Whose::Handle(_)) => Ok(()),
            (Flaw::OverwritesInstants, _) => {
                // Whatever there was is forgotten first.
                self.1.purge(u32::MAX, Timestamp::MAX).await?;
                self.1.end_before(whose, instant, forget_at).await
            }
            (Flaw::OverwritesForgetting, Whose::User(_)) if forget_at < Timestamp::now() => {
                self.1.purge(u32::MAX, Timestamp::MAX).await?;
                self.1.end_before(whose, instant, forget_at).await
            }
            (Flaw::EndsForAYear, _) => {
                let instant = if instant > year { Timestamp::now() } else { instant };
                self.1.end_before(whose, instant, forget_at).await
            }
            _ => self.1.end_before(whose, instant, forget_at).await,
        }
    }

    async fn purge(&self, limit: u32, now: Timestamp) -> Result<u32, BoxError> {
        match self.0 {
            Flaw::PurgesAll => self.1.purge(limit, Timestamp::MAX).await,
            Flaw::PurgesAtOnce => self.1.purge(u32::MAX, now).await,
            _ => self.1.purge(limit, now).await,
        }
    }
}

#[tokio::test]
async fn every_flaw_is_found() {
    let flaws = [
        Flaw::ForgetsUsers,
        Flaw::ForgetsSessions,
        Flaw::IgnoresHandles,
        Flaw::IgnoresCase,
        Flaw::MixesUsersAndSessions,
        Flaw::OverwritesInstants,
        Flaw::EndsForAYear,
        Flaw::PurgesAll,
        Flaw::PurgesAtOnce,
        Flaw::OverwritesForgetting,
    ];
    for flaw in flaws {
        let epochs = Flawed(flaw, MemoryEpochs::new());
        assert!(conformance::run_epochs(&epochs).await.is_err(), "{flaw:?} is not found");
    }
}
