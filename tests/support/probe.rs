//! The child of the tests. It says `ready PID` when everything is in place, then a line for each thing that happens,
//! so that no test needs to wait for time. Static like rinit, so that it runs in an empty image.
//!
//!     probe signals [SIGNAL=CODE]...  a line `signal N code C value V` for each signal; ends with CODE on SIGNAL
//!     probe terminal [SIGNAL=CODE]... first a line `place pgid P sid S foreground F`; then as `signals`, but the stop
//!                                     keys of a terminal stop it
//!     probe exit CODE                 ends
//!     probe die SIGNAL                ends by the signal
//!     probe state                     what it was given: ids, groups, mask, dispositions, descriptors, folder
//!     probe words [ARG]...            its arguments and environment, escaped
//!     probe orphans COUNT             makes COUNT orphans that end at once, then acts as `signals TERM=0`
//!     probe strand COUNT [SIGNAL=CODE]...
//!                                     makes COUNT orphans that stay, then acts as `signals`
//!     probe leave KIND COUNT CODE [on SIGNAL]
//!                                     leaves COUNT descendants behind and ends with CODE; KIND: obedient, stubborn,
//!                                     stopped, away (obedient, in a session of their own), telling (a line for each
//!                                     signal, as `signals TERM=0` has it)

#![no_main]
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;

// No Rust runtime start: it would ignore SIGPIPE and open closed descriptors before we can look.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    run();
    0
}

fn run() {
    let arguments: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words[..] {
        ["signals", ref ends @ ..] => signals(ends, u64::MAX),
        ["terminal", ref ends @ ..] => terminal(ends),
        ["exit", code] => std::process::exit(number(code)),
        ["die", signal] => die(number(signal)),
        ["state"] => state(),
        ["words", ..] => show_words(),
        ["orphans", count] => orphans(number(count)),
        ["strand", count, ref ends @ ..] => strand(number(count), ends),
        ["leave", kind, count, code] => leave(kind, number(count), number(code), None),
        ["leave", kind, count, code, "on", signal] => {
            leave(kind, number(count), number(code), Some(number(signal)));
        }
        _ => panic!("probe: what is {words:?}?"),
    }
}

fn number(text: &str) -> i32 {
    text.parse().unwrap_or_else(|_| panic!("probe: '{text}' is no number"))
}

/// One line, whole. A test that has gone away is no reason to fail.
fn say(line: &str) {
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

fn block_all() {
    block(u64::MAX);
}

fn block(set: u64) {
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const set, 0, 8);
    }
}

fn terminal(ends: &[&str]) {
    let (group, session, front) = unsafe { (libc::getpgrp(), libc::getsid(0), front()) };
    say(&format!("place pgid {group} sid {session} foreground {front}"));
    let stops = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
    signals(ends, stops.iter().fold(u64::MAX, |set, signal| set & !(1 << (signal - 1))));
}

/// The foreground group of the controlling terminal, whatever standard input is.
unsafe fn front() -> i32 {
    unsafe {
        let fd = libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let front = libc::tcgetpgrp(fd);
        libc::close(fd);
        front
    }
}

/// Takes the signals of `blocked`; the others do what they do.
fn signals(ends: &[&str], blocked: u64) {
    let ends: Vec<(i32, i32)> = ends
        .iter()
        .map(|end| {
            let (signal, code) =
                end.split_once('=').unwrap_or_else(|| panic!("probe: SIGNAL=CODE, not '{end}'"));
            let signal =
                rinit::signal::Signal::parse(signal.as_bytes()).unwrap_or_else(|| panic!("probe: '{end}'"));
            (signal.number(), number(code))
        })
        .collect();
    block(blocked);
    say(&format!("ready {}", std::process::id()));
    tell(&ends, blocked);
}

/// A line for each signal, up to one that ends this process.
fn tell(ends: &[(i32, i32)], blocked: u64) -> ! {
    loop {
        let (signal, code, value) = next_signal(blocked);
        say(&format!("signal {signal} code {code} value {value}"));
        if let Some((_, code)) = ends.iter().find(|(end, _)| *end == signal) {
            std::process::exit(*code);
        }
    }
}

