use super::exposition::Exposition;

/// Writes the memory, descriptors and processor time of this process, under the names that Prometheus' clients use.
///
/// [Prometheus: process metrics](https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics)
#[cfg(target_os = "linux")]
pub(super) fn write_to(out: &mut Exposition) {
    use std::fs;

    use rustix::process::{Resource, getrlimit};

    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (name, help, key) in [
        ("process_resident_memory_bytes", "Resident memory size in bytes.", "VmRSS:"),
        ("process_virtual_memory_bytes", "Virtual memory size in bytes.", "VmSize:"),
    ] {
        if let Some(bytes) = kibibytes(&status, key) {
            out.single(name, "gauge", help, bytes * 1024);
        }
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The folder is one of them.
        let open = open.count().saturating_sub(1);
        out.single("process_open_fds", "gauge", "Number of open file descriptors.", open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        out.single("process_max_fds", "gauge", "Maximum number of open file descriptors.", most);
    }
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some((processor, started)) = times(&stat) {
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let seconds = processor as f64 / per_second;
        out.single("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", seconds);
        let boot = fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        if let Some(boot) = boot {
            let help = "Start time of the process since unix epoch in seconds.";
            out.single("process_start_time_seconds", "gauge", help, boot + started as f64 / per_second);
        }
    }
}

/// Writes nothing, because only Linux has these files.
#[cfg(not(target_os = "linux"))]
pub(super) fn write_to(_: &mut Exposition) {}

/// Returns a value of `/proc/self/status`.
#[cfg(any(target_os = "linux", test))]
fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Returns the processor time of user and system, and the start after that of the system, out of `/proc/self/stat`; both in
/// ticks.
#[cfg(any(target_os = "linux", test))]
fn times(stat: &str) -> Option<(u64, u64)> {
    // The second field is the program's name in parentheses, which may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some((number(14)? + number(15)?, number(22)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_are_parsed() {
        let status = "Name:\tgateway\nVmSize:\t   20480 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(1024));
        assert_eq!(kibibytes(status, "VmHWM:"), None);
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 31 11 0 0 20 0 3 0 5000 20971520 256";
        assert_eq!(times(stat), Some((42, 5000)));
        assert_eq!(times("7 (a) S 1"), None);
    }
}
