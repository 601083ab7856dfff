//! The table of suites, and the emulator's command line for each.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image::Programs;
use serde::Deserialize;

use crate::drives::{Drive, Files};
use crate::ports::Port;
use crate::power::Cut;

/// The suites of a table file, in its order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Each becomes one run of the emulator.
    #[serde(default, rename = "suite")]
    pub suites: Vec<Suite>,
}

/// One run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// What it is called on the command line and in `build/logs/`.
    pub name: String,
    /// Whether it measures instead of testing: it then belongs to `make bench`, not to `make test`.
    #[serde(default)]
    pub bench: bool,
    /// Whether it is run only when it is asked for by its name.
    #[serde(default)]
    pub on_request: bool,
    /// As how many runs, `NAME-1` and so on: in the command line of each, `{part}` is its `number/parts`.
    pub parts: Option<NonZeroU32>,
    /// The suite that it is a part of.
    #[serde(skip)]
    whole: Option<String>,
    /// A disk image to boot through UEFI firmware, instead of the kernel and an initial file system.
    pub disk: Option<PathBuf>,
    /// Whether the machine may start again, with what it has written to its disks; else that is its end.
    #[serde(default)]
    pub reboots: bool,
    /// The kernel's command line.
    #[serde(default)]
    pub cmdline: String,
    /// The machine's memory in MiB.
    #[serde(default = "default_memory")]
    pub memory: u32,
    /// After how many seconds the run has failed.
    #[serde(default = "default_timeout")]
    pub timeout: u64,
    /// Count instructions instead of time: the guest's clocks advance by one tick per instruction.
    #[serde(default)]
    pub icount: bool,
    /// What is typed on the console, and when: a script of [`crate::dialog`]. Its steps are the tests.
    pub dialog: Option<PathBuf>,
    /// The machine has no end of its own: its power goes, so often. The state of its first disk is put behind the
    /// command line.
    pub cut: Option<Cut>,
    /// Programs of the initial file system, in addition to `config/initfs.toml`'s: path -> package.
    #[serde(default)]
    pub programs: std::collections::BTreeMap<String, String>,
    /// Host files in the initial file system, likewise: path -> host path.
    #[serde(default)]
    pub files: std::collections::BTreeMap<String, PathBuf>,
    /// Where in the initial file system the trees of `tests/resolve-cases.toml` are, as `rows-a` and `rows-b`.
    pub fixture: Option<String>,
    /// Disks, beside the one that is booted from, in the order in which the machine has them.
    #[serde(default, rename = "drive")]
    pub drives: Vec<Drive>,
    /// Lines to the host.
    #[serde(default, rename = "port")]
    pub ports: Vec<Port>,
    /// Further devices of the machine: each what the emulator takes behind `-device`.
    #[serde(default)]
    pub devices: Vec<String>,
}

const fn default_memory() -> u32 {
    128
}

const fn default_timeout() -> u64 {
    60
}

/// Host files that a run needs.
#[derive(Clone, Debug)]
pub enum Boot<'a> {
    /// QEMU's own loader: kernel and initial file system.
    Pvh {
        /// The kernel's ELF file.
        kernel: &'a Path,
        /// The archive.
        initfs: &'a Path,
    },
    /// UEFI firmware and a disk. The disk is not written to.
    Uefi {
        /// The firmware's code.
        code: &'a Path,
        /// A writable copy of the firmware's variables.
        vars: &'a Path,
        /// The image.
        disk: &'a Path,
    },
}

impl Table {
    /// Reads a table file. Unknown keys and names used twice are errors.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    /// The suites of several table files. A name that two of them use is an error.
    pub fn read_all(paths: &[PathBuf]) -> Result<Self> {
        let mut suites: Vec<Suite> = Vec::new();
        for path in paths {
            for suite in Self::read(path)?.suites {
                if suites.iter().any(|other| other.name == suite.name) {
                    bail!(
                        "{}: another table has a suite named {:?}",
                        path.display(),
                        suite.name
                    );
                }
                suites.push(suite);
            }
        }
        Ok(Self { suites })
    }

