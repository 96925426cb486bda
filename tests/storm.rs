//! Storms: signals by the thousand while children die, and orphans by the thousand.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    missing_docs
)]

mod support;

use std::collections::HashMap;

use support::{Rinit, Running, children_of, lacks, namespace, probe, send, until};

/// Below main: a shell that makes an orphan, waits for it to be there, and makes the next, until it is killed.
const DYING: &str = "(while :; do (: & :); done) & echo \"churn $!\"; exec \"$@\"";

/// Main, and children that die beside it all the time: rinit, and the pid of the shell that makes them.
fn with_dying_children(name: &str, options: &[&str]) -> (Running, i32) {
    let path = probe();
    let words = ["--", "sh", "-c", DYING, "sh", path.to_str().unwrap(), "signals"];
    let mut running = Rinit::new().named(name).args(options).args(words).spawn();
    let line = running.line();
    let churn = line.strip_prefix("churn ").unwrap().parse().unwrap();
    running.ready();
    (running, churn)
}

/// A signal with a value. When the kernel's queue is full, the sender tries again, as a sender has to.
fn queue(pid: i32, signal: i32, value: usize) {
    let value = libc::sigval { sival_ptr: value as *mut libc::c_void };
    until("there is room in the queue", || {
        // SAFETY: numbers; the pointer is one that nobody follows.
        let sent = unsafe { libc::sigqueue(pid, signal, value) } == 0;
        assert!(sent || std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN));
        sent
    });
}

#[test]
fn ten_thousand_queued_signals_arrive_each_and_in_order() {
    const COUNT: usize = 10_000;
    const KINDS: usize = 5;
    for (name, options) in [("rinit", &[][..]), ("tini", &["-s"][..]), ("catatonit", &[][..])] {
        let (mut running, churn) = with_dying_children(name, options);
        let init = running.pid();
        for value in 0..COUNT {
            queue(init, 40 + (value % KINDS) as i32, value);
        }
        // Each kind comes in its own order, whole.
        let mut next: HashMap<i32, usize> = (0..KINDS).map(|kind| (40 + kind as i32, kind)).collect();
        let mut seen = 0;
        while seen < COUNT {
            let line = running.line();
            let words: Vec<&str> = line.split(' ').collect();
            let signal: i32 = words[1].parse().unwrap();
            // The shell that makes orphans is main's own child, and main blocks and tells of its SIGCHLD.
            if signal == libc::SIGCHLD {
                continue;
            }
            let next = next.get_mut(&signal).unwrap_or_else(|| panic!("'{line}'"));
            assert_eq!(words[5].parse::<usize>().unwrap(), *next, "{name}: '{line}' after {seen}");
            *next += KINDS;
            seen += 1;
        }
        send(churn, libc::SIGKILL);
        end(running, init);
    }
}

/// Main ends by SIGKILL, and rinit by main.
fn end(running: Running, init: i32) {
    let main = children_of(init).into_iter().find(|pid| {
        std::fs::read_link(format!("/proc/{pid}/exe"))
            .is_ok_and(|exe| exe == std::fs::canonicalize(probe()).unwrap())
    });
    send(main.expect("main is there"), libc::SIGKILL);
    assert_eq!(running.wait().code(), 137);
}

#[test]
fn of_ten_thousand_standard_signals_none_is_forgotten() {
    const ROUNDS: usize = 100;
    const EACH: usize = 100;
    const KINDS: [i32; 5] = [libc::SIGHUP, libc::SIGINT, libc::SIGUSR1, libc::SIGUSR2, libc::SIGTERM];
    /// Behind all of KINDS, since the lowest number is taken first.
    const MARK: i32 = 60;
    for (name, options) in
        [("rinit", &[][..]), ("rinit", &["-g"][..]), ("tini", &["-s"][..]), ("dumb-init", &["-c"][..])]
    {
        let (mut running, churn) = with_dying_children(name, options);
        let init = running.pid();
        for round in 0..ROUNDS {
            for index in 0..EACH {
                send(init, KINDS[index % KINDS.len()]);
            }
            // Standard signals do not queue: of those that wait, one of a kind is left. But that one must come.
            send(init, MARK);
            let mut came = Vec::new();
            loop {
                match running.signal_line() {
                    MARK => break,
                    libc::SIGCHLD => {}
                    signal => came.push(signal),
                }
            }
            for kind in KINDS {
                assert!(came.contains(&kind), "{name} {options:?}, round {round}: no {kind} in {came:?}");
            }
        }
        // With -g it may be gone already.
        // SAFETY: numbers.
        unsafe { libc::kill(churn, libc::SIGKILL) };
        end(running, init);
    }
}

#[test]
fn a_full_queue_costs_the_value_and_not_the_signal() {
    if lacks("prlimit", support::has("prlimit")) {
        return;
    }
    for (name, options) in [("rinit", &[][..]), ("tini", &["-s"][..])] {
        let path = probe();
        let words = ["--", "prlimit", "--sigpending=0", path.to_str().unwrap(), "signals", "TERM=0"];
        let mut running = Rinit::new().named(name).args(options).args(words).spawn();
        running.ready();
        let init = running.pid();
        for signal in [libc::SIGUSR1, 40, 64] {
            queue(init, signal, 1);
            assert_eq!(running.signal_line(), signal, "{name}");
        }
        send(init, libc::SIGTERM);
        assert_eq!(running.wait().code(), 0);
    }
}

/// Orphans by the thousand, of which none may be left.
fn reaps(name: &str, options: &[&str], launcher: &[&str], count: usize) {
    let mut running =
        Rinit::new().named(name).behind(launcher).probe(options, &["orphans", &count.to_string()]).spawn();
    running.ready();
    let init = running.pid();
    until("none but main is left", || children_of(init).len() == 1);
    send(init, libc::SIGTERM);
    while running.signal_line() != libc::SIGTERM {}
    assert_eq!(running.wait().code(), 0, "{name}");
}

#[test]
fn twenty_thousand_orphans_are_reaped_by_pid_1() {
    let namespace = namespace();
    if lacks("a pid namespace", namespace.is_some()) {
        return;
    }
    let namespace = namespace.unwrap_or_default();
    reaps("rinit", &[], &namespace, 20_000);
    for name in ["tini", "dumb-init", "catatonit"] {
        reaps(name, &[], &namespace, 2_000);
    }
}

#[test]
fn orphans_are_reaped_by_a_subreaper() {
    reaps("rinit", &[], &[], 5_000);
    reaps("tini", &["-s"], &[], 1_000);
    reaps("catatonit", &[], &[], 1_000);
}
