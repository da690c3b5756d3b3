use super::*;

fn client(user: &str, password: &str, challenge: &str) -> Authenticator {
    let mut auth = Authenticator::new(user, Secret::new(password));
    auth.handle_challenges([challenge]).unwrap();
    auth
}

#[test]
fn rfc_2617_example_with_qop() {
    let mut auth = client(
        "Mufasa",
        "Circle Of Life",
        "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
         nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
    );
    let value = auth.authorization("GET", "/dir/index.html", "0a4f113b").unwrap();
    assert!(value.contains("response=\"6629fae49393a05397450978507c4ef1\""), "{value}");
    assert!(value.contains("qop=auth, nc=00000001, cnonce=\"0a4f113b\""), "{value}");
    assert!(value.ends_with("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""), "{value}");
    let again = auth.authorization("GET", "/dir/index.html", "0a4f113b").unwrap();
    assert!(again.contains("nc=00000002"));
}

#[test]
fn rfc_7616_example_with_sha_256() {
    let mut auth = client(
        "Mufasa",
        "Circle of Life",
        "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, \
         nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"",
    );
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let value = auth.authorization("GET", "/dir/index.html", cnonce).unwrap();
    assert!(
        value.contains("753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        "{value}"
    );
    assert!(value.contains("algorithm=SHA-256"));
}

#[test]
fn short_form_as_cameras_want_it() {
    let challenge = "Digest realm=\"IP Camera(C1234)\", nonce=\"a0b1\", stale=\"FALSE\"";
    let mut auth = client("admin", "12345", challenge);
    assert!(!auth.challenge().unwrap().is_stale());
    let uri = "rtsp://192.168.1.64:554/Streaming/Channels/101";
    let value = auth.authorization("DESCRIBE", uri, "x").unwrap();
    let ha1 = Algorithm::Md5.hash("admin:IP Camera(C1234):12345");
    let ha2 = Algorithm::Md5.hash(&format!("DESCRIBE:{uri}"));
    let response = Algorithm::Md5.hash(&format!("{ha1}:a0b1:{ha2}"));
    assert_eq!(
        value,
        format!(
            "Digest username=\"admin\", realm=\"IP Camera(C1234)\", nonce=\"a0b1\", uri=\"{uri}\", response=\"{response}\""
        )
    );
}

#[test]
fn chooses_among_challenges() {
    let offered = "Basic realm=\"a, b\", Digest realm=\"c \\\"d\\\"\" nonce=e, algorithm=MD5";
    let all = parse_challenges(offered);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0], Challenge::Basic { realm: "a, b".into() });
    let mut auth = Authenticator::new("u", Secret::new("p"));
    let sha = "Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256";
    assert!(matches!(
        auth.handle_challenges([sha, offered]),
        Ok(Challenge::Digest { algorithm: Algorithm::Md5, realm, .. }) if realm == "c \"d\""
    ));
    assert!(matches!(
        auth.handle_challenges([sha]),
        Ok(Challenge::Digest { algorithm: Algorithm::Sha256, .. })
    ));
    for bad in [
        "",
        "Bearer x",
        "Digest qop=auth-int, nonce=a",
        "Digest algorithm=FOO",
        "=",
        "\"\"\"",
        "a=",
    ] {
        assert_eq!(auth.handle_challenges([bad]), Err(UnsupportedAuth), "{bad}");
    }
}

#[test]
fn server_checks() {
    assert_eq!(basic("ruser", "rpass"), "Basic cnVzZXI6cnBhc3M=");
    assert!(check_basic("Basic cnVzZXI6cnBhc3M=", "ruser", "rpass"));
    assert!(check_basic("basic  cnVzZXI6cnBhc3M=", "ruser", "rpass"));
    for bad in ["", "Basic", "Basic ?", "Basic cnVzZXI6bm9wZQ==", "Digest cnVzZXI6cnBhc3M="] {
        assert!(!check_basic(bad, "ruser", "rpass"), "{bad}");
    }
    let challenge = digest_challenge("rs2rtc", "n1");
    let mut auth = client("us\"er", "pa:ss", &challenge);
    let value = auth.authorization("PLAY", "rtsp://h/cam", "c").unwrap();
    assert!(check_digest(&value, "PLAY", "rs2rtc", "n1", "us\"er", "pa:ss"));
    assert!(!check_digest(&value, "SETUP", "rs2rtc", "n1", "us\"er", "pa:ss"));
    assert!(!check_digest(&value, "PLAY", "rs2rtc", "n2", "us\"er", "pa:ss"));
    assert!(!check_digest(&value, "PLAY", "rs2rtc", "n1", "us\"er", "pa:st"));
    assert!(!check_digest("Digest", "PLAY", "rs2rtc", "n1", "u", "p"));
    for algorithm in ["MD5-sess", "SHA-256", "MD5"] {
        let challenge = format!("{challenge}, algorithm={algorithm}, qop=\"auth\"");
        let value = client("u", "p", &challenge).authorization("PLAY", "x", "c").unwrap();
        assert!(check_digest(&value, "PLAY", "rs2rtc", "n1", "u", "p"), "{value}");
    }
}

#[test]
fn basic_without_being_asked() {
    let mut auth = Authenticator::new("a", Secret::new("b"));
    assert_eq!(auth.authorization("GET", "/", ""), None);
    auth.start_with_basic();
    assert_eq!(auth.authorization("GET", "/", "").unwrap(), "Basic YTpi");
    assert!(!format!("{auth:?}").contains("\"b\""));
}
