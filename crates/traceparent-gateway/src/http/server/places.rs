use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::sleep};

use super::{
    activity::Activity,
    counts::{ConnectionCounts, Refusal},
};
use crate::config::Limits;

/// The time without a request that a connection has at least, so that a crowd of new ones does not evict a client whose first
/// request is on its way.
const GRACE: Duration = Duration::from_millis(50);

/// The number of idle connections that one look finds for the next evictions.
const FOUND: usize = 64;

/// The places of a listener's connections: bounded as a whole and for each network of clients.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    /// Notified when a place is free again.
    freed: Notify,
    counts: Arc<ConnectionCounts>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    taken: BTreeMap<Key, Arc<Activity>>,
    by_network: HashMap<Network, u32>,
    /// The number of idle connections.
    idle: Arc<AtomicI64>,
    /// Idle connections and since when they were idle, the oldest last. Some may not be idle any more.
    oldest: Vec<(Duration, Key)>,
}

/// A network of clients, and a number.
type Key = (Network, u64);

/// The addresses that one client may have: an address of IPv4, or the first half of one of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Network(IpAddr);

/// The place of a connection, which is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    key: Key,
    activity: Arc<Activity>,
}

/// The result of asking for a place.
enum Answer {
    Taken(Key, Arc<Activity>),
    /// The idle connection at this place has been told to end.
    Evicting(Key),
    /// All idle connections are too young to give way.
    TooEarly(Duration),
    Refused(Refusal),
}

impl Places {
    pub(super) fn new(counts: Arc<ConnectionCounts>) -> Self {
        Self(Arc::new(Shared { table: Mutex::default(), freed: Notify::new(), counts }))
    }

    /// Takes a place for a client. If there is none, the connection that has been idle for the longest time is evicted
    /// first; the client is refused if there is none either.
    pub(super) async fn take(&self, client: IpAddr, limits: Limits) -> Result<Place, Refusal> {
        let network = Network::of(client);
        loop {
            let answer = self.0.table().take(network, limits);
            match answer {
                Answer::Taken(key, activity) => {
                    self.0.counts.opened();
                    return Ok(Place { shared: Arc::clone(&self.0), key, activity });
                }
                Answer::Evicting(place) => {
                    self.0.counts.evicted();
                    self.0.freed(place).await;
                }
                Answer::TooEarly(left) => sleep(left).await,
                Answer::Refused(refusal) => {
                    self.0.counts.refused(refusal);
                    return Err(refusal);
                }
            }
        }
    }
}

impl Place {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.table().free(self.key);
        self.shared.counts.closed();
        self.shared.freed.notify_waiters();
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a place is free again.
    async fn freed(&self, place: Key) {
        loop {
            let freed = self.freed.notified();
            if !self.table().taken.contains_key(&place) {
                return;
            }
            freed.await;
        }
    }
}

impl Table {
    fn take(&mut self, network: Network, limits: Limits) -> Answer {
        let ours = self.by_network.get(&network).copied().unwrap_or(0);
        if ours >= limits.connections_per_address {
            return evict(self.oldest_of(network), Refusal::AddressFull);
        }
        if self.taken.len() >= limits.connections as usize {
            let oldest = self.oldest();
            // One address that has all of its connections does not hold up the others, so this is for the listener alone.
            if let Some(left) = oldest.and_then(|(_, oldest)| GRACE.checked_sub(oldest.idle_for()?)) {
                return Answer::TooEarly(left);
            }
            return evict(oldest, Refusal::ListenerFull);
        }
        let (key, activity) = ((network, self.next), Arc::new(Activity::new(Arc::clone(&self.idle))));
        self.next += 1;
        self.taken.insert(key, Arc::clone(&activity));
        self.by_network.insert(network, ours + 1);
        Answer::Taken(key, activity)
    }

    fn free(&mut self, key: Key) {
        self.taken.remove(&key);
        if let Some(ours) = self.by_network.get_mut(&key.0) {
            *ours -= 1;
            if *ours == 0 {
                self.by_network.remove(&key.0);
            }
        }
    }

    fn oldest_of(&self, network: Network) -> Option<(Key, &Arc<Activity>)> {
        let ours = self.taken.range((network, 0)..=(network, u64::MAX));
        let idle = ours.filter_map(|(key, activity)| Some((activity.idle_since()?, *key, activity)));
        idle.min_by_key(|(since, ..)| *since).map(|(_, key, activity)| (key, activity))
    }

