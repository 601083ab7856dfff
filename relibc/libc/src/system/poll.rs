//! `poll`, `select` and `epoll` on the kernel's event queues.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ffi::{c_int, c_short};
use core::sync::atomic::{AtomicBool, Ordering};

use redox_rt::signal::{handlers_run, read_unless_handled, without_delivery};
use redox_rt::{Error, Result, sys};
use syscall::flag::{EVENT_TIMEOUT_ID, EventFlags, O_NONBLOCK, O_RDWR};
use syscall::{EAGAIN, EBADF, EEXIST, EINVAL, ENOENT, EPERM, Event, TimeSpec};

use super::fork::Mutex;
use super::signal::with_mask;
use super::thread::cancel::cancellable;
use super::{fail, fd, int, open_scheme, unit};
use crate::sys::Timespec;

const QUEUE: &[u8] = b"/scheme/event";

/// Waiting for a time, or for ever.
type Deadline = Option<TimeSpec>;

fn interest(events: c_short) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(
        EventFlags::EVENT_READ,
        events & (libc::POLLIN | libc::POLLRDNORM) != 0,
    );
    flags.set(
        EventFlags::EVENT_WRITE,
        events & (libc::POLLOUT | libc::POLLWRNORM) != 0,
    );
    flags
}

fn told(flags: EventFlags, asked: c_short) -> c_short {
    let mut events = 0;
    if flags.contains(EventFlags::EVENT_READ) {
        events |= libc::POLLIN | libc::POLLRDNORM;
    }
    if flags.contains(EventFlags::EVENT_WRITE) {
        events |= libc::POLLOUT | libc::POLLWRNORM;
    }
    events & asked
}

fn event_bytes(event: &Event) -> &[u8] {
    // SAFETY: three words, every byte of them initialised.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(event).cast(), size_of::<Event>()) }
}

fn watch(queue: usize, number: usize, flags: EventFlags, data: usize) -> Result<()> {
    sys::write(
        queue,
        event_bytes(&Event {
            id: number,
            flags,
            data,
        }),
    )
    .map(drop)
}

/// Whether a descriptor whose scheme knows no events counts as always ready: it is open.
fn is_always_ready(e: &Error) -> bool {
    matches!(
        e.errno,
        syscall::EOPNOTSUPP | syscall::ENOSYS | EPERM | EINVAL
    )
}

/// What can always be done with such a one.
const ALWAYS: c_short = libc::POLLIN | libc::POLLRDNORM | libc::POLLOUT | libc::POLLWRNORM;

/// Reads events. With a number of handlers, `EINTR` also if the thread has run more of them than that.
fn read_events(queue: usize, events: &mut [Event], handlers: Option<usize>) -> Result<usize> {
    let len = size_of_val(events);
    // SAFETY: events are words, which any bytes make.
    let bytes = unsafe { core::slice::from_raw_parts_mut(events.as_mut_ptr().cast(), len) };
    let read = match handlers {
        Some(handlers) => read_unless_handled(queue, bytes, handlers),
        None => sys::read(queue, bytes),
    };
    read.map(|n| n / size_of::<Event>())
}

fn set_nonblocking(queue: usize) -> Result<()> {
    // SAFETY: the argument is a mask.
    unsafe { sys::fcntl(queue, libc::F_SETFL as usize, O_NONBLOCK) }.map(drop)
}

fn count_ready(fds: &[libc::pollfd]) -> usize {
    fds.iter().filter(|p| p.revents != 0).count()
}

