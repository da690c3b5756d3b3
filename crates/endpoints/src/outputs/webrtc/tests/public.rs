//! The public address in answers, with a STUN server on loopback.

use super::*;

/// Tells who asks next that 192.0.2.7 is seen.
fn serve(socket: UdpSocket) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((length, &buffer[..2]), (20, &[0, 1][..]), "a binding request");
        let mut answer = vec![1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        answer.extend(&buffer[8..20]);
        answer.extend([0, 0x20, 0, 8, 0, 1, 0, 1, 192 ^ 0x21, 0x12, 2 ^ 0xa4, 7 ^ 0x42]);
        socket.send_to(&answer, from).unwrap();
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stun_candidate_is_the_address_that_the_server_saw() {
    let scene = Scene::new(1);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    let server = StunServer::parse(&format!("stun:{}", socket.local_addr().unwrap())).unwrap();
    let config = Config {
        candidates: vec!["stun:8555".to_owned()],
        stun: vec![server],
        ..Config::clone(&scene.gateway.inner.config.get())
    };
    scene.gateway.reconfigure(config);
    // Nothing is known yet: the answer waits for nobody and has no such candidate.
    let answer = answer(&scene).await;
    assert!(!answer.contains(" 8555 typ host") && !answer.contains(" stun "), "{answer}");
    let served = serve(socket);
    let learnt = tokio::time::timeout(LIMIT, scene.gateway.inner.public.learnt()).await;
    learnt.expect("the server is asked");
    served.join().unwrap();
    let answer = self::answer(&scene).await;
    for network in ["udp", "tcp"] {
        let line = answer
            .lines()
            .find(|line| line.contains(&format!(" 1 {network} ")) && line.contains("192.0.2.7"));
        assert!(line.is_some_and(|line| line.contains(" 192.0.2.7 8555 typ host")), "{answer}");
    }
}

async fn answer(scene: &Scene) -> String {
    let client = Client::udp();
    let signalling = Scene::signalling();
    scene.gateway.answer(&scene.stream, &client.offer, signalling, true).await.unwrap().sdp
}
