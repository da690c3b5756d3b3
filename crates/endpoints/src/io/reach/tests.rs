//! Nothing here is looked up or dialled outside of the test.

use std::collections::VecDeque;

use super::*;

/// Answers lookups by a script; connections go to this machine, whatever the address.
#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<&'static str>>,
    dialled: Arc<Mutex<Vec<SocketAddr>>>,
}

impl Net for Script {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        let own = host.parse().map(|ip: IpAddr| vec![SocketAddr::new(ip, port)]);
        let found = own.ok().or_else(|| {
            let answer = self.answers.lock().unwrap().pop_front()?;
            Some(answer.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
        });
        Box::pin(async move { found.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<io::Result<TcpStream>> {
        self.dialled.lock().unwrap().push(address);
        Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
    }
}

fn reach(origin: Origin, answers: &[&'static str]) -> (Reach, Arc<Mutex<Vec<SocketAddr>>>) {
    let script =
        Script { answers: Mutex::new(answers.iter().copied().collect()), ..<_>::default() };
    let dialled = Arc::clone(&script.dialled);
    (Reach::of(Arc::new(Network::new(script)), origin), dialled)
}

async fn named(source: &str, origin: Origin, answers: &[&'static str]) -> bool {
    reach(origin, answers).0.check(source).await.is_ok()
}

#[tokio::test]
async fn strangers_name_network_sources_only() {
    for good in [
        "rtsp://user:pw@192.168.1.10/stream1#timeout=5",
        "rtsp://camera.lan/stream1",
        "ffmpeg:rtsp://10.0.0.3/x#video=copy",
        "demo:",
    ] {
        assert!(named(good, Origin::Stranger, &["192.168.1.10"]).await, "{good}");
    }
    for bad in [
        "rtsp://127.0.0.1:8554/cam",
        "ffmpeg:http://localhost/x",
        "http://169.254.169.254/latest",
        "http://[fd00:ec2::254]/latest",
        "rtsp://[::1]/x",
        "rtsp://[::ffff:127.0.0.1]/x",
        "http://metadata.google.internal/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0.0.0.0:1984/api/exit",
    ] {
        assert!(!named(bad, Origin::Stranger, &[]).await, "{bad}");
        for origin in [Origin::Config, Origin::Admin, Origin::Api] {
            assert!(named(bad, origin, &["127.0.0.1"]).await, "{bad}");
        }
    }
}

#[tokio::test]
async fn a_name_counts_as_what_it_leads_to() {
    let source = "tcp://innocent.example:1984";
    for inside in ["192.168.1.10 127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"] {
        assert!(!named(source, Origin::Stranger, &[inside]).await, "{inside}");
        assert!(named(source, Origin::Api, &[inside]).await);
    }
    assert!(named(source, Origin::Stranger, &[]).await, "its dial will tell");
}

#[tokio::test]
async fn the_rule_holds_for_the_address_that_is_connected_to() {
    let source = "tcp://turns.example:1984";
    for inside in ["127.0.0.1", "192.0.2.1 ::1", "::ffff:169.254.169.254"] {
        let (reach, dialled) = reach(Origin::Stranger, &["192.0.2.1", inside]);
        reach.check(source).await.unwrap();
        let error = reach.connect("turns.example", 1984).await.unwrap_err();
        assert!(is_refusal(&error), "{error}");
        assert!(error.to_string().ends_with("may only be named on this machine"), "{error}");
        assert!(dialled.lock().unwrap().is_empty(), "{inside}");
    }
    for origin in [Origin::Config, Origin::Admin, Origin::Api] {
        let (reach, dialled) = reach(origin, &["127.0.0.1"]);
        let error = reach.connect("turns.example", 1984).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(*dialled.lock().unwrap(), ["127.0.0.1:1984".parse().unwrap()]);
    }
}

#[tokio::test]
async fn addresses_are_tried_in_their_order() {
    let (reach, dialled) = reach(Origin::Stranger, &["192.0.2.1 192.0.2.2"]);
    reach.connect("two.example", 80).await.unwrap_err();
    let dialled: Vec<String> = dialled.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(dialled, ["192.0.2.1:80", "192.0.2.2:80"]);
}

#[tokio::test]
async fn our_own_ports_are_inside_at_every_address_of_this_machine() {
    let outward = sys::interface_addresses().unwrap().into_iter().map(|own| own.ip);
    // A machine without a network has nothing to test here but its neighbours.
    let ours = outward.into_iter().find(|ip| ip.is_ipv4() && !is_inside(*ip));
    let reach = reach(Origin::Stranger, &[]).0;
    reach.network.serve(1984);
    assert!(!reach.refuses("192.0.2.1:1984".parse().unwrap()), "another machine's");
    if let Some(ip) = ours {
        assert!(reach.refuses(SocketAddr::new(ip, 1984)));
        assert!(!reach.refuses(SocketAddr::new(ip, 1985)), "somebody else's port");
        let error = reach.check(&format!("http://{ip}:1984/api/exit")).await.unwrap_err();
        assert!(error.to_string().contains("may only be named on this machine"), "{error}");
    }
}
