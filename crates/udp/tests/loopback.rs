//! Real sockets on loopback.
#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bedside_udp::{Batch, Error, Heard, Receiver, ReceiverOptions, Socket, SocketOptions};

const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
const ANY_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
/// Far more than loopback takes; a test that waits this long has failed.
const LONG: Option<Duration> = Some(Duration::from_secs(20));
const NONE: Option<Duration> = Some(Duration::ZERO);

fn socket(address: SocketAddr) -> Socket {
    Socket::bind(address, &SocketOptions::default()).unwrap()
}

fn receiver(sockets: Vec<Socket>) -> Receiver {
    let options = ReceiverOptions { batch_slots: 8, ..ReceiverOptions::default() };
    Receiver::new(sockets, options).unwrap()
}

/// Where to send to in order to reach `socket`.
fn reach(socket: &Socket, ip: impl Into<IpAddr>) -> SocketAddr {
    SocketAddr::new(ip.into(), socket.local().port())
}

#[derive(Debug, PartialEq)]
struct Word {
    socket: usize,
    source: SocketAddr,
    received_us: u64,
    payload: Vec<u8>,
}

/// Everything until `count` datagrams were heard, and how many were dropped meanwhile.
fn hear(receiver: &mut Receiver, count: usize) -> (Vec<Word>, u64) {
    let (mut words, mut dropped) = (Vec::new(), 0);
    while words.len() < count {
        let before = words.len();
        let round = receiver
            .receive(LONG, &mut |socket, heard| match heard {
                Heard::Datagram(d) => words.push(Word {
                    socket,
                    source: d.source,
                    received_us: d.received_us,
                    payload: d.payload.to_vec(),
                }),
                Heard::Dropped { count, .. } => dropped += count,
                Heard::Batch(_) => {}
            })
            .unwrap();
        assert_eq!(round.datagrams, words.len() - before);
    }
    (words, dropped)
}

fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

#[test]
fn one_datagram_over_each_family() {
    for address in [V4, V6] {
        let socket = socket(address);
        let to = socket.local();
        assert_ne!(to.port(), 0);
        let sender = UdpSocket::bind(address).unwrap();
        let before = now_us();
        sender.send_to(b"6,1,2,-;hello\n", to).unwrap();
        let after = now_us();
        let (words, dropped) = hear(&mut receiver(vec![socket]), 1);
        assert_eq!(words[0].source, sender.local_addr().unwrap());
        assert_eq!(words[0].payload, b"6,1,2,-;hello\n");
        let received = words[0].received_us;
        assert!((before..=after).contains(&received), "{before} <= {received} <= {after}");
        assert_eq!(dropped, 0);
    }
}

#[test]
fn a_dual_socket_names_ipv4_senders_as_ipv4() {
    let options = SocketOptions { only_v6: false, ..SocketOptions::default() };
    let socket = Socket::bind(ANY_V6, &options).unwrap();
    let (to_v4, to_v6) = (reach(&socket, Ipv4Addr::LOCALHOST), reach(&socket, Ipv6Addr::LOCALHOST));
    let (v4, v6) = (UdpSocket::bind(V4).unwrap(), UdpSocket::bind(V6).unwrap());
    v4.send_to(b"four", to_v4).unwrap();
    v6.send_to(b"six", to_v6).unwrap();
    let (words, _) = hear(&mut receiver(vec![socket]), 2);
    let heard: Vec<_> = words.iter().map(|word| (word.source, &word.payload[..])).collect();
    assert_eq!(
        heard,
        [(v4.local_addr().unwrap(), &b"four"[..]), (v6.local_addr().unwrap(), &b"six"[..])]
    );
}

#[test]
fn both_any_addresses_stand_side_by_side_on_one_port() {
    let six = socket(ANY_V6);
    let four = socket(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), six.local().port()));
    let (to_v4, to_v6) = (reach(&four, Ipv4Addr::LOCALHOST), reach(&six, Ipv6Addr::LOCALHOST));
    UdpSocket::bind(V4).unwrap().send_to(b"four", to_v4).unwrap();
    UdpSocket::bind(V6).unwrap().send_to(b"six", to_v6).unwrap();
    let (mut words, _) = hear(&mut receiver(vec![four, six]), 2);
    words.sort_by_key(|word| word.socket);
    let heard: Vec<_> = words.iter().map(|word| (word.socket, &word.payload[..])).collect();
    assert_eq!(heard, [(0, &b"four"[..]), (1, &b"six"[..])]);
}

#[test]
fn every_length_comes_whole() {
    for (address, longest) in [(V4, 65_507), (V6, 65_527)] {
        let socket = socket(address);
        let to = socket.local();
        let sender = UdpSocket::bind(address).unwrap();
        let mut receiver = receiver(vec![socket]);
        for length in [longest, 0, 1, 1000, 2048, 2049, 65_000, longest, 3] {
            let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            sender.send_to(&payload, to).unwrap();
            let (words, dropped) = hear(&mut receiver, 1);
            assert!(words[0].payload == payload, "{length} bytes");
            assert_eq!(dropped, 0);
        }
    }
}

