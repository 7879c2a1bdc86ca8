//! What every look at files needs: their sums, their folders, and whether anybody has them open.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3Default;

const CHUNK_BYTES: usize = 256 << 10;
const PAUSE: Duration = Duration::from_micros(200);
/// How often it is looked whether a file was closed, about two minutes.
const LOOKS_MAX: usize = 600_000;

/// The sum of a whole file, and its length.
pub(crate) fn sum(path: &Path) -> io::Result<(u128, u64)> {
    let mut file = File::open(path)?;
    let mut sum = Xxh3Default::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut size = 0;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((sum.digest128(), size)),
            read => {
                sum.update(&chunk[..read]);
                size += read as u64;
            }
        }
    }
}

pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Waits a little for a thread of fjall's. It is waited for at most as long as that thread works.
pub(crate) fn pause() {
    thread::park_timeout(PAUSE);
}

/// Waits until this process has no file below `folder` open any more; false if that takes for ever.
///
/// fjall's threads are told to end, and the last of them closes the journal a moment after the
/// database was dropped. Where the system does not list open files, nothing is waited for.
pub(crate) fn wait_until_closed(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return true };
    for _ in 0..LOOKS_MAX {
        let Ok(open) = fs::read_dir("/proc/self/fd") else { return true };
        let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        if !targets.into_iter().any(|target| target.starts_with(&folder)) {
            return true;
        }
        pause();
    }
    false
}
