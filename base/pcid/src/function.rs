//! What is done to a function: readying it, handing out its parts, stopping it.

use alloc::vec::Vec;

use cap_abi::Rights;
use pcid_core::{
    Function, Window,
    bus::{self, Interrupt, Resources},
    server::Machine,
};
use redox_rt::{Error, Fd, eprintln, sys};
use syscall::{
    EBUSY, EIO, ENODEV, ENOENT, ENOMEM, TimeSpec,
    flag::{CallFlags, O_RDWR},
};

use crate::{
    ecam::Space,
    open,
    physical::{self, Registers},
};

/// Most memory that one function's driver may have, in bytes.
const MOST_MEMORY: u64 = 16 << 20;
/// How long a device may take to stop, in steps of a millisecond.
const PATIENCE: u32 = 1000;
const MILLISECOND: i32 = 1_000_000;
/// A message's address, its data, and its mask, in the table of messages.
const MESSAGE: [usize; 4] = [0, 4, 8, 12];

type Result<T> = core::result::Result<T, i32>;

/// What is known of a function, and kept for it while a driver has it.
struct State {
    function: Function,
    resources: Option<Resources>,
    /// Its interrupt and its memory, which stay taken until the device has stopped.
    kept: Vec<Fd>,
    memory: u64,
    /// It did not stop: nobody gets it, and what it had stays taken.
    stuck: bool,
}

/// Every function.
pub struct Functions {
    space: Space,
    states: Vec<State>,
}

const fn errno(error: Error) -> i32 {
    error.errno
}

impl Functions {
    /// Stops every function of `list` that `may_run`: one that an earlier instance of this program gave to
    /// somebody may still do. Then frees what nobody has any more.
    pub fn new(space: Space, list: &[Function], may_run: impl Fn(&Function) -> bool) -> Self {
        let states = list.iter().map(|function| State {
            function: *function,
            resources: None,
            kept: Vec::new(),
            memory: 0,
            stuck: false,
        });
        let mut this = Self {
            space,
            states: states.collect(),
        };
        let mut stopped = true;
        for index in 0..this.states.len() {
            let state = this.states.get(index);
            if state.is_some_and(|state| may_run(&state.function)) {
                let resources = this.look_at(index);
                stopped &= this.halt(index, resources.as_ref());
            }
        }
        if stopped {
            reclaim();
        }
        this
    }

    fn look_at(&self, index: usize) -> Option<Resources> {
        let state = self.states.get(index)?;
        Some(bus::resources(&self.space, state.function.address))
    }

    /// Stops a function. Whether it has stopped.
    fn halt(&mut self, index: usize, resources: Option<&Resources>) -> bool {
        let Some(state) = self.states.get_mut(index) else {
            return true;
        };
        let address = state.function.address;
        if let Some(Interrupt::Message { capability, .. }) = resources.map(|r| r.interrupt) {
            bus::set_messages(&self.space, capability, false);
        }
        // Requests that the device has begun may go on until it is reset, whatever the bus allows it.
        bus::listen(&self.space, address);
        let stopped = match resources {
            Some(resources) if state.function.vendor == virtio_layout::VENDOR => {
                reset(&self.space, &state.function, resources)
            }
            _ => true,
        };
        bus::stop(&self.space, address);
        if !stopped {
            eprintln!("pcid: {} does not stop", bus::name(address));
            state.stuck = true;
        }
        stopped
    }

    fn keep(&mut self, index: usize, fd: &Fd) -> Result<()> {
        let copy = fd.dup(b"").map_err(errno)?;
        let state = self.states.get_mut(index).ok_or(ENOENT)?;
        state.kept.push(copy);
        Ok(())
    }
}

fn reclaim() {
    if let Err(error) = physical::reclaim() {
        eprintln!("pcid: taking back memory: {error}");
    }
}

/// Resets a virtio device and waits until it says that it has. One whose registers cannot be found is
/// taken for stopped: no driver can have started it.
fn reset(space: &Space, function: &Function, resources: &Resources) -> bool {
    let mut config = [0; 256];
    bus::read_config(space, function.address, 0, &mut config);
    let Ok(layout) = virtio_layout::find(&config) else {
        return true;
    };
    let place = layout.common;
    let bar = resources.bars.get(usize::from(place.bar));
    let Some(Window { base, size }) = bar.copied().flatten() else {
        return true;
    };
    if u64::from(place.offset) + u64::from(place.len) > size {
        return true;
    }
    let Ok(registers) = Registers::map(base, size as usize) else {
        return false;
    };
    let status = (place.offset + virtio_layout::STATUS) as usize;
    registers.write8(status, 0);
    for _ in 0..PATIENCE {
        if registers.read8(status) == 0 {
            return true;
        }
        let wait = TimeSpec {
            tv_sec: 0,
            tv_nsec: MILLISECOND,
        };
        // Woken early, it only looks earlier.
        let _ = sys::nanosleep(&wait);
    }
    false
}

