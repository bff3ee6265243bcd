//! `bedside serve` as a service manager sees it: sockets handed over, states told, a clean end.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Killed where a test fails before its end.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn bedside(args: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
    command.args(args).arg("--data").arg(data);
    command
}

/// The next state that was told; a test that waits this long has failed.
fn told(manager: &UnixDatagram) -> String {
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut room = [0; 1024];
    let length = manager.recv(&mut room).unwrap();
    String::from_utf8(room[..length].to_vec()).unwrap()
}

/// A doctor, started by `words`, with that socket, told of at `notify`; its store is `data`.
fn serve(words: &[&str], socket: &UdpSocket, dir: &Path, stderr: Stdio) -> Service {
    // Inherited under its own number, which the variable names.
    fcntl(socket, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let child = bedside(words, &dir.join("data"))
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDS_FIRST_FD", socket.as_raw_fd().to_string())
        .env_remove("LISTEN_PID")
        .env("NOTIFY_SOCKET", dir.join("notify"))
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn();
    Service(child.unwrap())
}

#[test]
fn a_socket_handed_over_is_heard_from_before_the_start_to_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"6,1,1000,-;before the start\n", address).unwrap();

    let data = dir.path().join("data");
    let mut service = serve(&["serve"], &socket, dir.path(), Stdio::piped());
    drop(socket);
    let mut said = BufReader::new(service.0.stderr.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), format!("listening on {address}"));
    assert_eq!(told(&manager), "READY=1\n");

    let pid = Pid::from_raw(service.0.id().cast_signed());
    kill(pid, Signal::SIGHUP).unwrap();
    assert!(told(&manager).starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(told(&manager), "READY=1\n");

    sender.send_to(b"6,2,2000,-;before the end\n", address).unwrap();
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(told(&manager), "STOPPING=1\n");
    assert!(service.0.wait().unwrap().success());

    let log = bedside(&["log", "-o", "raw"], &data).output().unwrap();
    assert_eq!(String::from_utf8(log.stdout).unwrap(), "before the start\nbefore the end\n");
}

#[test]
fn an_address_that_was_asked_for_and_not_handed_over_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let asked = ["serve", "--listen", "127.0.0.1:1514", "--listen", &address.to_string()];
    let mut service = serve(&asked, &socket, dir.path(), Stdio::piped());
    drop(socket);
    let mut said = BufReader::new(service.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first = said.next().unwrap();
    assert!(first.starts_with("not listening on 127.0.0.1:1514: the service manager"), "{first}");
    assert!(said.next().unwrap().starts_with("try: name it in the socket unit"));
    assert_eq!(said.next().unwrap(), format!("listening on {address}"));
    assert_eq!(told(&manager), "READY=1\n");
}

#[test]
fn a_socket_of_another_kind_is_refused_with_a_word_on_the_cure() {
    let dir = tempfile::tempdir().unwrap();
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let output = bedside(&["serve"], &dir.path().join("data"))
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDS_FIRST_FD", socket.as_raw_fd().to_string())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("try: `ListenDatagram=` in the socket unit"), "{said}");
}

#[test]
fn who_cannot_be_told_anything_is_heard_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"6,1,1000,-;heard\n", socket.local_addr().unwrap()).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut service = serve(&["serve"], &socket, dir.path(), full.into());
    drop(socket);
    assert_eq!(told(&manager), "READY=1\n");
    kill(Pid::from_raw(service.0.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(service.0.wait().unwrap().success());
    let log = bedside(&["log", "-o", "raw"], &dir.path().join("data")).output().unwrap();
    assert_eq!(String::from_utf8(log.stdout).unwrap(), "heard\n");
}

#[test]
fn who_takes_no_word_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    // Held open and never read; not a byte more goes in.
    let (_unread, mut full) = std::io::pipe().unwrap();
    fcntl(&full, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while full.write(&[b'x'; 4096]).is_ok() {}
    fcntl(&full, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    let mut service = serve(&["serve"], &socket, dir.path(), full.into());
    drop(socket);
    assert_eq!(told(&manager), "READY=1\n");
    let pid = Pid::from_raw(service.0.id().cast_signed());
    kill(pid, Signal::SIGHUP).unwrap();
    while !told(&manager).starts_with("RELOADING") {}
    sender.send_to(b"6,1,1000,-;heard\n", address).unwrap();
    kill(pid, Signal::SIGTERM).unwrap();
    assert!(service.0.wait().unwrap().success());
    let log = bedside(&["log", "-o", "raw"], &dir.path().join("data")).output().unwrap();
    assert_eq!(String::from_utf8(log.stdout).unwrap(), "heard\n");
}

#[test]
fn a_demo_whose_doctor_cannot_start_ends_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let demo = r#"ulimit -n 12; exec "$0" demo"#;
    let output = Command::new("sh")
        .args(["-c", demo, env!("CARGO_BIN_EXE_bedside")])
        .env("TMPDIR", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("Too many open files"), "{said}");
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_bedside"))
        .arg("demo")
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut demo = Service(child.unwrap());
    // The recording is on its way once lines of it are shown.
    let shown = BufReader::new(demo.0.stdout.take().unwrap()).lines();
    let mut shown = shown.map_while(Result::ok);
    assert!(shown.by_ref().any(|line| line.contains("Linux version")));
    kill(Pid::from_raw(demo.0.id().cast_signed()), Signal::SIGINT).unwrap();
    shown.for_each(drop);
    demo.0.wait().unwrap();
    assert_eq!(dir.path().read_dir().unwrap().count(), 0);
}
