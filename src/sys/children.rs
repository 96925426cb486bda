//! Reaping, and finding who is left below us.

use std::fs;
use std::mem::MaybeUninit;

use nix::errno::Errno;

use super::{Pid, own_pid, send};
use crate::signal::Signal;
use crate::status::Status;

/// What waitpid(2) had to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Child {
    /// This one has ended, and is reaped.
    Ended(Pid, Status),
    /// This one is stopped.
    Stopped(Pid, Signal),
    /// All that are left are running.
    Running,
    /// There is no child any more.
    None,
}

/// The next child that has changed, without waiting for one. `stops`: tell of stopped children, too.
///
/// nix's waitpid is not used here: for a child that a real-time signal killed it has only an error, and the status
/// is lost.
#[must_use]
pub fn next_child(stops: bool) -> Child {
    let flags = libc::WNOHANG | if stops { libc::WUNTRACED } else { 0 };
    let mut status = MaybeUninit::<i32>::uninit();
    // SAFETY: a place for the status, which is read only where the kernel says it has filled it.
    let pid = unsafe { libc::waitpid(-1, status.as_mut_ptr(), flags) };
    match pid {
        0 => return Child::Running,
        pid if pid < 0 => return Child::None,
        _ => {}
    }
    // SAFETY: a positive result comes with a status.
    let status = unsafe { status.assume_init() };
    if libc::WIFSTOPPED(status) {
        return Signal::new(libc::WSTOPSIG(status))
            .map_or(Child::Running, |signal| Child::Stopped(pid, signal));
    }
    match Signal::new(libc::WTERMSIG(status)) {
        Some(signal) => Child::Ended(pid, Status::Killed(signal)),
        None => Child::Ended(pid, Status::Exited(libc::WEXITSTATUS(status) as u8)),
    }
}

/// Processes below us.
#[derive(Debug, Default)]
pub struct Pids(Vec<Pid>);

impl Pids {
    /// All descendants of ours that /proc shows; none where there is no /proc.
    #[must_use]
    pub fn descendants() -> Self {
        let parents = read_parents();
        let mut found = vec![own_pid()];
        let mut done = 0;
        while let Some(parent) = found.get(done).copied() {
            found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            done += 1;
        }
        found.remove(0);
        Self(found)
    }

    /// Sends `signal` to each, and to the group of main where there is one. For SIGKILL looks again until no new
    /// one turns up: a process can fork between our look and our signal.
    pub fn send_to_all(signal: Signal, main_group: Option<Pid>) {
        const LOOKS: usize = 8;
        if let Some(group) = main_group {
            // ESRCH: nobody is left in it.
            let _ = send(-group, signal);
        }
        let mut known = Vec::new();
        for _ in 0..LOOKS {
            let fresh: Vec<_> =
                Self::descendants().0.into_iter().filter(|pid| !known.contains(pid)).collect();
            for pid in &fresh {
                // ESRCH: gone meanwhile; EPERM: another user's, which the kernel does not let us signal.
                let _: Result<(), Errno> = send(*pid, signal);
            }
            if fresh.is_empty() || signal != Signal::KILL {
                break;
            }
            known.extend(fresh);
        }
    }
}

/// (pid, parent) of every process, from /proc/PID/stat (proc_pid_stat(5)).
fn read_parents() -> Vec<(Pid, Pid)> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    folder
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read(entry.path().join("stat")).ok()?;
            Some((pid, parent_in(&stat)?))
        })
        .collect()
}

/// The fourth field. The second is the name in parentheses, and may hold anything, parentheses and newlines too.
fn parent_in(stat: &[u8]) -> Option<Pid> {
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    std::str::from_utf8(&stat[after + 1..]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_stands_behind_the_last_parenthesis() {
        assert_eq!(parent_in(b"12 (a) b) 7 (x)) S 34 12 12"), Some(34));
        assert_eq!(parent_in(b"1 (sh) S 0 1 1 0"), Some(0));
        for bad in [&b""[..], b"12", b"12 (x)", b"12 (x) S", b"12 (x) S y", b"12 (x) \xff 1"] {
            assert_eq!(parent_in(bad), None);
        }
    }

    #[test]
    fn descendants_are_seen_whole() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & echo $! $$; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line)
            .unwrap();
        let pids: Vec<Pid> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        let found = Pids::descendants().0;
        for pid in &pids {
            assert!(found.contains(pid), "{pid} in {found:?}");
            send(*pid, Signal::KILL).unwrap();
        }
        child.wait().unwrap();
    }
}