/// What a driver may do with memory that it maps.
fn limit(fd: &Fd) -> Result<()> {
    let rights = Rights::MAP_READ | Rights::MAP_WRITE | Rights::STAT | Rights::CALL;
    fd.limit(rights | Rights::TRANSFER).map_err(errno)
}

impl Machine for Functions {
    type Fd = Fd;

    fn claim(&mut self, function: usize) -> Result<()> {
        if self.states.get(function).ok_or(ENOENT)?.stuck {
            return Err(EIO);
        }
        let resources = self.look_at(function);
        let state = self.states.get_mut(function).ok_or(ENOENT)?;
        state.resources = resources;
        bus::start(&self.space, state.function.address);
        Ok(())
    }

    fn window(&mut self, function: usize, bar: usize) -> Result<Option<Fd>> {
        let state = self.states.get(function).ok_or(ENOENT)?;
        let bars = state.resources.as_ref().map(|resources| resources.bars);
        let window = bars.and_then(|bars| bars.get(bar).copied().flatten());
        let Some(Window { base, size }) = window else {
            return Ok(None);
        };
        let fd = physical::window("physical@uc", base, size).map_err(errno)?;
        limit(&fd)?;
        Ok(Some(fd))
    }

    fn interrupt(&mut self, function: usize) -> Result<Fd> {
        let state = self.states.get(function).ok_or(ENOENT)?;
        let interrupt = state.resources.as_ref().map(|r| r.interrupt);
        match interrupt.unwrap_or(Interrupt::None) {
            Interrupt::None => Err(ENODEV),
            Interrupt::Line(line) => {
                let path = alloc::format!("/scheme/irq/{line}");
                let fd = open(path.as_bytes(), O_RDWR).map_err(errno)?;
                self.keep(function, &fd)?;
                Ok(fd)
            }
            Interrupt::Message { capability, table } => {
                // One message for all: the table has one that is used.
                if bus::sends_messages(&self.space, &capability) {
                    return Err(EBUSY);
                }
                let fd = open(b"/scheme/irq/msi", O_RDWR).map_err(errno)?;
                let mut words = [0; 2 * size_of::<u64>()];
                sys::call_read(fd.raw(), &mut words, CallFlags::empty(), &[]).map_err(errno)?;
                let [a, b, c, d, e, f, g, h, ref data @ ..] = words;
                let address = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
                let data = u64::from_ne_bytes(*data);
                set_message(table, address, data as u32)?;
                self.keep(function, &fd)?;
                bus::set_messages(&self.space, capability, true);
                Ok(fd)
            }
        }
    }

    fn block(&mut self, function: usize, size: u64) -> Result<Fd> {
        let state = self.states.get_mut(function).ok_or(ENOENT)?;
        let memory = state.memory.checked_add(size).ok_or(ENOMEM)?;
        if memory > MOST_MEMORY {
            return Err(ENOMEM);
        }
        let fd = physical::block(size).map_err(errno)?;
        limit(&fd)?;
        self.keep(function, &fd)?;
        if let Some(state) = self.states.get_mut(function) {
            state.memory = memory;
        }
        Ok(fd)
    }

    fn read_config(&mut self, function: usize, offset: u64, into: &mut [u8]) -> usize {
        self.states.get(function).map_or(0, |state| {
            bus::read_config(&self.space, state.function.address, offset, into)
        })
    }

    fn release(&mut self, function: usize) {
        let resources = self
            .states
            .get_mut(function)
            .and_then(|state| state.resources.take());
        if !self.halt(function, resources.as_ref()) {
            return;
        }
        if let Some(state) = self.states.get_mut(function) {
            state.kept.clear();
            state.memory = 0;
        }
        // A device that is still running has its memory's descriptors in `kept`: what nobody has,
        // nobody writes to.
        if !self
            .states
            .iter()
            .any(|state| state.stuck && state.kept.is_empty())
        {
            reclaim();
        }
    }
}

/// Writes the first entry of a table of messages, and lets it through.
fn set_message(table: u64, address: u64, data: u32) -> Result<()> {
    const PAGE: u64 = 4096;
    let registers = Registers::map(table & !(PAGE - 1), PAGE as usize).map_err(errno)?;
    let at = (table % PAGE) as usize;
    let words = [address as u32, (address >> 32) as u32, data, 0];
    for (offset, word) in MESSAGE.into_iter().zip(words) {
        registers.write32(at + offset, word);
    }
    Ok(())
}
