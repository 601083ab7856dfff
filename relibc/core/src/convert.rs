//! Conversion between character sets: `iconv` without its C types.
//!
//! The forms of Unicode, ASCII and Latin-1 are here; the tables of the others are those of the crate
//! `encoding_rs`. Encodings with shift states are not offered.

use encoding_rs::{DecoderResult, EncoderResult, Encoding};

/// What `iconv` reports as `errno`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The input ends within a character (`EINVAL`).
    Incomplete,
    /// The input has no character there, or one that the output cannot have (`EILSEQ`).
    Invalid,
    /// There is no room for the next character (`E2BIG`).
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
    /// By a mark at the beginning; little-endian without one, as this machine is.
    Marked,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Ascii,
    Latin1,
    Utf8,
    Utf16(Order),
    Ucs2(Order),
    Utf32(Order),
    /// A table; whether bytes 0x80 to 0x9f are the control characters of those numbers.
    Table(&'static Encoding, bool),
}

const MARK: char = '\u{feff}';

/// Finds a character set by its name.
fn form(name: &[u8]) -> Option<Form> {
    let mut upper = [0u8; 32];
    let upper = upper.get_mut(..name.len())?;
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    Some(match &*upper {
        b"ASCII" | b"US-ASCII" | b"ANSI_X3.4-1968" | b"646" | b"ISO646-US" | b"C" | b"POSIX" => {
            Form::Ascii
        }
        b"ISO-8859-1" | b"ISO8859-1" | b"ISO_8859-1" | b"LATIN1" | b"L1" | b"8859_1" => {
            Form::Latin1
        }
        b"UTF-8" | b"UTF8" => Form::Utf8,
        b"UTF-16" | b"UTF16" => Form::Utf16(Order::Marked),
        b"UTF-16LE" | b"UTF16LE" => Form::Utf16(Order::Little),
        b"UTF-16BE" | b"UTF16BE" => Form::Utf16(Order::Big),
        b"UCS-2" | b"UCS2" | b"ISO-10646-UCS-2" => Form::Ucs2(Order::Marked),
        b"UCS-2LE" => Form::Ucs2(Order::Little),
        b"UCS-2BE" => Form::Ucs2(Order::Big),
        b"UTF-32" | b"UTF32" => Form::Utf32(Order::Marked),
        b"UTF-32LE" | b"UTF32LE" | b"UCS-4LE" | b"WCHAR_T" | b"UCS-4-INTERNAL" => {
            Form::Utf32(Order::Little)
        }
        b"UTF-32BE" | b"UTF32BE" | b"UCS-4BE" | b"UCS-4" | b"UCS4" | b"ISO-10646" => {
            Form::Utf32(Order::Big)
        }
        b"ISO-8859-9" | b"ISO8859-9" | b"LATIN5" => Form::Table(encoding_rs::WINDOWS_1254, true),
        b"ISO-8859-11" | b"ISO8859-11" | b"TIS-620" => Form::Table(encoding_rs::WINDOWS_874, true),
        b"SJIS" | b"SHIFT-JIS" => Form::Table(encoding_rs::SHIFT_JIS, false),
        other => {
            if let Some(page) = other.strip_prefix(b"CP").filter(|p| p.len() == 4) {
                let label: alloc::vec::Vec<u8> = [b"windows-", page].concat();
                return table(&label);
            }
            return table(other);
        }
    })
}

fn table(label: &[u8]) -> Option<Form> {
    let encoding = Encoding::for_label_no_replacement(label)?;
    let stateless = encoding != encoding_rs::ISO_2022_JP
        && encoding != encoding_rs::UTF_16LE
        && encoding != encoding_rs::UTF_16BE
        && encoding != encoding_rs::X_USER_DEFINED;
    stateless.then_some(if encoding == encoding_rs::UTF_8 {
        Form::Utf8
    } else {
        Form::Table(encoding, false)
    })
}

/// One character, or the two that some tables have for one code, and how many bytes they took.
struct Decoded {
    text: [char; 2],
    count: usize,
    len: usize,
}

const fn one(c: char, len: usize) -> Decoded {
    Decoded {
        text: [c, '\0'],
        count: 1,
        len,
    }
}

fn unit16(input: &[u8], big: bool) -> Option<u16> {
    let bytes = *input.first_chunk()?;
    Some(if big {
        u16::from_be_bytes(bytes)
    } else {
        u16::from_le_bytes(bytes)
    })
}

