//! A pulled cable: two hosts on a wire of their own (needs root and `ip`).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::process::Command;

use super::*;
use crate::io::sys::netns;

fn ip(arguments: &str) -> io::Result<()> {
    let output = Command::new("ip").args(arguments.split(' ')).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

/// The server's network, in which the thread stays, and the clients'.
fn wire() -> io::Result<(File, File)> {
    if !rustix::process::geteuid().is_root() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let clients = netns::enter_new()?;
    let server = netns::enter_new()?;
    let there = format!("/proc/{}/fd/{}", std::process::id(), clients.as_raw_fd());
    ip(&format!("link add server type veth peer name clients netns {there}"))?;
    ip("addr add 10.78.0.1/24 dev server")?;
    ip("link set server up")?;
    netns::enter(&clients)?;
    let up = ip("addr add 10.78.0.2/24 dev clients").and_then(|()| ip("link set clients up"));
    netns::enter(&server)?;
    up.map(|()| (server, clients))
}

fn client(server: &File, clients: &File, to: SocketAddr) -> TcpStream {
    netns::enter(clients).unwrap();
    let client = std::net::TcpStream::connect(to);
    netns::enter(server).unwrap();
    let client = client.unwrap();
    client.set_nonblocking(true).unwrap();
    TcpStream::from_std(client).unwrap()
}

/// Plays, or asks for a stream that takes its time; then the cable is pulled.
/// Gives the reason, how long it took, and what was told of that.
async fn pull(
    source: &str,
    pause: bool,
    timers: Timers,
) -> io::Result<(String, Duration, Duration)> {
    let (server, clients) = wire()?;
    let mut b = bench_at("10.78.0.1:0", source, timers);
    let mut c = client(&server, &clients, b.address);
    ask(&mut c, &request("DESCRIBE", 1)).await;
    let setup = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    let url = "rtsp://h/camera/trackID=0";
    ask(&mut c, &format!("SETUP {url} RTSP/1.0\r\nCSeq: 2\r\n{setup}\r\n\r\n")).await;
    ask(&mut c, &request("PLAY", 3)).await;
    assert_eq!((b.seen().await, b.seen().await), (Seen::Dialled, Seen::Running));
    take(&mut c, SHORT).await;
    if pause {
        c.write_all(request("PAUSE", 4).as_bytes()).await?;
        take(&mut c, SHORT).await;
    }
    netns::enter(&clients)?;
    // The address stays: nobody says that it is gone.
    let pulled = ip("link set clients down");
    netns::enter(&server)?;
    pulled?;
    let since = Instant::now();
    let (reason, detect) = b.left().await;
    Ok((reason, since.elapsed(), detect.unwrap_or_default()))
}

#[tokio::test]
#[allow(clippy::print_stderr)]
async fn a_pulled_cable_is_noticed() {
    let limit = Duration::from_secs(2);
    let timers = Timers { unacknowledged: limit, ..patient() };
    for pause in [false, true] {
        let (reason, took, detect) = match pull("test:1000", pause, timers).await {
            Ok(noticed) => noticed,
            Err(error) => {
                eprintln!("SKIPPED: no network of its own: {error}");
                return;
            }
        };
        assert_eq!(reason, "silence", "pause: {pause}");
        // Five probes of a second, the least that the system knows. Where the cable was pulled
        // while nothing was under way, nothing gets under way any more.
        let most = if pause { limit + Duration::from_secs(6) } else { limit * 4 };
        assert!(took > limit / 2 && took < most, "pause: {pause} {took:?}");
        assert!(detect > limit / 2 && detect < most, "pause: {pause} {detect:?}");
    }
}
