//! The kernel's heap: size classes in slabs of whole frames; what is larger is frames itself.
//!
//! A slab is a block of one or four frames, aligned to its size, that starts with a header and
//! holds objects of one class. The free objects of a slab are a list through their first words; objects
//! that were never used are not on it but after a mark, so that a new slab costs nothing to prepare.
//! The slabs of a class that have room are a list through their headers. A slab without objects
//! gives its frames back; each class keeps the last such slab for the next object until
//! [`Heap::trim`].
//!
//! The first slab of a list stays there when it has no room or no objects, until it is in the way, so that
//! a class whose number of objects goes up and down by one does not change its list each time. No other
//! slab of a list is full or empty.
//!
//! Memory is reached only through [`Pages`], by address, so that this can be `forbid(unsafe_code)` and
//! run on the host.

use core::alloc::Layout;

use crate::frames::{FRAME_SIZE, MAX_ORDER};

/// Where the heap gets its memory, and how it reaches it.
pub trait Pages {
    /// `2^order` frames, aligned to their size: the address of the first byte, which is not 0.
    fn take(&mut self, order: u8) -> Option<usize>;
    /// Gives back what [`Self::take`] returned.
    fn give(&mut self, address: usize, order: u8);
    /// Reads the word at an aligned address in taken memory.
    fn load(&self, address: usize) -> usize;
    /// Writes the word at an aligned address in taken memory.
    fn store(&mut self, address: usize, value: usize);
}

/// Object sizes. Each is aligned to the largest power of two that divides it.
const SIZES: [u16; 14] = [
    16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048,
];
const CLASSES: usize = SIZES.len();
/// Classes of this size and above live in slabs of four frames.
const LARGE_SLAB_FROM: usize = 512;
/// The largest object that lives in a slab.
const LARGEST: usize = 2048;

const WORD: usize = size_of::<usize>();
// The words of a slab's header.
const NEXT: usize = 0;
/// Address of the slab before, 0 if it is the first, [`UNLINKED`] if it is not on the list.
const BACK: usize = WORD;
const UNLINKED: usize = usize::MAX;
/// Address of the first free object, or 0.
const FREE: usize = 2 * WORD;
/// How many objects are in use.
const USED: usize = 3 * WORD;
/// Address after the last object that was ever used.
const MARK: usize = 4 * WORD;
/// [`SIGNATURE`] plus the class.
const SIGN: usize = 5 * WORD;
const HEADER: usize = 6 * WORD;
const SIGNATURE: usize = 0x51ab_0000;

#[derive(Clone, Copy, Debug)]
struct Class {
    /// First slab of the list, or 0.
    partial: usize,
    /// A slab without objects kept for the next one, or 0. Only if the first of the list is not one.
    spare: usize,
}

/// What is allocated. Objects and bytes are exact: they return to an earlier value when, and only
/// when, everything allocated since has been freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapStats {
    /// Live allocations.
    pub objects: usize,
    /// Bytes that they asked for.
    pub bytes: usize,
    /// Frames that the heap holds.
    pub frames: usize,
}

/// An address that was handed to [`Heap::free`] is not one that the heap gave out for this layout,
/// as far as can be seen. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOurs(pub usize);

/// The allocator.
#[derive(Debug)]
pub struct Heap {
    classes: [Class; CLASSES],
    stats: HeapStats,
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

/// Geometry of one class.
#[derive(Clone, Copy)]
struct Shape {
    index: usize,
    size: usize,
    order: u8,
}

impl Shape {
    fn of(index: usize) -> Option<Self> {
        let size = usize::from(*SIZES.get(index)?);
        let order = if size >= LARGE_SLAB_FROM { 2 } else { 0 };
        Some(Self { index, size, order })
    }

    /// The smallest class for a layout; `None` if it takes whole frames.
    fn for_layout(layout: Layout) -> Option<Self> {
        if layout.size() > LARGEST || layout.align() > LARGEST {
            return None;
        }
        let fits = |size: usize| size >= layout.size() && alignment(size) >= layout.align();
        Self::of(SIZES.iter().position(|&size| fits(usize::from(size)))?)
    }

    const fn slab_size(self) -> usize {
        FRAME_SIZE << self.order
    }

    /// Offset of the first object in a slab.
    const fn first(self) -> usize {
        let align = alignment(self.size);
        HEADER.wrapping_add(align.wrapping_sub(1)) & !align.wrapping_sub(1)
    }

