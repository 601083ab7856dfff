//! The serial line to the host.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use exec_protocol::{Decoder, Item, ToGuest, ToHost, encode};

/// The console, which is the line as long as there is no other.
const CONSOLE: &str = "/scheme/debug";

/// The way to the host. One frame is one write, so that nobody else's words come in between.
#[derive(Clone)]
pub struct Line(Arc<Mutex<File>>);

/// The way from the host.
pub struct Listener {
    file: File,
    decoder: Decoder,
}

impl Line {
    /// Opens the line.
    pub fn open() -> io::Result<Self> {
        let file = File::options().write(true).open(CONSOLE)?;
        Ok(Self(Arc::new(Mutex::new(file))))
    }

    /// Opens the other direction.
    pub fn listener(&self) -> io::Result<Listener> {
        Ok(Listener {
            file: File::open(CONSOLE)?,
            decoder: Decoder::new(),
        })
    }

    /// Sends a message.
    pub fn send(&self, message: &ToHost) -> io::Result<()> {
        let frame = encode(message).ok_or(io::ErrorKind::InvalidInput)?;
        // A thread that panicked between two frames has left the line in order.
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&frame)
    }
}

impl Listener {
    /// Waits for messages.
    pub fn receive(&mut self) -> io::Result<Vec<ToGuest>> {
        let mut buffer = [0; 256];
        let len = self.file.read(&mut buffer)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let items = self.decoder.push(buffer.get(..len).unwrap_or(&[]));
        // Text from the host is for nobody.
        Ok(items
            .into_iter()
            .filter_map(|item| match item {
                Item::Message(message) => Some(message),
                Item::Text(_) => None,
            })
            .collect())
    }
}
