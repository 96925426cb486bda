//! rinit as the init of one command: what goes in, what comes out, who gets which signal.

#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs)]

mod support;

use support::{Rinit, lacks, namespace, user_namespace};

#[test]
fn all_256_exit_codes_come_through() {
    for code in 0..=255 {
        assert_eq!(Rinit::new().probe(&[], &["exit", &code.to_string()]).run().code(), code);
    }
}

#[test]
fn a_death_by_signal_is_128_plus_its_number() {
    for signal in (1..=31).chain(34..=64).filter(|signal| ![17, 18, 19, 20, 21, 22, 23, 28].contains(signal))
    {
        let outcome = Rinit::new().probe(&[], &["die", &signal.to_string()]).run();
        assert_eq!(outcome.code(), 128 + signal);
    }
}

/// Every catchable signal, one by one, to a rinit in this environment, and in the order it was sent.
fn every_signal_arrives(launcher: &[&str]) {
    let mut running = Rinit::new().behind(launcher).probe(&[], &["signals"]).spawn();
    running.ready();
    let pid = running.pid();
    for signal in (1..=64).filter(|signal| ![9, 19, 17].contains(signal)) {
        support::send(pid, signal);
        assert_eq!(running.signal_line(), signal);
    }
    support::send(pid, libc::SIGCHLD);
    support::send(pid, libc::SIGUSR1);
    assert_eq!(running.signal_line(), libc::SIGUSR1, "SIGCHLD is not forwarded");
}

#[test]
fn every_signal_arrives_through_a_plain_process() {
    every_signal_arrives(&[]);
}

#[test]
fn every_signal_arrives_through_pid_1() {
    let namespace = namespace();
    if lacks("a pid namespace (root, or unprivileged user namespaces)", namespace.is_some()) {
        return;
    }
    every_signal_arrives(&namespace.unwrap_or_default());
}

#[test]
fn every_signal_arrives_through_pid_1_of_a_user_namespace() {
    let namespace = user_namespace();
    if lacks("unprivileged user namespaces", namespace.is_some()) {
        return;
    }
    every_signal_arrives(&namespace.unwrap_or_default());
}
