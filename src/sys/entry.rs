//! The very first instructions, and the C `main`.
//!
//! A signal that reaches PID 1 while it has neither a handler for it nor a block on it is dropped by the kernel
//! (`sig_task_ignored` in kernel/signal.c), and any other process would die of it. So the image's entry point is
//! not the C library's `_start` but six instructions of ours that block every signal and then jump there: nothing
//! the C library does, not even its first page fault, comes before. What was blocked before is kept for main.
//!
//! There is no Rust runtime start either (`#![no_main]`): it would ignore SIGPIPE, open closed descriptors 0 to 2,
//! and set an alternate stack, each with system calls and each to be undone for main.

use std::ffi::{c_char, c_int};

use super::{Signals, Strings};
use crate::signal::SignalSet;

/// What the entry point leaves for `main`: the mask that we were started with, and whether it ran at all
/// (a build that lost the linker argument starts at `_start`).
#[repr(C)]
#[derive(Clone, Copy)]
struct Inherited {
    mask: u64,
    blocked: u64,
}

#[unsafe(no_mangle)]
static mut RINIT_INHERITED: Inherited = Inherited { mask: 0, blocked: 0 };

// rt_sigprocmask(SIG_SETMASK, &all, &RINIT_INHERITED.mask, 8); RINIT_INHERITED.blocked = 1; goto _start.
// rdx must survive: the ABI hands `_start` a function pointer (or 0) in it.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".pushsection .text.rinit_start,\"ax\",@progbits",
    ".globl rinit_start",
    ".type rinit_start,@function",
    "rinit_start:",
    "mov r8, rdx",
    "push -1",
    "mov rsi, rsp",
    "lea rdx, [rip + RINIT_INHERITED]",
    "mov edi, 2",
    "mov r10d, 8",
    "mov eax, 14",
    "syscall",
    "mov qword ptr [rip + RINIT_INHERITED + 8], 1",
    "pop rsi",
    "mov rdx, r8",
    "jmp _start",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".pushsection .text.rinit_start,\"ax\",@progbits",
    ".globl rinit_start",
    ".type rinit_start,@function",
    "rinit_start:",
    "mov x5, x0",
    "mov x4, #-1",
    "str x4, [sp, #-16]!",
    "mov x1, sp",
    "adrp x2, RINIT_INHERITED",
    "add x2, x2, :lo12:RINIT_INHERITED",
    "mov x0, #2",
    "mov x3, #8",
    "mov x8, #135",
    "svc #0",
    "mov x4, #1",
    "str x4, [x2, #8]",
    "add sp, sp, #16",
    "mov x0, x5",
    "b _start",
    ".popsection",
);

/// Everything the process was started with.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The command line, argv\[0\] first.
    pub arguments: Strings,
    /// The environment.
    pub environment: Strings,
    /// The mask that was in force before our first instruction.
    pub mask: SignalSet,
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// Called by the C `main` that `entry!` makes.
///
/// # Safety
/// `argv` is the array that the C runtime gave to `main`.
#[must_use]
pub unsafe fn start(argc: c_int, argv: *const *const c_char) -> Start {
    // SAFETY: one thread; the entry point wrote it before `_start`, and nothing else ever writes it.
    let inherited = unsafe { (&raw const RINIT_INHERITED).read() };
    let mask = match inherited.blocked {
        1 => SignalSet::from_bits(inherited.mask),
        _ => Signals::block_all(),
    };
    // SAFETY: the C runtime's argv and environ: NULL-terminated arrays of C strings that live as long as we do.
    unsafe {
        Start {
            arguments: Strings::from_raw(argv, argc as usize),
            environment: Strings::from_terminated(environ),
            mask,
        }
    }
}

/// Makes the C `main` of the binary: it runs `$run(Start) -> u8` and ends with that code.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        /// The C runtime's way in.
        #[allow(unsafe_code, missing_docs, clippy::not_unsafe_ptr_arg_deref)]
        #[unsafe(no_mangle)]
        pub extern "C" fn main(
            argc: ::std::ffi::c_int,
            argv: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: these are the C runtime's own arguments.
            let start = unsafe { $crate::sys::entry::start(argc, argv) };
            ::std::ffi::c_int::from($run(start))
        }
    };
}
