//! Multibyte characters in the two locales: `C`, where every byte is a character, and `C.UTF-8`.

/// Character set of the current `LC_CTYPE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// One byte is one character. Bytes above 127 are wide characters 0xDC80 to 0xDCFF, which belong
    /// to no other character, so that a round trip keeps them.
    #[default]
    C,
    /// UTF-8, up to U+10FFFF, without surrogates and overlong forms.
    Utf8,
}

/// A partly read character: what `mbstate_t` holds. Zero is the initial state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// Bits read so far.
    pub partial: u32,
    /// Bytes still missing, and in the second byte the number of bytes read.
    pub missing: u32,
}

/// What [`decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A character, and how many bytes of this call it took.
    Char(u32, usize),
    /// The bytes are a beginning; all were taken into the state.
    Incomplete,
    /// Not a character (`EILSEQ`).
    Invalid,
}

/// Reads one character from `bytes`, continuing `state`.
pub fn decode(charset: Charset, state: &mut State, bytes: &[u8]) -> Decoded {
    let Some(first) = bytes.first() else {
        return Decoded::Incomplete;
    };
    if charset == Charset::C {
        return Decoded::Char(
            if *first < 0x80 {
                u32::from(*first)
            } else {
                0xDC00 | u32::from(*first)
            },
            1,
        );
    }
    let mut taken = 0;
    let (mut read, mut missing, mut value) =
        (state.missing >> 8, state.missing & 0xff, state.partial);
    for byte in bytes {
        if missing == 0 {
            (missing, value) = match byte {
                0..=0x7f => return Decoded::Char(u32::from(*byte), taken + 1),
                0xC2..=0xDF => (1, u32::from(byte & 0x1f)),
                0xE0..=0xEF => (2, u32::from(byte & 0x0f)),
                0xF0..=0xF4 => (3, u32::from(byte & 0x07)),
                _ => return invalid(state),
            };
            read = 1;
        } else {
            // The second byte decides about overlong forms, surrogates and the upper limit.
            let allowed = match (read, missing, value) {
                (1, 2, 0) => 0xA0..=0xBF,
                (1, 2, 0xD) => 0x80..=0x9F,
                (1, 3, 0) => 0x90..=0xBF,
                (1, 3, 4) => 0x80..=0x8F,
                _ => 0x80..=0xBF,
            };
            if !allowed.contains(byte) {
                return invalid(state);
            }
            value = value << 6 | u32::from(byte & 0x3f);
            missing -= 1;
            read += 1;
        }
        taken += 1;
        if missing == 0 {
            *state = State::default();
            return Decoded::Char(value, taken);
        }
    }
    *state = State {
        partial: value,
        missing: missing | read << 8,
    };
    Decoded::Incomplete
}

fn invalid(state: &mut State) -> Decoded {
    *state = State::default();
    Decoded::Invalid
}

/// Writes one character into `out`; its length, or `None` if the charset does not have it.
#[must_use]
pub fn encode(charset: Charset, c: u32, out: &mut [u8; 4]) -> Option<usize> {
    if charset == Charset::C {
        out[0] = match c {
            0..=0x7f => c as u8,
            0xDC80..=0xDCFF => c as u8,
            _ => return None,
        };
        return Some(1);
    }
    char::from_u32(c).map(|c| c.encode_utf8(out).len())
}

/// Columns a wide character takes: -1 for controls and unassigned surrogates, 0 for combining ones.
#[must_use]
pub fn width(c: u32) -> i32 {
    if c == 0 {
        return 0;
    }
    match char::from_u32(c) {
        Some(c) => unicode_width::UnicodeWidthChar::width(c).map_or(-1, |w| w as i32),
        None => -1,
    }
}
