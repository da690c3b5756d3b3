//! What goes into requests.

use super::*;

fn client(url: &str) -> Client {
    let limits = Limits { head: Duration::from_secs(5), silence: Duration::from_secs(5) };
    let url = Url::parse(url).unwrap();
    let headers = vec![("X-Key".to_owned(), "s3cret".to_owned())];
    Client::new(Config {
        url,
        unverified: false,
        headers,
        user_agent: "test".into(),
        limits,
        reach: Reach::default(),
    })
}

fn asked(client: &mut Client, url: &str) -> String {
    let request = client.request(&Url::parse(url).unwrap(), None).unwrap();
    String::from_utf8(request).unwrap()
}

#[test]
fn credentials_and_headers_go_to_their_host_only() {
    let mut client = client("https://u:p@cam/x");
    let own = asked(&mut client, "https://cam:444/y z?é=#");
    assert!(own.starts_with("GET /y%20z?%C3%A9= HTTP/1.1\r\nHost: cam:444\r\n"), "{own}");
    assert!(own.contains("Authorization: Basic dTpw\r\n") && own.contains("X-Key: s3cret\r\n"));
    for other in ["https://other/x", "http://cam/x", "https://cam.other/x"] {
        let text = asked(&mut client, other);
        assert!(!text.contains("Authorization") && !text.contains("s3cret"), "{other}: {text}");
    }
    assert!(!format!("{client:?}").contains("dTpw"));
}

#[test]
fn some_paths_are_asked_before_a_login_is_tried() {
    let text = asked(&mut client("http://u:p@cam/ISAPI/x"), "http://cam/ISAPI/x");
    assert!(!text.contains("Authorization"), "{text}");
}

#[test]
fn a_part_is_asked_for_by_its_bytes() {
    let request = client("http://h/").request(&Url::parse("http://h").unwrap(), Some((10, 5)));
    let text = String::from_utf8(request.unwrap()).unwrap();
    assert!(text.starts_with("GET / HTTP/1.1\r\n") && text.contains("Range: bytes=10-14\r\n"));
}

#[test]
fn a_redirect_elsewhere_is_named() {
    let client = client("http://h/");
    let error = client.target(&Url::parse("rtsp://h/x").unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("rtsp://h/x"), "{error}");
}
