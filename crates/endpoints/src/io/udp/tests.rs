//! Sockets on the loopback.

use std::time::{Duration, Instant};

use super::*;

fn receive_all(port: &UdpPort, count: usize) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
    let mut receiver = Receiver::new();
    let mut found = Vec::new();
    let begin = Instant::now();
    while found.len() < count && begin.elapsed() < Duration::from_secs(5) {
        receiver.receive(port, 4, |from, to, bytes| found.push((from, to, bytes.to_vec())));
        std::thread::yield_now();
    }
    found
}

#[test]
fn segments_arrive_one_by_one_with_their_addresses() {
    let port = UdpPort::bind(None, 0).unwrap();
    let other = UdpPort::bind(Some(IpAddr::V4(Ipv4Addr::LOCALHOST)), 0).unwrap();
    let there = SocketAddr::from((Ipv4Addr::LOCALHOST, other.port()));
    let bytes: Vec<u8> = (0..250).collect();
    port.send(IpAddr::V4(Ipv4Addr::LOCALHOST), there, &bytes, 100);
    let found = receive_all(&other, 3);
    assert_eq!(found.iter().map(|f| f.2.len()).collect::<Vec<_>>(), [100, 100, 50]);
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port()));
    assert_eq!(found[0].0, here);
    other.send(IpAddr::V4(Ipv4Addr::LOCALHOST), here, b"back", 4);
    let found = receive_all(&port, 1);
    assert_eq!(found, [(there, here, b"back".to_vec())]);
}

#[test]
fn a_used_port_is_an_error() {
    let port = UdpPort::bind(None, 0).unwrap();
    let error = UdpPort::bind(None, port.port()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}
