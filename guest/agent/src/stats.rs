//! `GET /v1/stats`: memory, disk and load, as the machine sees them.

use std::fs;

use serde_json::json;

use crate::http_answers::{Answer, Refusal};
use crate::session::off_the_runtime;
use crate::trace;

pub async fn measure() -> Result<Answer, Refusal> {
    off_the_runtime(|| {
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load1: f64 = load.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        let disk = rustix::fs::statvfs("/").map_err(|error| Refusal::of_io(&error.into(), "the disk"))?;
        Ok(Answer::Json(json!({
            "memoryTotalBytes": memory_bytes(&memory, "MemTotal:"),
            "memoryAvailableBytes": memory_bytes(&memory, "MemAvailable:"),
            "diskTotalBytes": disk.f_blocks * disk.f_frsize,
            "diskFreeBytes": disk.f_bavail * disk.f_frsize,
            "load1": load1,
            "uptimeMs": trace::uptime_ms(),
        })))
    })
    .await
}

fn memory_bytes(meminfo: &str, name: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_table() {
        let meminfo = "MemTotal:         492548 kB\nMemFree:          380000 kB\nMemAvailable:     420001 kB\n";
        assert_eq!(memory_bytes(meminfo, "MemAvailable:"), 420_001 * 1024);
        assert_eq!(memory_bytes(meminfo, "Nothing:"), 0);
    }
}