impl Form {
    fn decode(self, big: bool, input: &[u8]) -> Result<Decoded, Stop> {
        let first = *input.first().ok_or(Stop::Incomplete)?;
        match self {
            Self::Ascii if first >= 0x80 => Err(Stop::Invalid),
            Self::Ascii | Self::Latin1 => Ok(one(char::from(first), 1)),
            Self::Utf8 => {
                let some = input.get(..input.len().min(4)).unwrap_or(input);
                let valid = match core::str::from_utf8(some) {
                    Ok(text) => text,
                    Err(e) => {
                        let good = some.get(..e.valid_up_to()).unwrap_or(&[]);
                        match core::str::from_utf8(good) {
                            Ok(text) if !text.is_empty() => text,
                            _ if e.error_len().is_none() => return Err(Stop::Incomplete),
                            _ => return Err(Stop::Invalid),
                        }
                    }
                };
                let c = valid.chars().next().ok_or(Stop::Incomplete)?;
                Ok(one(c, c.len_utf8()))
            }
            Self::Utf16(_) => {
                let high = unit16(input, big).ok_or(Stop::Incomplete)?;
                if let Some(c) = char::from_u32(high.into()) {
                    return Ok(one(c, 2));
                }
                if high >= 0xdc00 {
                    return Err(Stop::Invalid);
                }
                let low = input
                    .get(2..)
                    .and_then(|rest| unit16(rest, big))
                    .ok_or(Stop::Incomplete)?;
                let mut pair = char::decode_utf16([high, low]);
                let c = pair.next().and_then(Result::ok).ok_or(Stop::Invalid)?;
                Ok(one(c, 4))
            }
            Self::Ucs2(_) => {
                let unit = unit16(input, big).ok_or(Stop::Incomplete)?;
                char::from_u32(unit.into())
                    .map(|c| one(c, 2))
                    .ok_or(Stop::Invalid)
            }
            Self::Utf32(_) => {
                let bytes = *input.first_chunk().ok_or(Stop::Incomplete)?;
                let number = if big {
                    u32::from_be_bytes(bytes)
                } else {
                    u32::from_le_bytes(bytes)
                };
                char::from_u32(number)
                    .map(|c| one(c, 4))
                    .ok_or(Stop::Invalid)
            }
            Self::Table(_, true) if (0x80..0xa0).contains(&first) => Ok(one(char::from(first), 1)),
            Self::Table(encoding, _) => {
                // No code is longer than four bytes.
                for len in 1..=input.len().min(4) {
                    let code = input.get(..len).unwrap_or(input);
                    let mut text = [0u8; 16];
                    let mut decoder = encoding.new_decoder_without_bom_handling();
                    let (result, _, written) =
                        decoder.decode_to_utf8_without_replacement(code, &mut text, false);
                    if matches!(result, DecoderResult::Malformed(..)) {
                        return Err(Stop::Invalid);
                    }
                    let text = text
                        .get(..written)
                        .and_then(|t| core::str::from_utf8(t).ok());
                    let mut chars = text.unwrap_or("").chars();
                    if let Some(c) = chars.next() {
                        let second = chars.next();
                        return Ok(Decoded {
                            text: [c, second.unwrap_or('\0')],
                            count: 1 + usize::from(second.is_some()),
                            len,
                        });
                    }
                }
                Err(if input.len() < 4 {
                    Stop::Incomplete
                } else {
                    Stop::Invalid
                })
            }
        }
    }

    /// The bytes of a character; `None` when the set does not have it.
    fn encode(self, c: char, out: &mut [u8; 8]) -> Option<usize> {
        let number = u32::from(c);
        let put = |out: &mut [u8; 8], bytes: &[u8]| {
            out.get_mut(..bytes.len())?.copy_from_slice(bytes);
            Some(bytes.len())
        };
        match self {
            Self::Ascii => u8::try_from(number)
                .ok()
                .filter(u8::is_ascii)
                .and_then(|b| put(out, &[b])),
            Self::Latin1 => u8::try_from(number).ok().and_then(|b| put(out, &[b])),
            Self::Utf8 => Some(c.encode_utf8(out).len()),
            Self::Utf16(order) | Self::Ucs2(order) => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units);
                if units.len() > 1 && matches!(self, Self::Ucs2(_)) {
                    return None;
                }
                let mut len = 0;
                for unit in units.iter() {
                    let bytes = if order == Order::Big {
                        unit.to_be_bytes()
                    } else {
                        unit.to_le_bytes()
                    };
                    out.get_mut(len..len + 2)?.copy_from_slice(&bytes);
                    len += 2;
                }
                Some(len)
            }
            Self::Utf32(Order::Big) => put(out, &number.to_be_bytes()),
            Self::Utf32(_) => put(out, &number.to_le_bytes()),
            Self::Table(_, true) if (0x80..0xa0).contains(&number) => put(out, &[number as u8]),
            Self::Table(encoding, controls) => {
                let mut text = [0; 4];
                let text = c.encode_utf8(&mut text);
                let mut encoder = encoding.new_encoder();
                let (result, _, written) =
                    encoder.encode_from_utf8_without_replacement(text, out, true);
                let own = *out.first()?;
                let hidden = controls && (0x80..0xa0).contains(&own);
                (result == EncoderResult::InputEmpty && !hidden).then_some(written)
            }
        }
    }

    const fn order(self) -> Option<Order> {
        match self {
            Self::Utf16(order) | Self::Ucs2(order) | Self::Utf32(order) => Some(order),
            _ => None,
        }
    }
}

