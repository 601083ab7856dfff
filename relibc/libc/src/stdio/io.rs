//! Opening, reading, writing and seeking.

use super::device::{Backend, Fixed, Growing};
use super::{BYTES, FILE, WIDE, discard, for_all, held, locked, oriented, stderr, stdin, stdout};
use crate::string::bytes;
use crate::sys::{self, flags, last_error, set_errno};
use core::ffi::{c_char, c_int, c_long, c_void};
use core::ptr::null_mut;
use core::slice::{from_raw_parts, from_raw_parts_mut};
use core::sync::atomic::Ordering;
use relibc_core::errno::{self, Errno};
use relibc_core::multibyte::{Decoded, State, decode, encode};
use relibc_core::stream::{Buffering, MemoryDevice, Seek, Terminator};

const EOF: c_int = -1;
const WEOF: u32 = u32::MAX;

struct Mode {
    readable: bool,
    writable: bool,
    append: bool,
    flags: c_int,
}

unsafe fn mode(text: *const c_char) -> Option<Mode> {
    let text = bytes(text);
    let plus = text.contains(&b'+');
    let (readable, writable, append, mut bits) = match text.first()? {
        b'r' => (true, plus, false, 0),
        b'w' => (plus, true, false, flags::O_CREAT | flags::O_TRUNC),
        b'a' => (plus, true, true, flags::O_CREAT | flags::O_APPEND),
        _ => return None,
    };
    bits |= match (readable, writable) {
        (true, true) => flags::O_RDWR,
        (true, false) => flags::O_RDONLY,
        _ => flags::O_WRONLY,
    };
    bits |= if text.contains(&b'x') {
        flags::O_EXCL
    } else {
        0
    };
    bits |= if text.contains(&b'e') {
        flags::O_CLOEXEC
    } else {
        0
    };
    Some(Mode {
        readable,
        writable,
        append,
        flags: bits,
    })
}

/// A stream that only appends begins at the end of its file, where its first byte will go: `ftell` is asked
/// before. What cannot seek has no position.
unsafe fn begin(fd: c_int, mode: &Mode) {
    if mode.append && !mode.readable {
        let saved = last_error();
        sys::lseek(fd, 0, 2);
        set_errno(saved);
    }
}

fn fail<T>(e: Errno, value: T) -> T {
    set_errno(e);
    value
}

fn done(result: Result<(), Errno>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(e) => fail(e, EOF),
    }
}

pub(super) unsafe fn flush(file: &mut FILE) -> Result<(), Errno> {
    let result = file.stream.flush();
    file.stream.device_mut().publish();
    result
}

fn put(file: &mut FILE, data: &[u8]) -> usize {
    let (n, result) = file.stream.write(data);
    if let Err(e) = result {
        set_errno(e);
    }
    n
}

fn get(file: &mut FILE) -> c_int {
    match file.stream.get() {
        Ok(Some(b)) => c_int::from(b),
        Ok(None) => EOF,
        Err(e) => fail(e, EOF),
    }
}

/// Reading from a terminal shows what is waiting on standard output first.
pub(super) unsafe fn before_reading(file: &mut FILE) {
    if file.stream.would_fill()
        && file.stream.buffering() != Buffering::Full
        && !core::ptr::eq(file, stdout)
        && (*stdout).try_acquire()
    {
        if (*stdout).stream.buffering() == Buffering::Line && (*stdout).stream.pending() > 0 {
            let _ = (*stdout).stream.flush();
        }
        (*stdout).release();
    }
}

unsafe fn get_byte(file: &mut FILE) -> c_int {
    before_reading(file);
    get(file)
}

unsafe fn read_into(memory: *mut c_void, size: usize, count: usize, file: &mut FILE) -> usize {
    let Some(total) = size.checked_mul(count).filter(|t| *t > 0) else {
        return 0;
    };
    before_reading(file);
    let (n, result) = file.stream.read(from_raw_parts_mut(memory.cast(), total));
    if let Err(e) = result {
        set_errno(e);
    }
    n / size
}

