//! Where and when it ran: a figure without its machine means nothing.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use kenning::{Json, format_instant, json};

use crate::Result;
use crate::measure::Latencies;

/// Bytes that each write of the disk's own test has.
const PROBE_BYTES: usize = 4_096;
const PROBES: usize = 200;

/// The machine, the commit, the date.
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    /// Median of appending a page to a file and waiting for the disk.
    fdatasync_us: f64,
    commit: String,
    date: String,
}

impl Machine {
    /// Looks at the machine, and at the disk that `folder` is on.
    pub(crate) fn survey(folder: &Path) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: f64 = memory.trim_end_matches("kB").trim().parse().unwrap_or(0.0);
        Ok(Machine {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: kib / (1 << 20) as f64,
            fdatasync_us: fdatasync_us(folder)?,
            commit: commit(),
            date: format_instant(i64::try_from(now)?),
        })
    }

    pub(crate) fn line(&self) -> String {
        let Machine { cpu, cores, memory_gib, fdatasync_us, commit, date } = self;
        format!(
            "{cpu}, {cores} cores, {memory_gib:.0} GiB, fdatasync {fdatasync_us:.0} us; \
             commit {commit}, {date}"
        )
    }

    /// The machine for a result file, and how busy it was when that bench began.
    pub(crate) fn json(&self, load: f64) -> Json {
        json!({
            "load": load,
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_gib": self.memory_gib.round(),
            "fdatasync_us": self.fdatasync_us.round(),
            "commit": self.commit,
            "date": self.date,
        })
    }
}

/// What stands behind `name` in a file of lines `name : value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn fdatasync_us(folder: &Path) -> Result<f64> {
    let mut file = File::create(folder.join("probe"))?;
    let mut latencies = Latencies::default();
    for _ in 0..PROBES {
        file.write_all(&[1; PROBE_BYTES])?;
        latencies.call(|| Ok(file.sync_data()?))?;
    }
    fs::remove_file(folder.join("probe"))?;
    Ok(latencies.percentile(50))
}

/// The commit that was built, if git knows; `+` where files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-C", env!("CARGO_MANIFEST_DIR")]).args(arguments);
        let output = command.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".into();
    };
    // What benches write does not change what they measure.
    let changed = git(&["status", "--porcelain", "--", "../crates", "src", "../Cargo.toml"]);
    let mark = if changed.is_some_and(|changed| changed.is_empty()) { "" } else { "+" };
    format!("{commit}{mark}")
}

/// How many threads wanted to run during the last minute. Our own benches are among them, but above
/// the number of cores somebody else was at work, and figures are worse than they would be.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|figure| figure.parse().ok()).unwrap_or(0.0)
}

/// Bytes of memory that this process uses.
pub(crate) fn resident_bytes() -> Result<u64> {
    let kib = field("/proc/self/status", "VmRSS").ok_or("this system does not tell memory")?;
    Ok(kib.trim_end_matches("kB").trim().parse::<u64>()? << 10)
}

/// Bytes of memory that are this process's own, and no file's.
pub(crate) fn anonymous_bytes() -> Result<u64> {
    let kib = field("/proc/self/status", "RssAnon").ok_or("this system does not tell memory")?;
    Ok(kib.trim_end_matches("kB").trim().parse::<u64>()? << 10)
}

/// The most bytes of memory that this process ever used.
pub(crate) fn resident_bytes_most() -> Result<u64> {
    let kib = field("/proc/self/status", "VmHWM").ok_or("this system does not tell memory")?;
    Ok(kib.trim_end_matches("kB").trim().parse::<u64>()? << 10)
}

/// Bytes of every file below `folder`.
pub(crate) fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let there = entry.metadata()?;
        bytes += if there.is_dir() { folder_bytes(&entry.path())? } else { there.len() };
    }
    Ok(bytes)
}
