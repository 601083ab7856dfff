//! What `cook exec` on the host and `execd` in the guest say to each other.
//!
//! They share one serial line, on which the kernel and other programs may write too. So every message is a
//! frame that can be told from everything else: a mark, a length, a checksum, the message. What is no frame
//! is somebody else's text, and is passed on as such.
//!
//! | field | bytes |
//! |---|---|
//! | mark | 4, [`MARK`] |
//! | length of the message | 2, little-endian, at most [`MAX_MESSAGE`] |
//! | CRC-32 of length and message | 4, little-endian |
//! | message | `postcard` |
//!
//! The guest's input is a ring that forgets what does not fit, so the host sends one piece of standard input
//! at a time and waits for its [`ToHost::Taken`]. What the command is, and its files, are in the initial
//! file system: [`REQUEST`] is a [`Request`].
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a frame begins with: bytes that text does not have.
pub const MARK: [u8; 4] = [0x10, 0xc3, 0x01, 0xfe];
/// The longest message, so that a frame is one write to the console.
pub const MAX_MESSAGE: usize = 2048;
/// The longest piece of standard input. With its frame it fits into the console's ring, beside signals.
pub const MAX_INPUT: usize = 512;
/// The longest piece of output in one message.
pub const MAX_OUTPUT: usize = 1900;
/// The version of all this; it is in the agent's first message.
pub const VERSION: u32 = 2;
/// Where the request is in the initial file system.
pub const REQUEST: &str = "exec/request";
/// Where the files' contents are in the initial file system, by number.
pub const FILES: &str = "exec/files";

const HEADER: usize = 10;

/// What is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The command: a path, or a name to be looked for.
    pub command: String,
    /// Its arguments, without its name.
    pub args: Vec<String>,
    /// Variables of its environment.
    pub env: Vec<(String, String)>,
    /// The folder that it starts in.
    pub folder: String,
    /// Files that it is to find, folders before what is in them.
    pub files: Vec<File>,
}

/// A file, folder or link that the command is to find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub kind: FileKind,
}

/// What a [`File`] is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A folder.
    Folder,
    /// A file, with the number of its contents below [`FILES`].
    Contents(u32),
    /// A link, with its target.
    Link(String),
}

/// From the host to the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToGuest {
    /// A piece of the command's standard input.
    Input(Vec<u8>),
    /// There is no more of it.
    InputEnd,
    /// Send the command this signal.
    Signal(u32),
}

/// From the guest to the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToHost {
    /// The agent is there, and the command is about to start.
    Hello(u32),
    /// The last [`ToGuest::Input`] was taken.
    Taken,
    /// A piece of standard output.
    Output(Vec<u8>),
    /// A piece of standard error.
    Error(Vec<u8>),
    /// The command ended with this status.
    Exited(u32),
    /// A signal ended the command.
    Killed(u32),
    /// The command cannot be started: there is none of that name.
    NotFound(String),
    /// The agent cannot do its work.
    Failed(String),
    /// The command cannot be started, though there is one of that name.
    CannotRun(String),
}

/// What stands for the middle of a text that is too long.
const LEFT_OUT: &str = " … ";

impl ToHost {
    /// The message, whose words are shortened if they do not fit into a frame: the last one has to arrive.
    #[must_use]
    pub fn shortened(self) -> Self {
        match self {
            Self::NotFound(text) => Self::NotFound(shorten(text)),
            Self::Failed(text) => Self::Failed(shorten(text)),
            Self::CannotRun(text) => Self::CannotRun(shorten(text)),
            other => other,
        }
    }
}

/// Leaves the middle of a text out: paths begin it, and what is wrong with them ends it.
fn shorten(text: String) -> String {
    if text.len() <= MAX_OUTPUT {
        return text;
    }
    let half = (MAX_OUTPUT - LEFT_OUT.len()) / 2;
    let start = text.floor_char_boundary(half);
    let end = text.ceil_char_boundary(text.len() - half);
    let part = |range: Option<&str>| range.map(String::from).unwrap_or_default();
    part(text.get(..start)) + LEFT_OUT + text.get(end..).unwrap_or_default()
}

