use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::Failure;

/// The places of connections to all upstreams, as many as there are descriptors for them. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamPlaces {
    free: Arc<Semaphore>,
    all: usize,
}

/// The place of a connection, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct UpstreamPlace {
    places: UpstreamPlaces,
    _permit: OwnedSemaphorePermit,
}

impl UpstreamPlaces {
    pub(crate) fn new(all: usize) -> Self {
        let all = all.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(all)), all }
    }

    /// Takes a place, or waits until one is free, but no longer than the limit.
    pub(super) async fn take(&self, limit: Duration) -> Result<UpstreamPlace, Failure> {
        let taken = timeout(limit, Arc::clone(&self.free).acquire_owned()).await;
        let permit = taken.ok().and_then(Result::ok).ok_or(Failure::NoUpstreamPlace)?;
        Ok(UpstreamPlace { places: self.clone(), _permit: permit })
    }
}

impl Default for UpstreamPlaces {
    /// Creates places without a limit.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl UpstreamPlace {
    /// Returns whether the connection should not be kept for later, because more than half of all places are taken. So idle
    /// connections to one upstream leave room for those to another one.
    pub(super) fn is_scarce(&self) -> bool {
        self.places.free.available_permits() < self.places.all / 2
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_waited_for() {
        let places = UpstreamPlaces::new(2);
        let long = Duration::from_secs(60);
        let first = places.take(long).await.unwrap();
        assert!(!first.is_scarce());
        let second = places.take(long).await.unwrap();
        assert!(first.is_scarce());
        assert_eq!(places.take(Duration::from_millis(1)).await.unwrap_err(), Failure::NoUpstreamPlace);
        let (taken, ()) = tokio::join!(places.take(long), async { drop(second) });
        assert!(taken.is_ok());
    }
}