/// Waits, or looks only. Answers how many descriptors have something to tell; `EINTR` if the thread has run more
/// handlers than `handlers` when it would wait.
fn poll_until(
    fds: &mut [libc::pollfd],
    deadline: Deadline,
    look_only: bool,
    handlers: usize,
) -> Result<usize> {
    let queue = open_scheme(QUEUE, O_RDWR)?;
    for p in fds.iter_mut() {
        p.revents = 0;
    }
    for i in 0..fds.len() {
        let number = fds[i].fd;
        let Ok(target) = fd(number) else { continue };
        // A descriptor that occurs twice is asked about once, for everything.
        if fds[..i].iter().any(|p| p.fd == number) {
            continue;
        }
        let same = fds.iter().filter(|p| p.fd == number);
        let asked = same.fold(0, |all, p| all | p.events);
        match watch(queue.raw(), target, interest(asked), target) {
            Ok(()) => {}
            Err(e) => {
                let ready = match e {
                    e if e.errno == EBADF => libc::POLLNVAL,
                    e if is_always_ready(&e) => ALWAYS,
                    e => return Err(e),
                };
                for p in fds.iter_mut().filter(|p| p.fd == number) {
                    p.revents = ready & (p.events | libc::POLLNVAL);
                }
            }
        }
    }
    let mut looking = look_only || count_ready(fds) > 0;
    if let (Some(time), false) = (&deadline, looking) {
        let timer = Event {
            id: EVENT_TIMEOUT_ID,
            flags: EventFlags::EVENT_READ,
            data: core::ptr::from_ref(time) as usize,
        };
        sys::write(queue.raw(), event_bytes(&timer))?;
    }
    if looking {
        set_nonblocking(queue.raw())?;
    }
    let mut events = [const {
        Event {
            id: 0,
            flags: EventFlags::empty(),
            data: 0,
        }
    }; 16];
    let mut due = false;
    loop {
        match read_events(queue.raw(), &mut events, (!looking).then_some(handlers)) {
            Ok(n) => {
                for event in &events[..n.min(16)] {
                    due |= event.id == EVENT_TIMEOUT_ID;
                    for p in fds
                        .iter_mut()
                        .filter(|p| p.fd >= 0 && p.fd as usize == event.id)
                    {
                        p.revents |= told(event.flags, p.events);
                    }
                }
            }
            Err(e) if e.errno == EAGAIN => return Ok(count_ready(fds)),
            Err(e) => return Err(e),
        }
        // What else is there already is told too.
        if !looking && (due || count_ready(fds) > 0) {
            looking = true;
            set_nonblocking(queue.raw())?;
        }
    }
}

/// A deadline from an amount of time.
fn after(amount: Option<&Timespec>) -> Result<(Deadline, bool)> {
    let Some(amount) = amount else {
        return Ok((None, false));
    };
    let amount = super::time::checked(amount)?;
    let now = sys::clock_gettime(syscall::CLOCK_MONOTONIC)?;
    let nanoseconds = now.tv_nsec + amount.tv_nsec;
    let carry = i64::from(nanoseconds >= 1_000_000_000);
    let deadline = TimeSpec {
        tv_sec: now
            .tv_sec
            .saturating_add(amount.tv_sec)
            .saturating_add(carry),
        tv_nsec: nanoseconds % 1_000_000_000,
    };
    Ok((Some(deadline), amount.tv_sec == 0 && amount.tv_nsec == 0))
}

fn milliseconds(timeout: c_int) -> Option<Timespec> {
    (timeout >= 0).then(|| Timespec {
        tv_sec: i64::from(timeout / 1000),
        tv_nsec: i64::from(timeout % 1000) * 1_000_000,
    })
}

unsafe fn poll_c(
    fds: *mut libc::pollfd,
    count: u64,
    amount: Option<&Timespec>,
    handlers: usize,
) -> Result<usize> {
    let fds = match (fds.is_null(), count) {
        (_, 0) => &mut [],
        (true, _) => return fail(syscall::EFAULT),
        (_, 1..=65536) => core::slice::from_raw_parts_mut(fds, count as usize),
        _ => return fail(EINVAL),
    };
    let (deadline, look_only) = after(amount)?;
    for p in fds.iter() {
        renew(p.fd)?;
    }
    poll_until(fds, deadline, look_only, handlers)
}

const SET_BITS: usize = 1024;
type Set = [u64; SET_BITS / 64];

