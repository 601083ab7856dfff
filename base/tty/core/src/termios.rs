//! Settings of a terminal, in the form in which programs read and write them.

/// `c_iflag`: the eighth bit is cleared.
pub const ISTRIP: u32 = 0o40;
/// `c_iflag`: a line feed becomes a carriage return.
pub const INLCR: u32 = 0o100;
/// `c_iflag`: carriage returns are dropped.
pub const IGNCR: u32 = 0o200;
/// `c_iflag`: a carriage return becomes a line feed.
pub const ICRNL: u32 = 0o400;
/// `c_iflag`: STOP and START hold output and let it go on.
pub const IXON: u32 = 0o1000;

/// `c_oflag`: output is processed at all.
pub const OPOST: u32 = 0o1;
/// `c_oflag`: a line feed becomes a carriage return and a line feed.
pub const ONLCR: u32 = 0o2;
/// `c_oflag`: letters become capitals.
pub const OLCUC: u32 = 0o4;
/// `c_oflag`: a carriage return becomes a line feed.
pub const OCRNL: u32 = 0o10;
/// `c_oflag`: no carriage return in the first column.
pub const ONOCR: u32 = 0o20;
/// `c_oflag`: a line feed also returns the carriage.
pub const ONLRET: u32 = 0o40;

/// `c_cflag`: eight bits per byte.
pub const CS8: u32 = 0o1400;
/// `c_cflag`: the receiver is on.
pub const CREAD: u32 = 0o4000;
/// `c_cflag`: the last close hangs up.
pub const HUPCL: u32 = 0o40000;

/// `c_lflag`: INTR, QUIT and SUSP send signals.
pub const ISIG: u32 = 0x80;
/// `c_lflag`: input comes in lines, which can be edited.
pub const ICANON: u32 = 0x100;
/// `c_lflag`: input is shown.
pub const ECHO: u32 = 0x8;
/// `c_lflag`: ERASE takes the character off the screen.
pub const ECHOE: u32 = 0x2;
/// `c_lflag`: KILL goes to a new line.
pub const ECHOK: u32 = 0x4;
/// `c_lflag`: a line feed is shown even when nothing else is.
pub const ECHONL: u32 = 0x10;
/// `c_lflag`: signals do not discard input and output.
pub const NOFLSH: u32 = 0x8000_0000;
/// `c_lflag`: output from the background is stopped.
pub const TOSTOP: u32 = 0x0040_0000;
/// `c_lflag`: the editing characters beyond POSIX's basic ones.
pub const IEXTEN: u32 = 0x400;

/// Place in `c_cc`: end of file.
pub const VEOF: usize = 0;
/// Place in `c_cc`: another end of line.
pub const VEOL: usize = 1;
/// Place in `c_cc`: one more.
pub const VEOL2: usize = 2;
/// Place in `c_cc`: takes a character back.
pub const VERASE: usize = 3;
/// Place in `c_cc`: takes a word back.
pub const VWERASE: usize = 4;
/// Place in `c_cc`: takes the line back.
pub const VKILL: usize = 5;
/// Place in `c_cc`: shows the line again.
pub const VREPRINT: usize = 6;
/// Place in `c_cc`: `SIGINT`.
pub const VINTR: usize = 8;
/// Place in `c_cc`: `SIGQUIT`.
pub const VQUIT: usize = 9;
/// Place in `c_cc`: `SIGTSTP`.
pub const VSUSP: usize = 10;
/// Place in `c_cc`: lets output go on.
pub const VSTART: usize = 12;
/// Place in `c_cc`: holds output.
pub const VSTOP: usize = 13;
/// Place in `c_cc`: the next character means nothing special.
pub const VLNEXT: usize = 14;
/// Place in `c_cc`: how many bytes a read waits for.
pub const VMIN: usize = 16;
/// Place in `c_cc`: how long a read waits, in tenths of a second.
pub const VTIME: usize = 17;
/// Length of `c_cc`.
pub const NCCS: usize = 32;

const B38400: u32 = 0o17;

/// `struct termios`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    /// `c_iflag`.
    pub iflag: u32,
    /// `c_oflag`.
    pub oflag: u32,
    /// `c_cflag`.
    pub cflag: u32,
    /// `c_lflag`.
    pub lflag: u32,
    /// `c_line`.
    pub line: u8,
    /// `c_cc`.
    pub cc: [u8; NCCS],
    /// `c_ispeed`.
    pub ispeed: u32,
    /// `c_ospeed`.
    pub ospeed: u32,
}

