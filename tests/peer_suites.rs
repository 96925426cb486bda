//! dumb-init's and tini's own test suites, with rinit in their place. The script beside this file fetches and runs
//! them; where it cannot have them, it says so with code 77.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    missing_docs
)]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{lacks, rinit};

/// What the script ends with where a suite or its tools are not to be had.
const MISSING: i32 = 77;

/// Runs one suite to its end and shows what it said.
fn passes(peer: &str, last_words: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peer-suites").join(peer);
    std::fs::create_dir_all(&folder).unwrap();
    // Into a file: a process that a test left behind would keep a pipe open.
    let log = folder.join("output");
    let output = File::create(&log).unwrap();
    let mut command = Command::new(root.join("tests/peer-suites"));
    command.args([rinit().as_os_str(), peer.as_ref(), folder.as_os_str()]);
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    // tini's suite shows what its children ignore, and knows no name for the 32 and 33 that cargo leaves ignored.
    support::with_signals(&mut command, Vec::new(), 0);
    let status = command.status().unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    eprintln!("{text}");
    if lacks(&format!("the sources of {peer}, and pip ({})", text.trim()), status.code() != Some(MISSING)) {
        return;
    }
    assert!(status.success(), "{status}: {text}");
    assert!(text.starts_with(&format!("{peer} ")), "the version that was run: {text}");
    assert!(text.contains(last_words) && !text.contains(" failed"), "{text}");
}

#[test]
fn dumb_inits_own_suite_passes() {
    passes("dumb-init", " passed");
}

#[test]
fn tinis_own_suite_passes() {
    passes("tini", "All done, tests as expected");
}
