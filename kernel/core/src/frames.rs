//! Physical memory, frame by frame: a buddy allocator whose state is one record per frame.
//!
//! Memory comes in zones (runs of frame numbers with few holes). A block of order `k` is `2^k`
//! frames, aligned to its size by frame number. Only the first frame of a block has a head record;
//! all others say "interior". That is what makes wrong frees detectable at no cost: freeing an
//! interior, free, reserved or unknown frame is an error, never corruption.
//!
//! Every allocated block carries a reference count and the name of its owner, so that frames can
//! be shared and memory accounted for.

/// log2 of the size of a frame in bytes.
pub const FRAME_SHIFT: u32 = 12;
/// Size of a frame in bytes.
pub const FRAME_SIZE: usize = 1 << FRAME_SHIFT;
/// The largest order: 1024 frames, 4 MiB.
pub const MAX_ORDER: u8 = 10;
/// How many zones fit.
pub const MAX_ZONES: usize = 16;

const ORDERS: usize = MAX_ORDER as usize + 1;
/// No frame: the end of a list.
const NONE: u32 = u32::MAX;

/// The number of a frame of physical memory: its address divided by [`FRAME_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame(u32);

impl Frame {
    /// The frame with this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The frame that contains a physical address; `None` above 16 TiB.
    pub const fn containing(address: u64) -> Option<Self> {
        let number = address >> FRAME_SHIFT;
        if number < NONE as u64 {
            Some(Self(number as u32))
        } else {
            None
        }
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The physical address of its first byte.
    pub const fn address(self) -> u64 {
        (self.0 as u64) << FRAME_SHIFT
    }

    /// The frame `n` further on; wraps at the end of the number range.
    pub const fn offset(self, n: u32) -> Self {
        Self(self.0.wrapping_add(n))
    }
}

/// Who a block was allocated for; used for accounting only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Owner {
    /// The kernel itself, outside its heap.
    Kernel = 0,
    /// The kernel's heap.
    Heap = 1,
    /// Page tables.
    Table = 2,
    /// Pages of user memory.
    User = 3,
}

impl Owner {
    const ALL: [Self; 4] = [Self::Kernel, Self::Heap, Self::Table, Self::User];

    fn from_index(index: u8) -> Self {
        Self::ALL
            .get(usize::from(index))
            .copied()
            .unwrap_or(Self::Kernel)
    }
}

/// Why a frame operation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// No zone contains the frame.
    Unknown(Frame),
    /// The frame is not allocated: freed twice, or never handed out.
    NotAllocated(Frame),
    /// The frame is inside a larger block; only the block's first frame names it.
    Interior(Frame),
    /// The reference count is at its limit.
    TooManyReferences(Frame),
    /// More than [`MAX_ZONES`] zones, or a zone that overlaps another.
    BadZone,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum State {
    /// Not memory that can be handed out.
    #[default]
    Reserved,
    /// First frame of a free block.
    Free,
    /// First frame of an allocated block.
    Used,
    /// Any other frame of a block.
    Interior,
}

/// What is known about one frame. The allocator is given an array of these for each zone.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Record {
    state: State,
    order: u8,
    owner: u8,
    /// Free: the next free block of this order. Used: the reference count.
    link: u32,
    /// Free: the previous free block of this order.
    back: u32,
}

/// How much memory there is, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameStats {
    /// All frames that were ever given to the allocator.
    pub total: usize,
    /// Free frames.
    pub free: usize,
    /// Allocated frames by [`Owner`], in its order.
    pub used: [usize; 4],
}

impl FrameStats {
    /// Frames allocated for this owner.
    pub fn used_by(&self, owner: Owner) -> usize {
        self.used.get(owner as usize).copied().unwrap_or(0)
    }
}

/// A run of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameRange {
    /// Number of the first frame.
    pub first: u32,
    /// How many frames.
    pub count: u32,
}

impl FrameRange {
    /// The frames that are wholly inside `len` bytes from a physical address. Frame 0 and what is
    /// above 16 TiB is left out.
    pub fn inside(base: u64, len: u64) -> Self {
        let size = FRAME_SIZE as u64;
        let limit = u64::from(NONE).wrapping_sub(1);
        let first = base.div_ceil(size).clamp(1, limit);
        let end = (base.saturating_add(len) >> FRAME_SHIFT).clamp(first, limit);
        Self {
            first: first as u32,
            count: end.saturating_sub(first) as u32,
        }
    }