impl Default for Termios {
    /// What a terminal begins with: lines, shown, with signals.
    fn default() -> Self {
        const fn control(letter: u8) -> u8 {
            letter & 0x1f
        }
        let mut cc = [0; NCCS];
        let set = [
            (VEOF, control(b'D')),
            (VERASE, 0x7f),
            (VWERASE, control(b'W')),
            (VKILL, control(b'U')),
            (VREPRINT, control(b'R')),
            (VINTR, control(b'C')),
            (VQUIT, 0x1c),
            (VSUSP, control(b'Z')),
            (VSTART, control(b'Q')),
            (VSTOP, control(b'S')),
            (VLNEXT, control(b'V')),
            (VMIN, 1),
        ];
        for (index, value) in set {
            if let Some(place) = cc.get_mut(index) {
                *place = value;
            }
        }
        Self {
            iflag: ICRNL | IXON,
            oflag: OPOST | ONLCR,
            cflag: CS8 | CREAD | HUPCL,
            lflag: ISIG | ICANON | ECHO | ECHOE | ECHOK | IEXTEN,
            line: 0,
            cc,
            ispeed: B38400,
            ospeed: B38400,
        }
    }
}

/// Where the fields of `struct termios` are: flags, the line discipline, control characters (3 bytes of
/// padding behind them), speeds.
const LINE: usize = 16;
const CC: usize = 17;
const SPEEDS: usize = 52;

impl Termios {
    /// Size of the structure.
    pub const LEN: usize = 60;

    /// From a program's structure; `None` if it is too short.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| -> Option<u32> {
            let bytes = bytes.get(at..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        Some(Self {
            iflag: word(0)?,
            oflag: word(4)?,
            cflag: word(8)?,
            lflag: word(12)?,
            line: *bytes.get(LINE)?,
            cc: *bytes.get(CC..)?.first_chunk()?,
            ispeed: word(SPEEDS)?,
            ospeed: word(SPEEDS.wrapping_add(4))?,
        })
    }

    /// As a program reads it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let words = [
            (0, self.iflag),
            (4, self.oflag),
            (8, self.cflag),
            (12, self.lflag),
            (SPEEDS, self.ispeed),
            (SPEEDS.wrapping_add(4), self.ospeed),
        ];
        for (at, word) in words {
            put(&mut bytes, at, &word.to_ne_bytes());
        }
        put(&mut bytes, LINE, &[self.line]);
        put(&mut bytes, CC, &self.cc);
        bytes
    }

    /// The control character at a place; `None` if it is switched off.
    pub(crate) fn control(&self, index: usize) -> Option<u8> {
        self.cc.get(index).copied().filter(|byte| *byte != 0)
    }

    pub(crate) fn count(&self, index: usize) -> u8 {
        self.cc.get(index).copied().unwrap_or(0)
    }
}

fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    for (place, byte) in to.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

/// `struct winsize`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Rows of characters.
    pub rows: u16,
    /// Columns of characters.
    pub columns: u16,
    /// Width in points.
    pub width: u16,
    /// Height in points.
    pub height: u16,
}

impl WindowSize {
    /// Size of the structure.
    pub const LEN: usize = 8;

    /// From a program's structure; `None` if it is too short.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (fields, _) = bytes.get(..Self::LEN)?.as_chunks::<2>();
        let [rows, columns, width, height] = fields else {
            return None;
        };
        Some(Self {
            rows: u16::from_ne_bytes(*rows),
            columns: u16::from_ne_bytes(*columns),
            width: u16::from_ne_bytes(*width),
            height: u16::from_ne_bytes(*height),
        })
    }

    /// As a program reads it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = [self.rows, self.columns, self.width, self.height];
        for (place, field) in bytes.chunks_exact_mut(2).zip(fields) {
            place.copy_from_slice(&field.to_ne_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_they_are_read() {
        let mut settings = Termios {
            iflag: 1,
            oflag: 2,
            cflag: 3,
            lflag: 4,
            line: 5,
            cc: [0; NCCS],
            ispeed: 6,
            ospeed: 7,
        };
        for (index, place) in settings.cc.iter_mut().enumerate() {
            *place = index as u8 + 10;
        }
        let bytes = settings.to_bytes();
        assert_eq!(bytes[16..20], [5, 10, 11, 12]);
        assert_eq!(bytes[48..56], [41, 0, 0, 0, 6, 0, 0, 0]);
        assert_eq!(Termios::from_bytes(&bytes), Some(settings));
        assert_eq!(Termios::from_bytes(&bytes[..59]), None);
        let size = WindowSize {
            rows: 24,
            columns: 80,
            width: 1,
            height: 2,
        };
        assert_eq!(size.to_bytes(), [24, 0, 80, 0, 1, 0, 2, 0]);
        assert_eq!(WindowSize::from_bytes(&size.to_bytes()), Some(size));
        assert_eq!(WindowSize::from_bytes(&[0; 7]), None);
    }
}
