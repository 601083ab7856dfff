//! Memory that a device may write to: blocks of adjacent pages.
//!
//! A device does not know that its driver has died. So a block's pages do not become free with its last
//! descriptor: it is *left behind*, and given back only when whoever holds the memory scheme's root
//! says that no device writes to such blocks any more ([`VERB_RECLAIM`]). The bus driver does so after it
//! has stopped the device, having held a descriptor of the block as long as the device was running.

use super::{Kind, memory::Source};
use crate::{
    error::{Halt, Outcome, fail},
    kernel::{Kernel, Space},
    memory::space::{Loan, Prot, Request, Terms},
};
use core::mem::size_of;
use kernel_core::slab::Id;
use syscall::error::*;

/// Verb of `SYS_CALL` on the memory scheme's root: frees the blocks that were left behind, and answers
/// how many there were.
pub const VERB_RECLAIM: u64 = cap_abi::memory::RECLAIM;

/// Adjacent pages, mapped by any number of spaces.
pub struct Block {
    pages: Loan,
    size: usize,
    /// There is no descriptor any more.
    left: bool,
}

impl Kernel {
    /// A new block of so many bytes, zeroed.
    pub fn dma_create(&mut self, size: u64) -> Outcome<Id<Block>> {
        let size = usize::try_from(size).map_err(|_| Halt::Errno(ENOMEM))?;
        if size == 0 {
            return fail(EINVAL);
        }
        // A block that there is no room for would lose its pages.
        self.blocks.reserve_one()?;
        let pages = Loan::contiguous(&mut self.memory, size / crate::memory::PAGE_SIZE)?;
        let block = Block {
            pages,
            size,
            left: false,
        };
        Ok(self.blocks.insert(block)?)
    }

    /// Maps a block, from its beginning, with never more than `limit`.
    pub fn dma_map(
        &mut self,
        id: Id<Block>,
        space: Id<Space>,
        request: &Request,
        offset: usize,
        limit: Prot,
    ) -> Outcome {
        let block = self.blocks.get(id).ok_or(Halt::Errno(EBADF))?;
        if offset != 0 || request.size > block.size {
            return fail(EINVAL);
        }
        let loan = block.pages.again(&mut self.memory)?;
        let terms = Terms {
            record: None,
            offset: 0,
            max: Prot::READ.union(Prot::WRITE).intersection(limit),
        };
        self.change(space, |space, memory, released| {
            Ok(space.map_loan(memory, request, loan, &terms, released)?)
        })
    }

    /// `SYS_CALL` on a block: its physical address.
    pub fn dma_address(&mut self, id: Id<Block>, base: usize, len: usize) -> Outcome {
        if len != size_of::<u64>() {
            return fail(EINVAL);
        }
        let block = self.blocks.get(id).ok_or(Halt::Errno(EBADF))?;
        let address = block.pages.first_address();
        self.write_word(self.current_space, base, address as usize)?;
        Ok(0)
    }

    /// The last descriptor of a block is gone.
    pub fn dma_close(&mut self, id: Id<Block>) {
        if let Some(block) = self.blocks.get_mut(id) {
            block.left = true;
        }
    }

    /// `SYS_CALL` on the memory scheme's root.
    pub fn memory_root_call(&mut self, metadata: &[u64; 8]) -> Outcome {
        let [verb, ..] = *metadata;
        if verb != VERB_RECLAIM {
            return fail(EINVAL);
        }
        let mut count = 0_usize;
        loop {
            let left = self.blocks.iter().find(|(_, block)| block.left);
            let Some(id) = left.map(|(id, _)| id) else {
                return Ok(count);
            };
            if let Some(block) = self.blocks.remove(id) {
                block.pages.release(&mut self.memory);
                count = count.saturating_add(1);
            }
        }
    }
}

/// The block behind a kind, if it is one.
pub const fn block_of(kind: Kind) -> Option<Id<Block>> {
    match kind {
        Kind::Memory(Source::Dma(id)) => Some(id),
        _ => None,
    }
}
