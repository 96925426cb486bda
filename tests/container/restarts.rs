//! What the engine's restart policies make of rinit's exit codes.

use crate::docker::{Container, Engine, Image};
use crate::engine;
use crate::support::Running;

/// Starts a container that ends with each of these codes under a restart policy, all at once, and compares what the
/// engine makes of it: the number of times that it is to be started, and the state afterwards. Where it would go on
/// for ever, two starts are enough.
#[track_caller]
fn restarts(policy: &str, wanted: &[(i32, u32, &str)]) {
    let Some(engine) = engine() else { return };
    let restart = format!("--restart={policy}");
    let started: Vec<(Container, Running)> = wanted
        .iter()
        .map(|(code, ..)| {
            let number = (code % 128).to_string();
            let end = if *code > 128 { "die" } else { "exit" };
            let container = engine.create(&[&restart], Image::Bare, &["/probe", end, &number]);
            let events = follow(&engine, &container);
            engine.ask(&["start", container.name()]);
            (container, events)
        })
        .collect();
    for ((code, starts, state), (container, mut events)) in wanted.iter().zip(started) {
        for _ in 0..*starts {
            assert_eq!(events.line(), "start", "{policy} {code}");
            assert_eq!(events.line(), format!("die {code}"), "{policy}");
        }
        if *state == "restarted" {
            continue;
        }
        // The state is set before the event is told. One that is to be started again is `restarting`.
        let found = container.inspect("{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}");
        assert_eq!(found, format!("{state} {} {code}", starts - 1), "{policy}");
    }
}

/// A line for each start and each end of a container.
fn follow(engine: &Engine, container: &Container) -> Running {
    // By id: a name would also mean all names that begin with it.
    let (since, filter) = (container.inspect("{{.Created}}"), container.inspect("container={{.Id}}"));
    let words = ["events", "--since", &since, "--filter", &filter, "--filter", "event=start"];
    let format = "{{.Action}}{{with index .Actor.Attributes \"exitCode\"}} {{.}}{{end}}";
    Running::start(engine.command(&[&words[..], &["--filter", "event=die", "--format", format]].concat()))
}

#[test]
fn without_a_restart_policy_no_code_starts_it_again() {
    restarts("no", &[(0, 1, "exited"), (1, 1, "exited"), (143, 1, "exited")]);
}

#[test]
fn on_failure_starts_it_again_unless_the_code_is_0() {
    restarts("on-failure:2", &[(0, 1, "exited"), (1, 3, "exited"), (143, 3, "exited")]);
}

#[test]
fn always_starts_it_again_whatever_the_code() {
    restarts("always", &[(0, 2, "restarted"), (1, 2, "restarted"), (143, 2, "restarted")]);
}

#[test]
fn unless_stopped_starts_it_again_whatever_the_code() {
    restarts("unless-stopped", &[(0, 2, "restarted"), (1, 2, "restarted"), (143, 2, "restarted")]);
}

#[test]
fn a_container_that_was_stopped_stays_down_whatever_its_policy() {
    let Some(engine) = engine() else { return };
    for policy in ["--restart=always", "--restart=unless-stopped", "--restart=on-failure"] {
        let container = engine.create(&[policy], Image::Bare, &["/probe", "signals", "TERM=1"]);
        let mut events = follow(&engine, &container);
        // Attached, so that its `ready` is seen.
        let mut output = Running::start(engine.command(&["start", "-a", container.name()]));
        output.ready();
        engine.ask(&["stop", "-t", "600", container.name()]);
        assert_eq!([events.line(), events.line()], ["start", "die 1"]);
        let found = container.inspect("{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}");
        assert_eq!(found, "exited 0 1", "{policy}");
    }
}