#[test]
fn many_batches_keep_order_and_lose_nothing() {
    let socket = socket(V4);
    let to = socket.local();
    let sender = UdpSocket::bind(V4).unwrap();
    let mut receiver = receiver(vec![socket]);
    receiver.set_patience(Duration::ZERO);
    let mut next = 0_u32;
    for burst in [1, 7, 8, 9, 16, 100, 3] {
        let numbers: Vec<u32> = (next..next + burst).collect();
        for number in &numbers {
            sender.send_to(&number.to_be_bytes(), to).unwrap();
        }
        let (words, dropped) = hear(&mut receiver, numbers.len());
        let heard: Vec<u32> = words
            .iter()
            .map(|word| u32::from_be_bytes(word.payload[..].try_into().unwrap()))
            .collect();
        assert_eq!(heard, numbers);
        assert!(words.is_sorted_by_key(|word| word.received_us));
        assert_eq!(dropped, 0);
        next += burst;
    }
}

#[test]
fn it_is_told_whether_more_may_wait() {
    let socket = socket(V4);
    let to = socket.local();
    let sender = UdpSocket::bind(V4).unwrap();
    let mut receiver = receiver(vec![socket]);
    receiver.set_patience(Duration::ZERO);
    for number in 0..100_u32 {
        sender.send_to(&number.to_be_bytes(), to).unwrap();
    }
    let mut heard = 0;
    while heard < 100 {
        let round = receiver.receive(LONG, &mut |_, _| {}).unwrap();
        heard += round.datagrams;
        assert_eq!(round.more, heard < 100, "after {heard}");
    }
}

/// Under load the times are those of batches: still those of the kernel, in order, and each own
/// again afterwards.
#[test]
fn times_are_true_under_load_and_after_it() {
    let socket = socket(V4);
    let to = socket.local();
    let sender = UdpSocket::bind(V4).unwrap();
    let mut receiver = receiver(vec![socket]);
    receiver.set_patience(Duration::ZERO);
    for burst in [1000, 1, 1000, 3] {
        let sent: Vec<u64> = (0..burst)
            .map(|_| {
                let before = now_us();
                sender.send_to(b"x", to).unwrap();
                before
            })
            .collect();
        let end = now_us();
        let (words, _) = hear(&mut receiver, burst);
        assert!(words.is_sorted_by_key(|word| word.received_us));
        for (word, before) in words.iter().zip(sent) {
            let at = word.received_us;
            assert!((before..=end).contains(&at), "{before} <= {at} <= {end}");
        }
    }
}

#[test]
fn what_the_buffer_had_no_room_for_is_counted_exactly() {
    let options = SocketOptions { receive_buffer: 16_384, ..SocketOptions::default() };
    let socket = Socket::bind(V4, &options).unwrap();
    let to = socket.local();
    let sender = UdpSocket::bind(V4).unwrap();
    let mut receiver = receiver(vec![socket]);
    receiver.set_patience(Duration::ZERO);
    let (mut kept, mut dropped, mut losses) = (0, 0, Vec::new());
    for round in 0..5_u64 {
        let sent = 1000;
        for _ in 0..sent {
            sender.send_to(&[b'x'; 500], to).unwrap();
        }
        let before = (kept, dropped);
        // Until the queue is empty: the counter is then read without any datagram's help.
        loop {
            let heard = receiver
                .receive(NONE, &mut |_, heard| match heard {
                    Heard::Datagram(_) => kept += 1,
                    Heard::Batch(_) => {}
                    Heard::Dropped { count, noticed_us } => {
                        dropped += count;
                        losses.push((round, noticed_us));
                    }
                })
                .unwrap();
            if heard.datagrams == 0 {
                break;
            }
        }
        assert_eq!(kept - before.0 + dropped - before.1, sent, "round {round}");
        assert!(dropped > before.1, "a buffer of 16 KiB cannot have held it all");
    }
    assert_eq!(losses.len(), 5, "each round's loss is told once: {losses:?}");
    assert!(losses.is_sorted_by_key(|loss| loss.1));
}

#[test]
fn a_waker_ends_a_wait_and_a_rest() {
    let socket = socket(V4);
    let to = socket.local();
    let patience = Duration::from_hours(1);
    let options = ReceiverOptions { batch_slots: 8, patience };
    let mut receiver = Receiver::new(vec![socket], options).unwrap();
    let waker = receiver.waker();

    waker.wake();
    waker.wake();
    assert!(receiver.receive(None, &mut |_, _| ()).unwrap().woken);
    assert!(!receiver.receive(NONE, &mut |_, _| ()).unwrap().woken, "two calls count as one");

    UdpSocket::bind(V4).unwrap().send_to(b"x", to).unwrap();
    assert_eq!(receiver.receive(LONG, &mut |_, _| ()).unwrap().datagrams, 1);
    // From here on the receiver rests for an hour.
    let thread = std::thread::spawn(move || waker.wake());
    assert!(receiver.receive(None, &mut |_, _| ()).unwrap().woken);
    thread.join().unwrap();
}