fn next_signal(wanted: u64) -> (i32, i32, usize) {
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        loop {
            let signal =
                libc::syscall(libc::SYS_rt_sigtimedwait, &raw const wanted, &raw mut info, 0usize, 8usize)
                    as i32;
            if signal > 0 {
                return (signal, info.si_code, info.si_value().sival_ptr as usize);
            }
        }
    }
}

fn die(signal: i32) {
    unsafe {
        // No core file.
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
    }
    panic!("probe: signal {signal} did not end it");
}

fn state() {
    // From system calls, not from /proc: it has to work without.
    unsafe {
        say(&format!(
            "ids pid {} ppid {} pgid {} sid {}",
            libc::getpid(),
            libc::getppid(),
            libc::getpgrp(),
            libc::getsid(0)
        ));
        say(&format!("user {} {}", libc::getuid(), libc::getgid()));
        say(&format!("foreground {}", libc::tcgetpgrp(0)));
        let mut mask = 0u64;
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, 0, &raw mut mask, 8);
        say(&format!("blocked {mask:016x}"));
        let mut ignored = 0u64;
        for signal in 1..=64i32 {
            // The kernel's own structure: the C libraries hide 32 and 33.
            let mut action = [0u64; 4];
            libc::syscall(libc::SYS_rt_sigaction, signal, 0, &raw mut action, 8);
            if action[0] == libc::SIG_IGN as u64 {
                ignored |= 1 << (signal - 1);
            }
        }
        say(&format!("ignored {ignored:016x}"));
        let open: Vec<String> =
            (0..64).filter(|fd| libc::fcntl(*fd, libc::F_GETFD) != -1).map(|fd| fd.to_string()).collect();
        say(&format!("open {}", open.join(" ")));
    }
    let folder = std::env::current_dir().unwrap_or_default();
    say(&format!("folder {}", folder.display()));
}

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn show_words() {
    for word in std::env::args_os().skip(2) {
        say(&format!("word {}", escaped(word.as_bytes())));
    }
    for (name, value) in std::env::vars_os() {
        say(&format!("variable {}={}", escaped(name.as_bytes()), escaped(value.as_bytes())));
    }
}

/// Forks; the child does `work` and ends with 0.
fn fork(work: impl FnOnce()) -> i32 {
    // SAFETY: one thread.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "probe: fork failed");
    if pid == 0 {
        work();
        // SAFETY: ends this process.
        unsafe { libc::_exit(0) };
    }
    pid
}

fn wait_for(pid: i32) {
    // SAFETY: our own child.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
}

fn orphans(count: i32) {
    // A middle process, whose end makes them orphans. Each holds the pipe, so that its end says that all have ended.
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let middle = fork(|| {
        for _ in 0..count {
            fork(|| ());
        }
    });
    drop(writer);
    wait_for(middle);
    let mut nothing = Vec::new();
    // The end of the pipe: all of them have ended.
    reader.read_to_end(&mut nothing).expect("the end of the pipe");
    signals(&["TERM=0"], u64::MAX);
}

fn strand(count: i32, ends: &[&str]) {
    let middle = fork(|| {
        for _ in 0..count {
            fork(|| pause());
        }
    });
    wait_for(middle);
    signals(ends, u64::MAX);
}

fn pause() -> ! {
    loop {
        unsafe { libc::pause() };
    }
}

fn leave(kind: &str, count: i32, code: i32, on: Option<i32>) {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    for _ in 0..count {
        let writer = writer.try_clone().expect("another end");
        fork(|| {
            let mut writer = writer;
            unsafe {
                match kind {
                    "obedient" | "stopped" => {}
                    "stubborn" | "telling" => block_all(),
                    "away" => assert!(libc::setsid() > 0),
                    _ => panic!("probe: what is '{kind}'?"),
                }
            }
            writer.write_all(b"x").expect("the parent waits");
            drop(writer);
            if kind == "stopped" {
                unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
            }
            if kind == "telling" {
                tell(&[(libc::SIGTERM, 0)], u64::MAX);
            }
            pause();
        });
    }
    drop(writer);
    let mut ready = vec![0; count as usize];
    reader.read_exact(&mut ready).expect("a byte from each");
    if let Some(signal) = on {
        block_all();
        say(&format!("ready {}", std::process::id()));
        while next_signal(u64::MAX).0 != signal {}
    } else {
        say(&format!("ready {}", std::process::id()));
    }
    std::process::exit(code);
}
