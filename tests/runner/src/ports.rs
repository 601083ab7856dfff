//! Lines between the machine and the host, and who is at this end of them.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Who is at this end.
    pub peer: Peer,
    /// It is a console, of which the emulator drops what this end does not take in time.
    #[serde(default)]
    pub console: bool,
}

/// Who is at this end of a line.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Sends back what it is sent, and takes more only when that has been taken.
    Echo,
}

impl Port {
    /// Waits for the emulator at the `index`-th line's socket in a folder, then serves it until it goes.
    pub fn serve(&self, folder: &Path, index: usize) -> Result<()> {
        let path = folder.join(name(index));
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot listen at {}", path.display()))?;
        let Peer::Echo = self.peer;
        // It ends with the emulator, or with this program if there was none.
        thread::spawn(move || {
            let Ok((mut line, _)) = listener.accept() else {
                return;
            };
            let mut buffer = [0; 65_536];
            while let Ok(len @ 1..) = line.read(&mut buffer) {
                if line.write_all(&buffer[..len]).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    /// The emulator's arguments.
    pub fn qemu_args(&self, folder: &Path, index: usize) -> Vec<OsString> {
        let path = folder.join(name(index));
        let path = path.to_string_lossy().replace(',', ",,");
        let words = [
            "-chardev".to_owned(),
            format!("socket,id=port{index},path={path}"),
            "-device".to_owned(),
            format!("virtio-serial-pci,id=serial{index}{}", self.limit()),
            "-device".to_owned(),
            format!("{},bus=serial{index}.0,chardev=port{index}", self.device()),
        ];
        words.into_iter().map(OsString::from).collect()
    }
}

impl Port {
    /// A device with one port does not speak of ports.
    const fn limit(&self) -> &str {
        if self.console { ",max_ports=1" } else { "" }
    }

    const fn device(&self) -> &str {
        if self.console {
            "virtconsole"
        } else {
            "virtserialport"
        }
    }
}

fn name(index: usize) -> String {
    format!("port{index}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn an_echo_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let port = Port {
            peer: Peer::Echo,
            console: false,
        };
        port.serve(folder.path(), 3).unwrap();
        let mut line = UnixStream::connect(folder.path().join("port3")).unwrap();
        line.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        line.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
    }
}
