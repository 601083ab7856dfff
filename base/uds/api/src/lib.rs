//! Wire protocol of Unix sockets.
//!
//! The schemes `uds_stream`, `uds_dgram` and `uds_seqpacket` are alike; a socket is a descriptor that opening the scheme's root
//! gives. `read` and `write` receive and send. A socket that is *bound* can be found by a name in the
//! scheme (abstract: the name begins with NUL) or by a [`Token`], which the binder puts where the name's
//! readers find it: in the socket's node in a file system. So reaching a socket takes reaching its node.
//!
//! `dup` with a name:
//!
//! | name | gives |
//! |---|---|
//! | `accept`, `accept-nonblock` | a connection that waits at a listening socket |
//! | `pair` | a new socket, connected with this one |
//! | `ticket` | a place for descriptors that go with one message: they are sent to it, then the message is |
//! | `nread` | reads as 4 bytes: how much waits to be received |
//!
//! `SYS_CALL` with metadata `[verb, a, b]`, the verbs of `libredox::protocol::SocketCall` and those of
//! [`verb`]:
//!
//! | verb | metadata | payload |
//! |---|---|---|
//! | `Bind` | mode | [`Address`]; the token is written back |
//! | `Connect` | [`flag`]s | [`Address`]; none disconnects a datagram socket |
//! | [`verb::LISTEN`] | backlog | |
//! | `Shutdown` | 0 receiving, 1 sending, 2 both | |
//! | `SendMsg` | [`flag`]s | [`Address`] of a datagram's receiver (or of zeros), the data |
//! | `RecvMsg` | [`flag`]s, most descriptors | out: [`Header`], the data |
//! | `GetPeerName`, [`verb::NAME`] | | out: the name |
//! | `GetSockOpt` | option | answer: the value; out, for `SO_PEERCRED`: 3 `u32` |
//! | `SetSockOpt` | option, value | |
//!
//! Descriptors that have come with a message are fetched by receiving descriptors from the socket, with
//! the message's number ([`Header::ticket`]) as metadata, before the next message.
#![no_std]
#![forbid(unsafe_code)]

/// Verbs that are not in `libredox::protocol::SocketCall`.
pub mod verb {
    /// Binds.
    pub const BIND: u64 = 0;
    /// Connects.
    pub const CONNECT: u64 = 1;
    /// Sets an option.
    pub const SET_OPTION: u64 = 2;
    /// Asks for an option.
    pub const GET_OPTION: u64 = 3;
    /// Sends a message.
    pub const SEND: u64 = 4;
    /// Receives a message.
    pub const RECEIVE: u64 = 5;
    /// Asks for the name of the other side.
    pub const PEER_NAME: u64 = 8;
    /// Ends receiving or sending.
    pub const SHUT_DOWN: u64 = 9;
    /// Lets connections come.
    pub const LISTEN: u64 = 0x100;
    /// Asks for the socket's own name.
    pub const NAME: u64 = 0x101;
}

/// Flags of a call.
pub mod flag {
    /// Do not wait.
    pub const NONBLOCK: u64 = 1;
    /// Leave what is received where it is.
    pub const PEEK: u64 = 2;
}

/// Options, with the numbers of `<sys/socket.h>`.
pub mod option {
    /// The type of socket.
    pub const TYPE: u64 = 3;
    /// The error that waits: there never is one.
    pub const ERROR: u64 = 4;
    /// Room for what is sent.
    pub const SEND_BUFFER: u64 = 7;
    /// Room for what is received.
    pub const RECEIVE_BUFFER: u64 = 8;
    /// Process, user and group of the other side.
    pub const PEER_CREDENTIALS: u64 = 17;
    /// How long receiving waits, in nanoseconds; 0 is without end.
    pub const RECEIVE_TIME: u64 = 20;
    /// How long sending waits.
    pub const SEND_TIME: u64 = 21;
    /// Whether it is listening.
    pub const ACCEPTS: u64 = 30;
}

