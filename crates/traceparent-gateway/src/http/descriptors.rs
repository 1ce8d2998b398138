//! The file descriptors of the process: how many there are, and how many of them clients get.

/// The descriptors that are kept for the process itself: files, signals, collectors, connections to the admin listener and
/// connections that are being refused.
const RESERVE: u64 = 96;

/// The share of all others that clients get, in percent. The rest is for connections to upstreams.
const CLIENTS: u128 = 60;

/// Raises the limit of open files to the hard limit, because the usual soft limit is 1024, and returns it. `None` is no
/// limit.
pub(crate) fn raise_limit() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let limit = getrlimit(Resource::Nofile);
        // The old limit is kept if that fails.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        getrlimit(Resource::Nofile).current
    }
    #[cfg(not(unix))]
    None
}

/// Lowers the wanted numbers of connections until all of them fit below a limit of open files. The largest ones are lowered
/// first, and none below 1.
pub(crate) fn share(limit: u64, wanted: &mut [u32]) {
    let mut available = for_clients(limit);
    let mut ascending: Vec<&mut u32> = wanted.iter_mut().collect();
    ascending.sort_unstable();
    let mut left = ascending.len() as u64;
    for wanted in ascending {
        let part = u64::from(*wanted).min(available / left).max(1);
        *wanted = u32::try_from(part).unwrap_or(*wanted);
        available = available.saturating_sub(part);
        left -= 1;
    }
}

/// Returns the number of connections to upstreams for which there are descriptors below a limit of open files.
pub(crate) fn for_upstreams(limit: u64) -> usize {
    let available = limit.saturating_sub(RESERVE).saturating_sub(for_clients(limit));
    usize::try_from(available).unwrap_or(usize::MAX).max(1)
}

fn for_clients(limit: u64) -> u64 {
    let available = u128::from(limit.saturating_sub(RESERVE)) * CLIENTS / 100;
    u64::try_from(available).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_descriptors_for_the_rest() {
        let shared = |limit, mut wanted: Vec<u32>| {
            share(limit, &mut wanted);
            wanted
        };
        assert_eq!(shared(1_048_576, vec![10_000, 10_000]), [10_000, 10_000]);
        assert_eq!(shared(20_000, vec![10_000]), [10_000]);
        assert_eq!(shared(1096, vec![10_000]), [600]);
        assert_eq!(shared(1096, vec![10_000, 10_000]), [300, 300]);
        assert_eq!(shared(1096, vec![10_000, 100]), [500, 100]);
        assert_eq!(shared(1096, vec![10_000, 100, 10_000]), [250, 100, 250]);
        assert_eq!(shared(256, vec![10_000]), [96]);
        assert_eq!(shared(50, vec![10_000, 1]), [1, 1]);
        assert_eq!(shared(u64::MAX, vec![u32::MAX]), [u32::MAX]);
        assert_eq!(shared(1096, vec![]), [0; 0]);
    }

    #[test]
    fn upstreams_get_what_is_left() {
        assert_eq!([0, 96, 256, 1096].map(for_upstreams), [1, 1, 64, 400]);
    }
}
