//! `execd`: runs the one command that `cook exec` on the host asks for, as an ordinary process in the whole
//! namespace, and is its standard streams' way to the host and back.
//!
//! `init` starts it in place of the consoles (`-- execd` on the kernel's command line). What to run is in the
//! initial file system; how the two sides talk is in `exec-protocol`.

mod line;
mod place;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use exec_protocol::{MAX_OUTPUT, REQUEST, ToGuest, ToHost, VERSION, decode_request};

use line::Line;

/// Where programs are looked for, if the request does not say.
const PATH: &str = "/usr/bin:/bin:/scheme/initfs/bin";

fn main() -> ExitCode {
    let line = match Line::open() {
        Ok(line) => line,
        Err(error) => {
            eprintln!("execd: no line to the host: {error}");
            return ExitCode::from(125);
        }
    };
    let last = serve(&line).unwrap_or_else(ToHost::Failed);
    let code = match &last {
        ToHost::Exited(code) => u8::try_from(*code & 0xff).unwrap_or(u8::MAX),
        ToHost::Killed(signal) => u8::try_from(128 + *signal).unwrap_or(u8::MAX),
        ToHost::NotFound(_) => 127,
        ToHost::CannotRun(_) => 126,
        _ => 125,
    };
    if let Err(error) = line.send(&last.shortened()) {
        eprintln!("execd: {error}");
    }
    ExitCode::from(code)
}

/// Runs the command; answers how it ended, or why it could not be run.
fn serve(line: &Line) -> Result<ToHost, String> {
    let file = format!("/scheme/initfs/{REQUEST}");
    let bytes = fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
    let request = decode_request(&bytes).ok_or_else(|| format!("{file}: not a request"))?;
    for file in &request.files {
        place::put(file)?;
    }
    line.send(&ToHost::Hello(VERSION))
        .map_err(|error| error.to_string())?;

    let mut command = Command::new(&request.command);
    command.args(&request.args);
    command
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("USER", "root");
    command.envs(request.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(&request.folder);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(ToHost::NotFound(format!("{}: {error}", request.command)));
        }
        Err(error) => {
            return Ok(ToHost::CannotRun(format!("{}: {error}", request.command)));
        }
    };
    let status = attend(line, &mut child).map_err(|error| error.to_string())?;
    Ok(ended(status))
}

fn ended(status: ExitStatus) -> ToHost {
    match (status.code(), status.signal()) {
        (Some(code), _) => ToHost::Exited(code.cast_unsigned()),
        (None, Some(signal)) => ToHost::Killed(signal.cast_unsigned()),
        (None, None) => ToHost::Failed(format!("the command ended in an unknown way: {status:?}")),
    }
}

/// Carries the command's streams until it has ended and everything it wrote is at the host.
fn attend(line: &Line, child: &mut Child) -> io::Result<ExitStatus> {
    let pid = child.id().cast_signed();
    let input = child.stdin.take();
    let mut listener = line.listener()?;
    let (sender, pieces) = mpsc::channel();
    let answers = line.clone();
    // Reading from the host never ends: these two threads go with the process.
    thread::spawn(move || feed(input, &pieces, &answers));
    thread::spawn(move || {
        while let Ok(messages) = listener.receive() {
            for message in messages {
                match message {
                    ToGuest::Input(bytes) => drop(sender.send(bytes)),
                    ToGuest::InputEnd => drop(sender.send(Vec::new())),
                    ToGuest::Signal(signal) => send_signal(pid, signal),
                }
            }
        }
    });
    let pumps = [
        child
            .stdout
            .take()
            .map(|stream| pump(stream, line.clone(), ToHost::Output)),
        child
            .stderr
            .take()
            .map(|stream| pump(stream, line.clone(), ToHost::Error)),
    ];
    let status = child.wait()?;
    for pump in pumps.into_iter().flatten() {
        // A panic of a pump has been reported already.
        drop(pump.join());
    }
    Ok(status)
}

/// Hands pieces to the command; an empty one is the end.
fn feed(mut input: Option<ChildStdin>, pieces: &Receiver<Vec<u8>>, line: &Line) {
    for piece in pieces {
        if piece.is_empty() {
            input = None;
            continue;
        }
        // A command that does not read any more does not get any more.
        if let Some(open) = &mut input
            && open.write_all(&piece).and_then(|()| open.flush()).is_err()
        {
            input = None;
        }
        if line.send(&ToHost::Taken).is_err() {
            return;
        }
    }
}

fn pump(
    mut stream: impl Read + Send + 'static,
    line: Line,
    message: fn(Vec<u8>) -> ToHost,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; MAX_OUTPUT];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(len) => {
                    let bytes = buffer.get(..len).unwrap_or(&[]).to_vec();
                    if line.send(&message(bytes)).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    })
}

fn send_signal(pid: i32, signal: u32) {
    // SAFETY: `kill` takes two numbers and touches no memory of ours.
    let sent = unsafe { libc::kill(pid, signal.cast_signed()) };
    if sent != 0 {
        eprintln!("execd: signal {signal}: {}", io::Error::last_os_error());
    }
}
