//! rinit: a tiny static PID 1 for containers.
//!
//! ```text
//! argv ─┐                            now, Event
//!       ├─► cli ─► plan::Plan ──┬──────────────► core::Machine ──► [Action] ─┐
//! env  ─┘                       │               (pure: no clock, no process) │
//!                               └─► driver: waits in one place ◄─────────────┘ performs through sys
//!                                      └──────► exit code
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::expect_used))]

pub mod cli;
pub mod core;
mod driver;
mod duration;
pub mod plan;
pub mod signal;
pub mod status;
pub mod sys;
mod voice;

use cli::{Invocation, Personality, Request};
use plan::Plan;
use sys::entry::Start;

/// The whole program: from what the process was started with to its exit code.
#[must_use]
pub fn run(start: Start) -> u8 {
    let name = start.arguments.get(0).map_or(&b""[..], |name| name.to_bytes());
    let personality = Personality::named(name);
    let pid = sys::own_pid();
    let invocation =
        Invocation { name, arguments: start.arguments.skip(1), environment: start.environment, pid };
    match cli::parse(personality, invocation) {
        Request::Run(typed) => {
            driver::run(&Plan::new(personality, &typed, start.environment), start.mask, pid)
        }
        Request::Print { stdout, text, code } => {
            sys::write_all(if stdout { 1 } else { 2 }, &text);
            code
        }
    }
}