    /// Number of the frame after the last.
    pub const fn end(self) -> u32 {
        self.first.saturating_add(self.count)
    }
}

/// Chooses zones that contain all of `ranges` (ascending, without overlaps): one for each range, but
/// one for several where the hole between them costs fewer records than a zone is worth, or
/// where there would be too many. Returns how many zones there are.
pub fn plan_zones(ranges: &[FrameRange], zones: &mut [FrameRange; MAX_ZONES]) -> usize {
    let mut tolerated = SMALL_HOLE;
    loop {
        if let Some(count) = plan_with(ranges, zones, tolerated) {
            return count;
        }
        tolerated = tolerated.saturating_mul(2);
    }
}

/// A hole of at most this many frames (48 KiB of records) does not end a zone.
const SMALL_HOLE: u32 = 4096;

fn plan_with(
    ranges: &[FrameRange],
    zones: &mut [FrameRange; MAX_ZONES],
    tolerated: u32,
) -> Option<usize> {
    let mut count = 0_usize;
    for range in ranges.iter().filter(|range| range.count > 0) {
        let last = count.checked_sub(1).and_then(|last| zones.get_mut(last));
        match last {
            // With the greatest tolerance every range joins the first.
            Some(last) if range.first.saturating_sub(last.end()) <= tolerated => {
                last.count = range.end().saturating_sub(last.first).max(last.count);
            }
            _ => {
                *zones.get_mut(count)? = *range;
                count = count.saturating_add(1);
            }
        }
    }
    Some(count)
}

struct Zone<'a> {
    first: u32,
    records: &'a mut [Record],
    heads: [u32; ORDERS],
    /// Bit `k`: there is a free block of order `k`.
    available: u16,
}

impl Zone<'_> {
    const fn none() -> Self {
        Self {
            first: 0,
            records: &mut [],
            heads: [NONE; ORDERS],
            available: 0,
        }
    }

    fn index(&self, frame: u32) -> Option<usize> {
        let index = frame.checked_sub(self.first)? as usize;
        (index < self.records.len()).then_some(index)
    }

    fn get(&self, frame: u32) -> Option<&Record> {
        self.records.get(self.index(frame)?)
    }

    fn get_mut(&mut self, frame: u32) -> Option<&mut Record> {
        let index = self.index(frame)?;
        self.records.get_mut(index)
    }

    fn head(&self, order: u8) -> u32 {
        self.heads.get(usize::from(order)).copied().unwrap_or(NONE)
    }

    fn set_head(&mut self, order: u8, frame: u32) {
        if let Some(head) = self.heads.get_mut(usize::from(order)) {
            *head = frame;
        }
        let bit = 1_u16.wrapping_shl(u32::from(order));
        if frame == NONE {
            self.available &= !bit;
        } else {
            self.available |= bit;
        }
    }

    fn push(&mut self, frame: u32, order: u8) {
        let next = self.head(order);
        if let Some(record) = self.get_mut(next) {
            record.back = frame;
        }
        if let Some(record) = self.get_mut(frame) {
            *record = Record {
                state: State::Free,
                order,
                owner: 0,
                link: next,
                back: NONE,
            };
        }
        self.set_head(order, frame);
    }

    fn unlink(&mut self, frame: u32) {
        let Some(&Record {
            order, link, back, ..
        }) = self.get(frame)
        else {
            return;
        };
        match self.get_mut(back) {
            Some(previous) => previous.link = link,
            None => self.set_head(order, link),
        }
        if let Some(next) = self.get_mut(link) {
            next.back = back;
        }
    }

    fn set_state(&mut self, frame: u32, state: State) {
        if let Some(record) = self.get_mut(frame) {
            record.state = state;
        }
    }

    fn alloc(&mut self, order: u8, owner: Owner) -> Option<u32> {
        let fitting = self.available.checked_shr(u32::from(order))?;
        if fitting == 0 {
            return None;
        }
        // Below 16, as `fitting` has 16 bits.
        let mut have = order.wrapping_add(fitting.trailing_zeros() as u8);
        let frame = self.head(have);
        self.unlink(frame);
        while have > order {
            have = have.wrapping_sub(1);
            self.push(frame.wrapping_add(1 << have), have);
        }
        *self.get_mut(frame)? = Record {
            state: State::Used,
            order,
            owner: owner as u8,
            link: 1,
            back: NONE,
        };
        Some(frame)
    }

    /// Makes a block free, joining it with its buddies.
    fn free(&mut self, mut frame: u32, mut order: u8) {
        while order < MAX_ORDER {
            let buddy = frame ^ (1 << order);
            match self.get(buddy) {
                Some(record) if record.state == State::Free && record.order == order => {}
                _ => break,
            }
            self.unlink(buddy);
            self.set_state(frame.max(buddy), State::Interior);
            frame = frame.min(buddy);
            order = order.wrapping_add(1);
        }
        self.push(frame, order);
    }
}

