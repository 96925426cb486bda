//! The only door to the kernel: every system call, every `unsafe` block, every use of nix and libc's functions.
//!
//! It knows nothing of the machine, of options or of messages. Errors are errno values; what they mean to a user
//! is decided by the caller.

#![allow(unsafe_code)]

mod children;
pub mod entry;
mod exec;
mod folder;
mod image;
mod output;
mod process;
mod signals;
mod spawn;
mod strings;
mod terminal;

pub use children::{Child, Pids, next_child};
pub use exec::{Obstacle, obstacle, search_path, shell_form};
pub use folder::{Folder, leave_working_directory};
pub use nix::errno::Errno;
pub use output::{Line, write_all};
pub use process::*;
pub use signals::{Received, Signals};
pub use spawn::{Failure, Group, Report, Spawn, Stage, spawn};
pub use strings::Strings;
pub use terminal::{Tty, release_controlling_terminal};

/// A process id of the kernel, as we use it everywhere: positive.
pub type Pid = i32;
