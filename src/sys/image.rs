//! Our own image in memory, and the wait in which none of it is needed.
//!
//! An init waits for hours. Its code and constants are clean pages of a file: given back with madvise(2), they are
//! mapped again, from the page cache, when they are touched. Only the page that makes the two system calls, to give
//! back and to wait, must stay; a fault on any other would map its neighbours with it (the kernel's fault-around maps
//! blocks of 64 kB), which is why those calls are a few instructions of their own.

use std::mem::MaybeUninit;

use super::spawn::forget_stack;

#[cfg(target_pointer_width = "32")]
use libc::{Elf32_Ehdr as Header, Elf32_Phdr as Segment};
#[cfg(target_pointer_width = "64")]
use libc::{Elf64_Ehdr as Header, Elf64_Phdr as Segment};

const PAGE: usize = 4096;

/// An address and a length, for madvise.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Range {
    start: usize,
    length: usize,
}

impl Range {
    const fn new(start: usize, end: usize) -> Self {
        Self { start, length: end.saturating_sub(start) }
    }
}

unsafe extern "C" {
    /// The image's first byte; every linker defines it.
    static __ehdr_start: Header;
}

// madvise(ranges[0], MADV_DONTNEED); madvise(ranges[1], MADV_DONTNEED);
// return rt_sigtimedwait(set, info, NULL, 8), which is the signal or the negative errno.
// Aligned to its size, so that it lies within one page.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".pushsection .text.rinit_rest,\"ax\",@progbits",
    ".balign 128",
    ".globl rinit_rest",
    ".hidden rinit_rest",
    ".type rinit_rest,@function",
    "rinit_rest:",
    "mov r8, rsi",
    "mov r9, rdx",
    "mov r10, rdi",
    "mov rdi, qword ptr [r10]",
    "mov rsi, qword ptr [r10 + 8]",
    "mov edx, 4",
    "mov eax, 28",
    "syscall",
    "mov rdi, qword ptr [r10 + 16]",
    "mov rsi, qword ptr [r10 + 24]",
    "mov eax, 28",
    "syscall",
    "mov rdi, r8",
    "mov rsi, r9",
    "xor edx, edx",
    "mov r10d, 8",
    "mov eax, 128",
    "syscall",
    "ret",
    ".popsection",
);

#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(
    ".pushsection .text.rinit_rest,\"ax\",@progbits",
    ".balign 128",
    ".globl rinit_rest",
    ".hidden rinit_rest",
    ".type rinit_rest,@function",
    "rinit_rest:",
    "mov x5, x0",
    "mov x6, x1",
    "mov x7, x2",
    "ldp x0, x1, [x5]",
    "mov x2, #4",
    "mov x8, #233",
    "svc #0",
    "ldp x0, x1, [x5, #16]",
    "mov x2, #4",
    "svc #0",
    "mov x0, x6",
    "mov x1, x7",
    "mov x2, #0",
    "mov x3, #8",
    "mov x8, #137",
    "svc #0",
    "ret",
    ".popsection",
);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe extern "C" {
    fn rinit_rest(ranges: *const [Range; 2], set: *const u64, info: *mut libc::siginfo_t) -> isize;
}

/// Waits for a signal of `set` as rt_sigtimedwait(2) without a timeout, with nothing of the image in memory but the
/// page that waits. Returns the signal, or something negative.
pub(super) fn rest(set: u64, info: &mut MaybeUninit<libc::siginfo_t>) -> isize {
    forget_stack();
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        let place = (rinit_rest as *const ()).addr() & !(PAGE - 1);
        let mut around = [Range::default(); 2];
        for (start, end) in clean_segments() {
            if (start..end).contains(&place) {
                around = [Range::new(start, place), Range::new(place + PAGE, end)];
                // Emulators do not take kindly to an empty range: the other one twice.
                if around[0].length == 0 {
                    around[0] = around[1];
                } else if around[1].length == 0 {
                    around[1] = around[0];
                }
            } else {
                forget(start, end);
            }
        }
        // SAFETY: segments that cannot be written to, so that nothing is lost. Where pages are larger than ours, EINVAL,
        // or one page too many, does no harm. The set and the siginfo_t are alive during the call.
        unsafe { rinit_rest(&raw const around, &raw const set, info.as_mut_ptr()) }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        clean_segments().for_each(|(start, end)| forget(start, end));
        super::signals::timed_wait(set, info, None)
    }
}

fn forget(start: usize, end: usize) {
    // SAFETY: a segment that cannot be written to, so nothing is lost. Where pages are larger than ours the kernel says
    // EINVAL, and everything stays.
    unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
}

/// The loaded segments that nobody writes to, from the start of their first page.
fn clean_segments() -> impl Iterator<Item = (usize, usize)> {
    // SAFETY: the headers are mapped with the image: they are part of its first segment.
    let segments = unsafe {
        let header = &raw const __ehdr_start;
        let table = header.byte_add((*header).e_phoff as usize).cast::<Segment>();
        std::slice::from_raw_parts(table, usize::from((*header).e_phnum))
    };
    let mut loaded = segments.iter().filter(|segment| segment.p_type == libc::PT_LOAD).peekable();
    let first = loaded.peek().map_or(0, |segment| segment.p_vaddr as usize);
    let base = (&raw const __ehdr_start).addr().wrapping_sub(first);
    loaded.filter(|segment| segment.p_flags & libc::PF_W == 0).map(move |segment| {
        let start = base.wrapping_add(segment.p_vaddr as usize);
        (start & !(PAGE - 1), (start + segment.p_memsz as usize).next_multiple_of(PAGE))
    })
}