/// A conversion that was opened.
#[derive(Debug)]
pub struct Converter {
    from: Form,
    to: Form,
    /// Characters that the output lacks become question marks.
    transliterate: bool,
    /// They, and what is no character, are left out.
    ignore: bool,
    /// The input's byte order, once it is known.
    big: Option<bool>,
    marked: bool,
}

impl Converter {
    /// Opens a conversion by the names that `iconv_open` takes; `//TRANSLIT` and `//IGNORE` may follow
    /// the output's. The empty name means `own`.
    #[must_use]
    pub fn new(to: &[u8], from: &[u8], own: &[u8]) -> Option<Self> {
        let split = |name: &[u8]| {
            name.windows(2)
                .position(|w| w == b"//")
                .unwrap_or(name.len())
        };
        let (to, options) = to.split_at(split(to));
        let (from, _) = from.split_at(split(from));
        let has = |option: &[u8]| {
            options
                .split(|b| *b == b'/' || *b == b',')
                .any(|o| o.eq_ignore_ascii_case(option))
        };
        let of = |name: &[u8]| form(if name.is_empty() { own } else { name });
        Some(Self {
            from: of(from)?,
            to: of(to)?,
            transliterate: has(b"TRANSLIT"),
            ignore: has(b"IGNORE"),
            big: None,
            marked: false,
        })
    }

    /// Begins anew, as at the beginning of a text.
    pub fn reset(&mut self) {
        self.big = None;
        self.marked = false;
    }

    /// The mark that the output begins with, if it has one.
    fn mark(&self) -> Option<char> {
        (!self.marked && self.to.order() == Some(Order::Marked)).then_some(MARK)
    }

    /// Converts as much as can be: how many bytes were taken, how many given, and how many characters
    /// were replaced, or why it stopped.
    pub fn convert(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> (usize, usize, Result<usize, Stop>) {
        let (mut taken, mut given, mut replaced) = (0, 0, 0);
        let mut skipped = false;
        while let Some(rest) = input.get(taken..).filter(|rest| !rest.is_empty()) {
            let order = self.from.order();
            let big = self.big.unwrap_or(order == Some(Order::Big));
            if order == Some(Order::Marked) && self.big.is_none() {
                let (little, other, len): (&[u8], &[u8], usize) = match self.from {
                    Form::Utf32(_) => (&[0xff, 0xfe, 0, 0], &[0, 0, 0xfe, 0xff], 4),
                    _ => (&[0xff, 0xfe], &[0xfe, 0xff], 2),
                };
                if rest.len() < len {
                    return (taken, given, Err(Stop::Incomplete));
                }
                self.big = Some(rest.starts_with(other));
                if rest.starts_with(little) || rest.starts_with(other) {
                    taken += len;
                    continue;
                }
            }
            let decoded = match self.from.decode(big, rest) {
                Ok(decoded) => decoded,
                Err(Stop::Invalid) if self.ignore => {
                    taken += 1;
                    skipped = true;
                    continue;
                }
                Err(stop) => return (taken, given, Err(stop)),
            };
            let mut buffer = [0u8; 24];
            let mut len = 0;
            let mut lossy = 0;
            let text = decoded.text.get(..decoded.count).unwrap_or(&[]);
            for &c in self.mark().iter().chain(text) {
                let mut code = [0; 8];
                let size = match self.to.encode(c, &mut code) {
                    Some(size) => size,
                    None if self.transliterate => {
                        lossy += 1;
                        self.to.encode('?', &mut code).unwrap_or(0)
                    }
                    None if self.ignore => {
                        skipped = true;
                        0
                    }
                    None => return (taken, given, Err(Stop::Invalid)),
                };
                if let (Some(place), Some(code)) =
                    (buffer.get_mut(len..len + size), code.get(..size))
                {
                    place.copy_from_slice(code);
                }
                len += size;
            }
            let (Some(place), Some(bytes)) =
                (output.get_mut(given..given + len), buffer.get(..len))
            else {
                return (taken, given, Err(Stop::Full));
            };
            place.copy_from_slice(bytes);
            self.marked = true;
            given += len;
            taken += decoded.len;
            replaced += lossy;
        }
        (
            taken,
            given,
            if skipped {
                Err(Stop::Invalid)
            } else {
                Ok(replaced)
            },
        )
    }
}
