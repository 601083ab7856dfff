//! The emulator.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use exec_protocol::{ToGuest, encode};

use super::Options;
use crate::toolchain::find;

const QEMU: &str = "qemu-system-x86_64";

/// A machine; it ends when this is dropped.
pub struct Machine {
    child: Child,
    line: Option<ChildStdin>,
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Machine {
    /// Starts one, with its first serial port as the line.
    pub fn start(
        options: &Options,
        kernel: &Path,
        initfs: &Path,
        disk: Option<&Path>,
    ) -> Result<Self> {
        // It ends with us, however we end, where there is the program that says so.
        let mut command = match (find("setpriv"), find(QEMU)) {
            (Some(setpriv), Some(qemu)) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(qemu);
                command
            }
            _ => Command::new(QEMU),
        };
        command.args([
            "-machine",
            "q35",
            "-no-reboot",
            "-display",
            "none",
            "-monitor",
            "none",
        ]);
        command.args(["-nodefaults", "-chardev", "stdio,id=line,signal=off"]);
        command.args(["-serial", "chardev:line"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        command.args([
            "-m",
            &format!("{}M", options.mem),
            "-smp",
            &options.cpus.to_string(),
        ]);
        if options.icount {
            command.args(["-icount", "shift=0,sleep=off", "-rtc", "clock=vm"]);
            command.args(["-accel", "tcg", "-cpu", "max,-erms"]);
        } else {
            command.args([
                "-accel",
                if options.kvm { "kvm" } else { "tcg" },
                "-cpu",
                "max",
            ]);
        }
        if let Some(disk) = disk {
            // It is this machine's own, and need not outlive it. A comma in a value is written twice.
            let file = disk.to_str().context("the disk's path is not UTF-8")?;
            let file = file.replace(',', ",,");
            let drive = format!("if=none,id=disk,format=raw,cache=unsafe,file={file}");
            command.args(["-drive", &drive, "-device", "virtio-blk-pci,drive=disk"]);
        }
        command
            .arg("-kernel")
            .arg(kernel)
            .arg("-initrd")
            .arg(initfs);
        let verbose = if options.verbose { "verbose " } else { "" };
        command.args(["-append", &format!("{verbose}-- execd")]);
        // The terminal's signals are for us, who pass them on.
        command.process_group(0);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {QEMU} (make deps installs it)"))?;
        let line = child.stdin.take();
        Ok(Self { child, line })
    }

    /// What comes out of the line.
    pub fn output(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().context("the machine has no line")
    }

    /// Sends a message. A machine that has ended says so on the line.
    pub fn send(&mut self, message: &ToGuest) {
        if let (Some(line), Some(frame)) = (&mut self.line, encode(message)) {
            let _ = line.write_all(&frame).and_then(|()| line.flush());
        }
    }

    /// Why it has ended.
    pub fn failure(&mut self) -> String {
        let _ = self.child.kill();
        let mut said = String::new();
        if let Some(errors) = &mut self.child.stderr {
            // What cannot be read is not there to be shown.
            let _ = errors.read_to_string(&mut said);
        }
        match said.trim() {
            "" => "it ended before the command did".to_owned(),
            said => format!("{QEMU}: {said}"),
        }
    }
}