unsafe fn write_from(memory: *const c_void, size: usize, count: usize, file: &mut FILE) -> usize {
    let Some(total) = size.checked_mul(count).filter(|t| *t > 0) else {
        return 0;
    };
    put(file, from_raw_parts(memory.cast(), total)) / size
}

unsafe fn read_line(buffer: *mut c_char, size: c_int, file: &mut FILE) -> *mut c_char {
    let Some(room) = usize::try_from(size).ok().and_then(|s| s.checked_sub(1)) else {
        return fail(errno::EINVAL, null_mut());
    };
    before_reading(file);
    let mut line = alloc::vec::Vec::new();
    let result = file.stream.read_until(b'\n', room, &mut line);
    if let Err(e) = result {
        set_errno(e);
        return null_mut();
    }
    if line.is_empty() && room > 0 {
        return null_mut();
    }
    from_raw_parts_mut(buffer.cast(), line.len()).copy_from_slice(&line);
    *buffer.add(line.len()) = 0;
    buffer
}

unsafe fn get_wide(file: &mut FILE) -> u32 {
    loop {
        let c = get_byte(file);
        if c == EOF {
            if file.wide_state != State::default() && file.stream.is_eof() {
                file.stream.set_error();
                return fail(errno::EILSEQ, WEOF);
            }
            return WEOF;
        }
        let mut state = file.wide_state;
        let step = decode(crate::locale::charset(), &mut state, &[c as u8]);
        file.wide_state = state;
        match step {
            Decoded::Char(c, _) => return c,
            Decoded::Incomplete => {}
            Decoded::Invalid => {
                file.stream.set_error();
                return fail(errno::EILSEQ, WEOF);
            }
        }
    }
}

fn put_wide(file: &mut FILE, c: u32) -> u32 {
    let mut buffer = [0; 4];
    match encode(crate::locale::charset(), c, &mut buffer) {
        Some(n) if put(file, &buffer[..n]) == n => c,
        Some(_) => WEOF,
        None => {
            file.stream.set_error();
            fail(errno::EILSEQ, WEOF)
        }
    }
}

unsafe fn seek(file: *mut FILE, offset: i64, whence: c_int) -> c_int {
    let to = match whence {
        0 => Seek::Start(offset),
        1 => Seek::Current(offset),
        2 => Seek::End(offset),
        _ => return fail(errno::EINVAL, -1),
    };
    locked(file, |f| {
        f.wide_state = State::default();
        let result = f.stream.seek(to);
        f.stream.device_mut().publish();
        match result {
            Ok(_) => 0,
            Err(e) => fail(e, -1),
        }
    })
}

unsafe fn tell(file: *mut FILE) -> i64 {
    locked(file, |f| match f.stream.tell() {
        Ok(at) => at as i64,
        Err(e) => fail(e, -1),
    })
}

unsafe fn close_device(file: &mut FILE) -> c_int {
    match core::mem::replace(file.stream.device_mut(), Backend::Closed) {
        Backend::Descriptor(fd) => sys::close(fd),
        _ => 0,
    }
}

