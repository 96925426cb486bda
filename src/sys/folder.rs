//! The folder we were started in: main's, and not ours, since a folder that is somebody's cannot be unmounted.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{chdir, fchdir};

/// The folder that we have left, for main to be started in.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// Leaves it before main is there, so that main never finds us in it. `None` where there would be no way back:
    /// a process may be in a folder that it may not search (`--user` with a WORKDIR of root's), and then we stay.
    #[must_use]
    pub fn leave_for_now() -> Option<Self> {
        let fd = open(c".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
        // Not in the place of a closed standard descriptor.
        let fd = if fd.as_raw_fd() > 2 { fd } else { super::terminal::duplicate(fd.as_fd())? };
        fchdir(&fd).ok()?;
        leave_working_directory().ok()?;
        Some(Self(fd))
    }

    /// The descriptor, for the child to change to.
    #[must_use]
    pub fn raw(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Back into it.
    pub fn return_to(self) {
        // It went well a moment ago.
        let _ = fchdir(&self.0);
    }
}

/// Leaves the folder we were started in for good.
///
/// # Errors
/// Whatever chdir(2) says; nothing depends on it.
pub fn leave_working_directory() -> Result<(), Errno> {
    chdir(c"/")
}
