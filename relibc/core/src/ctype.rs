//! Character classes: `<ctype.h>` for the C locale, `<wctype.h>` for Unicode.

/// A character class, with the number that `wctype` gives for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// `alnum`
    Alnum = 1,
    /// `alpha`
    Alpha,
    /// `blank`
    Blank,
    /// `cntrl`
    Cntrl,
    /// `digit`
    Digit,
    /// `graph`
    Graph,
    /// `lower`
    Lower,
    /// `print`
    Print,
    /// `punct`
    Punct,
    /// `space`
    Space,
    /// `upper`
    Upper,
    /// `xdigit`
    Xdigit,
}

/// Classes and their names.
pub const CLASSES: [(&str, Class); 12] = [
    ("alnum", Class::Alnum),
    ("alpha", Class::Alpha),
    ("blank", Class::Blank),
    ("cntrl", Class::Cntrl),
    ("digit", Class::Digit),
    ("graph", Class::Graph),
    ("lower", Class::Lower),
    ("print", Class::Print),
    ("punct", Class::Punct),
    ("space", Class::Space),
    ("upper", Class::Upper),
    ("xdigit", Class::Xdigit),
];

impl Class {
    /// The class of a name, as `wctype` and bracket expressions use it.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Class> {
        CLASSES
            .iter()
            .find(|(n, _)| n.as_bytes() == name)
            .map(|(_, c)| *c)
    }

    /// The class of a `wctype_t`.
    #[must_use]
    pub fn by_number(number: u32) -> Option<Class> {
        CLASSES
            .iter()
            .find(|(_, c)| *c as u32 == number)
            .map(|(_, c)| *c)
    }
}

/// Whether a character below 256 (or any other `int`) is in a class in the C locale.
#[must_use]
pub fn is(class: Class, c: i32) -> bool {
    let Ok(c) = u8::try_from(c) else { return false };
    match class {
        Class::Alnum => c.is_ascii_alphanumeric(),
        Class::Alpha => c.is_ascii_alphabetic(),
        Class::Blank => matches!(c, b' ' | b'\t'),
        Class::Cntrl => c.is_ascii_control(),
        Class::Digit => c.is_ascii_digit(),
        Class::Graph => c.is_ascii_graphic(),
        Class::Lower => c.is_ascii_lowercase(),
        Class::Print => c.is_ascii_graphic() || c == b' ',
        Class::Punct => c.is_ascii_punctuation(),
        Class::Space => matches!(c, b'\t'..=b'\r' | b' '),
        Class::Upper => c.is_ascii_uppercase(),
        Class::Xdigit => c.is_ascii_hexdigit(),
    }
}

/// Whether a wide character is in a class. `digit` and `xdigit` are the ASCII ones in every locale,
/// as C demands; other decimal digits count as `alpha`, as they do on other systems. No-break spaces
/// are punctuation, not space.
#[must_use]
pub fn is_wide(class: Class, c: u32) -> bool {
    if c < 0x80 {
        return is(class, c as i32);
    }
    let Some(ch) = char::from_u32(c) else {
        return false;
    };
    let no_break = matches!(c, 0xA0 | 0x2007 | 0x202F);
    let control = ch.is_control() || matches!(c, 0x2028 | 0x2029);
    let space = ch.is_whitespace() && !no_break && c != 0x85;
    match class {
        Class::Alpha | Class::Alnum => {
            ch.is_alphanumeric()
                && (ch.is_alphabetic() || ch.is_numeric() && crate::ctype::is_decimal(ch))
        }
        Class::Blank => space && !matches!(c, 0x2028 | 0x2029),
        Class::Cntrl => control,
        Class::Digit | Class::Xdigit => false,
        Class::Graph => !control && !space && assigned(ch),
        Class::Print => !control && assigned(ch),
        Class::Lower => ch.is_lowercase() || to_upper(c) != c,
        Class::Upper => ch.is_uppercase() || to_lower(c) != c,
        Class::Punct => !control && !space && assigned(ch) && !is_wide(Class::Alpha, c),
        Class::Space => space,
    }
}

/// Unicode's other decimal digits come in aligned runs of ten that `char` calls numeric; letter-like
/// and fractional numbers do not have the width of a digit, so only runs are taken.
fn is_decimal(ch: char) -> bool {
    ch.is_numeric()
        && !matches!(ch as u32, 0xB2 | 0xB3 | 0xB9 | 0xBC..=0xBE | 0x2070..=0x2089 | 0x2150..=0x215F | 0x2460..=0x24FF | 0x2776..=0x2793)
}

/// A code point is taken as printable unless it is a non-character or for private use; which code
/// points have been assigned depends on the Unicode version.
fn assigned(ch: char) -> bool {
    let c = ch as u32;
    c & 0xFFFE != 0xFFFE && !(0xFDD0..=0xFDEF).contains(&c)
}

/// Simple upper-case mapping: one character to one.
#[must_use]
pub fn to_upper(c: u32) -> u32 {
    // Greek letters with iota subscript: their full mapping is two letters, their simple one the
    // title-case letter.
    match c {
        0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7 => return c + 8,
        0x1FB3 | 0x1FC3 | 0x1FF3 => return c + 9,
        _ => {}
    }
    let Some(ch) = char::from_u32(c) else {
        return c;
    };
    let mut upper = ch.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(u), None) => u as u32,
        _ => c,
    }
}

/// Simple lower-case mapping: one character to one.
#[must_use]
pub fn to_lower(c: u32) -> u32 {
    if c == 0x130 {
        return 0x69;
    }
    let Some(ch) = char::from_u32(c) else {
        return c;
    };
    let mut lower = ch.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(l), None) => l as u32,
        _ => c,
    }
}
