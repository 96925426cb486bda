//! What the tests share: starting rinit in each way there is, and waiting for lines and ends, never for time.

#![allow(dead_code, unreachable_pub, clippy::print_stderr, clippy::pedantic)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A test that has heard nothing for this long has failed. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The rinit under test: `RINIT_TEST_BIN`, or the one that cargo built.
pub fn rinit() -> PathBuf {
    std::env::var_os("RINIT_TEST_BIN").map_or_else(|| env!("CARGO_BIN_EXE_rinit").into(), PathBuf::from)
}

/// The probe. `cargo test` builds it, being an example; `cargo test --test NAME` does not, so it is asked for here.
pub fn probe() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let test = std::env::current_exe().unwrap();
            let folder = test.parent().and_then(Path::parent).unwrap();
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--example", "probe", "--target-dir"]);
            cargo.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
            if !cfg!(debug_assertions) {
                cargo.arg("--release");
            }
            let built = cargo.status().is_ok_and(|status| status.success());
            let probe = folder.join("examples/probe");
            assert!(built || probe.exists(), "cargo build --example probe failed");
            probe
        })
        .clone()
}

/// Writes a program. Not by this process: a child that another test forks meanwhile would hold the file open for
/// writing, and it could not be executed (ETXTBSY of execve(2)).
pub fn write_program(path: &Path, content: &[u8], mode: u32) {
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod \"$1\" \"$0\""])
        .arg(path)
        .arg(format!("{mode:o}"))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), content).unwrap();
    assert!(shell.wait().unwrap().success());
}

/// Copies a program, so that anybody can execute it.
pub fn copy_program(from: &Path, to: &Path) {
    write_program(to, &std::fs::read(from).unwrap(), 0o755);
}

/// Says that a test is skipped, or fails it where everything is required. True: skip.
pub fn lacks(needed: &str, there: bool) -> bool {
    if there {
        return false;
    }
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    assert!(
        std::env::var("RINIT_TEST_REQUIRE").as_deref() != Ok("all"),
        "{name} needs {needed}, and RINIT_TEST_REQUIRE=all forbids to skip it"
    );
    // Not eprintln: the test harness would keep it to itself.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("{name}: skipped: needs {needed}\n").as_bytes(),
    );
    true
}

/// Whether we are root.
pub fn is_root() -> bool {
    // SAFETY: no arguments.
    unsafe { libc::geteuid() == 0 }
}

/// Whether a program is in PATH.
pub fn has(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(program).is_file())
}

/// The launcher of a pid namespace of its own, where this user may have one: rinit is PID 1 then.
pub fn namespace() -> Option<Vec<&'static str>> {
    let root: &[&str] = &["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let user: &[&str] =
        &["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    [root, user].into_iter().find(|words| works(words)).map(<[_]>::to_vec)
}

/// The same, in a user namespace as well.
pub fn user_namespace() -> Option<Vec<&'static str>> {
    let words = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    works(&words).then(|| words.to_vec())
}

