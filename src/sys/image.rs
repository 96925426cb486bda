//! Our own image in memory.

use super::spawn::forget_stack;

#[cfg(target_pointer_width = "32")]
use libc::{Elf32_Ehdr as Header, Elf32_Phdr as Segment};
#[cfg(target_pointer_width = "64")]
use libc::{Elf64_Ehdr as Header, Elf64_Phdr as Segment};

/// Gives the memory back that only the start needed: the child's stack, and the code and constants that have been
/// used once. They are clean pages of the file: what is needed again is mapped again, from the page cache, when it
/// is touched (madvise(2), MADV_DONTNEED). An init that waits for hours then holds the pages of its loop alone.
pub fn forget_start() {
    const PAGE: usize = 4096;
    unsafe extern "C" {
        /// The image's first byte; every linker defines it.
        static __ehdr_start: Header;
    }
    forget_stack();
    // SAFETY: the headers are mapped with the image: they are part of its first segment.
    let segments = unsafe {
        let header = &raw const __ehdr_start;
        let table = header.byte_add((*header).e_phoff as usize).cast::<Segment>();
        std::slice::from_raw_parts(table, usize::from((*header).e_phnum))
    };
    let is_loaded = |segment: &&Segment| segment.p_type == libc::PT_LOAD;
    let Some(first) = segments.iter().find(is_loaded) else { return };
    let base = (&raw const __ehdr_start).addr().wrapping_sub(first.p_vaddr as usize);
    // All ranges first: the headers themselves lie in one of them.
    let mut ranges = [(0, 0); 4];
    let clean = segments.iter().filter(is_loaded).filter(|segment| segment.p_flags & libc::PF_W == 0);
    for (range, segment) in ranges.iter_mut().zip(clean) {
        let start = base.wrapping_add(segment.p_vaddr as usize);
        let end = start + segment.p_memsz as usize;
        *range = (start & !(PAGE - 1), end);
    }
    for (start, end) in ranges.into_iter().filter(|(start, end)| start < end) {
        // SAFETY: a segment that cannot be written to, so nothing is lost. Where pages are larger than ours the kernel
        // says EINVAL, and everything stays.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_DONTNEED) };
    }
}
