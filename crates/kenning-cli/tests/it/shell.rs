//! The program in a folder of its own, through a shell.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// An empty folder in which `kenning` is a command.
pub(crate) struct Shell {
    folder: TempDir,
    path: String,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_kenning"), programs.join("kenning")).unwrap();
        std::fs::create_dir(folder.path().join("here")).unwrap();
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display());
        Shell { folder, path }
    }

    /// The folder in which commands run.
    pub(crate) fn here(&self) -> PathBuf {
        self.folder.path().join("here")
    }

    /// A shell command that has not been started.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.here());
        command.env_clear().env("PATH", &self.path).stdin(Stdio::null());
        command
    }

    /// Runs a shell command.
    pub(crate) fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Runs a shell command that has to end with 0, and returns what it says.
    pub(crate) fn done(&self, line: &str) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}\n{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a shell command that has to end with `code`, and returns what it says on stderr.
    pub(crate) fn refused(&self, code: i32, line: &str) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}\n{said}");
        said
    }
}

/// The bytes of the files in a folder.
pub(crate) fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Waits until the files of a folder have at least so many bytes, or the process has ended; how far
/// its work is by then differs.
pub(crate) fn wait_for_bytes(child: &mut Child, folder: &Path, bytes: u64) {
    while bytes_in(folder) < bytes && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// A file system that is there until this is dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Runs `mount ARGUMENTS TARGET`; `None` where this is not allowed.
    pub(crate) fn new(arguments: &[&str], target: &Path) -> Option<Self> {
        std::fs::create_dir_all(target).unwrap();
        let mounted = Command::new("mount").args(arguments).arg(target).output().ok()?;
        mounted.status.success().then(|| Mount(target.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays", self.0.display());
    }
}