unsafe fn select_c(
    count: c_int,
    sets: [*mut Set; 3],
    amount: Option<&Timespec>,
    handlers: usize,
) -> Result<usize> {
    let count = usize::try_from(count).map_err(|_| Error::new(EINVAL))?;
    if count > SET_BITS {
        return fail(EINVAL);
    }
    let has = |set: *mut Set, n: usize| !set.is_null() && (*set)[n / 64] >> (n % 64) & 1 != 0;
    let kinds = [libc::POLLIN, libc::POLLOUT, libc::POLLPRI];
    let mut fds = Vec::new();
    for n in 0..count {
        let asked = sets.iter().zip(kinds).filter(|&(&set, _)| has(set, n));
        let events = asked.fold(0, |all, (_, kind)| all | kind);
        if events != 0 {
            fds.push(libc::pollfd {
                fd: n as c_int,
                events,
                revents: 0,
            });
        }
    }
    let (deadline, look_only) = after(amount)?;
    for p in &fds {
        renew(p.fd)?;
    }
    poll_until(&mut fds, deadline, look_only, handlers)?;
    if fds.iter().any(|p| p.revents & libc::POLLNVAL != 0) {
        return fail(EBADF);
    }
    let mut total = 0;
    for (set, kind) in sets
        .into_iter()
        .zip(kinds)
        .filter(|(set, _)| !set.is_null())
    {
        *set = [0; SET_BITS / 64];
        for p in fds.iter().filter(|p| p.revents & p.events & kind != 0) {
            (*set)[p.fd as usize / 64] |= 1 << (p.fd as usize % 64);
            total += 1;
        }
    }
    Ok(total)
}

/// What a queue of `epoll` was asked for.
#[derive(Clone, Copy)]
struct Interest {
    events: u32,
    data: u64,
    /// Told since it was last asked for: a level-triggered one is asked for again at the next wait.
    told: bool,
    disabled: bool,
}

/// Queues by descriptor number. A number that was closed behind the library's back is forgotten when
/// it is used again.
static QUEUES: Mutex<Queues> = Mutex::new(Queues {
    made: 0,
    numbers: BTreeMap::new(),
    lists: BTreeMap::new(),
});

/// Copies of a descriptor have the same queue.
struct Queues {
    /// How many there have been.
    made: u64,
    /// Which queue a descriptor has.
    numbers: BTreeMap<c_int, u64>,
    /// What each watches.
    lists: BTreeMap<u64, Interests>,
}

type Interests = BTreeMap<c_int, Interest>;

impl Queues {
    fn add(&mut self, number: c_int) {
        self.made += 1;
        self.numbers.insert(number, self.made);
        self.lists.insert(self.made, BTreeMap::new());
    }

    fn get_mut(&mut self, number: c_int) -> Option<&mut Interests> {
        self.lists.get_mut(self.numbers.get(&number)?)
    }

    fn remove(&mut self, number: c_int) {
        if let Some(queue) = self.numbers.remove(&number)
            && !self.numbers.values().any(|&other| other == queue)
        {
            self.lists.remove(&queue);
        }
    }
}

/// Whether there ever was a queue.
static ANY: AtomicBool = AtomicBool::new(false);

/// Uses the queues. A handler that closes a descriptor, as POSIX allows, has to wait for the end.
fn queues<T>(then: impl FnOnce(&mut Queues) -> T) -> T {
    without_delivery(|| then(&mut QUEUES.lock()))
}

/// What nobody changes until it is dropped: for a fork. `None` while somebody does.
pub(crate) fn hold() -> Option<impl Sized> {
    QUEUES.try_hold()
}

/// A descriptor is about to be closed: queues forget it, as the kernel does.
pub(crate) fn forget(number: c_int) {
    if !ANY.load(Ordering::Acquire) {
        return;
    }
    queues(|queues| {
        queues.remove(number);
        for interests in queues.lists.values_mut() {
            interests.remove(&number);
        }
    });
}

/// A copy of a descriptor has been made.
pub(crate) fn copied(old: c_int, new: c_int) {
    if !ANY.load(Ordering::Acquire) {
        return;
    }
    queues(|queues| {
        if let Some(&queue) = queues.numbers.get(&old) {
            queues.numbers.insert(new, queue);
        }
    });
}

fn of_epoll(events: u32) -> EventFlags {
    interest((events & 0x3ff) as c_short)
}

