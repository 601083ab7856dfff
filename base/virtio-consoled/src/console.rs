//! The device: its ports, and what is said about them (virtio 1.2, section 5.3).

use alloc::{collections::VecDeque, vec::Vec};

use redox_rt::{Result, event::Queue};
use virtio::{Device, DeviceType, Problem, TransportExt, bitflags::bitflags};
use virtio_consoled_core::control::{self, LEN, Message, PORTS};

use crate::{
    broken,
    direction::{Direction, Way},
    line::{self, Line},
};

bitflags! {
    /// What the device and this driver agree on.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        /// There may be several ports, and both sides say so.
        const PORTS = 1 << 1;
        const VERSION_1 = 1 << 32;
    }
}

const CONTROL_IN: u16 = 2;
const CONTROL_OUT: u16 = 3;
/// Messages on their way, and how long one can be, with a name behind it.
const MESSAGES: usize = 16;
const MESSAGE_LEN: usize = 256;
/// Where the number of ports is said.
const PORT_COUNT: usize = 4;
/// What the queues' own structures and messages take, at most.
const QUEUE_MEMORY: usize = (2 * PORTS as usize + 2) * (8 << 10) + 2 * MESSAGES * 4096;
const MEMORY: usize = PORTS as usize * line::MEMORY + QUEUE_MEMORY;

/// What is said about ports.
struct Control {
    incoming: Direction,
    outgoing: Direction,
    free: Vec<usize>,
    unsaid: VecDeque<Message>,
    ports: u32,
}

impl Control {
    fn say(&mut self, message: Message) {
        self.unsaid.push_back(message);
    }

    /// Sends what there is room for.
    fn flush(&mut self) {
        while let Some(message) = self.unsaid.front()
            && let Some(slot) = self.free.pop()
        {
            let place = self.outgoing.bytes(slot);
            if let Some(place) = place.and_then(|bytes| bytes.get_mut(..LEN)) {
                place.copy_from_slice(&message.bytes());
            }
            self.unsaid.pop_front();
            // There is a place in the queue for every slot.
            let _ = self.outgoing.hand(slot, LEN);
        }
    }
}

/// The device.
pub struct Console {
    device: Device,
    control: Option<Control>,
    /// Queues of ports that there may be.
    spare: Vec<Option<(Direction, Direction)>>,
    /// The ports that there are.
    pub lines: Vec<Line>,
}

impl Console {
    /// Starts the device. `events` will say with `data` when it interrupts. The number of a port that there
    /// is from the beginning is told, too.
    pub fn open(events: &Queue, data: usize) -> core::result::Result<(Self, Option<u32>), Problem> {
        let mut device = Device::open(DeviceType::Console, MEMORY)?;
        let features = device.transport.begin_init(Features::all());
        if !features.contains(Features::VERSION_1) {
            return Err(Problem::Device("it is older than virtio 1"));
        }
        let several = features.contains(Features::PORTS);
        let ports = if several {
            let bytes = device.transport.read_config_space::<[u8; 4]>(PORT_COUNT)?;
            u32::from_le_bytes(bytes).min(PORTS)
        } else {
            1
        };
        let mut spare = Vec::new();
        for port in 0..ports {
            let (incoming, outgoing) = control::queues(port);
            spare.push(Some((
                Direction::new(&mut device, incoming, Way::In)?,
                Direction::new(&mut device, outgoing, Way::Out)?,
            )));
        }
        let control = several
            .then(|| open_control(&mut device, ports))
            .transpose()?;
        device.interrupt.watch(events, data)?;
        device.transport.finish_init();
        let mut console = Self {
            device,
            control,
            spare,
            lines: Vec::new(),
        };
        let first = if let Some(control) = &mut console.control {
            control.say(Message::READY);
            control.flush();
            None
        } else {
            console.add(0)?.then_some(0)
        };
        console.notify();
        Ok((console, first))
    }

    /// There is a port now. Whether that is news.
    fn add(&mut self, port: u32) -> core::result::Result<bool, Problem> {
        let queues = self.spare.get_mut(port as usize).and_then(Option::take);
        let Some((incoming, outgoing)) = queues else {
            return Ok(false);
        };
        self.lines.push(Line::new(incoming, outgoing)?);
        Ok(true)
    }

    /// The device has interrupted.
    pub fn acknowledge(&mut self) -> Result<()> {
        let done = self
            .device
            .interrupt
            .acknowledge(&mut self.device.transport);
        done.map_err(complain)
    }

    /// Hears what the device says about ports; `found` is told of every new one.
    pub fn listen(&mut self, mut found: impl FnMut(u32)) -> Result<()> {
        let mut new = Vec::new();
        let Some(control) = &mut self.control else {
            return Ok(());
        };
        while let Some((slot, _)) = control.outgoing.next_done()? {
            control.free.push(slot);
        }
        while let Some((slot, len)) = control.incoming.next_done()? {
            let bytes = control.incoming.bytes(slot);
            let message = bytes
                .and_then(|bytes| bytes.get(..len))
                .and_then(Message::parse);
            control.incoming.hand(slot, MESSAGE_LEN);
            if let Some(message) = message {
                let (port, words) = message.react(control.ports);
                new.extend(port);
                control.unsaid.extend(words.into_iter().flatten());
            }
        }
        control.flush();
        for port in new {
            if self.add(port).map_err(complain)? {
                found(port);
            }
        }
        Ok(())
    }

    /// Tells the device what it has not been told of.
    pub fn notify(&mut self) {
        if let Some(control) = &mut self.control {
            control.incoming.notify(&mut self.device);
            control.outgoing.notify(&mut self.device);
        }
        for line in &mut self.lines {
            line.notify(&mut self.device);
        }
    }
}

fn open_control(device: &mut Device, ports: u32) -> core::result::Result<Control, Problem> {
    let mut incoming = Direction::new(device, CONTROL_IN, Way::In)?;
    let mut outgoing = Direction::new(device, CONTROL_OUT, Way::Out)?;
    incoming.add_slots(MESSAGES, MESSAGE_LEN)?;
    outgoing.add_slots(MESSAGES, MESSAGE_LEN)?;
    for slot in 0..MESSAGES {
        incoming.hand(slot, MESSAGE_LEN);
    }
    Ok(Control {
        incoming,
        outgoing,
        free: (0..MESSAGES).collect(),
        unsaid: VecDeque::new(),
        ports,
    })
}

fn complain(problem: Problem) -> redox_rt::Error {
    redox_rt::eprintln!("virtio-consoled: {problem}");
    broken()
}