/// Writes a message as a frame; nothing if it is too long.
pub fn encode<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    let message = postcard::to_allocvec(message).ok()?;
    if message.len() > MAX_MESSAGE {
        return None;
    }
    let len = u16::try_from(message.len()).ok()?.to_le_bytes();
    let mut frame = Vec::with_capacity(HEADER + message.len());
    frame.extend(MARK);
    frame.extend(len);
    frame.extend(checksum(len, &message).to_le_bytes());
    frame.extend(message);
    Some(frame)
}

fn checksum(len: [u8; 2], message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len);
    hasher.update(message);
    hasher.finalize()
}

/// Writes a request for the initial file system.
pub fn encode_request(request: &Request) -> Option<Vec<u8>> {
    postcard::to_allocvec(request).ok()
}

/// Reads a request.
pub fn decode_request(bytes: &[u8]) -> Option<Request> {
    postcard::from_bytes(bytes).ok()
}

/// What comes out of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<T> {
    /// A message.
    Message(T),
    /// Somebody else's text.
    Text(Vec<u8>),
}

/// Takes a line apart.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

/// What the bytes begin with.
enum Start<T> {
    Message(T, usize),
    Text(usize),
    /// More is needed to tell.
    Unknown,
}

impl Decoder {
    /// Nothing has come yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// More has come. Answers what is complete.
    pub fn push<T: DeserializeOwned>(&mut self, bytes: &[u8]) -> Vec<Item<T>> {
        self.bytes.extend_from_slice(bytes);
        let mut items = Vec::new();
        let mut done = 0;
        while let Some(rest) = self.bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let taken = match start(rest) {
                Start::Message(message, len) => {
                    items.push(Item::Message(message));
                    len
                }
                Start::Text(len) => {
                    let text = rest.get(..len).unwrap_or(rest);
                    match items.last_mut() {
                        Some(Item::Text(before)) => before.extend_from_slice(text),
                        _ => items.push(Item::Text(text.to_vec())),
                    }
                    len
                }
                Start::Unknown => break,
            };
            done += taken;
        }
        self.bytes.drain(..done);
        items
    }

    /// The line has ended. Answers what was no complete frame.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