/// What a bound socket is reached by.
pub type Token = [u8; TOKEN];
/// Length of a token. It cannot be guessed.
pub const TOKEN: usize = 16;
/// Longest name, in bytes.
pub const NAME: usize = 108;
/// Most descriptors that go with one message.
pub const DESCRIPTORS: usize = 253;

/// A socket's address: where it is, and what it is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address<'a> {
    /// The token, for a name in a file system.
    pub token: Token,
    /// The name.
    pub name: &'a [u8],
}

/// Length of an address on the wire: token, length of the name, room for the name.
pub const ADDRESS: usize = TOKEN + 4 + NAME;

impl<'a> Address<'a> {
    /// As bytes; a name that is too long is cut.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ADDRESS] {
        let mut bytes = [0; ADDRESS];
        let len = self.name.len().min(NAME);
        let parts: [&[u8]; 3] = [&self.token, &(len as u32).to_ne_bytes(), self.name];
        let all = parts.into_iter().flatten();
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = *byte;
        }
        bytes
    }

    /// From bytes, with what is behind it; `None` if it is none.
    #[must_use]
    pub fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (token, rest) = bytes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (place, rest) = rest.split_at_checked(NAME)?;
        let name = place.get(..u32::from_ne_bytes(*len) as usize)?;
        let token = *token;
        Some((Self { token, name }, rest))
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.name.is_empty() && self.token == [0; TOKEN]
    }

    /// Whether the name is one of the scheme's own and not a file system's.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.name.first() == Some(&0)
    }
}

/// What stands before received data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header<'a> {
    /// How much data follows.
    pub len: u32,
    /// How much there was: what did not fit of a datagram is gone.
    pub whole: u32,
    /// How many descriptors came with it, and can be fetched.
    pub descriptors: u32,
    /// How many came and are lost, for want of room.
    pub lost: u32,
    /// By which they are fetched.
    pub ticket: u32,
    /// The sender's name.
    pub name: &'a [u8],
}

/// Length of a header on the wire.
pub const HEADER: usize = 6 * 4 + NAME;

impl<'a> Header<'a> {
    /// As bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let numbers = [
            self.len,
            self.whole,
            self.descriptors,
            self.lost,
            self.ticket,
            self.name.len().min(NAME) as u32,
        ];
        let numbers = numbers.map(u32::to_ne_bytes);
        let all = numbers.iter().flatten().chain(self.name);
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = *byte;
        }
        bytes
    }

    /// From bytes, with what is behind it.
    #[must_use]
    pub fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = bytes.split_at_checked(HEADER)?;
        let (numbers, name) = head.split_at_checked(6 * 4)?;
        let (numbers, _) = numbers.as_chunks::<4>();
        let [len, whole, descriptors, lost, ticket, name_len] = numbers else {
            return None;
        };
        let number = |bytes: &[u8; 4]| u32::from_ne_bytes(*bytes);
        let header = Self {
            len: number(len),
            whole: number(whole),
            descriptors: number(descriptors),
            lost: number(lost),
            ticket: number(ticket),
            name: name.get(..number(name_len) as usize)?,
        };
        Some((header, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_headers_are_read_as_written() {
        let long = [b'x'; NAME];
        for name in [&b""[..], b"/tmp/x", b"\0abstract", &long] {
            let address = Address {
                token: [7; TOKEN],
                name,
            };
            let bytes = address.to_bytes();
            assert_eq!(Address::split(&bytes), Some((address, &[][..])));
            let header = Header {
                len: 1,
                whole: 2,
                descriptors: 3,
                lost: 4,
                ticket: 5,
                name,
            };
            let bytes = header.to_bytes();
            assert_eq!(Header::split(&bytes), Some((header, &[][..])));
        }
        assert_eq!(Address::split(&[0; ADDRESS - 1]), None);
        assert_eq!(Header::split(&[0; HEADER - 1]), None);
        let mut bytes = [0; ADDRESS];
        bytes[TOKEN] = NAME as u8 + 1;
        assert_eq!(Address::split(&bytes), None);
        assert!(Address::default().is_empty());
    }
}
