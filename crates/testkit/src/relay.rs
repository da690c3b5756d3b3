//! A UDP relay that puts an emulated network between real programs.
//!
//! It listens on one address. Every client that sends there gets a socket of
//! its own towards the server, which so sees one address for each, as behind a
//! NAT; what the server answers goes back to that client. Both ways lead
//! through a [`Link`], shared by all clients.
//!
//! Neither side gets ICMP errors because of the other's closed ports: with the
//! relay between them, only silence tells that somebody is gone.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::netem::{Link, Profile, Stats};

/// Threads look so often whether the relay has ended.
const LOOK: Duration = Duration::from_millis(100);
/// Clients beyond this number are ignored.
const MAX_CLIENTS: usize = 256;

/// Which way datagrams go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the clients to the server.
    Up,
    /// From the server to the clients.
    Down,
}

/// A running relay; ends when dropped.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    listener: UdpSocket,
    server: SocketAddr,
    ended: AtomicBool,
    state: Mutex<State>,
    /// Something was pushed.
    pushed: Condvar,
}

#[derive(Debug)]
struct State {
    up: Link<Datagram>,
    down: Link<Datagram>,
    clients: HashMap<SocketAddr, Arc<UdpSocket>>,
    /// Sockets of former bindings; open, so that the server's datagrams vanish
    /// there without an error.
    retired: Vec<Arc<UdpSocket>>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Datagram {
    client: SocketAddr,
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Datagram {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Relay {
    /// Listens on `listen` for clients of `server`. The two ways get seeds of
    /// their own from `seed`.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub fn start(listen: SocketAddr, server: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = UdpSocket::bind(listen)?;
        listener.set_read_timeout(Some(LOOK))?;
        let address = listener.local_addr()?;
        let now = Instant::now();
        let state = State {
            up: Link::new(Profile::default(), seed.wrapping_mul(2), now),
            down: Link::new(Profile::default(), seed.wrapping_mul(2).wrapping_add(1), now),
            clients: HashMap::new(),
            retired: Vec::new(),
            readers: Vec::new(),
        };
        let shared = Arc::new(Shared {
            listener,
            server,
            ended: AtomicBool::new(false),
            state: Mutex::new(state),
            pushed: Condvar::new(),
        });
        let start = |run: fn(&Arc<Shared>)| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || run(&shared))
        };
        let threads = vec![start(Shared::read_clients), start(Shared::deliver)];
        Ok(Self { shared, address, threads })
    }

    /// Where clients reach the relay.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the network of one way.
    pub fn set(&self, way: Way, profile: Profile) {
        let mut state = self.shared.lock();
        let now = Instant::now();
        match way {
            Way::Up => state.up.set(profile, now),
            Way::Down => state.down.set(profile, now),
        }
    }

    /// Gives every client another port towards the server, as a NAT does that
    /// has forgotten it. What the server sends to the old one is lost.
    ///
    /// # Errors
    /// If there are no more sockets.
    pub fn rebind(&self) -> io::Result<()> {
        let mut state = self.shared.lock();
        let clients: Vec<SocketAddr> = state.clients.keys().copied().collect();
        for client in clients {
            let socket = self.shared.connect(&mut state, client)?;
            if let Some(old) = state.clients.insert(client, socket) {
                state.retired.push(old);
            }
        }
        Ok(())
    }

