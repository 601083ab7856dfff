//! The contexts behind threads, and what is to be known of them.

use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::{Bound, RangeInclusive};

use gen_slab::Key;
use procmgr_core::{Action, Attributes, Death, Pid, World, default_action};
use redox_rt::{
    Result,
    context::{Context, Status, read_status, read_status_and_time},
    event::Queue,
    fd::Fd,
    sys,
};
use rt_core::{
    signal::{self as rules, SIGKILL, flags},
    wait::signaled,
};
use syscall::{EventFlags, ProcSchemeAttrs, flag::ContextVerb, sigabi::SenderInfo};

use crate::pages::{ProcessPage, ThreadPage};

struct Thread {
    pid: Pid,
    context: Context,
    /// Kept open because the event queue watches it.
    status: Fd,
    page: Option<ThreadPage>,
}

/// How a process takes signals.
enum Signals {
    /// By its page.
    Page(ProcessPage),
    /// It has executed a program that has named no page yet: these it ignores.
    Inherited(u64),
}

/// Every thread's context, and the signal pages.
pub struct Machine {
    proc_root: Fd,
    queue: &'static Queue,
    threads: BTreeMap<Key, Thread>,
    /// `threads` by process: a signal to every process looks at each one's.
    of_processes: BTreeSet<(Pid, Key)>,
    signals: BTreeMap<Pid, Signals>,
}

impl Machine {
    pub const fn new(proc_root: Fd, queue: &'static Queue) -> Self {
        Self {
            proc_root,
            queue,
            threads: BTreeMap::new(),
            of_processes: BTreeSet::new(),
            signals: BTreeMap::new(),
        }
    }

    /// Makes a thread's context, which is watched from now on.
    pub fn create(&mut self, thread: Key, attributes: &Attributes) -> Result<()> {
        let context = Context::new(&self.proc_root)?;
        context.get().set_attributes(&for_kernel(attributes))?;
        let status = context.get().handle(b"status")?;
        self.queue
            .watch(status.raw(), EventFlags::EVENT_READ, thread.raw() as usize)?;
        let made = Thread {
            pid: attributes.pid,
            context,
            status,
            page: None,
        };
        self.threads.insert(thread, made);
        self.of_processes.insert((attributes.pid, thread));
        Ok(())
    }

    /// A descriptor of a thread's context for the process itself: it cannot give itself an identity.
    pub fn lend(&self, thread: Key) -> Option<Result<Fd>> {
        let thread = self.threads.get(&thread)?;
        Some(thread.context.fd().dup(b"").and_then(|copy| {
            copy.limit(sys::Rights::FULL.difference(sys::Rights::ATTR))?;
            Ok(copy)
        }))
    }

    /// The next thread that has a context; the first, if there is none before.
    pub fn thread_behind(&self, before: Option<Key>) -> Option<Key> {
        let from = before.map_or(Bound::Unbounded, Bound::Excluded);
        let mut behind = self.threads.range((from, Bound::Unbounded));
        behind.next().map(|(thread, _)| *thread)
    }

    /// Whether a thread's context has ended, and how, and how long it had the processor. Its context is
    /// forgotten then.
    pub fn take_death(&mut self, thread: Key) -> Option<(Death, u64)> {
        let told = read_status_and_time(&self.threads.get(&thread)?.status);
        // One that nothing can be known of any more is as good as killed: whoever waits for it must hear of it.
        let (status, used) = told.unwrap_or((Status::Ended(signaled(SIGKILL)), 0));
        let death = match status {
            Status::Ended(word) => Death::Ended(word),
            Status::Exception { kind, .. } => Death::Exception(rules::of_exception(kind).0),
            Status::Alive | Status::New | Status::Stopped => return None,
        };
        if let Some(ended) = self.threads.remove(&thread) {
            self.of_processes.remove(&(ended.pid, thread));
        }
        Some((death, used))
    }

    /// Tells a context something.
    pub fn tell(&self, thread: Key, verb: ContextVerb) {
        if let Some(thread) = self.threads.get(&thread) {
            // It may have ended meanwhile, which is told as such.
            let _ = thread.status.write_exact(sys::bytes_of(&[verb as usize]));
        }
    }

    /// Ends a context.
    pub fn kill(&self, thread: Key, word: u32) {
        if let Some(thread) = self.threads.get(&thread) {
            let words = [ContextVerb::ForceKill as usize, word as usize];
            // It may have ended meanwhile, which is told as such.
            let _ = thread.status.write_exact(sys::bytes_of(&words));
        }
    }

    /// Says anew who a context is.
    pub fn set_attributes(&self, thread: Key, attributes: &Attributes) {
        if let Some(thread) = self.threads.get(&thread) {
            // Of one that has ended nobody asks any more.
            let _ = thread.context.get().set_attributes(&for_kernel(attributes));
        }
    }

