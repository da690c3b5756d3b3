//! The admin token: what it opens for a client on another machine.

use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;

use std::io::{Read as _, Write as _};

use crate::harness::{LIMIT, Ports, Server, has};

/// An address of this machine that is not loopback; nothing is sent for it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// The status of a request, with a token if it is not empty.
fn status(to: SocketAddr, method: &str, path: &str, token: &str, body: &str) -> u16 {
    let authorization = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let answer = ask(to, method, path, &authorization, body);
    assert!(token.is_empty() || !answer.contains(token), "{answer}");
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn who_brings_the_token_may_administrate_from_another_machine() {
    let Some(ip) = own_address() else {
        has("an address that is not loopback", false);
        return;
    };
    let ports = Ports::free();
    let config = format!(
        "api: {{listen: \":{}\"}}\nrtsp: {{listen: ''}}\nwebrtc: {{listen: ''}}\nstreams: {{a: 'demo:'}}\n",
        ports.api
    );
    let server = Server::with_config(&config, ports);
    server.wait_log("made a token for administration");
    let path = server.in_folder("rs2rtc.token");
    let token = std::fs::read_to_string(&path).unwrap().trim().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!server.log().contains(&token), "the token is in the log");

    let to = SocketAddr::new(ip, ports.api);
    let wrong = "0".repeat(token.len());
    for (method, call) in [("POST", "api/config"), ("GET", "api/rs/config/versions")] {
        assert_eq!(status(to, method, call, "", &config), 401, "{method} {call}");
        assert_eq!(status(to, method, call, &wrong, &config), 401, "{method} {call}");
        assert_eq!(status(to, method, call, &token, &config), 200, "{method} {call}");
    }
    // A token does not turn a wrong call into a good one.
    assert_eq!(status(to, "POST", "api/exit?code=x", &token, ""), 400);
}

/// An answer, in small letters.
fn ask(to: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: {to}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.to_ascii_lowercase()
}

#[test]
fn the_token_is_exchanged_for_a_cookie_that_only_our_pages_can_use() {
    let Some(ip) = own_address() else {
        has("an address that is not loopback", false);
        return;
    };
    let ports = Ports::free();
    let config = format!(
        "api: {{listen: \":{}\"}}\nrtsp: {{listen: ''}}\nwebrtc: {{listen: ''}}\nstreams: {{a: 'demo:'}}\n",
        ports.api
    );
    let server = Server::with_config(&config, ports);
    server.wait_log("made a token for administration");
    let token = std::fs::read_to_string(server.in_folder("rs2rtc.token")).unwrap();
    let token = token.trim();
    let to = SocketAddr::new(ip, ports.api);
    let login = |token: &str| {
        let headers = format!("Authorization: Bearer {token}\r\n");
        ask(to, "POST", "api/rs/login", &headers, "")
    };
    let refused = login(&"0".repeat(token.len()));
    assert!(refused.contains(" 401 ") && !refused.contains("set-cookie"), "{refused}");
    let given = login(token);
    assert!(given.contains(" 200 "), "{given}");
    let cookie = given.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.ends_with("; path=/; httponly; samesite=strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let key = given.split("\"key\":\"").nth(1).unwrap().split('"').next().unwrap();
    let post = |headers: &str| ask(to, "POST", "api/config", headers, &config);
    let own = format!("Cookie: {pair}\r\nX-RS: {key}\r\n");
    assert!(post(&own).contains(" 200 "));
    // A form of any page brings the cookie, and another program of this host gets it.
    for half in [format!("Cookie: {pair}\r\n"), format!("Cookie: {pair}\r\nX-RS: 1\r\n")] {
        assert!(post(&half).contains(" 401 "), "{half}");
    }
    assert!(post(&format!("X-RS: {key}\r\n")).contains(" 401 "));
    let foreign = format!("{own}Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n");
    assert!(post(&foreign).contains(" 403 "));
    let asked = "Origin: http://evil.example\r\nAccess-Control-Request-Headers: x-rs\r\nAccess-Control-Request-Method: POST\r\n";
    assert!(!ask(to, "OPTIONS", "api/config", asked, "").contains("x-rs"));
    let gone = ask(to, "DELETE", "api/rs/login", &own, "");
    assert!(gone.contains("max-age=0"), "{gone}");
    assert!(!server.log().contains(token));
}
