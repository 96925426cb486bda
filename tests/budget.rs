//! What the release binary may cost: its size, its memory at rest, its system calls, its wake-ups.
//!
//! These are figures of `docker/build-static`'s output, build/rinit; none of them is a time.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::pedantic,
    missing_docs
)]

mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use support::{has, lacks, namespace};

/// Bytes.
const SIZE: u64 = 150 * 1024;
/// Kilobytes of PSS as PID 1, while the command runs.
const PSS: u64 = 40;
/// System calls from the first instruction up to and with the one that makes main.
const CALLS: usize = 12;

/// The release binary, if it has been built.
fn release() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/rinit");
    (!lacks("the release binary: docker/build-static", path.exists())).then_some(path)
}

/// rinit as PID 1 with a command that does nothing, ended when this goes out of scope.
struct Resting {
    launcher: Child,
    pid: i32,
}

impl Resting {
    fn start(binary: &Path) -> Option<Self> {
        let words = namespace();
        if lacks("a pid namespace (root, or unprivileged user namespaces)", words.is_some()) {
            return None;
        }
        let words = words.unwrap_or_default();
        let mut launcher = Command::new(words[0])
            .args(&words[1..])
            .arg(binary)
            .args(["--", "sh", "-c", "echo ready; exec sleep 1000"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = launcher.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        let pid = support::children_of(launcher.id() as i32)[0];
        // It rests when it waits in rt_sigtimedwait.
        support::until("it rests", || support::state_of(pid) == Some('S'));
        Some(Self { launcher, pid })
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.pid)).unwrap()
    }

    /// The number behind `name:` in a file of /proc.
    fn number(&self, file: &str, name: &str) -> u64 {
        let text = self.read(file);
        let line = text.lines().find(|line| line.split(':').next() == Some(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        support::send(self.pid, libc::SIGKILL);
        let _ = self.launcher.wait();
    }
}

#[test]
fn the_binary_is_small_and_needs_nothing() {
    let Some(binary) = release() else { return };
    let image = std::fs::read(&binary).unwrap();
    let _ = writeln!(std::io::stderr(), "size: {} bytes", image.len());
    assert!(image.len() as u64 <= SIZE, "{} bytes", image.len());
    assert_eq!(&image[..4], b"\x7fELF");
    // No PT_INTERP (3) and no PT_DYNAMIC (2) among the program headers: nothing is loaded beside it.
    let table = u64::from_le_bytes(image[32..40].try_into().unwrap()) as usize;
    let (size, count) = (usize::from(image[54]), usize::from(image[56]));
    let kinds: Vec<u8> = (0..count).map(|index| image[table + index * size]).collect();
    assert!(kinds.contains(&1) && !kinds.contains(&2) && !kinds.contains(&3), "{kinds:?}");
}

#[test]
fn it_rests_in_little_memory_with_one_thread() {
    let Some(binary) = release() else { return };
    // A copy that was written to disk and dropped from the page cache, as an image's file is before its first start:
    // fresh pages of a file that was just written are larger, and are mapped whole.
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR").to_owned() + "/build").unwrap();
    let copy = folder.path().join("rinit");
    std::fs::copy(&binary, &copy).unwrap();
    let mut file = std::fs::File::options().read(true).write(true).open(&copy).unwrap();
    file.flush().unwrap();
    file.sync_all().unwrap();
    // SAFETY: numbers.
    unsafe {
        libc::posix_fadvise(std::os::fd::AsRawFd::as_raw_fd(&file), 0, 0, libc::POSIX_FADV_DONTNEED);
    }
    drop(file);
    let Some(resting) = Resting::start(&copy) else { return };
    let pss = resting.number("smaps_rollup", "Pss");
    let _ = writeln!(std::io::stderr(), "PSS: {pss} kB");
    assert!(pss <= PSS, "{pss} kB: {}", resting.read("smaps"));
    assert_eq!(resting.number("status", "Threads"), 1);
}

#[test]
fn it_does_not_wake_up_at_rest() {
    let Some(binary) = release() else { return };
    let Some(resting) = Resting::start(&binary) else { return };
    let switches = || resting.number("status", "voluntary_ctxt_switches");
    let before = switches();
    // The measure itself: rest is seen only over time. tini wakes up once a second.
    // SAFETY: no descriptor, only the time.
    unsafe { libc::poll(std::ptr::null_mut(), 0, 3000) };
    assert_eq!(switches(), before);
}

#[test]
fn few_system_calls_come_before_main() {
    let Some(binary) = release() else { return };
    if lacks("strace", has("strace")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let status = Command::new("strace")
        .args(["-o", trace.to_str().unwrap()])
        .arg(&binary)
        .args(["--", "true"])
        .status()
        .unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(&trace).unwrap();
    let calls: Vec<&str> = text.lines().skip(1).collect();
    let spawn =
        calls.iter().position(|line| line.starts_with("clone(") || line.starts_with("vfork(")).unwrap();
    let _ = writeln!(std::io::stderr(), "system calls before main: {spawn}");
    assert!(spawn < CALLS, "{text}");
    assert!(
        calls[0].starts_with("rt_sigprocmask(SIG_SETMASK, ~[]"),
        "the first thing is to lose no signal: {text}"
    );
}
