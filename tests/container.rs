//! rinit as the entry point of real containers: every way that Docker and podman start one, and what their users do
//! with it.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::pedantic,
    missing_docs,
    unreachable_pub
)]

mod support;

#[path = "support/docker.rs"]
mod docker;

#[path = "support/pty.rs"]
mod pty;

#[path = "container/engines.rs"]
mod engines;
#[path = "container/life.rs"]
mod life;
#[path = "container/places.rs"]
mod places;
#[path = "container/restarts.rs"]
mod restarts;
#[path = "container/tty.rs"]
mod tty;

use docker::{Container, Engine, busybox, other_children_of, parent_of};
use support::{lacks, send, until};

/// The engine, or this test is skipped.
fn engine() -> Option<Engine> {
    let engine = Engine::local();
    (!lacks("a Docker Engine", engine.is_some())).then_some(engine?)
}

/// The engine and a shell to put into the image, or this test is skipped.
fn engine_and_shell() -> Option<Engine> {
    let engine = engine()?;
    (!lacks("a static busybox", busybox().is_some())).then_some(engine)
}

/// The engine, where `docker run --init` can work, or this test is skipped.
fn engine_with_init() -> Option<Engine> {
    let engine = engine()?;
    let format = "{{range .Server.Components}}{{if eq .Name \"docker-init\"}}{{.Version}}{{end}}{{end}}";
    let there = !matches!(engine.ask(&["version", "--format", format]).as_str(), "" | "N/A");
    (!lacks("docker-init", there)).then_some(engine)
}

/// The file that a process runs, as that process sees it.
fn program_of(pid: i32) -> String {
    std::fs::read_link(format!("/proc/{pid}/exe")).unwrap().display().to_string()
}

/// Orphans that stay, each signal told, and a code of its own.
const STRAND: [&str; 4] = ["/probe", "strand", "3", "USR2=37"];

/// What every container is for: orphans are adopted and reaped, signals arrive, the code comes through, and nothing is
/// said about it. `init` is the probe's parent. The container runs STRAND.
#[track_caller]
fn serves(mut container: Container, init: &str) {
    let probe = container.output().ready();
    let probe = container.process(probe);
    let parent = parent_of(probe);
    assert_eq!(program_of(parent), init);
    let orphans = other_children_of(parent, probe);
    assert_eq!(orphans.len(), 3, "they are adopted");
    for orphan in orphans {
        send(orphan, libc::SIGKILL);
    }
    until("the orphans are reaped", || other_children_of(parent, probe).is_empty());
    container.kill("USR1");
    assert_eq!(container.output().signal_line(), libc::SIGUSR1);
    container.kill("USR2");
    assert_eq!(container.output().signal_line(), libc::SIGUSR2);
    let outcome = container.wait();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (37, ""));
    assert!(outcome.stdout.is_empty(), "{outcome:?}");
}