#[test]
fn patience_lets_datagrams_gather_and_never_outlasts_the_wait() {
    let socket = socket(V4);
    let to = socket.local();
    let patience = Duration::from_millis(30);
    let mut receiver =
        Receiver::new(vec![socket], ReceiverOptions { batch_slots: 8, patience }).unwrap();
    let sender = UdpSocket::bind(V4).unwrap();
    for _ in 0..2 {
        sender.send_to(b"x", to).unwrap();
    }
    assert_eq!(receiver.receive(LONG, &mut |_, _| ()).unwrap().datagrams, 2);
    sender.send_to(b"y", to).unwrap();
    let start = Instant::now();
    assert_eq!(receiver.receive(LONG, &mut |_, _| ()).unwrap().datagrams, 1);
    assert!(start.elapsed() >= patience);
    // The wait is over before the patience is: what is there is taken all the same.
    sender.send_to(b"z", to).unwrap();
    assert_eq!(receiver.receive(NONE, &mut |_, _| ()).unwrap().datagrams, 1);
}

#[test]
fn a_silent_wait_ends_on_time() {
    let mut receiver = receiver(vec![socket(V4)]);
    let start = Instant::now();
    let wait = Duration::from_millis(20);
    let round = receiver.receive(Some(wait), &mut |_, _| ()).unwrap();
    assert_eq!((round.datagrams, round.woken), (0, false));
    assert!(start.elapsed() >= wait);
}

#[test]
fn a_socket_handed_over_keeps_its_queue() {
    let bound = UdpSocket::bind(V4).unwrap();
    let to = bound.local_addr().unwrap();
    let sender = UdpSocket::bind(V4).unwrap();
    sender.send_to(b"early", to).unwrap();
    let socket = Socket::from_fd(OwnedFd::from(bound), 1 << 20).unwrap();
    assert_eq!(socket.local(), to);
    sender.send_to(b"late", to).unwrap();
    let (words, _) = hear(&mut receiver(vec![socket]), 2);
    let heard: Vec<_> = words.iter().map(|word| &word.payload[..]).collect();
    assert_eq!(heard, [&b"early"[..], b"late"]);
}

#[test]
fn what_is_no_bound_udp_socket_is_refused() {
    let (reading, _writing) = std::io::pipe().unwrap();
    let unix = UnixDatagram::unbound().unwrap();
    let tcp = TcpListener::bind(V4).unwrap();
    for (fd, words) in [
        (OwnedFd::from(reading), "no socket"),
        (OwnedFd::from(unix), "not over IP"),
        (OwnedFd::from(tcp), "another type"),
    ] {
        let error = Socket::from_fd(fd, 0).unwrap_err();
        assert!(matches!(error, Error::NotUdp { .. }));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_taken_port_is_an_error_with_its_address() {
    let first = socket(V4);
    let error = Socket::bind(first.local(), &SocketOptions::default()).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&first.local().to_string()), "{error}");
}

#[test]
fn the_receive_buffer_is_told_as_the_kernel_counts_it() {
    let options = SocketOptions { receive_buffer: 100_000, ..SocketOptions::default() };
    assert_eq!(Socket::bind(V4, &options).unwrap().receive_buffer(), 100_000);
    // The kernel has a least size and, for the unprivileged, a greatest: the truth is told.
    let options = SocketOptions { receive_buffer: 0, ..SocketOptions::default() };
    assert!(Socket::bind(V4, &options).unwrap().receive_buffer() > 0);
    let options = SocketOptions { receive_buffer: usize::MAX, ..SocketOptions::default() };
    assert!(Socket::bind(V4, &options).unwrap().receive_buffer() > 100_000);
}

/// A closed port answers with an ICMP error, which reaches a connected socket.
#[test]
fn an_icmp_error_is_no_error() {
    let gone = UdpSocket::bind(V4).unwrap().local_addr().unwrap();
    let connected = UdpSocket::bind(V4).unwrap();
    connected.connect(gone).unwrap();
    connected.send(b"anybody?").unwrap();
    let socket = Socket::from_fd(OwnedFd::from(connected), 0).unwrap();
    let mut batch = Batch::new(8);
    assert_eq!(socket.receive(&mut batch).unwrap(), 0);
    assert_eq!(socket.receive(&mut batch).unwrap(), 0);
}

#[test]
fn a_receiver_can_move_to_another_thread() {
    let socket = socket(V4);
    let to = socket.local();
    let mut receiver = receiver(vec![socket]);
    let thread = std::thread::spawn(move || hear(&mut receiver, 1).0.len());
    UdpSocket::bind(V4).unwrap().send_to(b"x", to).unwrap();
    assert_eq!(thread.join().unwrap(), 1);
}
