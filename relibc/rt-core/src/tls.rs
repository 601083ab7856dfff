//! Where a thread's memory goes: thread-local storage and the thread control block (TCB).
//!
//! x86-64 uses variant II: the thread pointer (the FS base) is the address of the TCB, and the
//! thread-local block ends there, so that variables have negative offsets. The linker computes an
//! offset as if the block's length were rounded up to its alignment (ELF Handling For Thread-Local
//! Storage, 3.4.6).

use crate::elf::TlsTemplate;
use crate::{PAGE_SIZE, page_ceil};

/// Offsets into one allocation that holds a thread's block and TCB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Length of the allocation: whole pages.
    pub len: usize,
    /// Offset of the initial image's copy. The rest of the block, up to `tcb`, is zero.
    pub image: usize,
    /// Offset of the TCB: a page boundary.
    pub tcb: usize,
}

/// Lays out a block of `template` and a TCB of `tcb_len` bytes in page-aligned memory. `None` when
/// it does not fit the address space.
#[must_use]
pub fn layout(template: Option<&TlsTemplate>, tcb_len: usize) -> Option<Layout> {
    let (block, align) = template.map_or((0, 1), |t| (t.block_len, t.align));
    if !align.is_power_of_two() || align > PAGE_SIZE {
        return None;
    }
    let rounded = block.checked_next_multiple_of(align)?;
    let tcb = page_ceil(rounded)?;
    let len = tcb.checked_add(page_ceil(tcb_len)?)?;
    Some(Layout {
        len,
        image: tcb.checked_sub(rounded)?,
        tcb,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let t = |block_len, align| TlsTemplate {
            address: 0x1000,
            image_len: 0,
            block_len,
            align,
        };
        // Block length, alignment, TCB length; wanted length, image offset, TCB offset.
        let rows = [
            (None, 4096, Some((0x1000, 0, 0))),
            (None, 4097, Some((0x2000, 0, 0))),
            (Some(t(1, 1)), 4096, Some((0x2000, 0xfff, 0x1000))),
            (Some(t(0x48, 16)), 4096, Some((0x2000, 0xfb0, 0x1000))),
            (Some(t(0x1000, 8)), 4096, Some((0x2000, 0, 0x1000))),
            (Some(t(0x1001, 4096)), 4096, Some((0x3000, 0, 0x2000))),
            (Some(t(8, 3)), 4096, None),
            (Some(t(8, 0x2000)), 4096, None),
            (Some(t(usize::MAX - 4, 8)), 4096, None),
        ];
        for (template, tcb_len, want) in rows {
            let got = layout(template.as_ref(), tcb_len).map(|l| (l.len, l.image, l.tcb));
            assert_eq!(got, want, "{template:?} {tcb_len}");
        }
    }
}
