//! What has been sent to a socket and not received.

use alloc::{collections::VecDeque, vec::Vec};

/// Most bytes of a stream that wait.
pub const STREAM: usize = 1 << 16;
/// Most bytes and messages that wait at a datagram socket, and the longest message.
const DATAGRAMS: usize = 1 << 18;
const MESSAGES: usize = 256;
pub const DATAGRAM: usize = 1 << 16;

/// A message, or a piece of a stream.
#[derive(Debug)]
pub struct Message<F> {
    pub bytes: VecDeque<u8>,
    pub fds: Vec<F>,
    pub from: Vec<u8>,
}

/// What waits.
#[derive(Debug)]
pub struct Inbox<F> {
    messages: VecDeque<Message<F>>,
    bytes: usize,
}

impl<F> Default for Inbox<F> {
    fn default() -> Self {
        Self {
            messages: VecDeque::new(),
            bytes: 0,
        }
    }
}

/// What was taken out.
#[derive(Debug)]
pub struct Taken<F> {
    pub bytes: Vec<u8>,
    /// How long the message was.
    pub whole: usize,
    pub fds: Vec<F>,
    pub from: Vec<u8>,
}

impl<F> Inbox<F> {
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The descriptors that wait.
    pub fn descriptors(&self) -> impl Iterator<Item = &F> {
        self.messages.iter().flat_map(|message| &message.fds)
    }

    /// How much a receiver would get: of datagrams, the first.
    pub fn available(&self, datagram: bool) -> usize {
        match self.messages.front() {
            Some(first) if datagram => first.bytes.len(),
            _ => self.bytes,
        }
    }

    /// How much of a stream fits.
    pub fn stream_room(&self) -> usize {
        STREAM.saturating_sub(self.bytes)
    }

    /// Whether a datagram fits.
    pub fn fits(&self, len: usize) -> bool {
        self.messages.len() < MESSAGES && self.bytes.saturating_add(len) <= DATAGRAMS
    }

    /// Puts a message in. Pieces of a stream that carry no descriptors become one.
    ///
    /// # Errors
    /// What is put in, if there is no memory for it.
    pub fn put(&mut self, message: Message<F>, datagram: bool) -> Result<(), Message<F>> {
        let len = message.bytes.len();
        match self.messages.back_mut() {
            Some(last) if !datagram && last.fds.is_empty() && message.fds.is_empty() => {
                if last.bytes.try_reserve(len).is_err() {
                    return Err(message);
                }
                last.bytes.extend(message.bytes);
            }
            _ => {
                if self.messages.try_reserve(1).is_err() {
                    return Err(message);
                }
                self.messages.push_back(message);
            }
        }
        self.bytes = self.bytes.saturating_add(len);
        Ok(())
    }

    /// Looks at what would be taken, without its descriptors.
    pub fn peek(&self, room: usize, datagram: bool) -> Option<Taken<F>> {
        let first = self.messages.front()?;
        let mut bytes: Vec<u8> = first.bytes.iter().take(room).copied().collect();
        if !datagram && first.fds.is_empty() {
            let more = self.messages.iter().skip(1);
            for piece in more.take_while(|piece| piece.fds.is_empty()) {
                let left = room.saturating_sub(bytes.len());
                bytes.extend(piece.bytes.iter().take(left));
            }
        }
        Some(Taken {
            whole: if datagram {
                first.bytes.len()
            } else {
                bytes.len()
            },
            bytes,
            fds: Vec::new(),
            from: first.from.clone(),
        })
    }

    /// Takes out a datagram, or of a stream as much as there is room for, up to where the descriptors of
    /// another message belong.
    pub fn take(&mut self, room: usize, datagram: bool) -> Option<Taken<F>> {
        if datagram {
            let mut first = self.messages.pop_front()?;
            let whole = first.bytes.len();
            self.bytes = self.bytes.saturating_sub(whole);
            first.bytes.truncate(room);
            return Some(Taken {
                bytes: first.bytes.into(),
                whole,
                fds: first.fds,
                from: first.from,
            });
        }
        let mut taken: Option<Taken<F>> = None;
        while let Some(first) = self.messages.front_mut() {
            let so_far = taken.as_ref().map_or(0, |taken| taken.bytes.len());
            let carries = !first.fds.is_empty();
            if so_far >= room && taken.is_some() || (carries && taken.is_some()) {
                break;
            }
            let count = first.bytes.len().min(room.saturating_sub(so_far));
            let bytes = first.bytes.drain(..count);
            let into = taken.get_or_insert_with(|| Taken {
                bytes: Vec::new(),
                whole: 0,
                fds: Vec::new(),
                from: first.from.clone(),
            });
            into.bytes.extend(bytes);
            into.fds.append(&mut first.fds);
            self.bytes = self.bytes.saturating_sub(count);
            if first.bytes.is_empty() {
                self.messages.pop_front();
            }
            if carries {
                break;
            }
        }
        if let Some(taken) = &mut taken {
            taken.whole = taken.bytes.len();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, fds: &[u32]) -> Message<u32> {
        Message {
            bytes: text.bytes().collect(),
            fds: fds.to_vec(),
            from: Vec::new(),
        }
    }

    #[test]
    fn descriptors_stay_with_their_bytes() {
        let mut inbox = Inbox::default();
        for (text, fds) in [
            ("ab", &[][..]),
            ("cd", &[]),
            ("ef", &[1, 2]),
            ("gh", &[]),
            ("ij", &[3]),
        ] {
            inbox.put(message(text, fds), false).unwrap();
        }
        let mut got = Vec::new();
        while let Some(taken) = inbox.take(3, false) {
            got.push((String::from_utf8(taken.bytes).unwrap(), taken.fds));
        }
        let wanted: [(&str, &[u32]); 6] = [
            ("abc", &[]),
            ("d", &[]),
            ("ef", &[1, 2]),
            ("gh", &[]),
            ("ij", &[3]),
            ("", &[]),
        ];
        let wanted = wanted.map(|(text, fds)| (text.to_owned(), fds.to_vec()));
        assert_eq!(got, wanted[..5]);
        assert_eq!(inbox.stream_room(), STREAM);
    }

    #[test]
    fn datagrams_stay_whole() {
        let mut inbox = Inbox::default();
        inbox.put(message("abcdef", &[1]), true).unwrap();
        inbox.put(message("", &[]), true).unwrap();
        inbox.put(message("x", &[]), true).unwrap();
        assert_eq!(inbox.available(true), 6);
        assert_eq!(inbox.peek(2, true).unwrap().bytes, b"ab");
        let first = inbox.take(4, true).unwrap();
        assert_eq!((first.bytes.as_slice(), first.whole), (&b"abcd"[..], 6));
        assert_eq!(inbox.take(4, true).unwrap().whole, 0);
        assert_eq!(inbox.take(4, true).unwrap().bytes, b"x");
        assert!(inbox.take(4, true).is_none() && inbox.is_empty());
        assert!(inbox.fits(DATAGRAM));
    }
}