    /// The table in `text`.
    pub fn parse(text: &str) -> Result<Self> {
        let table: Self = toml::from_str(text)?;
        for (index, suite) in table.suites.iter().enumerate() {
            let name = &suite.name;
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                bail!("suite name {name:?}: letters, digits and hyphens only");
            }
            if table.suites[..index]
                .iter()
                .any(|other| other.name == *name)
            {
                bail!("two suites named {name:?}");
            }
            if suite.disk.is_some() && !(suite.programs.is_empty() && suite.cmdline.is_empty()) {
                bail!("suite {name:?}: a disk has its own programs and command line");
            }
            if suite.cut.is_some() && (suite.disk.is_some() || suite.drives.is_empty()) {
                bail!(
                    "suite {name:?}: its power goes, for which it needs a drive, and no disk to boot"
                );
            }
        }
        for suite in &table.suites {
            if suite.parts.is_some() != suite.cmdline.contains(PART) {
                bail!(
                    "suite {:?}: {PART} is for a suite that has parts",
                    suite.name
                );
            }
        }
        let suites = table.suites.into_iter().flat_map(Suite::in_parts).collect();
        Ok(Self { suites })
    }

    /// The suites called `names`, in all their parts; when there are none, all of this kind but those on request.
    pub fn select(&self, bench: bool, names: &[String]) -> Result<Vec<&Suite>> {
        let known = || self.suites.iter().filter(|suite| suite.bench == bench);
        for name in names {
            if !known().any(|suite| suite.is_called(name)) {
                let list: Vec<_> = known().map(|suite| suite.name.as_str()).collect();
                bail!("no suite named {name:?}; there are: {}", list.join(", "));
            }
        }
        let wanted = |suite: &&Suite| {
            names.iter().any(|name| suite.is_called(name))
                || (names.is_empty() && !suite.on_request)
        };
        Ok(known().filter(wanted).collect())
    }
}

/// Where a command line has the number of a part.
const PART: &str = "{part}";

impl Suite {
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.whole.as_deref() == Some(name)
    }

    fn in_parts(self) -> Vec<Self> {
        let Some(parts) = self.parts else {
            return vec![self];
        };
        let part = |number| Self {
            name: format!("{}-{number}", self.name),
            whole: Some(self.name.clone()),
            cmdline: self.cmdline.replace(PART, &format!("{number}/{parts}")),
            ..self.clone()
        };
        (1..=parts.get()).map(part).collect()
    }

    /// What its initial file system holds in addition to the usual.
    pub fn extra_programs(&self) -> Programs {
        Programs {
            programs: self.programs.clone(),
            files: self.files.clone(),
        }
    }

    /// The emulator's arguments. The first serial port is its standard output.
    ///
    /// What belongs to `drives` and ports is in `folder`.
    pub fn qemu_args(&self, boot: &Boot<'_>, folder: &Path, drives: &[Files]) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        let mut add = |words: &[&str]| args.extend(words.iter().map(OsString::from));
        add(&["-machine", "q35", "-nodefaults", "-no-user-config"]);
        add(&["-display", "none", "-serial", "stdio", "-monitor", "none"]);
        if !self.reboots {
            add(&["-no-reboot"]);
        }
        add(&["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        add(&["-m", &format!("{}M", self.memory)]);
        if self.icount {
            // String instructions count one per iteration: without ERMS the guest copies by words.
            add(&["-icount", "shift=0,sleep=off", "-rtc", "clock=vm"]);
            add(&["-cpu", "max,-erms"]);
        } else {
            add(&["-cpu", "max"]);
        }
        match boot {
            Boot::Pvh { kernel, initfs } => {
                args.extend(["-kernel".into(), kernel.into()]);
                args.extend(["-initrd".into(), initfs.into()]);
                args.extend(["-append".into(), self.cmdline.clone().into()]);
            }
            Boot::Uefi { code, vars, disk } => {
                let drive = |options: &str, path: &Path| {
                    let mut drive = OsString::from(format!("{options},file="));
                    // A comma in a QEMU option's value is written twice.
                    drive.push(path.to_string_lossy().replace(',', ",,"));
                    [OsString::from("-drive"), drive]
                };
                args.extend(drive("if=pflash,format=raw,readonly=on", code));
                args.extend(drive("if=pflash,format=raw", vars));
                args.extend(drive("if=none,id=disk,format=raw,snapshot=on", disk));
                args.extend(["-device".into(), "virtio-blk-pci,drive=disk".into()]);
            }
        }
        for (index, (drive, files)) in self.drives.iter().zip(drives).enumerate() {
            args.extend(drive.qemu_args(index, files));
        }
        for (index, port) in self.ports.iter().enumerate() {
            args.extend(port.qemu_args(folder, index));
        }
        for device in &self.devices {
            args.extend(["-device".into(), device.into()]);
        }
        args
    }
}
