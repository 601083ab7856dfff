//! What device and driver say to each other about ports (virtio 1.2, section 5.3.6.2).

/// Bytes of a message; a name may follow.
pub const LEN: usize = 8;
/// The largest port that is used; others are refused.
pub const PORTS: u32 = 4;

/// What a message is about.
mod event {
    pub const DEVICE_READY: u16 = 0;
    pub const PORT_ADD: u16 = 1;
    pub const PORT_READY: u16 = 3;
    pub const PORT_OPEN: u16 = 6;
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    port: u32,
    event: u16,
    value: u16,
}

impl Message {
    /// The first word: this driver knows of ports.
    pub const READY: Self = Self {
        port: 0,
        event: event::DEVICE_READY,
        value: 1,
    };

    /// Its bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; LEN] {
        let [a, b, c, d] = self.port.to_le_bytes();
        let [e, f] = self.event.to_le_bytes();
        let [g, h] = self.value.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// From what the device has sent; `None` if that is too short.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, d, e, f, g, h] = bytes.first_chunk::<LEN>()?;
        Some(Self {
            port: u32::from_le_bytes([a, b, c, d]),
            event: u16::from_le_bytes([e, f]),
            value: u16::from_le_bytes([g, h]),
        })
    }

    /// What is to be done about it: the port that there is now, and what is to be said. A port is ready,
    /// and open for good, or it is one too many.
    #[must_use]
    pub fn react(self, ports: u32) -> (Option<u32>, [Option<Self>; 2]) {
        if self.event != event::PORT_ADD {
            return (None, [None; 2]);
        }
        let say = |event, value| {
            Some(Self {
                port: self.port,
                event,
                value,
            })
        };
        if self.port >= ports.min(PORTS) {
            return (None, [say(event::PORT_READY, 0), None]);
        }
        let words = [say(event::PORT_READY, 1), say(event::PORT_OPEN, 1)];
        (Some(self.port), words)
    }
}

/// The queues of a port: what comes, what goes.
#[must_use]
pub const fn queues(port: u32) -> (u16, u16) {
    // The queues for these messages come after those of port 0.
    match port {
        0 => (0, 1),
        _ => {
            let first = (port as u16).saturating_mul(2).saturating_add(2);
            (first, first.saturating_add(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn message(port: u32, event: u16, value: u16) -> Message {
        Message { port, event, value }
    }

    #[test]
    fn a_port_is_made_ready_and_opened() {
        let (ready, open) = (message(2, 3, 1), message(2, 6, 1));
        let rows = [
            (message(2, 1, 0), (Some(2), [Some(ready), Some(open)])),
            (message(4, 1, 0), (None, [Some(message(4, 3, 0)), None])),
            (message(3, 1, 0), (None, [Some(message(3, 3, 0)), None])),
            (
                message(u32::MAX, 1, 0),
                (None, [Some(message(u32::MAX, 3, 0)), None]),
            ),
            (message(2, 6, 1), (None, [None, None])),
            (message(2, 7, 1), (None, [None, None])),
        ];
        for (said, wanted) in rows {
            assert_eq!(said.react(3), wanted, "{said:?}");
        }
    }

    #[test]
    fn messages_are_bytes() {
        let said = message(0x0102_0304, 0x0506, 0x0708);
        assert_eq!(said.bytes(), [4, 3, 2, 1, 6, 5, 8, 7]);
        let mut bytes = said.bytes().to_vec();
        bytes.extend(b"name");
        assert_eq!(Message::parse(&bytes), Some(said));
        assert_eq!(Message::parse(&bytes[..7]), None);
    }

    #[test]
    fn every_port_has_its_queues() {
        let wanted = [(0, 1), (4, 5), (6, 7), (8, 9)];
        assert_eq!([0, 1, 2, 3].map(queues), wanted);
    }
}
