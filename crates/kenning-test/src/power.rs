//! A file system whose power can be cut.
//!
//! An ext4 image on a loop device, small and quick to make. [`PowerDisk::cut`] shuts it down as a
//! loss of power would: from then on nothing reaches the image, its journal included, and every
//! write that was not synced is gone when it is mounted again.
//!
//! It needs root and a loop device. Where they are missing, the reason is returned, for a test to
//! print as one line.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::raw;

/// A mounted file system.
pub struct PowerDisk {
    folder: TempDir,
    mount: PathBuf,
    cut: AtomicBool,
}

/// How it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Files can be written.
    Write,
    /// Files can be read.
    Read,
}

impl PowerDisk {
    /// Makes and mounts a disk of `size_bytes` (at least 8 MiB), or says why it cannot.
    pub fn new(size_bytes: u64) -> Result<Self, String> {
        if !raw::is_root() {
            return Err("only root can mount a disk".to_owned());
        }
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let mount = folder.path().join("mount");
        let disk = PowerDisk { folder, mount, cut: AtomicBool::new(false) };
        std::fs::create_dir(&disk.mount).map_err(|error| format!("no mount point: {error}"))?;
        File::create(disk.image())
            .and_then(|image| image.set_len(size_bytes))
            .map_err(|error| format!("no image: {error}"))?;
        let image = disk.image();
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image))?;
        disk.mount(Access::Write)?;
        Ok(disk)
    }

    /// The root of the file system.
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// Cuts the power. Every later call on an open file fails.
    ///
    /// A call that is under way may still be answered, even a sync that has reached nothing: the
    /// kernel was not made to live through this. So an answer counts only if
    /// [`PowerDisk::is_cut`] is false when it has come. (Behind a real cut nobody gets one.)
    pub fn cut(&self) -> Result<(), String> {
        self.cut.store(true, Ordering::SeqCst);
        File::open(&self.mount)
            .and_then(|root| raw::shut_down(&root))
            .map_err(|error| format!("the power cannot be cut: {error}"))
    }

    /// Whether the power is being cut, or is off.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    /// Mounts the disk again, as it is after the power came back. Nobody may have a file open.
    pub fn remount(&self, access: Access) -> Result<(), String> {
        run(Command::new("umount").arg(&self.mount))?;
        self.mount(access)?;
        self.cut.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn mount(&self, access: Access) -> Result<(), String> {
        let options = match access {
            Access::Write => "loop",
            Access::Read => "loop,ro",
        };
        let mut mount = Command::new("mount");
        run(mount.args(["-t", "ext4", "-o", options]).arg(self.image()).arg(&self.mount))
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }
}

impl Drop for PowerDisk {
    fn drop(&mut self) {
        // Lazily, so that a failed test that left a file open leaves no mount behind.
        let _ = run(Command::new("umount").arg("-l").arg(&self.mount));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().display().to_string();
    let output = command.output().map_err(|error| format!("{name} does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name} failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