    /// Clients seen, and what became of the datagrams up and down.
    pub fn stats(&self) -> (usize, Stats, Stats) {
        let state = self.shared.lock();
        (state.clients.len(), state.up.stats(), state.down.stats())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.pushed.notify_all();
        let readers = std::mem::take(&mut self.shared.lock().readers);
        for thread in self.threads.drain(..).chain(readers) {
            // A panic of a thread was told where it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn read_clients(self: &Arc<Self>) {
        let mut buffer = [0; 65_536];
        while !self.ended() {
            let Ok((length, client)) = self.listener.recv_from(&mut buffer) else { continue };
            let mut state = self.lock();
            if !state.clients.contains_key(&client) {
                if state.clients.len() >= MAX_CLIENTS {
                    continue;
                }
                let Ok(socket) = self.connect(&mut state, client) else { continue };
                state.clients.insert(client, socket);
            }
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            state.up.push(Instant::now(), Datagram { client, bytes });
            drop(state);
            self.pushed.notify_one();
        }
    }

    /// A socket towards the server, and its reader.
    fn connect(
        self: &Arc<Self>,
        state: &mut State,
        client: SocketAddr,
    ) -> io::Result<Arc<UdpSocket>> {
        let any = match self.server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(self.server)?;
        socket.set_read_timeout(Some(LOOK))?;
        let socket = Arc::new(socket);
        let (shared, reader) = (Arc::clone(self), Arc::clone(&socket));
        state.readers.push(std::thread::spawn(move || shared.read_server(&reader, client)));
        Ok(socket)
    }

    fn read_server(&self, socket: &Arc<UdpSocket>, client: SocketAddr) {
        let mut buffer = [0; 65_536];
        while !self.ended() {
            let Ok(length) = socket.recv(&mut buffer) else { continue };
            let mut state = self.lock();
            if !state.clients.get(&client).is_some_and(|current| Arc::ptr_eq(current, socket)) {
                // Another binding took over; this one stays open and unread.
                return;
            }
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            state.down.push(Instant::now(), Datagram { client, bytes });
            drop(state);
            self.pushed.notify_one();
        }
    }

    fn deliver(self: &Arc<Self>) {
        let mut state = self.lock();
        while !self.ended() {
            let now = Instant::now();
            // A full socket buffer or a refusing peer is the network's business.
            while let Some(datagram) = state.up.pop_due(now) {
                if let Some(socket) = state.clients.get(&datagram.client) {
                    let _ = socket.send(&datagram.bytes);
                }
            }
            while let Some(datagram) = state.down.pop_due(now) {
                let _ = self.listener.send_to(&datagram.bytes, datagram.client);
            }
            let due = [state.up.next_due(), state.down.next_due()].into_iter().flatten().min();
            let wait = due.map_or(LOOK, |due| due.saturating_duration_since(Instant::now()));
            if !wait.is_zero() {
                let waited = self.pushed.wait_timeout(state, wait.min(LOOK));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    fn socket() -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        socket
    }

    fn recv(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 2000];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        (buffer[..length].to_vec(), from)
    }

    #[test]
    fn each_client_has_its_own_way() {
        let (server, one, two) = (socket(), socket(), socket());
        let relay =
            Relay::start("127.0.0.1:0".parse().unwrap(), server.local_addr().unwrap(), 1).unwrap();
        let ask = |client: &UdpSocket, text: &[u8]| {
            client.send_to(text, relay.address()).unwrap();
            let (bytes, from) = recv(&server);
            assert_eq!(bytes, text);
            server.send_to(b"yes", from).unwrap();
            assert_eq!(recv(client), (b"yes".to_vec(), relay.address()));
            from
        };
        let first = ask(&one, b"one");
        assert_ne!(first, ask(&two, b"two"));
        assert_eq!(first, ask(&one, b"again"));

        // Another port; nothing comes through the old one.
        relay.rebind().unwrap();
        server.send_to(b"lost", first).unwrap();
        assert_ne!(first, ask(&one, b"moved"));
        let (clients, up, down) = relay.stats();
        assert_eq!((clients, up.delivered, down.delivered), (2, 4, 4));

        // What is dropped does not arrive; what is delayed does.
        relay.set(Way::Up, "drop alerts delay 50ms".parse().unwrap());
        let sent = Instant::now();
        one.send_to(&[21, 254, 253], relay.address()).unwrap();
        one.send_to(b"late", relay.address()).unwrap();
        assert_eq!(recv(&server).0, b"late");
        assert!(sent.elapsed() >= Duration::from_millis(50));
        assert_eq!(relay.stats().1.filtered, 1);
    }
}
