//! How many objects there are, in kernel, namespace manager and process manager.

use alloc::{format, string::String};

use redox_rt::{Result, process};

use crate::{daemons::read, pause};

/// How often counts are looked at, and the pause in between, until they are taken for what they are.
const LOOKS: u32 = 300;
const PAUSE: i32 = 20;

fn now() -> Result<String> {
    let kernel = read("/scheme/sys/objects")?;
    let names = read("/scheme/nsmgr/counts")?;
    let processes = process::counts()?;
    Ok(format!("{kernel}{names}processes {processes:?}\n"))
}

/// The counts when they have stopped changing: closing takes effect a little later than it is done.
pub fn settled() -> Result<String> {
    let mut last = now()?;
    let mut same = 0;
    for _ in 0..LOOKS {
        pause(PAUSE);
        let next = now()?;
        same = if next == last { same + 1 } else { 0 };
        last = next;
        if same == 20 {
            break;
        }
    }
    Ok(last)
}

/// Waits until there is as much of everything as before; if that does not come, answers what there is.
pub fn wait_for(before: &str) -> Result<Option<String>> {
    let mut last = now()?;
    for _ in 0..LOOKS {
        if last == before {
            return Ok(None);
        }
        pause(PAUSE);
        last = now()?;
    }
    Ok(Some(last))
}
