//! The initial stack of a new program, as the System V ABI for x86-64 lays it out.
//!
//! From the stack pointer upwards: `argc`, the argument pointers, 0, the environment pointers, 0, the
//! auxiliary vector as pairs of words ending in `AT_NULL`, padding, and the strings. The stack
//! pointer is a multiple of 16.

use core::fmt;

const WORD: usize = size_of::<usize>();
/// Longest accepted stack image (strings, pointers and vectors together), in bytes.
pub const MAX_LEN: usize = 2 << 20;

/// Something whose address and length the program learns from its auxiliary vector.
#[derive(Clone, Copy, Debug)]
pub struct Blob<'a> {
    /// Vector entry that gets the address.
    pub address_tag: usize,
    /// Vector entry that gets the length.
    pub len_tag: usize,
    /// What the length counts, in bytes: 1, or the size of an array's element.
    pub unit: usize,
    /// The bytes.
    pub data: &'a [u8],
}

/// What a program starts with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Content<'a> {
    /// Arguments, without their final NUL.
    pub args: &'a [&'a [u8]],
    /// Environment, each `NAME=VALUE` without its final NUL.
    pub env: &'a [&'a [u8]],
    /// Auxiliary vector entries, without the final `AT_NULL`.
    pub auxv: &'a [(usize, usize)],
    /// Data behind auxiliary vector entries.
    pub blobs: &'a [Blob<'a>],
}

/// Why there is no such stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackError {
    /// Longer than [`MAX_LEN`] or than the memory given for it: `E2BIG`.
    TooBig,
    /// An argument or environment string contains a NUL: `EINVAL`.
    Nul,
    /// The top of the stack is not a multiple of 16: the caller's mistake, `EINVAL`.
    Unaligned,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooBig => "arguments and environment are too long",
            Self::Nul => "an argument or environment string contains a NUL",
            Self::Unaligned => "the top of the stack is not a multiple of 16",
        })
    }
}

impl StackError {
    /// The error number a program sees.
    #[must_use]
    pub const fn errno(self) -> i32 {
        match self {
            Self::TooBig => syscall::E2BIG,
            Self::Nul | Self::Unaligned => syscall::EINVAL,
        }
    }
}

impl Content<'_> {
    fn strings(&self) -> impl Iterator<Item = &[u8]> {
        self.args.iter().chain(self.env).copied()
    }

    fn string_bytes(&self) -> Option<usize> {
        let mut total = 0usize;
        for s in self.strings() {
            total = total.checked_add(s.len())?.checked_add(1)?;
        }
        for b in self.blobs {
            // Each begins at a word boundary, so that structures can be read in place.
            total = total.checked_add(b.data.len())?.checked_add(WORD)?;
        }
        Some(total)
    }

    fn words(&self) -> Option<usize> {
        let pairs = self
            .auxv
            .len()
            .checked_add(self.blobs.len().checked_mul(2)?)?
            .checked_add(1)?;
        self.args
            .len()
            .checked_add(self.env.len())?
            .checked_add(3)?
            .checked_add(pairs.checked_mul(2)?)
    }

    /// How many bytes the stack image takes at most; a multiple of 16.
    pub fn size(&self) -> Result<usize, StackError> {
        let total = || {
            let words = self.words()?.checked_mul(WORD)?;
            Some(words.checked_add(self.string_bytes()?)?.checked_add(47)? & !15)
        };
        total().filter(|&n| n <= MAX_LEN).ok_or(StackError::TooBig)
    }

    /// Writes the image into `buf`, whose last byte will be at address `top - 1` of the program, and
    /// returns the program's stack pointer. What lies below it in `buf` is left alone.
    pub fn build(&self, buf: &mut [u8], top: usize) -> Result<usize, StackError> {
        if self.strings().any(|s| s.contains(&0)) {
            return Err(StackError::Nul);
        }
        if !top.is_multiple_of(16) {
            return Err(StackError::Unaligned);
        }
        let size = self.size()?;
        let skip = buf.len().checked_sub(size).ok_or(StackError::TooBig)?;
        let base = top.checked_sub(size).ok_or(StackError::TooBig)?;
        let buf = buf.get_mut(skip..).ok_or(StackError::TooBig)?;
        let string_bytes = self.string_bytes().ok_or(StackError::TooBig)?;
        let strings_at = size.checked_sub(string_bytes).ok_or(StackError::TooBig)?;
        let mut writer = Writer {
            buf,
            base,
            word: 0,
            string: strings_at,
        };
        writer.push(self.args.len())?;
        for list in [self.args, self.env] {
            for s in list {
                let address = writer.bytes(s)?;
                writer.bytes(&[0])?;
                writer.push(address)?;
            }
            writer.push(0)?;
        }
        for &(tag, value) in self.auxv {
            writer.push(tag)?;
            writer.push(value)?;
        }
        for blob in self.blobs {
            writer.string = writer
                .string
                .checked_next_multiple_of(WORD)
                .ok_or(StackError::TooBig)?;
            let address = writer.bytes(blob.data)?;
            for word in [
                blob.address_tag,
                address,
                blob.len_tag,
                blob.data.len() / blob.unit.max(1),
            ] {
                writer.push(word)?;
            }
        }
        writer.push(0)?;
        writer.push(0)?;
        Ok(base)
    }
}