    /// The slab that an object is in.
    const fn slab(self, address: usize) -> usize {
        address & !self.slab_size().wrapping_sub(1)
    }
}

/// The largest power of two that divides a size.
const fn alignment(size: usize) -> usize {
    1 << size.trailing_zeros()
}

/// The order of the block for a layout that takes whole frames.
fn block_order(layout: Layout) -> Option<u8> {
    let bytes = layout.size().max(layout.align()).max(FRAME_SIZE);
    let order = bytes.checked_next_power_of_two()?.trailing_zeros();
    let order = order.checked_sub(FRAME_SIZE.trailing_zeros())? as u8;
    (order <= MAX_ORDER).then_some(order)
}

/// The address `offset` bytes into a slab.
const fn at(slab: usize, offset: usize) -> usize {
    slab.wrapping_add(offset)
}

impl Heap {
    /// An empty heap; takes no memory.
    pub const fn new() -> Self {
        Self {
            classes: [Class {
                partial: 0,
                spare: 0,
            }; CLASSES],
            stats: HeapStats {
                objects: 0,
                bytes: 0,
                frames: 0,
            },
        }
    }

    /// What is allocated.
    pub const fn stats(&self) -> HeapStats {
        self.stats
    }

    /// Allocates memory of unspecified contents. `layout` may have any size up to 4 MiB; `None` means
    /// that it is larger or that memory is exhausted.
    pub fn alloc<P: Pages>(&mut self, pages: &mut P, layout: Layout) -> Option<usize> {
        let address = match Shape::for_layout(layout) {
            Some(shape) => self.alloc_object(pages, shape)?,
            None => {
                let order = block_order(layout)?;
                let address = pages.take(order)?;
                self.stats.frames = self.stats.frames.saturating_add(1 << order);
                address
            }
        };
        self.stats.objects = self.stats.objects.saturating_add(1);
        self.stats.bytes = self.stats.bytes.saturating_add(layout.size());
        Some(address)
    }

    /// Frees memory that was allocated with this layout.
    ///
    /// # Errors
    /// [`NotOurs`] if the address cannot have come from here.
    pub fn free<P: Pages>(
        &mut self,
        pages: &mut P,
        address: usize,
        layout: Layout,
    ) -> Result<(), NotOurs> {
        match Shape::for_layout(layout) {
            Some(shape) => self.free_object(pages, shape, address)?,
            None => {
                let order = block_order(layout).ok_or(NotOurs(address))?;
                if address == 0 || !address.is_multiple_of(FRAME_SIZE << order) {
                    return Err(NotOurs(address));
                }
                pages.give(address, order);
                self.stats.frames = self.stats.frames.saturating_sub(1 << order);
            }
        }
        self.stats.objects = self.stats.objects.saturating_sub(1);
        self.stats.bytes = self.stats.bytes.saturating_sub(layout.size());
        Ok(())
    }

    /// Changes the layout of an allocation if it can stay where it is; `false` means that it cannot
    /// and that nothing has changed.
    #[must_use]
    pub fn resize(&mut self, old: Layout, new: Layout) -> bool {
        let stays = match (Shape::for_layout(old), Shape::for_layout(new)) {
            (Some(old), Some(new)) => old.index == new.index,
            (None, None) => block_order(old).is_some() && block_order(old) == block_order(new),
            _ => false,
        };
        if stays {
            let others = self.stats.bytes.saturating_sub(old.size());
            self.stats.bytes = others.saturating_add(new.size());
        }
        stays
    }

    /// Gives back the slabs that were kept without objects.
    pub fn trim<P: Pages>(&mut self, pages: &mut P) {
        for index in 0..CLASSES {
            let Some(shape) = Shape::of(index) else {
                continue;
            };
            let first = self.class(shape).map_or(0, |class| class.partial);
            if first != 0 && pages.load(at(first, USED)) == 0 {
                self.set_aside(pages, shape, first);
            }
            self.give_spare(pages, shape);
        }
    }

    fn class(&mut self, shape: Shape) -> Option<&mut Class> {
        self.classes.get_mut(shape.index)
    }

    fn give_slab<P: Pages>(&mut self, pages: &mut P, shape: Shape, slab: usize) {
        pages.store(at(slab, SIGN), 0);
        pages.give(slab, shape.order);
        self.stats.frames = self.stats.frames.saturating_sub(1 << shape.order);
    }

    fn alloc_object<P: Pages>(&mut self, pages: &mut P, shape: Shape) -> Option<usize> {
        let first = self.class(shape)?.partial;
        if first != 0
            && let Some(object) = take_object(pages, shape, first)
        {
            return Some(object);
        }
        if first != 0 {
            self.unlink(pages, shape, first);
        }
        let mut slab = self.class(shape)?.partial;
        if slab == 0 {
            slab = core::mem::take(&mut self.class(shape)?.spare);
            if slab == 0 {
                slab = self.new_slab(pages, shape)?;
            }
            self.link(pages, shape, slab);
        }
        take_object(pages, shape, slab)
    }

    fn new_slab<P: Pages>(&mut self, pages: &mut P, shape: Shape) -> Option<usize> {
        let slab = pages.take(shape.order)?;
        self.stats.frames = self.stats.frames.saturating_add(1 << shape.order);
        pages.store(at(slab, BACK), UNLINKED);
        pages.store(at(slab, FREE), 0);
        pages.store(at(slab, USED), 0);
        pages.store(at(slab, MARK), at(slab, shape.first()));
        pages.store(at(slab, SIGN), SIGNATURE.wrapping_add(shape.index));
        Some(slab)
    }

