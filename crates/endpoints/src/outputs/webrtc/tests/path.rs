//! The way to us without a camera.

use super::*;

/// A client with a data channel and nothing else.
fn channel(link: Link, local: SocketAddr, candidate: Candidate) -> Client {
    let mut client = Client::new(link, local, candidate.clone());
    client.rtc = Rtc::new(Instant::now());
    client.rtc.add_local_candidate(candidate);
    let mut api = client.rtc.sdp_api();
    api.add_channel("path".to_owned());
    let (offer, pending) = api.apply().unwrap();
    client.offer = offer.to_sdp_string();
    client.pending = Some(pending);
    client
}

fn udp() -> Client {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let local = socket.local_addr().unwrap();
    channel(Link::Udp(socket), local, Candidate::host(local, "udp").unwrap())
}

fn accept(client: &mut Client, sdp: &str) {
    let parsed = SdpAnswer::from_sdp_string(sdp).unwrap();
    client.rtc.sdp_api().accept_answer(client.pending.take().unwrap(), parsed).unwrap();
}

/// Waits until no session is there.
async fn all_gone(gateway: &Gateway) {
    let gone = async {
        while gateway.sessions() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_address_is_reached_by_itself() {
    let scene = Scene::new(2);
    let addresses = scene.gateway.addresses(true);
    let at = |network: &str| addresses.iter().position(|a| a.starts_with(network)).unwrap();
    for network in ["udp", "tcp"] {
        let mut client = match network {
            "udp" => udp(),
            _ => {
                let port = scene.gateway.tcp_port().unwrap();
                let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                let local = stream.local_addr().unwrap();
                let builder = Candidate::builder().tcp().host(local).tcptype(TcpType::Active);
                channel(Link::Tcp(stream, Deframer::default()), local, builder.build().unwrap())
            }
        };
        let offer = client.offer.clone();
        let number = at(network);
        let test = scene.gateway.try_path(&offer, Scene::signalling(), number).await.unwrap();
        assert_eq!(test.candidates, addresses.len());
        let lines: Vec<&str> =
            test.sdp.lines().filter_map(|line| line.strip_prefix("a=")).collect();
        let named: Vec<String> =
            lines.iter().filter_map(|line| super::super::path::place(line)).collect();
        assert_eq!(named, [addresses[number].clone()], "{}", test.sdp);
        accept(&mut client, &test.sdp);
        client.until(|c| c.channel.is_some());
        let id = client.channel.unwrap();
        client.rtc.channel(id).unwrap().write(false, b"there and back").unwrap();
        client.until(|c| !c.heard.is_empty());
        assert_eq!(client.heard, [b"there and back".to_vec()]);
        // Nobody watches, and nothing is listed.
        assert_eq!(scene.gateway.reports().await.len(), 0);
        assert_eq!(scene.stream.snapshot().consumers.unwrap_or_default().len(), 0);
        client.rtc.close().unwrap();
        client.until(|c| !c.rtc.is_alive());
        all_gone(&scene.gateway).await;
        assert_eq!(scene.gateway.ended().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_comes_leaves_nothing_behind() {
    let scene = Scene::new(1);
    for _ in 0..super::super::path::MOST {
        scene.gateway.try_path(&udp().offer, Scene::signalling(), 0).await.unwrap();
    }
    let problem = scene.gateway.try_path(&udp().offer, Scene::signalling(), 0).await.unwrap_err();
    assert_eq!(problem.kind(), ErrorKind::Busy);
    all_gone(&scene.gateway).await;
    scene.gateway.try_path(&udp().offer, Scene::signalling(), 0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_offers_and_numbers_are_refused() {
    let scene = Scene::new(1);
    let signalling = Scene::signalling;
    for offer in ["", "v=0\r\n", &Client::udp().offer] {
        let problem = scene.gateway.try_path(offer, signalling(), 0).await.unwrap_err();
        assert_eq!(problem.kind(), ErrorKind::Unsupported, "{problem}");
    }
    let problem = scene.gateway.try_path(&udp().offer, signalling(), 1000).await.unwrap_err();
    assert_eq!(problem.kind(), ErrorKind::NotFound);
    assert!(problem.to_string().contains("addresses"), "{problem}");
    assert_eq!(scene.gateway.sessions(), 0);
}
