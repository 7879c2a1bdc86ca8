//! Bringing the files of a model: from a folder, or from where they are published.
//!
//! A file is written beside its place, and moves there once every byte is known to be right. What
//! is there and right is not brought again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use kenning_store::{Error, Result};
use ureq::Agent;

use crate::known::{KnownFile, KnownModel};

const CHUNK_BYTES: usize = 1 << 18;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

impl KnownModel {
    /// Brings the files that are not in `folder` from `from`: a URL of a folder, or a folder.
    /// `told` hears how many bytes there are now.
    pub fn pull(&self, from: &str, folder: &Path, told: &mut dyn FnMut(u64)) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| unwritten(folder, e))?;
        let mut done = 0;
        for file in self.files {
            if file.read(folder).is_err() {
                file.pull(from, folder, &mut |bytes| told(done + bytes))?;
            }
            done += file.bytes;
            told(done);
        }
        Ok(())
    }
}

impl KnownFile {
    fn pull(&self, from: &str, folder: &Path, told: &mut dyn FnMut(u64)) -> Result<()> {
        let source = self.source(from)?;
        let part = folder.join(format!("{}.part", self.name));
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&part);
        let mut file = file.map_err(|e| unwritten(&part, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("{} is being brought by somebody else", part.display());
                return Err(Error::unavailable("PULL_RUNNING", message));
            }
            Err(TryLockError::Error(error)) => return Err(unwritten(&part, error)),
        }
        file.set_len(0).map_err(|e| unwritten(&part, e))?;
        let copied = self.copy(source, &mut file, &part, told);
        let moved = copied.and_then(|()| {
            file.sync_all().map_err(|e| unwritten(&part, e))?;
            std::fs::rename(&part, folder.join(self.name)).map_err(|e| unwritten(folder, e))?;
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|e| unwritten(folder, e))
        });
        if moved.is_err() {
            // It is of no use, and the next one writes over it if it stays.
            let _ = std::fs::remove_file(&part);
        }
        moved
    }

    /// Its bytes, from a place that nobody trusts.
    fn source(&self, from: &str) -> Result<Box<dyn Read>> {
        if !from.starts_with("http://") && !from.starts_with("https://") {
            let path = Path::new(from).join(self.name);
            let file = File::open(&path).map_err(|e| {
                Error::invalid("MODEL_MISSING", format!("{} can't be read", path.display()))
                    .because(e)
            })?;
            return Ok(Box::new(file));
        }
        let url = format!("{}/{}", from.trim_end_matches('/'), self.name);
        let config = Agent::config_builder()
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(READ_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            .http_status_as_error(false)
            .proxy(None)
            .user_agent("kenning")
            .build();
        let response = config.new_agent().get(&url).call().map_err(|e| unreachable(&url, e))?;
        match response.status().as_u16() {
            200 => Ok(Box::new(response.into_body().into_reader())),
            429 | 500.. => Err(unreachable(&url, response.status().to_string())),
            status => {
                let message = format!("{url} answers {status}");
                Err(Error::invalid("MODEL_MISSING", message))
            }
        }
    }

    fn copy(
        &self,
        mut source: Box<dyn Read>,
        file: &mut File,
        part: &Path,
        told: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = source.read(&mut chunk).map_err(|e| unreachable(self.name, e))?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if self.bytes < size {
                return Err(self.wrong(&format!("more than {} bytes", self.bytes)));
            }
            hasher.update(&chunk[..count]);
            file.write_all(&chunk[..count]).map_err(|e| unwritten(part, e))?;
            told(size);
        }
        let hash = hasher.finalize().to_hex();
        match hash.as_str() == self.hash {
            true => Ok(()),
            false => Err(self.wrong(&format!("{size} bytes with the hash {hash}"))),
        }
    }

    fn wrong(&self, has: &str) -> Error {
        let message = format!("what is offered as {} is not that file: it has {has}", self.name);
        Error::corrupt("MODEL_DAMAGED", message)
    }
}

fn unreachable(what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("MODEL_UNREACHABLE", format!("{what} can't be brought")).because(error)
}

fn unwritten(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable("MODEL_UNWRITTEN", format!("writing {}", path.display())).because(error)
}
