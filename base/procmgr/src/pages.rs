//! Signal pages: memory of a process that is mapped here as well.
//!
//! They hold nothing but atomic integers, in which a process can put what it likes: it decides about
//! its own signals only. The page stays what it is when the process unmaps it.

use core::sync::atomic::Ordering;

use procmgr_core::{Action, default_action};
use redox_rt::{Error, Result, context::ContextRef, sys};
use rt_core::signal::{self as rules, Handler, flags};
use syscall::{
    EINVAL, Map, SIGCHLD,
    flag::MapFlags,
    sigabi::{SenderInfo, SigProcControl, Sigcontrol},
};

const PAGE: usize = rt_core::PAGE_SIZE;

/// A page of a process.
struct Page(usize);

impl Page {
    /// Maps the page of `context`'s memory that `address` is in.
    fn map(context: ContextRef, address: usize) -> Result<Self> {
        let space = context.address_space()?;
        let map = Map {
            offset: rt_core::page_floor(address),
            size: PAGE,
            flags: MapFlags::MAP_SHARED | MapFlags::PROT_READ | MapFlags::PROT_WRITE,
            address: 0,
        };
        // SAFETY: without MAP_FIXED the kernel chooses a range that nothing uses.
        unsafe { sys::fmap(space.fd().raw(), &map) }.map(Self)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: whoever holds references into the page holds the `Page`.
        let _ = unsafe { sys::funmap(self.0, PAGE) };
    }
}

/// What a process says about all its threads.
pub struct ProcessPage(Page);

/// How often an action is read that seems to be changing.
const TRIES: usize = 64;

impl ProcessPage {
    /// Shares the structure at an address.
    pub fn share(context: ContextRef, address: usize) -> Result<Self> {
        if !address.is_multiple_of(PAGE) {
            return Err(Error::new(EINVAL));
        }
        Page::map(context, address).map(Self)
    }

    fn get(&self) -> &SigProcControl {
        const { assert!(size_of::<SigProcControl>() <= PAGE) };
        // SAFETY: the page is mapped as long as `self` lives, aligned, large enough (asserted above),
        // and the structure is made of atomic integers, which any bytes are and which may change.
        unsafe { &*core::ptr::with_exposed_provenance(self.0.0) }
    }

    fn said(&self, signal: u8) -> Option<rules::Action> {
        let raw = self
            .get()
            .actions
            .get(usize::from(signal).checked_sub(1)?)?;
        for _ in 0..TRIES {
            let first = raw.first.load(Ordering::Acquire);
            let mask = raw.user_data.load(Ordering::Acquire);
            if raw.first.load(Ordering::Acquire) == first {
                return Some(rules::unpack([first, mask]));
            }
        }
        None
    }

    /// What a signal does. `blocked` says whether no thread would take it now.
    pub fn action(&self, signal: u8, blocked: impl FnOnce() -> bool) -> Action {
        match self.said(signal).map(|action| action.handler) {
            Some(Handler::Ignore) => Action::Ignore,
            Some(Handler::Default) => match default_action(signal) {
                Action::Ignore => Action::Ignore,
                Action::Stop if !blocked() => Action::Stop,
                _ => Action::Deliver,
            },
            _ => Action::Deliver,
        }
    }

    /// Whether the process has asked for this of its children's ends and stops.
    pub fn child_flag(&self, flag: u32) -> bool {
        self.said(SIGCHLD as u8).is_some_and(|action| {
            action.flags & flag != 0
                || flag == flags::SA_NOCLDWAIT && action.handler == Handler::Ignore
        })
    }

    /// The signals that are ignored.
    pub fn ignored(&self) -> u64 {
        (1..=rules::COUNT as u8)
            .filter(|signal| {
                self.said(*signal)
                    .is_some_and(|action| action.handler == Handler::Ignore)
            })
            .fold(0, |set, signal| set | rules::bit(signal))
    }

    /// Marks a signal pending. Of several, the first is the one whose sender is told.
    pub fn post(&self, signal: u8, sender: SenderInfo) {
        let index = usize::from(signal).wrapping_sub(1);
        if self.pending() & rules::bit(signal) == 0
            && let Some(place) = self.get().sender_infos.get(index)
        {
            place.store(sender.raw(), Ordering::Relaxed);
        }
        self.get()
            .pending
            .fetch_or(rules::bit(signal), Ordering::Release);
    }

    /// Takes pending signals back.
    pub fn withdraw(&self, signals: u64) {
        self.get().pending.fetch_and(!signals, Ordering::AcqRel);
    }

    /// The pending signals.
    pub fn pending(&self) -> u64 {
        self.get().pending.load(Ordering::Acquire)
    }
}

/// What a thread says about itself.
pub struct ThreadPage {
    page: Page,
    offset: usize,
}

/// The lower halves of the words are pending signals, the upper ones those allowed.
const HALF: u32 = 32;

impl ThreadPage {
    /// Shares the structure at an address.
    pub fn share(context: ContextRef, address: usize) -> Result<Self> {
        let offset = address % PAGE;
        if !offset.is_multiple_of(16) || offset > PAGE - size_of::<Sigcontrol>() {
            return Err(Error::new(EINVAL));
        }
        let page = Page::map(context, address)?;
        Ok(Self { page, offset })
    }

    fn get(&self) -> &Sigcontrol {
        // SAFETY: as for `ProcessPage::get`; `share` checked the offset against the page's end and the
        // structure's alignment.
        unsafe { &*core::ptr::with_exposed_provenance(self.page.0 + self.offset) }
    }

    fn words(&self) -> [u64; 2] {
        self.get()
            .word
            .each_ref()
            .map(|word| word.load(Ordering::Acquire))
    }

    /// The signals that the thread does not block.
    pub fn allowed(&self) -> u64 {
        let [low, high] = self.words().map(|word| word >> HALF);
        low | high << HALF
    }

    /// The signals that are pending for the thread itself.
    pub fn pending(&self) -> u64 {
        let [low, high] = self.words().map(|word| word & u64::from(u32::MAX));
        low | high << HALF
    }

    /// Marks a signal pending.
    pub fn post(&self, signal: u8, sender: SenderInfo) {
        let index = usize::from(signal).wrapping_sub(1);
        if let Some(place) = self.get().sender_infos.get(index) {
            place.store(sender.raw(), Ordering::Relaxed);
        }
        if let Some(word) = self.get().word.get(index / HALF as usize) {
            word.fetch_or(1 << (index % HALF as usize), Ordering::Release);
        }
    }

    /// Takes pending signals back.
    pub fn withdraw(&self, signals: u64) {
        for (word, half) in self.get().word.iter().zip([signals, signals >> HALF]) {
            word.fetch_and(!(half & u64::from(u32::MAX)), Ordering::AcqRel);
        }
    }
}