fn start<T: DeserializeOwned>(bytes: &[u8]) -> Start<T> {
    let mark = bytes.iter().position(|byte| *byte == MARK[0]);
    match mark {
        None => return Start::Text(bytes.len()),
        Some(0) => {}
        Some(at) => return Start::Text(at),
    }
    let known = bytes.len().min(MARK.len());
    if bytes.get(..known) != MARK.get(..known) {
        return Start::Text(1);
    }
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return Start::Unknown;
    };
    let [_, _, _, _, l0, l1, c0, c1, c2, c3] = *header;
    let len = usize::from(u16::from_le_bytes([l0, l1]));
    if len > MAX_MESSAGE {
        return Start::Text(1);
    }
    let Some(message) = bytes.get(HEADER..HEADER + len) else {
        return Start::Unknown;
    };
    if checksum([l0, l1], message) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Start::Text(1);
    }
    match postcard::from_bytes(message) {
        Ok(message) => Start::Message(message, HEADER + len),
        Err(_) => Start::Text(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(message: &ToHost) -> Vec<u8> {
        encode(message).unwrap()
    }

    #[test]
    fn limits() {
        assert!(frame(&ToHost::Output(vec![0xff; MAX_OUTPUT])).len() <= 4096);
        assert!(encode(&ToHost::Output(vec![0; MAX_MESSAGE])).is_none());
        let input = encode(&ToGuest::Input(vec![0xff; MAX_INPUT])).unwrap();
        let signal = encode(&ToGuest::Signal(2)).unwrap();
        // The console keeps 1024 bytes.
        assert!(input.len() + 8 * signal.len() < 1024);
    }

    #[test]
    fn last_words_fit() {
        let kinds: [fn(String) -> ToHost; 3] =
            [ToHost::NotFound, ToHost::Failed, ToHost::CannotRun];
        for kind in kinds {
            for letter in ["x", "ß", "🦀"] {
                for len in [MAX_MESSAGE, 1 << 16] {
                    let long = kind(format!("/{}: no such file", letter.repeat(len)));
                    assert!(encode(&long).is_none());
                    let short = long.shortened();
                    assert!(encode(&short).is_some());
                    let (ToHost::NotFound(text) | ToHost::Failed(text) | ToHost::CannotRun(text)) =
                        short
                    else {
                        panic!("another message");
                    };
                    assert!(text.starts_with(&format!("/{letter}")), "{text}");
                    assert!(text.ends_with(&format!("{letter}: no such file")), "{text}");
                    assert!(text.len() > MAX_OUTPUT - 12, "{}", text.len());
                }
            }
            let fits = kind("x".repeat(MAX_OUTPUT));
            assert_eq!(fits.clone().shortened(), fits);
        }
        assert_eq!(ToHost::Exited(1).shortened(), ToHost::Exited(1));
    }

    #[test]
    fn damage() {
        let good = frame(&ToHost::Exited(7));
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 0x40;
            let mut decoder = Decoder::new();
            let mut items: Vec<Item<ToHost>> = decoder.push(&bad);
            // A frame that pretends to be longer is text once what follows does not fit it.
            items.extend(decoder.push(&[b'.'; MAX_MESSAGE + HEADER]));
            items.extend(decoder.push(&good));
            assert_eq!(
                items.last(),
                Some(&Item::Message(ToHost::Exited(7))),
                "{index}"
            );
            let messages = items.iter().filter(|item| matches!(item, Item::Message(_)));
            assert_eq!(messages.count(), 1, "{index}");
        }
    }

    #[test]
    fn requests() {
        let request = Request {
            command: "/root/hello".into(),
            args: vec!["a b".into(), String::new()],
            env: vec![("K".into(), "V=W".into())],
            folder: "/root".into(),
            files: vec![
                File {
                    path: "/root/d".into(),
                    mode: 0o755,
                    kind: FileKind::Folder,
                },
                File {
                    path: "/root/d/f".into(),
                    mode: 0o644,
                    kind: FileKind::Contents(0),
                },
                File {
                    path: "/root/l".into(),
                    mode: 0o777,
                    kind: FileKind::Link("d/f".into()),
                },
            ],
        };
        assert_eq!(
            decode_request(&encode_request(&request).unwrap()),
            Some(request)
        );
        assert_eq!(decode_request(b"\xff\xff\xff\xff\xff"), None);
    }

    fn message() -> impl Strategy<Value = ToHost> {
        prop_oneof![
            any::<u32>().prop_map(ToHost::Hello),
            Just(ToHost::Taken),
            prop::collection::vec(any::<u8>(), 0..MAX_OUTPUT).prop_map(ToHost::Output),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(ToHost::Error),
            any::<u32>().prop_map(ToHost::Exited),
            ".{0,40}".prop_map(ToHost::Failed),
        ]
    }

    proptest! {
        /// Messages among others' text, in pieces of any size, come out whole and in order; so does the text.
        #[test]
        fn any_line(
            parts in prop::collection::vec(
                prop_oneof![
                    message().prop_map(Item::Message),
                    "[ -~\n]{1,60}".prop_map(|text| Item::Text(text.into_bytes())),
                ],
                0..12,
            ),
            piece in 1_usize..97,
        ) {
            let mut line = Vec::new();
            for part in &parts {
                match part {
                    Item::Message(message) => line.extend(frame(message)),
                    Item::Text(text) => line.extend(text),
                }
            }
            let mut decoder = Decoder::new();
            let mut items: Vec<Item<ToHost>> = Vec::new();
            for piece in line.chunks(piece) {
                items.extend(decoder.push(piece));
            }
            prop_assert!(decoder.finish().is_empty());
            let messages = |items: &[Item<ToHost>]| -> Vec<Item<ToHost>> {
                items.iter().filter(|item| matches!(item, Item::Message(_))).cloned().collect()
            };
            let text = |items: &[Item<ToHost>]| -> Vec<u8> {
                let texts = items.iter().filter_map(|item| match item {
                    Item::Text(text) => Some(text.as_slice()),
                    Item::Message(_) => None,
                });
                texts.collect::<Vec<_>>().concat()
            };
            prop_assert_eq!(messages(&items), messages(&parts));
            prop_assert_eq!(text(&items), text(&parts));
        }

        /// Any bytes: no panic, and nothing is lost.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            let mut decoder = Decoder::new();
            let items: Vec<Item<ToHost>> = decoder.push(&bytes);
            let texts: usize = items.iter().map(|item| match item {
                Item::Text(text) => text.len(),
                Item::Message(message) => frame(message).len(),
            }).sum();
            prop_assert_eq!(texts + decoder.finish().len(), bytes.len());
        }
    }
}
