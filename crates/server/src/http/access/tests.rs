use super::*;

fn peer(ip: &str) -> Peer {
    Peer::Ip(SocketAddr::new(ip.parse().unwrap(), 5000))
}

fn login() -> Policy {
    Policy { username: "admin".into(), password: Secret::new("pass"), ..Policy::default() }
}

#[test]
fn classes_without_a_login() {
    use Class::{Admin, Stream, View};
    let open = Policy::default();
    let facts = Facts::default();
    let table = [
        ("127.0.0.1", View, Some(true)),
        ("::1", Admin, Some(true)),
        ("::ffff:127.0.0.1", Admin, Some(true)),
        ("192.168.1.5", View, Some(false)),
        ("10.9.9.1", Stream, Some(false)),
        ("100.100.1.1", Stream, Some(false)),
        ("169.254.3.3", View, Some(false)),
        ("fd00::1", Stream, Some(false)),
        ("fe80::1", View, Some(false)),
        ("::ffff:172.20.0.2", Stream, Some(false)),
        ("192.168.1.5", Admin, None),
        ("8.8.8.8", View, None),
        ("2001:db8:1::1", View, None),
        ("100.128.0.1", View, None),
    ];
    for (ip, class, expected) in table {
        let result = decide(&open, class, peer(ip), &facts);
        assert_eq!(result.clone().ok().map(|g| g.admin), expected, "{ip} {class:?} {result:?}");
        if let Err(Denied::Peer(text)) = result {
            assert_eq!(text.lines().count(), 4, "{text}");
        }
    }
    assert!(decide(&open, Admin, Peer::Unix, &facts).unwrap().admin);
    let compat = Policy { compat: true, ..Policy::default() };
    assert!(decide(&compat, Admin, peer("8.8.8.8"), &facts).unwrap().admin);
}

#[test]
fn with_a_login_everybody_but_loopback_logs_in() {
    let good = Facts { authorization: "Basic YWRtaW46cGFzcw==", ..Facts::default() };
    let wrong = Facts { authorization: "Basic YWRtaW46bm9wZQ==", ..Facts::default() };
    let policy = login();
    assert_eq!(decide(&policy, Class::Admin, peer("8.8.8.8"), &good).unwrap().who, Who::Login);
    for facts in [wrong, Facts::default()] {
        assert_eq!(decide(&policy, Class::View, peer("10.0.0.1"), &facts), Err(Denied::Login));
        assert!(decide(&policy, Class::Admin, peer("127.0.0.1"), &facts).unwrap().admin);
    }
    let strict = Policy { local_auth: true, ..login() };
    let local = decide(&strict, Class::View, peer("127.0.0.1"), &Facts::default());
    assert_eq!(local, Err(Denied::Login));
}

#[test]
fn a_proxy_on_this_machine_counts_as_who_it_forwards_for() {
    let open = Policy::default();
    let run = |forwarded, class| {
        let facts = Facts { forwarded: Some(forwarded), ..Facts::default() };
        decide(&open, class, peer("127.0.0.1"), &facts)
    };
    let place = |ip: &str, class| run(Forwarded::For(ip.parse().unwrap()), class).is_ok();
    assert!(place("8.8.8.8", Class::View));
    assert!(!place("8.8.8.8", Class::Stream));
    assert!(place("192.168.1.2", Class::Stream));
    assert!(!place("192.168.1.2", Class::Admin));
    assert!(place("::1", Class::Admin));
    assert!(run(Forwarded::Hidden, Class::View).is_ok());
    let first_line = |forwarded| match run(forwarded, Class::Stream) {
        Err(Denied::Peer(text)) => text.lines().next().map(str::to_owned),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        first_line(Forwarded::For("::ffff:8.8.8.8".parse().unwrap())).as_deref(),
        Some("Your address 8.8.8.8 is not a private one, and no login is configured.")
    );
    let from = |ip, class| {
        let public = Some(Forwarded::For("8.8.8.8".parse().unwrap()));
        decide(&open, class, peer(ip), &Facts { forwarded: public, ..Facts::default() })
    };
    assert!(from("192.168.1.2", Class::View).is_ok());
    assert!(from("192.168.1.2", Class::Stream).is_err(), "another machine's proxy");
    let hidden = first_line(Forwarded::Hidden).unwrap();
    assert!(
        hidden.starts_with("The proxy that you come through does not say your address"),
        "{hidden}"
    );
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let open = Policy { hosts: vec!["cams.example.com".into()], ..Policy::default() };
    let run = |policy: &Policy, class, origin, fetch_site, host| {
        let facts = Facts { origin, fetch_site, host, ..Facts::default() };
        decide(policy, class, peer("127.0.0.1"), &facts).is_ok()
    };
    let stream = Class::Stream;
    assert!(run(&open, stream, "", "", "evil.example"));
    assert!(run(&open, stream, "http://127.0.0.1:1984", "same-origin", "127.0.0.1:1984"));
    assert!(run(&open, stream, "http://nas.local:1984", "", "nas.local:1984"));
    assert!(run(&open, stream, "https://cams.example.com", "same-origin", "cams.example.com"));
    assert!(!run(&open, stream, "http://evil.example", "", "127.0.0.1:1984"));
    assert!(!run(&open, stream, "null", "", "127.0.0.1:1984"));
    assert!(!run(&open, stream, "", "cross-site", "127.0.0.1:1984"));
    assert!(!run(&open, stream, "http://evil.example:1984", "same-origin", "evil.example:1984"));
    assert!(!run(&open, stream, "http://localhost:8123", "same-site", "localhost:1984"));
    assert!(run(&open, Class::View, "http://evil.example", "cross-site", "127.0.0.1:1984"));
    assert!(run(&open, Class::Own, "http://evil.example", "cross-site", "127.0.0.1:1984"));
    let page = Policy { origin: "http://ha.local:8123".into(), ..Policy::default() };
    assert!(run(&page, stream, "http://ha.local:8123", "cross-site", "127.0.0.1:1984"));
}