fn create_queue(flags: c_int) -> Result<usize> {
    if flags & !libc::EPOLL_CLOEXEC != 0 {
        return fail(EINVAL);
    }
    let queue = open_scheme(QUEUE, O_RDWR)?;
    set_nonblocking(queue.raw())?;
    let lower = super::file::lowest(flags != 0, |at| sys::dup(queue.raw(), b"", at))?;
    let number = lower.into_raw();
    ANY.store(true, Ordering::Release);
    queues(|queues| queues.add(number as c_int));
    Ok(number)
}

unsafe fn change(
    queue: c_int,
    operation: c_int,
    number: c_int,
    event: *const libc::epoll_event,
) -> Result<()> {
    let (queue_fd, target) = (fd(queue)?, fd(number)?);
    if queue == number {
        return fail(EINVAL);
    }
    sys::rights(target)?;
    of_queue(queue, |interests| {
        change_in(interests, queue_fd, operation, number, event)
    })
}

/// Uses what is watched by a queue.
fn of_queue<T>(queue: c_int, then: impl FnOnce(&mut Interests) -> Result<T>) -> Result<T> {
    queues(|queues| match queues.get_mut(queue) {
        Some(interests) => then(interests),
        // Something else, or nothing at all.
        None => sys::rights(fd(queue)?).and(fail(EINVAL)),
    })
}

unsafe fn change_in(
    interests: &mut Interests,
    queue_fd: usize,
    operation: c_int,
    number: c_int,
    event: *const libc::epoll_event,
) -> Result<()> {
    let target = fd(number)?;
    let present = interests.contains_key(&number);
    match operation {
        libc::EPOLL_CTL_DEL if present => {
            interests.remove(&number);
            return watch(queue_fd, target, EventFlags::empty(), target);
        }
        libc::EPOLL_CTL_ADD if present => return fail(EEXIST),
        libc::EPOLL_CTL_MOD | libc::EPOLL_CTL_DEL if !present => return fail(ENOENT),
        libc::EPOLL_CTL_ADD | libc::EPOLL_CTL_MOD => {}
        _ => return fail(EINVAL),
    }
    let Some(event) = event.as_ref() else {
        return fail(syscall::EFAULT);
    };
    watch(queue_fd, target, of_epoll(event.events), target).map_err(|e| match e {
        e if is_always_ready(&e) => Error::new(EPERM),
        e => e,
    })?;
    let new = Interest {
        events: event.events,
        data: event.u64,
        told: false,
        disabled: false,
    };
    interests.insert(number, new);
    Ok(())
}

/// Asks again for what was told and is level-triggered: it comes at once if it still holds.
fn ask_again(queue: c_int, interests: &mut Interests) -> Result<()> {
    for (&number, interest) in interests.iter_mut() {
        if interest.told && !interest.disabled && interest.events & libc::EPOLLET as u32 == 0 {
            interest.told = false;
            watch(
                queue as usize,
                number as usize,
                of_epoll(interest.events),
                number as usize,
            )?;
        }
    }
    Ok(())
}

/// A descriptor is about to be waited for. If it is a queue of `epoll`, it is ready while something that it
/// watches is, told or not.
fn renew(number: c_int) -> Result<()> {
    if !ANY.load(Ordering::Acquire) {
        return Ok(());
    }
    queues(|queues| match queues.get_mut(number) {
        Some(interests) => ask_again(number, interests),
        None => Ok(()),
    })
}

/// Reads what the queue has, without waiting.
fn collect(queue: c_int, out: &mut [libc::epoll_event]) -> Result<usize> {
    let mut events = [const {
        Event {
            id: 0,
            flags: EventFlags::empty(),
            data: 0,
        }
    }; 16];
    let room = out.len().min(16);
    let count = match read_events(fd(queue)?, &mut events[..room], None) {
        Err(e) if e.errno == EAGAIN => return Ok(0),
        other => other?,
    };
    let events = &events[..count.min(room)];
    of_queue(queue, |interests| {
        collect_from(interests, queue, events, out)
    })
}