/// Fills words from below and strings above them.
struct Writer<'a> {
    buf: &'a mut [u8],
    base: usize,
    word: usize,
    string: usize,
}

impl Writer<'_> {
    fn push(&mut self, value: usize) -> Result<(), StackError> {
        let end = self.word.checked_add(WORD).ok_or(StackError::TooBig)?;
        self.buf
            .get_mut(self.word..end)
            .ok_or(StackError::TooBig)?
            .copy_from_slice(&value.to_ne_bytes());
        self.word = end;
        Ok(())
    }

    fn bytes(&mut self, data: &[u8]) -> Result<usize, StackError> {
        let at = self.string;
        let end = at.checked_add(data.len()).ok_or(StackError::TooBig)?;
        self.buf
            .get_mut(at..end)
            .ok_or(StackError::TooBig)?
            .copy_from_slice(data);
        self.string = end;
        self.base.checked_add(at).ok_or(StackError::TooBig)
    }
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const TOP: usize = 0x7fff_0000_0000;

    /// What a program reads back from its stack.
    #[derive(Debug, PartialEq)]
    struct Seen {
        args: Vec<Vec<u8>>,
        env: Vec<Vec<u8>>,
        auxv: Vec<(usize, usize)>,
    }

    fn word(image: &[u8], address: usize) -> usize {
        let at = image.len() - (TOP - address);
        usize::from_ne_bytes(image[at..at + WORD].try_into().unwrap())
    }

    fn string(image: &[u8], address: usize) -> Vec<u8> {
        let at = image.len() - (TOP - address);
        image[at..]
            .iter()
            .copied()
            .take_while(|&b| b != 0)
            .collect()
    }

    fn see(image: &[u8], sp: usize) -> Seen {
        let mut at = sp;
        let mut next = || {
            at += WORD;
            word(image, at - WORD)
        };
        let argc = next();
        let args = (0..argc).map(|_| string(image, next())).collect();
        assert_eq!(next(), 0);
        let mut env = vec![];
        loop {
            match next() {
                0 => break,
                p => env.push(string(image, p)),
            }
        }
        let mut auxv = vec![];
        loop {
            match (next(), next()) {
                (0, value) => {
                    assert_eq!(value, 0);
                    break;
                }
                pair => auxv.push(pair),
            }
        }
        Seen { args, env, auxv }
    }

    #[test]
    fn reads_back() {
        let blob = Blob {
            address_tag: 32,
            len_tag: 33,
            unit: 1,
            data: b"/home",
        };
        let content = Content {
            args: &[b"prog", b"", b"-x"],
            env: &[b"A=1"],
            auxv: &[(9, 0x20_0000), (42, 7)],
            blobs: &[blob],
        };
        let mut image = vec![0xaa; 4096];
        let sp = content.build(&mut image, TOP).unwrap();
        assert_eq!(sp % 16, 0);
        let seen = see(&image, sp);
        assert_eq!(seen.args, [b"prog".to_vec(), b"".to_vec(), b"-x".to_vec()]);
        assert_eq!(seen.env, [b"A=1".to_vec()]);
        let [first, second, (32, address), (33, 5)] = seen.auxv[..] else {
            panic!("{:?}", seen.auxv)
        };
        assert_eq!([first, second], [(9, 0x20_0000), (42, 7)]);
        let at = image.len() - (TOP - address);
        assert_eq!(&image[at..at + 5], b"/home");
        assert_eq!(address % WORD, 0);
    }

    #[test]
    fn array_lengths_count_elements() {
        let array = Blob {
            address_tag: 65,
            len_tag: 66,
            unit: 16,
            data: &[0; 48],
        };
        let mut image = vec![0; 4096];
        let sp = Content {
            blobs: &[array],
            ..Default::default()
        }
        .build(&mut image, TOP)
        .unwrap();
        assert_eq!(see(&image, sp).auxv[1], (66, 3));
    }

    #[test]
    fn refusals() {
        let mut image = vec![0; 4096];
        let big = vec![b'x'; MAX_LEN];
        let many = vec![b"" as &[u8]; MAX_LEN / 9 + 1];
        let rows: &[(&str, Content, usize, StackError)] = &[
            (
                "nul in argument",
                Content {
                    args: &[b"a\0b"],
                    ..Default::default()
                },
                TOP,
                StackError::Nul,
            ),
            (
                "nul in environment",
                Content {
                    env: &[b"\0"],
                    ..Default::default()
                },
                TOP,
                StackError::Nul,
            ),
            (
                "one long string",
                Content {
                    args: &[&big],
                    ..Default::default()
                },
                TOP,
                StackError::TooBig,
            ),
            (
                "many short ones",
                Content {
                    env: &many,
                    ..Default::default()
                },
                TOP,
                StackError::TooBig,
            ),
            (
                "longer than the buffer",
                Content {
                    args: &[&big[..4090]],
                    ..Default::default()
                },
                TOP,
                StackError::TooBig,
            ),
            (
                "odd top",
                Content::default(),
                TOP - 8,
                StackError::Unaligned,
            ),
            (
                "below address 0",
                Content {
                    args: &[b"abc"],
                    ..Default::default()
                },
                16,
                StackError::TooBig,
            ),
        ];
        for (name, content, top, want) in rows {
            assert_eq!(content.build(&mut image, *top), Err(*want), "{name}");
        }
        assert_eq!(StackError::TooBig.errno(), syscall::E2BIG);
    }

    proptest! {
        #[test]
        fn any_content_reads_back(
            args in proptest::collection::vec(proptest::collection::vec(1u8.., 0..40), 0..12),
            env in proptest::collection::vec(proptest::collection::vec(1u8.., 0..40), 0..12),
            auxv in proptest::collection::vec((1usize.., any::<usize>()), 0..8),
            data in proptest::collection::vec(any::<u8>(), 0..50),
            slack in 0usize..100,
        ) {
            let a: Vec<&[u8]> = args.iter().map(|v| &v[..]).collect();
            let e: Vec<&[u8]> = env.iter().map(|v| &v[..]).collect();
            let blobs = [Blob { address_tag: 1, len_tag: 2, unit: 1, data: &data }];
            let content = Content { args: &a, env: &e, auxv: &auxv, blobs: &blobs };
            let mut image = vec![0xaa; content.size().unwrap() + slack];
            let sp = content.build(&mut image, TOP).unwrap();
            prop_assert_eq!(sp % 16, 0);
            prop_assert!(image[..slack].iter().all(|&b| b == 0xaa));
            let mut seen = see(&image, sp);
            let (len, address) = (seen.auxv.pop().unwrap(), seen.auxv.pop().unwrap());
            prop_assert_eq!(len, (2, data.len()));
            let at = image.len() - (TOP - address.1);
            prop_assert_eq!(&image[at..at + data.len()], &data[..]);
            prop_assert_eq!(seen, Seen { args, env, auxv });
        }
    }
}
