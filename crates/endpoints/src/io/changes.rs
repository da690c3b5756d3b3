//! What happens to this machine that a source may wait for: a network comes up,
//! a device is plugged in.
//!
//! Linux tells both: rtnetlink(7) and inotify(7). Where nothing tells, sources
//! are tried again at their own times only.

use rs2rtc_streams::{CancellationToken, Change};

/// Tells of changes until cancelled. What cannot be watched is left out.
pub async fn watch(tell: impl Fn(Change) + Sync, cancel: CancellationToken) {
    #[cfg(target_os = "linux")]
    {
        let devices = linux::DEVICES.map(std::path::Path::new);
        tokio::select! {
            ((), ()) = async {
                tokio::join!(linux::networks(&tell), linux::devices(&devices, &tell))
            } => {}
            () = cancel.cancelled() => {}
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = &tell;
        cancel.cancelled().await;
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::path::Path;

    use rs2rtc_protocols::rtnetlink::{GROUPS, Links};
    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use rustix::io::Errno;
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
    use tracing::debug;

    use super::Change;
    use crate::io::sys::watched;

    /// Folders in which the nodes of devices appear.
    pub(super) const DEVICES: [&str; 2] = ["/dev", "/dev/snd"];
    /// The kernel's messages are shorter.
    const BUFFER: usize = 16 * 1024;

    /// Tells of networks that come up. Ends only if that cannot be watched.
    pub(super) async fn networks(tell: &(impl Fn(Change) + Sync)) {
        let result = async {
            let socket = watched(open_networks()?)?;
            let mut links = Links::default();
            loop {
                let mut ready = socket.readable().await?;
                match ready.try_io(|socket| Ok(read_networks(socket.get_ref(), &mut links)?)) {
                    Ok(Ok(true)) => tell(Change::Network),
                    Ok(Err(error)) => break Err::<(), io::Error>(error),
                    Ok(Ok(false)) | Err(_) => {}
                }
            }
        };
        if let Err(error) = result.await {
            debug!(%error, "networks cannot be watched");
        }
    }

    fn open_networks() -> io::Result<OwnedFd> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(socket)
    }

    fn read_networks(socket: &OwnedFd, links: &mut Links) -> rustix::io::Result<bool> {
        let mut buffer = [0; BUFFER];
        match recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((_, length)) => Ok(links.handle_datagram(buffer.get(..length).unwrap_or_default())),
            // More happened than there was room for.
            Err(Errno::NOBUFS) => Ok(true),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tells of device nodes that appear in some folders, or become accessible.
    /// Ends only if that cannot be watched.
    pub(super) async fn devices(folders: &[&Path], tell: &(impl Fn(Change) + Sync)) {
        let result = async {
            let watch = watched(open_devices(folders)?)?;
            loop {
                let mut ready = watch.readable().await?;
                match ready.try_io(|watch| Ok(read_devices(watch.get_ref())?)) {
                    Ok(Ok(())) => tell(Change::Device),
                    Ok(Err(error)) => break Err::<(), io::Error>(error),
                    Err(_) => {}
                }
            }
        };
        if let Err(error) = result.await {
            debug!(%error, "devices cannot be watched");
        }
    }

    fn open_devices(folders: &[&Path]) -> io::Result<OwnedFd> {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        // A node is made first, and its owner set then.
        let events = WatchFlags::CREATE | WatchFlags::ATTRIB | WatchFlags::MOVED_TO;
        let mut watched: io::Result<_> = Err(io::ErrorKind::NotFound.into());
        for folder in folders {
            // One that does not exist yet says so by being made.
            let added = inotify::add_watch(&watch, *folder, events | WatchFlags::ONLYDIR);
            if watched.is_err() {
                watched = added.map_err(io::Error::from);
            }
        }
        watched.map(|_| watch)
    }

    /// Takes what there is; which node it was does not matter.
    fn read_devices(watch: &OwnedFd) -> rustix::io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        rustix::io::read(watch, &mut buffer).map(|_| ())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write as _;
    use std::process::Command;
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;
    use crate::io::sys::netns;

    const LIMIT: Duration = Duration::from_secs(20);

    async fn next(changes: &mut mpsc::Receiver<Change>) -> Change {
        tokio::time::timeout(LIMIT, changes.recv()).await.expect("nothing was told").unwrap()
    }

    #[tokio::test]
    async fn a_node_that_appears_is_told() {
        let folder = std::env::temp_dir().join(format!("rs2rtc-devices-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (sender, mut changes) = mpsc::channel(64);
        let missing = folder.join("missing");
        let folders = [folder.as_path(), missing.as_path()];
        let tell = move |change| {
            let _ = sender.try_send(change);
        };
        let watch = linux::devices(&folders, &tell);
        let plug = async {
            // Whatever the order, one of them comes after the watch has begun.
            let mut number = 0;
            loop {
                number += 1;
                std::fs::write(folder.join(format!("video{number}")), "").unwrap();
                let told = tokio::time::timeout(Duration::from_millis(10), changes.recv()).await;
                if let Ok(Some(change)) = told {
                    break change;
                }
                assert!(number < 2000, "nothing was told");
            }
        };
        let told = tokio::select! {
            () = watch => panic!("it cannot be watched"),
            told = plug => told,
        };
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(told, Change::Device);
    }

    fn ip(arguments: &str) {
        let done = Command::new("ip").args(arguments.split(' ')).status().unwrap();
        assert!(done.success(), "ip {arguments}");
    }

    #[test]
    fn a_network_that_comes_up_is_told() {
        if !rustix::process::geteuid().is_root() || netns::enter_new().is_err() {
            let _ = std::io::stderr().write_all(b"SKIPPED: no network of its own\n");
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, mut changes) = mpsc::channel(64);
            let tell = move |change| {
                let _ = sender.try_send(change);
            };
            let watch = linux::networks(&tell);
            let scene = async {
                tokio::task::yield_now().await;
                ip("link add one type veth peer name two");
                ip("link set one up");
                ip("link set two up");
                let link = next(&mut changes).await;
                ip("addr add 10.9.8.7/24 dev one");
                (link, next(&mut changes).await)
            };
            tokio::select! {
                biased;
                () = watch => panic!("it cannot be watched"),
                told = scene => assert_eq!(told, (Change::Network, Change::Network)),
            }
        });
    }
}