fn works(words: &[&str]) -> bool {
    Command::new(words[0])
        .args(&words[1..])
        .arg("true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A start of rinit that is being described.
#[must_use]
pub struct Rinit {
    launcher: Vec<String>,
    program: PathBuf,
    name: Option<(tempfile::TempDir, PathBuf)>,
    words: Vec<std::ffi::OsString>,
    change: Box<dyn FnOnce(&mut Command)>,
}

impl Default for Rinit {
    fn default() -> Self {
        Self::new()
    }
}

impl Rinit {
    /// As a plain process.
    pub fn new() -> Self {
        let program = rinit();
        Self { launcher: Vec::new(), program, name: None, words: Vec::new(), change: Box::new(|_| ()) }
    }

    /// Behind these words: `unshare`, `strace`, `setpriv` …
    pub fn behind<S: AsRef<str>>(mut self, launcher: impl IntoIterator<Item = S>) -> Self {
        self.launcher.extend(launcher.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Another program in rinit's place: a real peer, to compare with.
    pub fn instead(mut self, program: &Path) -> Self {
        self.program = program.to_owned();
        self
    }

    /// Through a link of this name.
    pub fn named(mut self, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(&self.program, &link).unwrap();
        self.name = Some((folder, link));
        self
    }

    /// With these words: options, `--`, the command.
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.words.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Options, then `--`, then the probe with these words.
    pub fn probe(self, options: &[&str], words: &[&str]) -> Self {
        self.args(options).args(["--"]).args([probe()]).args(words)
    }

    /// Any other change of the command.
    pub fn with(mut self, change: impl FnOnce(&mut Command) + 'static) -> Self {
        let before = self.change;
        self.change = Box::new(move |command| {
            before(command);
            change(command);
        });
        self
    }

    /// The command, with output to be read.
    fn command(self) -> (Command, Option<tempfile::TempDir>) {
        let (folder, program) = match self.name {
            Some((folder, link)) => (Some(folder), link),
            None => (None, self.program),
        };
        let mut words: Vec<std::ffi::OsString> = self.launcher.iter().map(Into::into).collect();
        words.push(program.into_os_string());
        words.extend(self.words);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            let bytes = name.as_encoded_bytes();
            let starts = |with: &str| bytes.starts_with(with.as_bytes());
            if ["TINI_", "DUMB_INIT_", "CATATONIT_", "LISTEN_", "POSIXLY_CORRECT"].into_iter().any(starts) {
                command.env_remove(name);
            }
        }
        (self.change)(&mut command);
        (command, folder)
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(self) -> Running {
        let behind = (!self.launcher.is_empty()).then(|| std::fs::canonicalize(&self.program).unwrap());
        let (command, folder) = self.command();
        let mut running = Running::start(command);
        running.behind = behind;
        running._folder = folder;
        running
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.spawn().wait()
    }
}

/// A rinit that runs. What is left of it is killed when this goes out of scope.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<std::thread::JoinHandle<String>>,
    behind: Option<PathBuf>,
    _folder: Option<tempfile::TempDir>,
}

/// What is left of one that has ended.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// The lines of standard output that nobody had read yet.
    pub stdout: Vec<String>,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// The exit code; a death by signal fails the test.
    #[track_caller]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("killed by a signal: {self:?}"))
    }

    /// Standard output as text.
    pub fn stdout_text(&self) -> String {
        self.stdout.iter().map(|line| format!("{line}\n")).collect()
    }

    /// The signal that it died of.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }
}

impl Running {
    /// Any other command whose output is to be read, where it is a pipe.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                }
            });
        }
        let stderr = child.stderr.take().map(|mut stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        Self { child, lines, stderr, behind: None, _folder: None }
    }

    /// The next line of standard output.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => {
                let _ = self.child.kill();
                let stderr = self.stderr.take().and_then(|thread| thread.join().ok());
                panic!("no line came ({error}); stderr: {stderr:?}");
            }
        }
    }

    /// The next line of standard output, or `None` at its end.
    #[track_caller]
    pub fn line_or_end(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(error) => panic!("no line came, and no end ({error})"),
        }
    }

    /// Waits for the probe's `ready`; its pid, as it sees it.
    #[track_caller]
    pub fn ready(&mut self) -> i32 {
        let line = self.line();
        let pid = line.strip_prefix("ready ").unwrap_or_else(|| panic!("'{line}' is not 'ready PID'"));
        pid.parse().unwrap()
    }

    /// The probe's next signal.
    #[track_caller]
    pub fn signal_line(&mut self) -> i32 {
        let line = self.line();
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("signal"), "'{line}'");
        words.next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("'{line}'"))
    }

    /// The pid of rinit itself, seen from here. Behind a launcher it is the first descendant that runs rinit.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        let pid = self.child.id() as i32;
        let Some(target) = &self.behind else { return pid };
        let mut all = vec![pid];
        let mut next = 0;
        while let Some(pid) = all.get(next).copied() {
            if std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == *target) {
                return pid;
            }
            all.extend(children_of(pid));
            next += 1;
        }
        panic!("no rinit among {all:?}");
    }

    /// The process that was started: rinit, or its launcher.
    pub fn launcher(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends a signal to rinit.
    #[track_caller]
    pub fn kill(&self, signal: i32) {
        send(self.pid(), signal);
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let status = wait_with_patience(&mut self.child);
        // The pipe may be held open by what a peer's personality leaves behind: read what is there.
        let mut stdout = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(200)) {
            stdout.push(line);
        }
        let stderr = self.stderr.take().map(|thread| thread.join().unwrap()).unwrap_or_default();
        Outcome { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for pid in descendants_of(self.child.id() as i32) {
            // SAFETY: numbers.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a child of ours ends while there is patience. It is not reaped.
pub fn ends_in_time(pid: u32) -> bool {
    // A pidfd becomes readable when the process ends (pidfd_open(2)).
    // SAFETY: numbers, and one pollfd.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0) as i32;
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let ended = libc::poll(&raw mut poll, 1, PATIENCE.as_millis() as i32) == 1;
        libc::close(fd);
        ended
    }
}

/// Waits for the end of a child.
#[track_caller]
pub fn wait_with_patience(child: &mut Child) -> ExitStatus {
    assert!(ends_in_time(child.id()), "it does not end: {child:?}");
    child.wait().unwrap()
}

/// Sends a signal to any process.
#[track_caller]
pub fn send(pid: i32, signal: i32) {
    // SAFETY: numbers.
    let result = unsafe { libc::kill(pid, signal) };
    assert_eq!(result, 0, "kill {pid} {signal}: {}", std::io::Error::last_os_error());
}

/// The children of a process, as /proc has them.
pub fn children_of(pid: i32) -> Vec<i32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// All descendants.
pub fn descendants_of(pid: i32) -> Vec<i32> {
    let mut all = children_of(pid);
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        all.extend(children_of(pid));
        next += 1;
    }
    all
}

/// Looks until `condition` holds: for things that the kernel tells nobody. The pause between two looks is no timing
/// of the test, only politeness.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never came true: {what}");
        std::thread::yield_now();
    }
}

/// The state letter of a process (`S`, `T`, `Z` …), or `None` where there is none.
pub fn state_of(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// A child that ignores exactly these signals, and blocks exactly those, from its first instruction on. (std's own
/// spawn leaves 32 and 33 ignored.)
pub fn with_signals(command: &mut Command, ignored: Vec<i32>, blocked: u64) {
    // SAFETY: only system calls; the kernel's sigaction begins with the handler.
    unsafe {
        command.pre_exec(move || {
            for signal in 1..=64i32 {
                let handler = if ignored.contains(&signal) { libc::SIG_IGN } else { libc::SIG_DFL };
                // The kernel's own structure: the C library refuses its own signals.
                let action = [handler as u64, 0, 0, 0];
                libc::syscall(libc::SYS_rt_sigaction, signal, &raw const action, 0, 8);
            }
            libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const blocked, 0, 8);
            Ok(())
        });
    }
}
