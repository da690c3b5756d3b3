//! Both kinds behave alike.

use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::time::Instant;

use super::*;

/// Runs a test with both kinds.
macro_rules! both {
    ($($name:ident)*) => {
        mod by_poll {$(
            #[test]
            fn $name() {
                super::$name(super::poll::Poller::new().unwrap());
            }
        )*}
        #[cfg(target_os = "linux")]
        mod by_epoll {$(
            #[test]
            fn $name() {
                super::$name(super::epoll::Poller::new().unwrap());
            }
        )*}
    };
}

both! { tokens_name_what_is_ready what_is_not_read_is_reported_again a_timeout_ends_the_wait }

trait Waits {
    fn add(&mut self, fd: &UdpSocket, token: u64) -> io::Result<()>;
    fn remove(&mut self, fd: &UdpSocket);
    fn wait(&mut self, timeout: Duration) -> Vec<Ready>;
}

macro_rules! waits {
    ($type:ty) => {
        impl Waits for $type {
            fn add(&mut self, fd: &UdpSocket, token: u64) -> io::Result<()> {
                self.add(fd.as_fd(), Token(token))
            }

            fn remove(&mut self, fd: &UdpSocket) {
                self.remove(fd.as_fd());
            }

            fn wait(&mut self, timeout: Duration) -> Vec<Ready> {
                let mut ready = Vec::new();
                self.wait(timeout, &mut ready);
                ready.sort_by_key(|r: &Ready| r.token);
                ready
            }
        }
    };
}

waits!(poll::Poller);
#[cfg(target_os = "linux")]
waits!(epoll::Poller);

const LONG: Duration = Duration::from_secs(10);

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").unwrap()
}

fn send(to: &UdpSocket) {
    to.send_to(b"x", to.local_addr().unwrap()).unwrap();
}

const fn input(token: u64) -> Ready {
    Ready { token: Token(token), input: true, error: false }
}

fn tokens_name_what_is_ready(mut poller: impl Waits) {
    let sockets: Vec<UdpSocket> = (0..100).map(|_| socket()).collect();
    for (token, socket) in sockets.iter().enumerate() {
        poller.add(socket, token as u64).unwrap();
        assert!(poller.add(socket, 0).is_err());
    }
    send(&sockets[7]);
    send(&sockets[93]);
    assert_eq!(poller.wait(LONG), [input(7), input(93)]);
    poller.remove(&sockets[7]);
    assert_eq!(poller.wait(LONG), [input(93)]);
    poller.add(&sockets[7], u64::MAX).unwrap();
    assert_eq!(poller.wait(LONG), [input(93), input(u64::MAX)]);
}

fn what_is_not_read_is_reported_again(mut poller: impl Waits) {
    let socket = socket();
    poller.add(&socket, 1).unwrap();
    send(&socket);
    assert_eq!(poller.wait(LONG), [input(1)]);
    assert_eq!(poller.wait(Duration::ZERO), [input(1)]);
    socket.recv(&mut [0; 8]).unwrap();
    assert_eq!(poller.wait(Duration::ZERO), []);
}

fn a_timeout_ends_the_wait(mut poller: impl Waits) {
    let socket = socket();
    poller.add(&socket, 1).unwrap();
    let begin = Instant::now();
    assert_eq!(poller.wait(Duration::from_micros(1500)), []);
    assert!(begin.elapsed() >= Duration::from_micros(1500));
}