    fn oldest(&mut self) -> Option<(Key, &Arc<Activity>)> {
        let is_idle = |taken: &BTreeMap<Key, Arc<Activity>>, (since, key): &(Duration, Key)| {
            taken.get(key).is_some_and(|activity| activity.idle_since() == Some(*since))
        };
        while self.oldest.pop_if(|found| !is_idle(&self.taken, found)).is_some() {}
        if self.oldest.is_empty() && self.idle.load(Relaxed) > 0 {
            let idle = self.taken.iter().filter_map(|(key, activity)| Some((activity.idle_since()?, *key)));
            self.oldest = idle.collect();
            if self.oldest.len() > FOUND {
                self.oldest.select_nth_unstable(FOUND);
                self.oldest.truncate(FOUND);
            }
            self.oldest.sort_unstable_by(|one, other| other.cmp(one));
        }
        let (_, key) = *self.oldest.last()?;
        self.taken.get(&key).map(|activity| (key, activity))
    }
}

/// Evicts an idle connection, or refuses the new one if there is none.
fn evict(idle: Option<(Key, &Arc<Activity>)>, refusal: Refusal) -> Answer {
    match idle {
        Some((place, idle)) => {
            idle.evict();
            Answer::Evicting(place)
        }
        None => Answer::Refused(refusal),
    }
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    fn limits(connections: u32, connections_per_address: u32) -> Limits {
        Limits { connections, connections_per_address, ..Limits::default() }
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// Holds a place as a connection does: until it is evicted.
    fn hold(place: Place) -> JoinHandle<()> {
        tokio::spawn(async move { place.activity().evicted().await })
    }

    #[tokio::test]
    async fn the_connection_that_was_idle_longest_gives_way() {
        let counts = Arc::<ConnectionCounts>::default();
        let places = Places::new(Arc::clone(&counts));
        let mut held = Vec::new();
        for client in 0..3 {
            let place = places.take(address(client), limits(3, 3)).await.unwrap();
            // The first is used once more, after the others have come.
            held.push((Arc::clone(place.activity()), hold(place)));
        }
        held[0].0.start();
        held[0].0.end();
        let _new = places.take(address(3), limits(3, 3)).await.unwrap();
        (&mut held[1].1).await.unwrap();
        assert!(!held[0].1.is_finished() && !held[2].1.is_finished());
        let _newer = places.take(address(4), limits(3, 3)).await.unwrap();
        (&mut held[2].1).await.unwrap();
        let _newest = places.take(address(5), limits(3, 3)).await.unwrap();
        (&mut held[0].1).await.unwrap();
        assert_eq!((counts.open(), counts.evictions()), (3, 3));
    }

    /// The idle connections that one look has found for several evictions may have been used since.
    #[tokio::test]
    async fn a_connection_that_is_used_again_is_young() {
        let places = Places::new(Arc::default());
        let mut held = Vec::new();
        for client in 0..3 {
            let place = places.take(address(client), limits(3, 3)).await.unwrap();
            held.push((Arc::clone(place.activity()), hold(place)));
        }
        let _new = places.take(address(3), limits(3, 3)).await.unwrap();
        assert!(held[0].1.is_finished());
        held[1].0.start();
        held[1].0.end();
        let _newer = places.take(address(4), limits(3, 3)).await.unwrap();
        assert!(held[2].1.is_finished() && !held[1].1.is_finished());
    }

    #[tokio::test]
    async fn a_young_connection_has_time_for_a_request() {
        let places = Places::new(Arc::default());
        let young = places.take(address(0), limits(1, 1)).await.unwrap();
        let activity = Arc::clone(young.activity());
        let request = async {
            tokio::task::yield_now().await;
            assert_eq!(activity.idle_since().map(drop), Some(()));
            activity.start();
        };
        let (refused, ()) = tokio::join!(places.take(address(1), limits(1, 1)), request);
        assert_eq!(refused.unwrap_err(), Refusal::ListenerFull);
        activity.end();
    }

    #[tokio::test]
    async fn busy_connections_do_not_give_way() {
        let counts = Arc::<ConnectionCounts>::default();
        let places = Places::new(Arc::clone(&counts));
        let busy = places.take(address(0), limits(2, 2)).await.unwrap();
        busy.activity().start();
        let idle = places.take(address(1), limits(2, 2)).await.unwrap();
        let idle = hold(idle);
        let other = places.take(address(2), limits(2, 2)).await.unwrap();
        idle.await.unwrap();
        other.activity().start();
        assert_eq!(places.take(address(3), limits(2, 2)).await.unwrap_err(), Refusal::ListenerFull);
        busy.activity().end();
        let busy = hold(busy);
        let _new = places.take(address(3), limits(2, 2)).await.unwrap();
        busy.await.unwrap();
        assert_eq!((counts.open(), counts.refusals(Refusal::ListenerFull), counts.evictions()), (2, 1, 2));
    }

    #[tokio::test]
    async fn one_address_has_a_limit_of_its_own() {
        let places = Places::new(Arc::default());
        let other = hold(places.take(address(0), limits(10, 2)).await.unwrap());
        let first = hold(places.take(address(1), limits(10, 2)).await.unwrap());
        let second = places.take(address(1), limits(10, 2)).await.unwrap();
        second.activity().start();
        let third = places.take(address(1), limits(10, 2)).await.unwrap();
        first.await.unwrap();
        third.activity().start();
        assert_eq!(places.take(address(1), limits(10, 2)).await.unwrap_err(), Refusal::AddressFull);
        drop(second);
        places.take(address(1), limits(10, 2)).await.unwrap();
        assert!(!other.is_finished());
    }

    #[tokio::test]
    async fn of_one_address_the_connection_that_was_idle_longest_gives_way() {
        let places = Places::new(Arc::default());
        let mut held = Vec::new();
        for _ in 0..3 {
            let place = places.take(address(0), limits(10, 3)).await.unwrap();
            held.push((Arc::clone(place.activity()), hold(place)));
        }
        held[0].0.start();
        held[0].0.end();
        let _new = places.take(address(0), limits(10, 3)).await.unwrap();
        assert!(held[1].1.is_finished() && !held[0].1.is_finished() && !held[2].1.is_finished());
    }

    #[tokio::test]
    async fn places_are_free_when_connections_end() {
        let counts = Arc::<ConnectionCounts>::default();
        let places = Places::new(Arc::clone(&counts));
        for _ in 0..1000 {
            places.take(address(0), limits(1, 1)).await.unwrap();
        }
        assert_eq!((counts.open(), counts.evictions()), (0, 0));
        let table = places.0.table();
        assert!(table.taken.is_empty() && table.by_network.is_empty());
        assert_eq!(table.idle.load(Relaxed), 0);
    }

    /// A place that became free before, or another one, is not that of the evicted connection.
    #[tokio::test]
    async fn each_new_connection_evicts_one() {
        let counts = Arc::<ConnectionCounts>::default();
        let places = Places::new(Arc::clone(&counts));
        drop(places.take(address(0), limits(3, 1)).await.unwrap());
        let other = places.take(address(1), limits(3, 1)).await.unwrap();
        let idle = places.take(address(0), limits(3, 1)).await.unwrap();
        let activity = Arc::clone(idle.activity());
        let leave = async {
            activity.evicted().await;
            drop(other);
            tokio::task::yield_now().await;
            drop(idle);
        };
        let (new, ()) = tokio::join!(places.take(address(0), limits(3, 1)), leave);
        new.unwrap();
        assert_eq!((counts.open(), counts.refusals(Refusal::AddressFull), counts.evictions()), (0, 0, 1));
    }

    #[tokio::test]
    async fn many_connections_give_way_in_the_order_of_their_age() {
        let places = Places::new(Arc::default());
        let mut held = Vec::new();
        for number in 0..1000 {
            held.push(hold(places.take(address((number % 250) as u8), limits(1000, 1000)).await.unwrap()));
        }
        let mut new = Vec::new();
        for held in held {
            new.push(places.take(address(251), limits(1000, 1000)).await.unwrap());
            held.await.unwrap();
        }
        assert_eq!(places.0.table().taken.len(), 1000);
    }

    #[test]
    fn an_address_of_ipv6_is_a_network() {
        let network = |address: &str| Network::of(address.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:0:0:2"));
        assert_ne!(network("2001:db8:0:1::1"), network("2001:db8:0:2::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