c_api! {
    fn fopen(path: *const c_char, how: *const c_char) -> *mut FILE {
        let Some(mode) = mode(how) else { return fail(errno::EINVAL, null_mut()) };
        let fd = sys::open(path, mode.flags, 0o666 as c_int);
        if fd < 0 {
            return null_mut();
        }
        begin(fd, &mode);
        FILE::new(Backend::Descriptor(fd), mode.readable, mode.writable, mode.append)
    }
    fn fdopen(fd: c_int, how: *const c_char) -> *mut FILE {
        let Some(mode) = mode(how) else { return fail(errno::EINVAL, null_mut()) };
        let status = sys::fcntl(fd, flags::F_GETFL);
        if status < 0 {
            return null_mut();
        }
        if mode.append && status & flags::O_APPEND == 0 {
            sys::fcntl(fd, flags::F_SETFL, status | flags::O_APPEND);
        }
        if mode.flags & flags::O_CLOEXEC != 0 {
            sys::fcntl(fd, flags::F_SETFD, flags::FD_CLOEXEC);
        }
        FILE::new(Backend::Descriptor(fd), mode.readable, mode.writable, mode.append)
    }
    fn freopen(path: *const c_char, how: *const c_char, file: *mut FILE) -> *mut FILE {
        let Some(mode) = mode(how) else { return fail(errno::EINVAL, null_mut()) };
        let reopened = held(file, |f| {
            let _ = flush(f);
            let device = if path.is_null() {
                // The same file in another mode, as far as the descriptor allows.
                match core::mem::replace(f.stream.device_mut(), Backend::Closed) {
                    Backend::Descriptor(fd) => {
                        if mode.append {
                            sys::fcntl(fd, flags::F_SETFL, sys::fcntl(fd, flags::F_GETFL) | flags::O_APPEND);
                        }
                        begin(fd, &mode);
                        Backend::Descriptor(fd)
                    }
                    _ => return fail(errno::EBADF, false),
                }
            } else {
                // Closing first gives the new file the old descriptor number when it is the lowest.
                close_device(f);
                let fd = sys::open(path, mode.flags, 0o666 as c_int);
                if fd < 0 {
                    return false;
                }
                begin(fd, &mode);
                Backend::Descriptor(fd)
            };
            f.stream = relibc_core::stream::Stream::new(device, mode.readable, mode.writable, mode.append);
            f.writable.store(mode.writable, Ordering::Relaxed);
            f.settled = false;
            f.orientation = 0;
            f.wide_state = State::default();
            true
        });
        if !reopened {
            fclose(file);
            return null_mut();
        }
        file
    }
    fn fmemopen(memory: *mut c_void, size: usize, how: *const c_char) -> *mut FILE {
        let Some(mode) = mode(how) else { return fail(errno::EINVAL, null_mut()) };
        let owned = memory.is_null();
        let memory = if owned { sys::malloc(size.max(1)) } else { memory }.cast::<u8>();
        if memory.is_null() {
            return null_mut();
        }
        if owned {
            memory.write_bytes(0, size.max(1));
        }
        let truncate = mode.flags & flags::O_TRUNC != 0;
        if truncate && size > 0 {
            *memory = 0;
        }
        let contents = if truncate { 0 } else if mode.append { crate::string::strnlen(memory.cast(), size) } else { size };
        let terminator = if mode.readable { Terminator::WithRoom } else { Terminator::Always };
        let device = MemoryDevice::new(Fixed { memory, size, owned }, contents, mode.append, terminator);
        FILE::new(Backend::Fixed(device), mode.readable, mode.writable, mode.append)
    }
    fn open_memstream(address: *mut *mut c_char, length: *mut usize) -> *mut FILE {
        let device = MemoryDevice::new(Growing { address, length, memory: null_mut(), size: 0 }, 0, false, Terminator::None);
        let file = FILE::new(Backend::Growing(device), false, true, false);
        (*file).stream.device_mut().publish();
        file
    }
    fn open_wmemstream(address: *mut *mut i32, length: *mut usize) -> *mut FILE {
        let growing = Growing { address: address.cast(), length, memory: null_mut(), size: 0 };
        let device = MemoryDevice::new(growing, 0, false, Terminator::None);
        let file = FILE::new(Backend::Wide(device, State::default()), false, true, false);
        // A position is told in characters, so none may be waiting as bytes.
        let _ = (*file).stream.set_buffering(Buffering::None, 0);
        (*file).orientation = WIDE;
        (*file).stream.device_mut().publish();
        file
    }
    fn fclose(file: *mut FILE) -> c_int {
        let (flushed, e, closed) = held(file, |f| {
            let flushed = done(flush(f));
            let e = last_error();
            (flushed, e, close_device(f))
        });
        discard(file);
        if flushed != 0 { fail(e, EOF) } else if closed != 0 { EOF } else { 0 }
    }
    fn fflush(file: *mut FILE) -> c_int {
        if !file.is_null() {
            return locked(file, |f| done(flush(f)));
        }
        let mut result = 0;
        for_all(|file| {
            // Nothing waits in one that only reads, whose thread may be waiting for its device.
            if !(*file).writable.load(Ordering::Relaxed) {
                return;
            }
            locked(file, |f| {
                if f.stream.is_writing() && f.stream.pending() > 0 && done(flush(f)) != 0 {
                    result = EOF;
                }
            });
        });
        result
    }
    fn fflush_unlocked(file: *mut FILE) -> c_int { fflush(file) }
    fn _flushlbf() { fflush(null_mut()); }
    fn setvbuf(file: *mut FILE, _buffer: *mut c_char, how: c_int, size: usize) -> c_int {
        let buffering = match how {
            0 => Buffering::Full,
            1 => Buffering::Line,
            2 => Buffering::None,
            _ => return fail(errno::EINVAL, -1),
        };
        locked(file, |f| done(f.stream.set_buffering(buffering, size.min(1 << 24))))
    }
    fn setbuf(file: *mut FILE, buffer: *mut c_char) { setvbuf(file, buffer, if buffer.is_null() { 2 } else { 0 }, 1024); }
    fn setbuffer(file: *mut FILE, buffer: *mut c_char, size: usize) { setvbuf(file, buffer, if buffer.is_null() { 2 } else { 0 }, size); }
    fn setlinebuf(file: *mut FILE) { setvbuf(file, null_mut(), 1, 0); }
    fn fread(memory: *mut c_void, size: usize, count: usize, file: *mut FILE) -> usize { oriented(file, BYTES, |f| read_into(memory, size, count, f)) }
    fn fwrite(memory: *const c_void, size: usize, count: usize, file: *mut FILE) -> usize { oriented(file, BYTES, |f| write_from(memory, size, count, f)) }
    fn fread_unlocked(memory: *mut c_void, size: usize, count: usize, file: *mut FILE) -> usize { fread(memory, size, count, file) }
    fn fwrite_unlocked(memory: *const c_void, size: usize, count: usize, file: *mut FILE) -> usize { fwrite(memory, size, count, file) }
    fn fgetc(file: *mut FILE) -> c_int { oriented(file, BYTES, |f| get_byte(f)) }
    fn getc(file: *mut FILE) -> c_int { oriented(file, BYTES, |f| get_byte(f)) }
    fn getchar() -> c_int { fgetc(stdin) }
    fn fgetc_unlocked(file: *mut FILE) -> c_int { fgetc(file) }
    fn getc_unlocked(file: *mut FILE) -> c_int { fgetc(file) }
    fn getchar_unlocked() -> c_int { fgetc(stdin) }
    fn fputc(c: c_int, file: *mut FILE) -> c_int { oriented(file, BYTES, |f| if put(f, &[c as u8]) == 1 { c_int::from(c as u8) } else { EOF }) }
    fn putc(c: c_int, file: *mut FILE) -> c_int { fputc(c, file) }
    fn putchar(c: c_int) -> c_int { fputc(c, stdout) }
    fn fputc_unlocked(c: c_int, file: *mut FILE) -> c_int { fputc(c, file) }
    fn putc_unlocked(c: c_int, file: *mut FILE) -> c_int { fputc(c, file) }
    fn putchar_unlocked(c: c_int) -> c_int { fputc(c, stdout) }
    fn ungetc(c: c_int, file: *mut FILE) -> c_int {
        if c == EOF {
            return EOF;
        }
        oriented(file, BYTES, |f| match f.stream.unget(c as u8) {
            Ok(()) => c_int::from(c as u8),
            Err(e) => fail(e, EOF),
        })
    }
    fn fgets(buffer: *mut c_char, size: c_int, file: *mut FILE) -> *mut c_char { oriented(file, BYTES, |f| read_line(buffer, size, f)) }
    fn fgets_unlocked(buffer: *mut c_char, size: c_int, file: *mut FILE) -> *mut c_char { fgets(buffer, size, file) }
    fn fputs(text: *const c_char, file: *mut FILE) -> c_int {
        let text = bytes(text);
        oriented(file, BYTES, |f| if put(f, text) == text.len() { 1 } else { EOF })
    }
    fn fputs_unlocked(text: *const c_char, file: *mut FILE) -> c_int { fputs(text, file) }
    fn puts(text: *const c_char) -> c_int {
        let text = bytes(text);
        oriented(stdout, BYTES, |f| if put(f, text) == text.len() && put(f, b"\n") == 1 { 1 } else { EOF })
    }
    fn getw(file: *mut FILE) -> c_int {
        let mut word = 0;
        if fread((&raw mut word).cast(), 4, 1, file) == 1 { word } else { EOF }
    }
    fn putw(word: c_int, file: *mut FILE) -> c_int { if fwrite((&raw const word).cast(), 4, 1, file) == 1 { 0 } else { EOF } }
    fn getdelim(line: *mut *mut c_char, size: *mut usize, delimiter: c_int, file: *mut FILE) -> isize {
        if line.is_null() || size.is_null() {
            return fail(errno::EINVAL, -1);
        }
        let mut text = alloc::vec::Vec::new();
        let result = oriented(file, BYTES, |f| {
            before_reading(f);
            f.stream.read_until(delimiter as u8, isize::MAX as usize, &mut text)
        });
        if let Err(e) = result {
            return fail(e, -1);
        }
        if text.is_empty() {
            return -1;
        }
        if (*line).is_null() || *size < text.len() + 1 {
            let room = (text.len() + 1).max(120);
            let memory = sys::realloc(if (*line).is_null() { null_mut() } else { (*line).cast() }, room);
            if memory.is_null() {
                return fail(errno::ENOMEM, -1);
            }
            *line = memory.cast();
            *size = room;
        }
        from_raw_parts_mut((*line).cast(), text.len()).copy_from_slice(&text);
        *(*line).add(text.len()) = 0;
        text.len() as isize
    }
    fn getline(line: *mut *mut c_char, size: *mut usize, file: *mut FILE) -> isize { getdelim(line, size, c_int::from(b'\n'), file) }
    fn fseek(file: *mut FILE, offset: c_long, whence: c_int) -> c_int { seek(file, offset, whence) }
    fn fseeko(file: *mut FILE, offset: i64, whence: c_int) -> c_int { seek(file, offset, whence) }
    fn ftell(file: *mut FILE) -> c_long { tell(file) }
    fn ftello(file: *mut FILE) -> i64 { tell(file) }
    fn rewind(file: *mut FILE) {
        seek(file, 0, 0);
        clearerr(file);
    }
    fn fgetpos(file: *mut FILE, position: *mut i64) -> c_int {
        *position = tell(file);
        -c_int::from(*position < 0)
    }
    fn fsetpos(file: *mut FILE, position: *const i64) -> c_int { seek(file, *position, 0) }
    fn feof(file: *mut FILE) -> c_int { locked(file, |f| c_int::from(f.stream.is_eof())) }
    fn ferror(file: *mut FILE) -> c_int { locked(file, |f| c_int::from(f.stream.is_error())) }
    fn clearerr(file: *mut FILE) { locked(file, |f| f.stream.clear_indicators()); }
    fn feof_unlocked(file: *mut FILE) -> c_int { feof(file) }
    fn ferror_unlocked(file: *mut FILE) -> c_int { ferror(file) }
    fn clearerr_unlocked(file: *mut FILE) { clearerr(file); }
    fn fileno(file: *mut FILE) -> c_int {
        locked(file, |f| match f.stream.device() {
            Backend::Descriptor(fd) => *fd,
            _ => fail(errno::EBADF, -1),
        })
    }
    fn fileno_unlocked(file: *mut FILE) -> c_int { fileno(file) }
    fn flockfile(file: *mut FILE) { (*file).acquire(); }
    fn ftrylockfile(file: *mut FILE) -> c_int { c_int::from(!(*file).try_acquire()) }
    fn funlockfile(file: *mut FILE) { (*file).release(); }
    fn perror(prefix: *const c_char) {
        let text = errno::text(last_error().0).map_or(&b"Unknown error"[..], core::ffi::CStr::to_bytes);
        let mut line = alloc::vec::Vec::new();
        if !prefix.is_null() && *prefix != 0 {
            line.extend_from_slice(bytes(prefix));
            line.extend_from_slice(b": ");
        }
        line.extend_from_slice(text);
        line.push(b'\n');
        locked(stderr, |f| put(f, &line));
    }
    fn __fbufsize(file: *mut FILE) -> usize { locked(file, |f| f.stream.capacity()) }
    fn __fpending(file: *mut FILE) -> usize { locked(file, |f| f.stream.pending()) }
    fn __freading(file: *mut FILE) -> c_int { locked(file, |f| c_int::from(f.stream.is_reading())) }
    fn __fwriting(file: *mut FILE) -> c_int { locked(file, |f| c_int::from(f.stream.is_writing())) }
    fn __freadable(file: *mut FILE) -> c_int { locked(file, |f| c_int::from(f.stream.is_readable())) }
    fn __fwritable(file: *mut FILE) -> c_int { locked(file, |f| c_int::from(f.stream.is_writable())) }
    fn __flbf(file: *mut FILE) -> c_int { locked(file, |f| c_int::from(f.stream.buffering() == Buffering::Line)) }
    fn __fpurge(file: *mut FILE) { locked(file, |f| f.stream.purge()); }

    fn fgetwc(file: *mut FILE) -> u32 { oriented(file, WIDE, |f| get_wide(f)) }
    fn getwc(file: *mut FILE) -> u32 { fgetwc(file) }
    fn getwchar() -> u32 { fgetwc(stdin) }
    fn ungetwc(c: u32, file: *mut FILE) -> u32 {
        let mut buffer = [0; 4];
        let Some(n) = encode(crate::locale::charset(), c, &mut buffer).filter(|_| c != WEOF) else { return WEOF };
        oriented(file, WIDE, |f| {
            for b in buffer[..n].iter().rev() {
                if let Err(e) = f.stream.unget(*b) {
                    return fail(e, WEOF);
                }
            }
            c
        })
    }
    fn fgetws(buffer: *mut i32, size: c_int, file: *mut FILE) -> *mut i32 {
        let Some(room) = usize::try_from(size).ok().and_then(|s| s.checked_sub(1)) else { return fail(errno::EINVAL, null_mut()) };
        oriented(file, WIDE, |f| {
            let mut n = 0;
            while n < room {
                let c = get_wide(f);
                if c == WEOF {
                    if n == 0 || f.stream.is_error() {
                        return null_mut();
                    }
                    break;
                }
                *buffer.add(n) = c as i32;
                n += 1;
                if c == u32::from(b'\n') {
                    break;
                }
            }
            *buffer.add(n) = 0;
            buffer
        })
    }
    fn fputwc(c: i32, file: *mut FILE) -> u32 { oriented(file, WIDE, |f| put_wide(f, c as u32)) }
    fn putwc(c: i32, file: *mut FILE) -> u32 { fputwc(c, file) }
    fn putwchar(c: i32) -> u32 { fputwc(c, stdout) }
    fn fputws(text: *const i32, file: *mut FILE) -> c_int {
        let text = crate::wchar::wide(text);
        oriented(file, WIDE, |f| if text.iter().all(|c| put_wide(f, *c as u32) != WEOF) { 0 } else { EOF })
    }
    fn fwide(file: *mut FILE, how: c_int) -> c_int {
        locked(file, |f| {
            if f.orientation == 0 {
                f.orientation = how.signum();
            }
            f.orientation
        })
    }
}
