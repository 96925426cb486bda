//! Every place that a container can give to rinit: users, restrictions, namespaces, other inits above it.

use crate::docker::Image;
use crate::{STRAND, engine, engine_with_init, serves};

/// The same for a container with these options.
#[track_caller]
fn serves_with(options: &[&str]) {
    let Some(engine) = engine() else { return };
    serves(engine.run(options, Image::Bare, &STRAND), "/rinit");
}

#[test]
fn it_serves_as_root() {
    serves_with(&[]);
}

#[test]
fn it_serves_as_another_user() {
    serves_with(&["--user=1000:1000"]);
}

#[test]
fn it_serves_without_capabilities() {
    serves_with(&["--cap-drop=ALL"]);
}

#[test]
fn it_serves_without_new_privileges() {
    serves_with(&["--security-opt=no-new-privileges"]);
}

#[test]
fn it_serves_on_a_read_only_root() {
    serves_with(&["--read-only"]);
}

#[test]
fn it_serves_with_all_restrictions_and_a_user_that_nobody_knows() {
    serves_with(&[
        "--user=12345",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--read-only",
        "--network=none",
    ]);
}

#[test]
fn it_serves_in_the_host_s_pid_namespace() {
    serves_with(&["--pid=host"]);
}

#[test]
fn it_serves_in_another_container_s_pid_namespace_and_leaves_the_neighbour_alone() {
    let Some(engine) = engine() else { return };
    let mut neighbour = engine.run(&[], Image::Bare, &["/probe", "signals", "USR2=5"]);
    neighbour.output().ready();
    let shared = format!("--pid=container:{}", neighbour.name());
    serves(engine.run(&[&shared], Image::Bare, &STRAND), "/rinit");
    // An end with SIGTERM and SIGKILL for what is left: not one of them for the neighbour.
    let grace = ["--entrypoint=/rinit", &shared];
    let words = ["--grace=100ms", "--", "/probe", "leave", "stubborn", "2", "9"];
    let mut container = engine.run(&grace, Image::Bare, &words);
    container.output().ready();
    assert_eq!(container.wait().code(), 9);
    neighbour.kill("USR2");
    assert_eq!(neighbour.output().signal_line(), libc::SIGUSR2, "the first that it got");
    assert_eq!(neighbour.wait().code(), 5);
}

#[test]
fn it_serves_under_docker_s_own_init() {
    let Some(engine) = engine_with_init() else { return };
    serves(engine.run(&["--init"], Image::Bare, &STRAND), "/rinit");
}

#[test]
fn it_serves_under_another_rinit() {
    let Some(engine) = engine() else { return };
    serves(engine.run(&[], Image::Bare, &[&["/rinit", "--"], &STRAND[..]].concat()), "/rinit");
}