    fn free_object<P: Pages>(
        &mut self,
        pages: &mut P,
        shape: Shape,
        address: usize,
    ) -> Result<(), NotOurs> {
        let slab = shape.slab(address);
        let offset = address.wrapping_sub(slab);
        let in_place = offset
            .checked_sub(shape.first())
            .is_some_and(|o| o.is_multiple_of(shape.size));
        if slab == 0
            || !in_place
            || pages.load(at(slab, SIGN)) != SIGNATURE.wrapping_add(shape.index)
            || address >= pages.load(at(slab, MARK))
        {
            return Err(NotOurs(address));
        }
        let used = pages
            .load(at(slab, USED))
            .checked_sub(1)
            .ok_or(NotOurs(address))?;
        let free = pages.load(at(slab, FREE));
        pages.store(address, free);
        pages.store(at(slab, FREE), address);
        pages.store(at(slab, USED), used);
        if pages.load(at(slab, BACK)) == UNLINKED {
            self.link(pages, shape, slab);
        }
        if used == 0 {
            self.keep_one(pages, shape, slab);
        }
        Ok(())
    }

    /// A slab has no objects any more; of those that have none, the class keeps one.
    fn keep_one<P: Pages>(&mut self, pages: &mut P, shape: Shape, slab: usize) {
        let first = self.class(shape).map_or(0, |class| class.partial);
        if first == slab {
            self.give_spare(pages, shape);
        } else if pages.load(at(first, USED)) == 0 {
            self.unlink(pages, shape, slab);
            self.give_slab(pages, shape, slab);
        } else {
            self.set_aside(pages, shape, slab);
        }
    }

    fn give_spare<P: Pages>(&mut self, pages: &mut P, shape: Shape) {
        let spare = self
            .class(shape)
            .map_or(0, |class| core::mem::take(&mut class.spare));
        if spare != 0 {
            self.give_slab(pages, shape, spare);
        }
    }

    /// Takes a slab without objects off its class's list and keeps it instead of the one kept so far.
    fn set_aside<P: Pages>(&mut self, pages: &mut P, shape: Shape, slab: usize) {
        self.unlink(pages, shape, slab);
        self.give_spare(pages, shape);
        if let Some(class) = self.class(shape) {
            class.spare = slab;
        }
    }

    /// Puts a slab at the front of its class's list.
    fn link<P: Pages>(&mut self, pages: &mut P, shape: Shape, slab: usize) {
        let first = self.class(shape).map_or(0, |class| class.partial);
        if first != 0 {
            if pages.load(at(first, USED)) == 0 {
                self.set_aside(pages, shape, first);
            } else if !has_room(pages, shape, first) {
                self.unlink(pages, shape, first);
            }
        }
        let Some(class) = self.class(shape) else {
            return;
        };
        let next = core::mem::replace(&mut class.partial, slab);
        pages.store(at(slab, NEXT), next);
        pages.store(at(slab, BACK), 0);
        if next != 0 {
            pages.store(at(next, BACK), slab);
        }
    }

    /// Takes a slab off its class's list.
    fn unlink<P: Pages>(&mut self, pages: &mut P, shape: Shape, slab: usize) {
        let next = pages.load(at(slab, NEXT));
        let back = pages.load(at(slab, BACK));
        if next != 0 {
            pages.store(at(next, BACK), back);
        }
        if back != 0 {
            pages.store(at(back, NEXT), next);
        } else if let Some(class) = self.class(shape) {
            class.partial = next;
        }
        pages.store(at(slab, BACK), UNLINKED);
    }
}

/// Takes an object of a slab, if it has room.
fn take_object<P: Pages>(pages: &mut P, shape: Shape, slab: usize) -> Option<usize> {
    let free = pages.load(at(slab, FREE));
    let object = if free != 0 {
        let next = pages.load(free);
        pages.store(at(slab, FREE), next);
        free
    } else {
        let mark = pages.load(at(slab, MARK));
        let end = mark.wrapping_add(shape.size);
        if end > at(slab, shape.slab_size()) {
            return None;
        }
        pages.store(at(slab, MARK), end);
        mark
    };
    let used = pages.load(at(slab, USED)).wrapping_add(1);
    pages.store(at(slab, USED), used);
    Some(object)
}

/// Whether another object fits into a slab.
fn has_room<P: Pages>(pages: &P, shape: Shape, slab: usize) -> bool {
    let end = pages.load(at(slab, MARK)).wrapping_add(shape.size);
    pages.load(at(slab, FREE)) != 0 || end <= at(slab, shape.slab_size())
}

#[cfg(test)]
mod tests;
