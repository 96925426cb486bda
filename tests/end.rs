//! The end: what is left when main is gone, and what is done about it, as PID 1 and as any other process.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::pedantic,
    missing_docs
)]

mod support;

use support::{Outcome, Rinit, has, lacks, namespace};

/// Runs the test as a plain process and as PID 1.
fn both(test: impl Fn(&[&str])) {
    test(&[]);
    let namespace = namespace();
    if !lacks("a pid namespace (root, or unprivileged user namespaces)", namespace.is_some()) {
        test(&namespace.unwrap_or_default());
    }
}

/// Runs the probe as main, which leaves `count` of `kind` behind; none of them is there any more afterwards.
#[track_caller]
fn leave(launcher: &[&str], options: &[&str], kind: &str, code: i32) -> Outcome {
    let words = ["leave", kind, "4", &code.to_string(), "on", "10"];
    let mut running = Rinit::new().behind(launcher).probe(options, &words).spawn();
    running.ready();
    let below = support::descendants_of(running.pid());
    assert_eq!(below.len(), 5);
    running.kill(libc::SIGUSR1);
    let outcome = running.wait();
    for pid in below {
        assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap(), "{pid} is left: {outcome:?}");
    }
    outcome
}

#[test]
fn obedient_leftovers_end_by_sigterm_and_main_s_code_stays() {
    both(|launcher| {
        for kind in ["obedient", "away"] {
            let outcome = leave(launcher, &["--grace", "60s"], kind, 7);
            assert_eq!((outcome.code(), outcome.stderr.as_str()), (7, ""));
        }
    });
}

#[test]
fn stopped_leftovers_are_continued_to_take_it() {
    both(|launcher| {
        let outcome = leave(launcher, &["--grace", "60s"], "stopped", 0);
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""));
    });
}

#[test]
fn stubborn_leftovers_get_sigkill_after_the_grace() {
    both(|launcher| {
        let outcome = leave(launcher, &["--grace", "200ms"], "stubborn", 3);
        assert_eq!(outcome.code(), 3);
        assert_eq!(outcome.stderr, "rinit: the grace is over: SIGKILL to all that is left\n");
    });
}

#[test]
fn two_seconds_are_given_where_nobody_said() {
    let start = std::time::Instant::now();
    let outcome = leave(&[], &[], "stubborn", 0);
    assert_eq!(outcome.code(), 0);
    assert!(start.elapsed() >= std::time::Duration::from_secs(2), "it may take longer, but not less");
}

#[test]
fn a_main_that_ignores_the_stop_is_killed_after_the_grace_with_all_it_started() {
    both(|launcher| {
        let script = "\"$0\" signals & exec \"$0\" signals";
        let mut running = Rinit::new()
            .behind(launcher)
            .args(["--grace", "300ms", "--", "sh", "-c", script])
            .args([support::probe()])
            .spawn();
        running.ready();
        running.ready();
        let below = support::descendants_of(running.pid());
        assert_eq!(below.len(), 2);
        running.kill(libc::SIGTERM);
        assert_eq!(running.signal_line(), libc::SIGTERM);
        let outcome = running.wait();
        assert_eq!(outcome.code(), 137);
        assert!(outcome.stderr.contains("the grace is over"), "{outcome:?}");
        for pid in below {
            assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap());
        }
    });
}

#[test]
fn a_main_that_obeys_the_stop_gives_its_own_code() {
    both(|launcher| {
        for (signal, word, code) in
            [(15, "TERM=0", 0), (15, "TERM=5", 5), (3, "QUIT=143", 143), (2, "INT=130", 130)]
        {
            let mut running =
                Rinit::new().behind(launcher).probe(&["--grace=60s"], &["signals", word]).spawn();
            running.ready();
            running.kill(signal);
            let outcome = running.wait();
            assert_eq!((outcome.code(), outcome.stderr.as_str()), (code, ""));
        }
    });
}

#[test]
fn a_main_that_does_nothing_about_sigterm_ends_with_143() {
    both(|launcher| {
        let script = "echo ready 0; exec sleep 1000";
        let mut running = Rinit::new().behind(launcher).args(["--", "sh", "-c", script]).spawn();
        running.ready();
        running.kill(libc::SIGTERM);
        assert_eq!(running.wait().code(), 143);
    });
}

#[test]
fn codes_become_zero_where_asked() {
    for (options, code) in [(&["-e", "143"][..], 0), (&["--remap-exit=7", "-e143"], 0), (&["-e", "1"], 143)] {
        let script = "kill -TERM $$";
        let outcome = Rinit::new().args(options).args(["--", "sh", "-c", script]).run();
        assert_eq!(outcome.code(), code);
    }
}

#[test]
fn a_killed_main_is_named() {
    let outcome = Rinit::new().args(["--", "sh", "-c", "kill -KILL $$"]).run();
    assert_eq!(outcome.code(), 137);
    assert_eq!(
        outcome.stderr,
        "rinit: sh was killed by SIGKILL, which did not come through rinit (out of memory?)\n"
    );
}

#[test]
fn kill_minus_one_is_for_pid_1_alone() {
    if lacks("strace", has("strace")) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let strace = ["strace", "-o", trace.to_str().unwrap(), "-e", "trace=kill"];
    let outcome =
        Rinit::new().behind(strace).probe(&["--grace=100ms"], &["leave", "stubborn", "2", "1"]).run();
    assert_eq!(outcome.code(), 1);
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(text.contains("SIGKILL"), "{text}");
    assert!(!text.contains("kill(-1,"), "{text}");
}
