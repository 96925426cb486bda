//! rinit as tini, docker-init, dumb-init and catatonit. Every row is run against rinit under the peer's name and,
//! where the real peer is installed, against that one as well, and the two have to agree. Where rinit differs on
//! purpose, the row says why, and only rinit is held to it.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::pedantic,
    missing_docs,
    unreachable_pub
)]

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod endings;
mod peers;
mod signals;
mod state;