#[test]
fn with_a_star_pages_look_and_talk_and_change_something_with_a_login_only() {
    let evil = Facts {
        origin: "http://evil.example",
        fetch_site: "cross-site",
        host: "192.168.1.2:1984",
        ..Facts::default()
    };
    let star = Policy { origin: "*".into(), ..Policy::default() };
    for ip in ["127.0.0.1", "192.168.1.5"] {
        assert!(decide(&star, Class::View, peer(ip), &evil).is_ok(), "{ip}");
        for class in [Class::Stream, Class::Admin] {
            let Err(Denied::Site(text)) = decide(&star, class, peer(ip), &evil) else {
                panic!("{ip} {class:?}");
            };
            assert!(text.contains("(http://evil.example) may look"), "{text}");
        }
        let talks = Facts { talks: true, ..evil };
        assert!(decide(&star, Class::Stream, peer(ip), &talks).is_ok(), "cards elsewhere talk");
        assert!(decide(&Policy::default(), Class::Stream, peer(ip), &talks).is_err());
    }
    // Its own pages, and programs, as ever.
    let own = Facts { origin: "http://192.168.1.2:1984", fetch_site: "same-origin", ..evil };
    assert!(decide(&star, Class::Stream, peer("192.168.1.5"), &own).is_ok());
    assert!(decide(&star, Class::Admin, peer("127.0.0.1"), &Facts::default()).is_ok());
    let with_login = Policy { origin: "*".into(), ..login() };
    let knows = Facts { authorization: "Basic YWRtaW46cGFzcw==", ..evil };
    assert!(decide(&with_login, Class::Admin, peer("8.8.8.8"), &knows).is_ok());
    assert!(decide(&with_login, Class::Admin, peer("127.0.0.1"), &evil).is_err(), "no login");
    let token = Facts { token: true, ..evil };
    assert!(decide(&star, Class::Admin, peer("8.8.8.8"), &token).is_ok());
    let compat = Policy { compat: true, ..star };
    assert!(decide(&compat, Class::Admin, peer("192.168.1.5"), &evil).is_ok(), "as go2rtc");
}

#[test]
fn pages_under_a_name_of_their_own_read_no_secret() {
    let open = Policy { hosts: vec!["cams.example.com".into()], ..Policy::default() };
    let run = |class, host, authorization| {
        let facts = Facts { host, authorization, reads: true, ..Facts::default() };
        let policy = if authorization.is_empty() { open.clone() } else { login() };
        decide(&policy, class, peer("127.0.0.1"), &facts).is_ok()
    };
    for class in [Class::Stream, Class::Admin] {
        assert!(!run(class, "evil.example", ""));
        assert!(!run(class, "evil.example:1984", ""));
        assert!(run(class, "127.0.0.1:1984", ""));
        assert!(run(class, "nas:1984", ""));
        assert!(run(class, "cams.example.com", ""));
        assert!(run(class, "", ""), "HTTP/1.0");
        assert!(run(class, "evil.example", "Basic YWRtaW46cGFzcw=="), "a page does not know that");
    }
    assert!(run(Class::View, "evil.example", ""));
}

#[test]
fn the_configured_origin_may_open_sockets_too() {
    let policy = Policy { origin: "https://ha.example".into(), ..Policy::default() };
    assert!(allows_page(&policy, "https://ha.example", "192.168.1.5:1984"));
    assert!(allows_page(&policy, "http://192.168.1.5:1984", "192.168.1.5:1984"));
    assert!(!allows_page(&policy, "https://evil.example", "192.168.1.5:1984"));
    assert!(!allows_page(&policy, "null", "192.168.1.5:1984"));
}

#[test]
fn origins_of_referers() {
    for (address, origin) in [
        ("http://h:1984/a?b=c://d", "http://h:1984"),
        ("http://h?x", "http://h"),
        ("https://h", "https://h"),
        ("h/x", ""),
        ("", ""),
        ("http://", "http://"),
    ] {
        assert_eq!(origin_of(address), origin, "{address}");
    }
    // No host is no host of ours.
    assert!(!is_trusted(&Policy::default(), "http://", ""));
    assert!(!is_trusted(&Policy::default(), "", ""));
}

#[test]
fn origins_of_sockets() {
    assert!(allows_socket("", "", "host:1984"));
    assert!(allows_socket("http://host:1984", "", "host:1984"));
    assert!(allows_socket("http://host:8123", "", "host"));
    assert!(!allows_socket("http://host:8123", "", "host:1984"));
    assert!(!allows_socket("http://evil", "", "host:1984"));
    assert!(allows_socket("http://evil", "*", "host:1984"));
    assert!(allows_socket("http://HOST:1984", "http://x", "host:1984"));
    assert!(!allows_socket("http://host:8123", "http://x", "host"));
}