fn collect_from(
    interests: &mut Interests,
    queue: c_int,
    events: &[Event],
    out: &mut [libc::epoll_event],
) -> Result<usize> {
    let mut filled = 0;
    for event in events {
        let number = event.id as c_int;
        let Some(interest) = interests.get_mut(&number).filter(|i| !i.disabled) else {
            continue;
        };
        let ready = told(event.flags, (interest.events & 0x3ff) as c_short);
        if ready == 0 {
            continue;
        }
        interest.told = true;
        if interest.events & libc::EPOLLONESHOT as u32 != 0 {
            interest.disabled = true;
            watch(queue as usize, event.id, EventFlags::empty(), event.id)?;
        }
        // SAFETY: all bytes zero is a valid event.
        let mut new: libc::epoll_event = unsafe { core::mem::zeroed() };
        new.events = ready as u16 as u32;
        new.u64 = interest.data;
        out[filled] = new;
        filled += 1;
    }
    Ok(filled)
}

unsafe fn wait_queue(
    queue: c_int,
    out: *mut libc::epoll_event,
    count: c_int,
    timeout: c_int,
    handlers: usize,
) -> Result<usize> {
    let count = usize::try_from(count)
        .ok()
        .filter(|&n| n > 0)
        .ok_or(Error::new(EINVAL))?;
    fd(queue)?;
    let out = core::slice::from_raw_parts_mut(out, count);
    let (deadline, look_only) = after(milliseconds(timeout).as_ref())?;
    of_queue(queue, |interests| ask_again(queue, interests))?;
    loop {
        let filled = collect(queue, out)?;
        if filled > 0 || look_only {
            return Ok(filled);
        }
        let mut one = [libc::pollfd {
            fd: queue,
            events: libc::POLLIN,
            revents: 0,
        }];
        if poll_until(&mut one, deadline, false, handlers)? == 0 {
            return Ok(0);
        }
    }
}

fn of_timeval(time: *const libc::timeval) -> Result<Option<Timespec>> {
    // SAFETY: the caller's, or null.
    match unsafe { time.as_ref() } {
        None => Ok(None),
        Some(t) if t.tv_usec < 0 || t.tv_sec < 0 => fail(EINVAL),
        Some(t) => Ok(Some(Timespec {
            tv_sec: t.tv_sec + i64::from(t.tv_usec / 1_000_000),
            tv_nsec: i64::from(t.tv_usec % 1_000_000) * 1000,
        })),
    }
}

c_api! {
    fn poll(fds: *mut libc::pollfd, count: u64, timeout: c_int) -> c_int { int(cancellable(|| poll_c(fds, count, milliseconds(timeout).as_ref(), handlers_run()))) }
    fn ppoll(fds: *mut libc::pollfd, count: u64, timeout: *const Timespec, mask: *const u64) -> c_int {
        int(cancellable(|| with_mask(mask, |handlers| poll_c(fds, count, timeout.as_ref(), handlers))))
    }
    fn select(count: c_int, readable: *mut Set, writable: *mut Set, exceptional: *mut Set, timeout: *mut libc::timeval) -> c_int {
        int(of_timeval(timeout).and_then(|t| cancellable(|| select_c(count, [readable, writable, exceptional], t.as_ref(), handlers_run()))))
    }
    fn pselect(count: c_int, readable: *mut Set, writable: *mut Set, exceptional: *mut Set, timeout: *const Timespec, mask: *const u64) -> c_int {
        int(cancellable(|| with_mask(mask, |handlers| select_c(count, [readable, writable, exceptional], timeout.as_ref(), handlers))))
    }
    fn epoll_create(size: c_int) -> c_int { int(if size > 0 { create_queue(0) } else { fail(EINVAL) }) }
    fn epoll_create1(flags: c_int) -> c_int { int(create_queue(flags)) }
    fn epoll_ctl(queue: c_int, operation: c_int, number: c_int, event: *mut libc::epoll_event) -> c_int { unit(change(queue, operation, number, event)) }
    fn epoll_wait(queue: c_int, events: *mut libc::epoll_event, count: c_int, timeout: c_int) -> c_int { int(cancellable(|| wait_queue(queue, events, count, timeout, handlers_run()))) }
    fn epoll_pwait(queue: c_int, events: *mut libc::epoll_event, count: c_int, timeout: c_int, mask: *const u64) -> c_int {
        int(cancellable(|| with_mask(mask, |handlers| wait_queue(queue, events, count, timeout, handlers))))
    }
}