/// The allocator: zones in the order in which they were added, and the totals.
pub struct Buddy<'a> {
    /// The first `count` of these.
    zones: [Zone<'a>; MAX_ZONES],
    count: usize,
    stats: FrameStats,
}

impl Default for Buddy<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Buddy<'a> {
    /// An allocator without memory.
    pub const fn new() -> Self {
        Self {
            zones: [const { Zone::none() }; MAX_ZONES],
            count: 0,
            stats: FrameStats {
                total: 0,
                free: 0,
                used: [0; 4],
            },
        }
    }

    /// Adds the frames `first..first + records.len()`, all reserved until [`Self::add_free`] names
    /// them. Contents of `records` do not matter.
    ///
    /// # Errors
    /// [`FrameError::BadZone`].
    pub fn add_zone(&mut self, first: Frame, records: &'a mut [Record]) -> Result<(), FrameError> {
        let end = u32::try_from(records.len())
            .ok()
            .and_then(|len| first.0.checked_add(len))
            .filter(|&end| end != NONE)
            .ok_or(FrameError::BadZone)?;
        let overlaps = self.zones().iter().any(|zone| {
            let zone_end = zone.first.saturating_add(zone.records.len() as u32);
            zone.first < end && first.0 < zone_end
        });
        if overlaps {
            return Err(FrameError::BadZone);
        }
        let slot = self.zones.get_mut(self.count).ok_or(FrameError::BadZone)?;
        records.fill(Record::default());
        slot.first = first.0;
        slot.records = records;
        self.count = self.count.wrapping_add(1);
        Ok(())
    }

    /// Hands reserved frames `first..first + count` of one zone to the allocator.
    ///
    /// # Errors
    /// [`FrameError::Unknown`] or [`FrameError::NotAllocated`] names the first frame that is outside
    /// the zone or not reserved; nothing has changed then.
    pub fn add_free(&mut self, first: Frame, count: u32) -> Result<(), FrameError> {
        let end = first
            .0
            .checked_add(count)
            .ok_or(FrameError::Unknown(first))?;
        let zone = self.zone_mut(first)?;
        for number in first.0..end {
            match zone.get(number) {
                None => return Err(FrameError::Unknown(Frame(number))),
                Some(record) if record.state != State::Reserved => {
                    return Err(FrameError::NotAllocated(Frame(number)));
                }
                Some(_) => {}
            }
        }
        for number in first.0..end {
            zone.set_state(number, State::Interior);
        }
        let mut at = first.0;
        while at < end {
            let fit = end.wrapping_sub(at).ilog2();
            let order = at.trailing_zeros().min(fit).min(u32::from(MAX_ORDER)) as u8;
            zone.free(at, order);
            at = at.saturating_add(1 << order);
        }
        self.stats.total = self.stats.total.saturating_add(count as usize);
        self.stats.free = self.stats.free.saturating_add(count as usize);
        Ok(())
    }

    fn zones(&self) -> &[Zone<'a>] {
        self.zones.get(..self.count).unwrap_or(&[])
    }

    fn zone(&self, frame: Frame) -> Result<&Zone<'a>, FrameError> {
        self.zones()
            .iter()
            .find(|zone| zone.index(frame.0).is_some())
            .ok_or(FrameError::Unknown(frame))
    }

    fn zone_mut(&mut self, frame: Frame) -> Result<&mut Zone<'a>, FrameError> {
        self.zones
            .iter_mut()
            .find(|zone| zone.index(frame.0).is_some())
            .ok_or(FrameError::Unknown(frame))
    }

    fn account(&mut self, owner: Owner, frames: usize, taken: bool) {
        let Some(used) = self.stats.used.get_mut(owner as usize) else {
            return;
        };
        if taken {
            *used = used.saturating_add(frames);
            self.stats.free = self.stats.free.saturating_sub(frames);
        } else {
            *used = used.saturating_sub(frames);
            self.stats.free = self.stats.free.saturating_add(frames);
        }
    }

    /// How many frames are free.
    #[inline]
    pub const fn free_count(&self) -> usize {
        self.stats.free
    }

    /// Allocates `2^order` frames with one reference, from the first zone that can.
    pub fn alloc(&mut self, order: u8, owner: Owner) -> Option<Frame> {
        if order > MAX_ORDER {
            return None;
        }
        let zones = self.zones.get_mut(..self.count)?;
        let frame = zones.iter_mut().find_map(|zone| zone.alloc(order, owner))?;
        self.account(owner, 1 << order, true);
        Some(Frame(frame))
    }

    /// The head record of an allocated block.
    fn used(&self, frame: Frame) -> Result<&Record, FrameError> {
        let zone = self.zone(frame)?;
        let record = zone.get(frame.0).ok_or(FrameError::Unknown(frame))?;
        match record.state {
            State::Used => Ok(record),
            State::Free | State::Reserved => Err(FrameError::NotAllocated(frame)),
            State::Interior => Err(FrameError::Interior(frame)),
        }
    }

    /// The same, to be changed. `None`: [`Self::used`] says why.
    #[inline(always)]
    fn used_mut(&mut self, frame: Frame) -> Option<&mut Record> {
        // Most memory is in the last zone.
        let zones = self.zones.get_mut(..self.count)?;
        zones
            .iter_mut()
            .rev()
            .find_map(|zone| zone.get_mut(frame.0))
            .filter(|record| record.state == State::Used)
    }

    /// Why a frame is not the first of an allocated block.
    #[cold]
    fn refuse<T>(&self, frame: Frame) -> Result<T, FrameError> {
        Err(match self.used(frame) {
            Err(error) => error,
            Ok(_) => FrameError::TooManyReferences(frame),
        })
    }

    /// How many references an allocated block has.
    ///
    /// # Errors
    /// The frame is not the first of an allocated block.
    pub fn references(&self, frame: Frame) -> Result<u32, FrameError> {
        Ok(self.used(frame)?.link)
    }

    /// Adds a reference to an allocated block and returns the new count.
    ///
    /// # Errors
    /// The frame is not the first of an allocated block, or has too many references already.
    #[inline]
    pub fn retain(&mut self, frame: Frame) -> Result<u32, FrameError> {
        let counted = self.used_mut(frame).and_then(|record| {
            record.link = record.link.checked_add(1)?;
            Some(record.link)
        });
        match counted {
            Some(count) => Ok(count),
            None => self.refuse(frame),
        }
    }

    /// Drops a reference to an allocated block and returns how many are left; with the last one the
    /// whole block becomes free.
    ///
    /// # Errors
    /// The frame is not the first of an allocated block.
    #[inline]
    pub fn release(&mut self, frame: Frame) -> Result<u32, FrameError> {
        let Some(record) = self.used_mut(frame) else {
            return self.refuse(frame);
        };
        record.link = record.link.saturating_sub(1);
        if record.link > 0 {
            return Ok(record.link);
        }
        let (order, owner) = (record.order, Owner::from_index(record.owner));
        self.free(frame, order, owner)
    }

    fn free(&mut self, frame: Frame, order: u8, owner: Owner) -> Result<u32, FrameError> {
        self.zone_mut(frame)?.free(frame.0, order);
        self.account(owner, 1 << order, false);
        Ok(0)
    }

    /// Turns an allocated block into single frames, each with as many references as the block had.
    /// Takes a step for every frame.
    ///
    /// # Errors
    /// The frame is not the first of an allocated block.
    pub fn split(&mut self, frame: Frame) -> Result<(), FrameError> {
        let single = Record {
            order: 0,
            ..*self.used(frame)?
        };
        let count = 1_u32 << self.used(frame)?.order;
        let zone = self.zone_mut(frame)?;
        for number in (frame.0..).take(count as usize) {
            if let Some(record) = zone.get_mut(number) {
                *record = single;
            }
        }
        Ok(())
    }

    /// The totals.
    pub fn stats(&self) -> FrameStats {
        self.stats
    }
}

#[cfg(test)]
mod tests;