    /// Shares the signal page of a process, and the first thread's.
    pub fn share_process(
        &mut self,
        pid: Pid,
        first: Key,
        process: usize,
        thread: usize,
    ) -> Result<()> {
        let Some(state) = self.threads.get_mut(&first) else {
            return Err(redox_rt::Error::new(syscall::ESRCH));
        };
        let page = ProcessPage::share(state.context.get(), process)?;
        state.page = Some(ThreadPage::share(state.context.get(), thread)?);
        self.signals.insert(pid, Signals::Page(page));
        Ok(())
    }

    /// Shares a thread's signal page.
    pub fn share_thread(&mut self, thread: Key, address: usize) -> Result<()> {
        let Some(state) = self.threads.get_mut(&thread) else {
            return Err(redox_rt::Error::new(syscall::ESRCH));
        };
        state.page = Some(ThreadPage::share(state.context.get(), address)?);
        Ok(())
    }

    /// A process goes on with another program: its pages are not that one's.
    pub fn executed(&mut self, pid: Pid) {
        if let Some(Signals::Page(page)) = self.signals.get(&pid) {
            let ignored = page.ignored();
            self.signals.insert(pid, Signals::Inherited(ignored));
        }
        for (_, key) in self.of_processes.range(threads_of(pid)) {
            if let Some(thread) = self.threads.get_mut(key) {
                thread.page = None;
            }
        }
    }

    /// A process is over.
    pub fn forget(&mut self, pid: Pid) {
        self.signals.remove(&pid);
    }

    fn page(&self, pid: Pid) -> Option<&ProcessPage> {
        match self.signals.get(&pid)? {
            Signals::Page(page) => Some(page),
            Signals::Inherited(_) => None,
        }
    }
}

impl World for Machine {
    fn action(&self, pid: Pid, signal: u8) -> Action {
        match self.signals.get(&pid) {
            None => default_action(signal),
            Some(Signals::Inherited(ignored)) if ignored & rules::bit(signal) != 0 => {
                Action::Ignore
            }
            Some(Signals::Inherited(_)) => default_action(signal),
            Some(Signals::Page(page)) => {
                let mut threads = self.of_processes.range(threads_of(pid));
                page.action(signal, || {
                    !threads.any(|(_, thread)| self.accepts(*thread, signal))
                })
            }
        }
    }

    fn ignores_child_stops(&self, pid: Pid) -> bool {
        self.page(pid)
            .is_some_and(|page| page.child_flag(flags::SA_NOCLDSTOP))
    }

    fn forgets_children(&self, pid: Pid) -> bool {
        self.page(pid)
            .is_some_and(|page| page.child_flag(flags::SA_NOCLDWAIT))
    }

    fn is_pending(&self, pid: Pid, signal: u8) -> bool {
        self.page(pid)
            .is_some_and(|page| page.pending() & rules::bit(signal) != 0)
    }

    fn post(&mut self, pid: Pid, signal: u8, sender: SenderInfo) {
        if let Some(page) = self.page(pid) {
            page.post(signal, sender);
        }
    }

    fn post_to_thread(&mut self, thread: Key, signal: u8, sender: SenderInfo) {
        if let Some(page) = self
            .threads
            .get(&thread)
            .and_then(|thread| thread.page.as_ref())
        {
            page.post(signal, sender);
        }
    }

    fn withdraw(&mut self, pid: Pid, threads: &[Key], signals: u64) {
        if let Some(page) = self.page(pid) {
            page.withdraw(signals);
        }
        for thread in threads {
            if let Some(page) = self
                .threads
                .get(thread)
                .and_then(|thread| thread.page.as_ref())
            {
                page.withdraw(signals);
            }
        }
    }

    fn accepts(&self, thread: Key, signal: u8) -> bool {
        self.threads
            .get(&thread)
            .and_then(|thread| thread.page.as_ref())
            .is_some_and(|page| page.allowed() & rules::bit(signal) != 0)
    }

    fn has_deliverable(&self, thread: Key) -> bool {
        let Some(thread) = self.threads.get(&thread) else {
            return false;
        };
        let process = self.page(thread.pid).map_or(0, ProcessPage::pending);
        thread
            .page
            .as_ref()
            .is_some_and(|page| (page.pending() | process) & page.allowed() != 0)
    }

    fn is_started(&self, thread: Key) -> bool {
        self.threads
            .get(&thread)
            .is_some_and(|thread| !matches!(read_status(&thread.status), Ok(Status::New)))
    }

    fn used(&self, thread: Key) -> u64 {
        let told = self
            .threads
            .get(&thread)
            .and_then(|thread| read_status_and_time(&thread.status).ok());
        told.map_or(0, |(_, used)| used)
    }
}

/// Where a process's threads are among all.
fn threads_of(pid: Pid) -> RangeInclusive<(Pid, Key)> {
    (pid, Key::from_raw(0))..=(pid, Key::from_raw(u64::MAX))
}

fn for_kernel(attributes: &Attributes) -> ProcSchemeAttrs {
    let mut attrs = ProcSchemeAttrs {
        pid: attributes.pid,
        euid: attributes.euid,
        egid: attributes.egid,
        prio: u32::from(attributes.priority),
        ..Default::default()
    };
    for (place, byte) in attrs.debug_name.iter_mut().zip(attributes.name) {
        *place = byte;
    }
    attrs
}
