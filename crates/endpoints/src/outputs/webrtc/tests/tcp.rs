//! Media over TCP (RFC 6544).

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_over_tcp() {
    let mut scene = Scene::new(2);
    let client = Client::tcp(&scene.gateway);
    let (mut client, session) = scene.viewer(client).await;
    client.until(|c| c.connected.is_some());
    scene.picture(true);
    client.until(|c| c.pictures() == 1);
    let snapshot = scene.stream.snapshot();
    assert_eq!(snapshot.consumers.unwrap()[0].description.protocol, "http+tcp");
    client.rtc.close().unwrap();
    client.until(|c| !c.rtc.is_alive());
    assert_eq!(session.closed().await, "close_notify");
    released(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_tcp_connections_are_closed() {
    let scene = Scene::new(1);
    let port = scene.gateway.tcp_port().unwrap();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&[0, 4, 1, 2, 3, 4]).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
}
