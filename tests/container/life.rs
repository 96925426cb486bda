//! A container's life: stop, kill, exec, bad descriptors, limits, and what is left at its end.

use crate::docker::{Image, other_children_of, parent_of};
use crate::support::{send, until};
use crate::{engine, engine_and_shell};

#[test]
fn docker_stop_ends_it_at_once_with_the_program_s_own_code() {
    let Some(engine) = engine() else { return };
    let mut container = engine.run(&[], Image::Bare, &["/probe", "signals", "TERM=7"]);
    container.output().ready();
    // If it took the engine's SIGKILL, that would come after this test has lost its patience.
    engine.ask(&["stop", "-t", "600", container.name()]);
    assert_eq!(container.output().signal_line(), libc::SIGTERM);
    assert_eq!(container.wait().code(), 7);
}

#[test]
fn docker_stop_ends_a_program_without_handlers_with_143() {
    let Some(engine) = engine_and_shell() else { return };
    let mut container = engine.run(&[], Image::Shell, &["/bin/sh", "-c", "echo ready 0; exec sleep 1000"]);
    container.output().ready();
    engine.ask(&["stop", "-t", "600", container.name()]);
    let outcome = container.wait();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (128 + libc::SIGTERM, ""));
}

#[test]
fn every_signal_of_docker_kill_arrives_as_sent() {
    let Some(engine) = engine() else { return };
    let mut container = engine.run(&[], Image::Bare, &["/probe", "signals"]);
    container.output().ready();
    let not_to_be_caught = [libc::SIGKILL, libc::SIGSTOP];
    for signal in (1..=31).filter(|signal| *signal != libc::SIGCHLD && !not_to_be_caught.contains(signal)) {
        container.kill(&signal.to_string());
        assert_eq!(container.output().signal_line(), signal);
    }
    for (name, signal) in [("HUP", 1), ("SIGTERM", 15), ("RTMIN+3", 37), ("40", 40), ("RTMAX", 64)] {
        container.kill(name);
        assert_eq!(container.output().signal_line(), signal);
    }
}

#[test]
fn orphans_of_docker_exec_are_reaped() {
    let Some(engine) = engine() else { return };
    let mut container = engine.run(&[], Image::Bare, &["/probe", "signals", "TERM=0"]);
    let probe = container.output().ready();
    let probe = container.process(probe);
    let init = parent_of(probe);
    engine.ask(&["exec", "-d", container.name(), "/probe", "leave", "obedient", "2", "0"]);
    let mut orphans = Vec::new();
    until("the orphans are adopted", || {
        orphans = other_children_of(init, probe);
        orphans.len() == 2
    });
    for orphan in orphans {
        send(orphan, libc::SIGTERM);
    }
    until("the orphans are reaped", || other_children_of(init, probe).is_empty());
    container.kill("TERM");
    assert_eq!(container.wait().code(), 0);
}

#[test]
fn a_full_stderr_harms_nothing() {
    let Some(engine) = engine_and_shell() else { return };
    let script = "exec 2>/dev/full; exec /rinit -vv -- /probe exit 41";
    let mut container = engine.run(&["--entrypoint=/bin/sh"], Image::Shell, &["-c", script]);
    assert_eq!(container.wait().code(), 41);
}

#[test]
fn closed_standard_descriptors_harm_nothing() {
    let Some(engine) = engine_and_shell() else { return };
    let script = "exec <&- >&- 2>&-; exec /rinit -vv -- /bin/sh -c '[ ! -e /proc/self/fd/1 ] && exit 42'";
    let mut container = engine.run(&["--entrypoint=/bin/sh"], Image::Shell, &["-c", script]);
    let outcome = container.wait();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (42, ""));
}

#[test]
fn a_limit_of_one_process_is_named() {
    let Some(engine) = engine() else { return };
    let mut container = engine.run(&["--pids-limit=1"], Image::Bare, &["/probe", "exit", "0"]);
    let outcome = container.wait();
    assert_eq!(outcome.code(), 70);
    assert!(outcome.stderr.contains("--pids-limit"), "{outcome:?}");
}

#[test]
fn leftovers_get_sigterm_before_the_container_ends() {
    let Some(engine) = engine() else { return };
    let words = ["--grace=1h", "--", "/probe", "leave", "telling", "3", "6"];
    let mut container = engine.run(&["--entrypoint=/rinit"], Image::Bare, &words);
    container.output().ready();
    for _ in 0..3 {
        assert_eq!(container.output().signal_line(), libc::SIGTERM);
    }
    let outcome = container.wait();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (6, ""));
}

#[test]
fn obedient_leftovers_of_every_kind_end_the_container_at_once() {
    let Some(engine) = engine() else { return };
    for kind in ["obedient", "away", "stopped"] {
        let words = ["--grace=1h", "--", "/probe", "leave", kind, "2", "8"];
        let mut container = engine.run(&["--entrypoint=/rinit"], Image::Bare, &words);
        container.output().ready();
        let outcome = container.wait();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (8, ""), "{kind}");
    }
}

#[test]
fn stubborn_leftovers_are_killed_after_two_seconds_or_the_grace() {
    let Some(engine) = engine() else { return };
    for (options, least) in [(&[][..], 2000), (&["--grace=300ms"][..], 300)] {
        let words = [options, &["--", "/probe", "leave", "stubborn", "2", "11"]].concat();
        let mut container = engine.run(&["--entrypoint=/rinit"], Image::Bare, &words);
        container.output().ready();
        let start = std::time::Instant::now();
        let outcome = container.wait();
        assert_eq!(outcome.code(), 11);
        assert_eq!(outcome.stderr, "rinit: the grace is over: SIGKILL to all that is left\n");
        // It says `ready` before it ends, and the line takes its time to us: only a part of it is for certain.
        assert!(start.elapsed().as_millis() * 2 >= least, "{:?}", start.elapsed());
    }
}
