//! Class x peer x endpoint: the table of who may call what, walked over every
//! route.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use rs2rtc_base::Secret;
use rs2rtc_streams::CancellationToken;
use serde_json::json;

use crate::app::{App, Options};
use crate::http::access::{Class, Peer, Policy};
use crate::http::{Call, ROUTES, Route, Verdict, highest, judge};

/// What every route is, by method and query. A route without a line fails.
pub(super) const CLASSES: &[(&str, &str, Class)] = &[
    ("GET", "api", Class::View),
    ("POST", "api/exit", Class::Admin),
    ("POST", "api/restart", Class::Admin),
    ("GET", "api/log", Class::View),
    ("DELETE", "api/log", Class::Admin),
    ("GET", "api/rs/log/levels", Class::View),
    ("POST", "api/rs/log/levels?module=rtsp&level=debug", Class::Admin),
    ("DELETE", "api/rs/log/levels?module=rtsp", Class::Admin),
    ("GET", "api/schemes", Class::View),
    ("GET", "api/stack", Class::View),
    ("GET", "api/openapi.yaml", Class::View),
    ("GET", "api/config", Class::View),
    ("POST", "api/config", Class::Admin),
    ("PATCH", "api/config", Class::Admin),
    ("PUT", "api/config", Class::Admin),
    ("DELETE", "api/config", Class::Admin),
    ("POST", "api/rs/config/check", Class::View),
    ("POST", "api/rs/config/apply?base=x", Class::Admin),
    ("GET", "api/rs/config/versions", Class::Admin),
    ("GET", "api/rs/config/versions/3", Class::Admin),
    ("POST", "api/rs/config/rollback?number=3", Class::Admin),
    ("POST", "api/rs/config/confirm?version=x", Class::Admin),
    ("DELETE", "api/rs/config/confirm?version=x", Class::Admin),
    ("GET", "schema.json", Class::View),
    ("GET", "api/streams", Class::View),
    ("GET", "api/streams?src=cam", Class::View),
    ("PUT", "api/streams?name=x&src=rtsp://h/", Class::Stream),
    ("PATCH", "api/streams?name=x&src=rtsp://h/", Class::Stream),
    ("POST", "api/streams?src=cam&dst=rtmp://h/", Class::Stream),
    ("DELETE", "api/streams?src=cam", Class::Stream),
    ("DELETE", "api/streams?src=cam&dst=rtsp://h/", Class::Stream),
    ("GET", "api/streams.dot", Class::View),
    ("GET", "api/preload", Class::View),
    ("PUT", "api/preload?src=cam", Class::Stream),
    ("DELETE", "api/preload?src=cam", Class::Stream),
    ("POST", "api/ffmpeg?dst=cam&text=x", Class::Stream),
    ("GET", "api/ffmpeg/devices", Class::View),
    ("GET", "api/ffmpeg/hardware", Class::View),
    ("POST", "api/stream?dst=cam", Class::Stream),
    ("GET", "api/stream?dst=cam", Class::Stream),
    ("POST", "api/stream.ts?dst=cam", Class::Stream),
    ("POST", "api/stream.flv?dst=cam", Class::Stream),
    ("POST", "api/stream.mp4?dst=cam", Class::Stream),
    ("GET", "api/stream.ts?src=cam", Class::View),
    ("GET", "api/stream.ts?src=rtsp://h/x", Class::Stream),
    ("GET", "api/stream.flv?src=cam", Class::View),
    ("GET", "api/stream.aac?src=cam", Class::View),
    ("GET", "api/stream.wav?src=cam", Class::View),
    ("GET", "api/stream.h264?src=cam", Class::View),
    ("GET", "api/stream.hevc?src=cam", Class::View),
    ("POST", "api/stream.mjpeg?dst=cam", Class::Stream),
    ("GET", "api/stream.mjpeg?src=cam", Class::View),
    ("GET", "api/stream.ascii?src=cam", Class::View),
    ("GET", "api/stream.y4m?src=cam", Class::View),
    ("GET", "api/frame.jpeg?src=cam", Class::View),
    ("GET", "api/frame.jpeg?src=rtsp://h/x", Class::Stream),
    ("GET", "api/rs/poster?src=cam", Class::View),
    ("GET", "api/stream.m3u8?src=cam", Class::View),
    ("GET", "api/stream.m3u8?src=rtsp://h/x", Class::Stream),
    ("GET", "api/hls/playlist.m3u8?id=x", Class::View),
    ("GET", "api/hls/init.mp4?id=x", Class::View),
    ("GET", "api/hls/segment.ts?id=x&n=1", Class::View),
    ("GET", "api/hls/segment.m4s?id=x&n=1", Class::View),
    ("GET", "api/ws?src=cam", Class::View),
    ("GET", "api/ws?src=rtsp://h/x", Class::Stream),
    ("GET", "api/ws?dst=cam", Class::Stream),
    ("GET", "api/stream.mp4?src=cam", Class::View),
    ("GET", "api/stream.mp4?src=rtsp://h/x", Class::Stream),
    ("GET", "api/frame.mp4?src=cam", Class::View),
    ("GET", "api/rs/clip.mp4?src=cam", Class::View),
    ("POST", "api/webrtc?src=cam", Class::View),
    ("POST", "api/webrtc?dst=cam", Class::Stream),
    ("DELETE", "api/webrtc?id=1", Class::Own),
    ("PATCH", "api/webrtc?id=1", Class::Own),
    ("POST", "api/webrtc/bye?id=1", Class::Own),
    ("DELETE", "api/webrtc/bye?id=1", Class::Own),
    ("DELETE", "api/rs/bye/x", Class::Own),
    ("POST", "api/rs/bye/x", Class::Own),
    ("GET", "api/rs/events", Class::View),
    ("GET", "api/rs/release?src=cam", Class::View),
    ("GET", "api/rs/sessions", Class::View),
    ("DELETE", "api/rs/sessions?id=1", Class::Stream),
    ("GET", "api/rs/login", Class::View),
    ("POST", "api/rs/login", Class::View),
    ("DELETE", "api/rs/login", Class::View),
    ("GET", "api/rs/streams", Class::View),
    ("GET", "api/rs/sources?src=cam", Class::View),
    ("GET", "api/rs/doctor", Class::View),
    ("POST", "api/rs/doctor/path", Class::View),
    ("POST", "api/rs/test", Class::Stream),
    ("GET", "api/rs/metrics", Class::View),
    ("GET", "metrics", Class::View),
    ("GET", "/static", Class::View),
    ("GET", "/streams", Class::View),
    ("POST", "/stream/x/add", Class::Stream),
    ("POST", "/stream/x/channel/0/webrtc", Class::View),
];

/// A caller: where it connects from, what it sends, and the highest class it gets
/// without a login and with one; `None`: nothing.
struct Caller {
    name: &'static str,
    peer: &'static str,
    headers: &'static [(&'static str, &'static str)],
    open: Option<Class>,
    login: Option<Class>,
}

const ALL: Option<Class> = Some(Class::Admin);
const LAN: Option<Class> = Some(Class::Stream);
/// Views and ends own sessions, changes nothing.
const LOOK: Option<Class> = Some(Class::Own);
const NOTHING: Option<Class> = None;

const GOOD: (&str, &str) = ("authorization", "Basic YWRtaW46cGFzcw==");
const WRONG: (&str, &str) = ("authorization", "Basic YWRtaW46bm9wZQ==");
const TOKEN: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");
const BAD_TOKEN: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123456789abcdee");

const fn caller(
    name: &'static str,
    peer: &'static str,
    headers: &'static [(&'static str, &'static str)],
    open: Option<Class>,
    login: Option<Class>,
) -> Caller {
    Caller { name, peer, headers, open, login }
}

const CALLERS: &[Caller] = &[
    caller("loopback", "127.0.0.1", &[], ALL, ALL),
    caller("loopback 127/8", "127.8.8.8", &[], ALL, ALL),
    caller("loopback v6", "::1", &[], ALL, ALL),
    caller("loopback mapped", "::ffff:127.0.0.1", &[], ALL, ALL),
    caller("unix socket", "unix", &[], ALL, ALL),
    caller("private 10/8", "10.1.2.3", &[], LAN, NOTHING),
    caller("private 172.16/12", "172.20.0.2", &[], LAN, NOTHING),
    caller("private 192.168/16", "192.168.1.5", &[], LAN, NOTHING),
    caller("private mapped", "::ffff:192.168.1.5", &[], LAN, NOTHING),
    caller("shared by a carrier", "100.64.0.9", &[], LAN, NOTHING),
    caller("link-local v4", "169.254.3.3", &[], LAN, NOTHING),
    caller("link-local v6", "fe80::1", &[], LAN, NOTHING),
    caller("unique local v6", "fd00::1", &[], LAN, NOTHING),
    caller("public v4", "8.8.8.8", &[], NOTHING, NOTHING),
    caller("public v6", "2001:db8::1", &[], NOTHING, NOTHING),
    caller("public, logged in", "8.8.8.8", &[GOOD], NOTHING, ALL),
    caller("private, logged in", "192.168.1.5", &[GOOD], LAN, ALL),
    caller("private, wrong login", "192.168.1.5", &[WRONG], LAN, NOTHING),
    caller("public, admin token", "8.8.8.8", &[TOKEN], ALL, ALL),
    caller("private, admin token", "192.168.1.5", &[TOKEN], ALL, ALL),
    caller("private, wrong token", "192.168.1.5", &[BAD_TOKEN], LAN, NOTHING),
    caller("proxy for public", "127.0.0.1", &[("x-forwarded-for", "8.8.8.8")], LOOK, LOOK),
    caller("proxy for private", "127.0.0.1", &[("x-forwarded-for", "10.0.0.9")], LAN, LOOK),
    caller("proxy for this machine", "::1", &[("forwarded", "for=127.0.0.1")], ALL, ALL),
    caller(
        "proxy for a claim",
        "127.0.0.1",
        &[("x-forwarded-for", "127.0.0.1, 8.8.8.8")],
        LOOK,
        LOOK,
    ),
    caller("proxy for nonsense", "127.0.0.1", &[("x-forwarded-for", "x")], LOOK, LOOK),
    caller("proxy for no text", "127.0.0.1", &[("x-forwarded-for", "\u{ff}")], LOOK, LOOK),
    caller("proxy after no text", "::1", &[("x-forwarded-for", "\u{ff}, 8.8.8.8")], LOOK, LOOK),
    caller("proxy for nobody", "127.0.0.1", &[("x-forwarded-for", "")], LOOK, LOOK),
    caller(
        "proxy for nobody after a claim",
        "unix",
        &[("forwarded", "for=127.0.0.1,")],
        LOOK,
        LOOK,
    ),
    caller(
        "proxy with a line of its own",
        "127.0.0.1",
        &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "8.8.8.8")],
        LOOK,
        LOOK,
    ),
    caller(
        "proxy of another header than the claim",
        "127.0.0.1",
        &[("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=8.8.8.8;proto=https")],
        LOOK,
        LOOK,
    ),
    caller(
        "proxy with one address",
        "127.0.0.1",
        &[("forwarded", "for=127.0.0.1"), ("x-real-ip", "8.8.8.8")],
        LOOK,
        LOOK,
    ),
    caller("proxy with an open quote", "::1", &[("forwarded", "for=\"a, for=::1")], LOOK, LOOK),
    caller("proxy for a secret name", "::1", &[("forwarded", "for=_hidden")], LOOK, LOOK),
    caller("proxy for a public v6", "::1", &[("forwarded", "For=\"[2001:db8::1]:9\"")], LOOK, LOOK),
    caller("proxy for this machine v6", "::1", &[("x-forwarded-for", "[::1]:80")], ALL, ALL),
    caller("proxy that tells no address", "127.0.0.1", &[("via", "1.1 x")], LOOK, LOOK),
    caller("proxy on the network", "10.0.0.9", &[("x-forwarded-for", "8.8.8.8")], LOOK, NOTHING),
    caller("private that claims", "10.0.0.9", &[("x-forwarded-for", "127.0.0.1")], LAN, NOTHING),
    caller("public that claims", "8.8.8.8", &[("x-forwarded-for", "127.0.0.1")], NOTHING, NOTHING),
    caller("page of another site", "127.0.0.1", &[("origin", "http://evil.example")], LOOK, LOOK),
    caller("link on another site", "127.0.0.1", &[("sec-fetch-site", "cross-site")], LOOK, LOOK),
    caller("page without an origin", "127.0.0.1", &[("origin", "null")], LOOK, LOOK),
    caller(
        "name that strangers can register",
        "127.0.0.1",
        &[("origin", "http://evil.example"), ("host", "evil.example")],
        LOOK,
        LOOK,
    ),
    caller(
        "our own page",
        "127.0.0.1",
        &[("origin", "http://127.0.0.1:1984"), ("sec-fetch-site", "same-origin")],
        ALL,
        ALL,
    ),
    caller(
        "our own page, logged in, any name",
        "8.8.8.8",
        &[GOOD, ("origin", "https://cams.example"), ("host", "cams.example")],
        NOTHING,
        ALL,
    ),
    caller(
        "page of another site with the login of its visitor",
        "192.168.1.5",
        &[GOOD, ("origin", "http://evil.example")],
        LOOK,
        LOOK,
    ),
    caller(STRANGE, "127.0.0.1", &[("host", "evil.example")], ALL, ALL),
    caller(SILENT, "127.0.0.1", &[BROWSER], ALL, ALL),
    caller(
        "browser on our own page",
        "192.168.1.5",
        &[BROWSER, ("referer", "http://127.0.0.1:1984/stream.html?src=a://b")],
        LAN,
        NOTHING,
    ),
    caller(
        "browser that is told where to go",
        "::1",
        &[BROWSER, ("sec-fetch-site", "none")],
        ALL,
        ALL,
    ),
    caller("browser with the admin token", "8.8.8.8", &[BROWSER, TOKEN], ALL, ALL),
    caller(
        SILENT,
        "127.0.0.1",
        &[BROWSER, ("referer", "http://evil.example/127.0.0.1:1984")],
        ALL,
        ALL,
    ),
    caller(SILENT, "127.0.0.1", &[BROWSER, ("referer", "http://127.0.0.1:8123/")], ALL, ALL),
    caller(SILENT, "127.0.0.1", &[BROWSER, ("referer", "")], ALL, ALL),
    caller(SILENT, "192.168.1.5", &[BROWSER, GOOD], LAN, ALL),
];

const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/150.0");

/// Over plain HTTP only the `Referer` tells which page makes a browser read something.
const SILENT: &str = "browser without a page of ours";

/// What reads under such a name may be a page whose owner has led it to our address.
const STRANGE: &str = "a program under any name";

fn call(method: &str, path: &str, caller: &Caller) -> Call {
    let uri = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let mut request = Request::builder().method(method).uri(uri);
    if !caller.headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "127.0.0.1:1984");
    }
    for (name, value) in caller.headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let peer = match caller.peer {
        "unix" => Peer::Unix,
        ip => Peer::Ip((ip.parse::<std::net::IpAddr>().unwrap(), 5000).into()),
    };
    Call::new(parts, Body::empty(), peer, CancellationToken::new())
}

fn app(items: &[&str]) -> App {
    let quiet = ["api.listen=", "rtsp.listen=", "log.output=", "streams.cam=\"demo:\""];
    let config = quiet.iter().chain(items).map(|&item| item.to_owned()).collect();
    App::load(&Options { config, dir: Some(std::env::temp_dir()) })
}

fn login() -> Policy {
    Policy { username: "admin".into(), password: Secret::new("pass"), ..Policy::default() }
}

/// The route that answers a line of the table.
fn route(path: &str) -> &'static Route {
    let path = path.split('?').next().unwrap();
    let is_of =
        |pattern: &str| pattern == path || (pattern.ends_with('/') && path.starts_with(pattern));
    ROUTES.iter().find(|route| is_of(route.pattern)).unwrap_or_else(|| panic!("no route {path}"))
}

#[tokio::test]
async fn every_route_has_its_class() {
    let app = app(&[]);
    let local = &CALLERS[0];
    for (method, path, expected) in CLASSES {
        let class = (route(path).class)(app.api(), &call(method, path, local));
        assert_eq!(class, *expected, "{method} {path}");
    }
    for route in ROUTES {
        let listed = CLASSES.iter().any(|(_, path, _)| std::ptr::eq(self::route(path), route));
        assert!(listed, "{} has no line in the table", route.pattern);
    }
}

#[tokio::test]
async fn every_caller_gets_what_the_table_says_from_every_route() {
    let app = app(&[]);
    let token = Secret::new("0123456789abcdef0123456789abcdef");
    for (login, policy) in [(false, Policy::default()), (true, login())] {
        for caller in CALLERS {
            for (method, path, class) in CLASSES {
                let highest = match caller.name {
                    STRANGE | SILENT if matches!(*method, "GET" | "HEAD") => LOOK,
                    _ if login => caller.login,
                    _ => caller.open,
                };
                let call = call(method, path, caller);
                let real = (route(path).class)(app.api(), &call);
                let Verdict { decision, admin, .. } = judge(&policy, Some(&token), &call, real);
                let expected = highest.is_some_and(|highest| *class <= highest);
                let who = caller.name;
                assert_eq!(
                    decision.is_ok(),
                    expected,
                    "{who}, login {login}: {method} {path}: {decision:?}"
                );
                assert!(!admin || highest == ALL, "{who}, login {login}: {method} {path}");
            }
            // What its pages are told that they may.
            let told = highest(&policy, Some(&token), &call("GET", "api", caller));
            let allowed = if login { caller.login } else { caller.open };
            let strange = caller.headers.iter().any(|(_, value)| value.contains("evil.example"));
            if !(strange && matches!(caller.name, STRANGE | SILENT)) {
                let expected = allowed.map_or(Class::View, |class| class.max(Class::View));
                let is_look = expected < Class::Stream;
                let who = caller.name;
                assert_eq!(
                    told,
                    if is_look { Class::View } else { expected },
                    "{who}, login {login}"
                );
            }
        }
    }
}

#[tokio::test]
async fn local_clients_log_in_too_if_they_have_to() {
    let policy = Policy { local_auth: true, ..login() };
    for peer in ["127.0.0.1", "::1", "unix"] {
        for (headers, expected) in [(&[][..], false), (&[WRONG][..], false), (&[GOOD][..], true)] {
            let who = Caller { name: "", peer, headers, open: None, login: None };
            let Verdict { decision, .. } =
                judge(&policy, None, &call("GET", "api", &who), Class::View);
            assert_eq!(decision.is_ok(), expected, "{peer} {headers:?}");
        }
    }
}

/// The decision stands in front of every handler: nobody gets past it.
#[tokio::test]
async fn nothing_is_answered_without_the_decision() {
    let app = app(&["api.username=admin", "api.password=pass"]);
    let stranger = caller("", "8.8.8.8", &[], NOTHING, NOTHING);
    for (method, path, _) in CLASSES {
        let reply = app.api().clone().answer(call(method, path, &stranger)).await;
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
        assert!(reply.headers().contains_key("www-authenticate"), "{method} {path}");
    }
    for path in ["", "index.html", "no/such/page", "api//x"] {
        let reply = app.api().clone().answer(call("GET", path, &stranger)).await;
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
}

/// Who a proxy on this machine forwards for names nothing on this machine; the
/// machine itself may.
#[tokio::test]
async fn a_proxy_lends_nobody_its_place() {
    let server = super::Server::start("lent-place", "streams: {}\n");
    let forwarded = "X-Forwarded-For: 192.168.1.5\r\n";
    for path in [
        "/api/streams?name=x&src=tcp://127.0.0.1:1",
        "/api/streams?name=x&src=ffmpeg:http://localhost:1/x",
    ] {
        let refused = server.send("PUT", path, forwarded, "").await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.body);
        assert!(refused.body.contains("may only be named on this machine"), "{}", refused.body);
        // Without a file there is nothing to write it to, which is said after that.
        let allowed = server.send("PUT", path, "", "").await;
        assert!(!allowed.body.contains("may only be named"), "{path}: {}", allowed.body);
    }
}

#[tokio::test]
async fn who_may_show_players_in_a_frame_is_configured() {
    let policy = async |server: &super::Server, page: &str, headers: &str| {
        let answer = server.send("GET", page, headers, "").await;
        let policy = answer.header("content-security-policy").unwrap_or_default().to_owned();
        let ancestors = policy.split_once("frame-ancestors ").unwrap().1;
        let etag = answer.header("etag").unwrap().to_owned();
        (answer.status, ancestors.split_once(';').unwrap().0.to_owned(), etag)
    };
    let config = "ui: {embed: ['https://home.example.com', 'https://a; script-src *']}\n";
    let server = super::Server::start("framed", config);
    let (status, ancestors, etag) = policy(&server, "/stream.html?src=x", "").await;
    assert_eq!((status, ancestors.as_str()), (200, "'self' https://home.example.com"));
    // A browser that has the page learns it too.
    let known = policy(&server, "/stream.html?src=x", &format!("If-None-Match: {etag}\r\n")).await;
    assert_eq!((known.0, known.1.as_str()), (304, "'self' https://home.example.com"));
    assert_eq!(policy(&server, "/config.html", "").await.1, "'self'");
    server.stop().await;
    let server = super::Server::start("framed-by-all", "");
    assert_eq!(policy(&server, "/stream.html?src=x", "").await.1, "'self' *");
    server.stop().await;
}

/// A picture in any page can make a browser on the network read this.
#[tokio::test]
async fn a_picture_on_another_page_changes_no_camera() {
    let server = super::Server::start("picture-elsewhere", "streams:\n  porch: demo:?fps=1\n");
    let path = |name| format!("/api/frame.jpeg?src=rtsp://203.0.113.9/x&name={name}");
    let porch = || server.streams.get("porch").unwrap().sources();
    let before = porch();
    let browser = "User-Agent: Mozilla/5.0 (X11)\r\nX-Forwarded-For: 192.168.1.5\r\n";
    let refused = server.send("GET", &path("porch"), browser, "").await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    assert!(refused.body.contains("Referer"), "{}", refused.body);
    assert!(server.send("GET", &path("new"), browser, "").await.status == 403);
    assert!(server.streams.get("new").is_none());
    // A program on the network that is no browser may add, and replaces nothing by reading.
    let program = "X-Forwarded-For: 192.168.1.5\r\n";
    for path in [path("porch"), path("porch").replace("frame.jpeg", "stream.mp4")] {
        let refused = server.send("GET", &path, program, "").await;
        assert!(refused.status >= 400, "{path}");
        assert!(refused.body.contains("porch is there with another source"), "{}", refused.body);
    }
    assert_eq!(porch(), before);
    // What it has already is what was asked for.
    let same =
        server.send("GET", "/api/stream.mp4?src=demo:?fps=1&name=porch&duration=1", program, "");
    assert_eq!(same.await.status, 200);
    server.stop().await;
}

/// Who may only watch, here by a proxy from elsewhere, is not heard.
#[tokio::test]
async fn who_may_change_nothing_does_not_talk() {
    use super::{frame, open_socket_to, read_text};
    use tokio::io::AsyncWriteExt as _;
    let server = super::Server::start("no-talk", "streams:\n  cam: 'demo:'\n");
    for (headers, answer) in [
        ("X-Forwarded-For: 8.8.8.8\r\n", "talk/request: who may not change streams may not talk"),
        ("X-Forwarded-For: \u{ff}\r\n", "talk/request: who may not change streams may not talk"),
        ("X-Forwarded-For: 192.168.1.5\r\n", "talk/granted"),
    ] {
        let (status, mut socket) = open_socket_to(&server, "cam", headers).await;
        assert_eq!(status, 101, "{headers}");
        let hello = json!({ "type": "hello", "value": { "v": 1, "cid": "talker-from-elsewhere" } });
        socket.write_all(&frame(&hello.to_string())).await.unwrap();
        socket.write_all(&frame(r#"{"type":"talk/request"}"#)).await.unwrap();
        let mut heard = String::new();
        while !heard.contains("talk/") {
            heard = read_text(&mut socket).await;
        }
        assert!(heard.contains(answer), "{headers}: {heard}");
    }
    server.stop().await;
}

/// A name that its owner has led here (DNS rebinding) is one of another site, too.
#[tokio::test]
async fn a_page_under_a_name_of_its_own_does_not_talk() {
    let policy = Policy { hosts: vec!["cams.example".into()], ..Policy::default() };
    for (host, expected) in
        [("evil.example", false), ("cams.example", true), ("192.168.1.5:1984", true)]
    {
        let origin = format!("http://{host}");
        let headers: &'static [(&str, &str)] =
            Box::leak(Box::new([("origin", &*Box::leak(origin.into_boxed_str())), ("host", host)]));
        let who = caller("", "192.168.1.9", headers, LAN, NOTHING);
        for (method, path) in [("GET", "api/ws?src=cam"), ("POST", "api/webrtc?src=cam")] {
            let Verdict { decision, talk, .. } =
                judge(&policy, None, &call(method, path, &who), Class::View);
            assert!(decision.is_ok(), "{host}: watching is not asked about");
            assert_eq!(talk, expected, "{host} {path}");
        }
    }
}

/// What stands in the file is read with the passwords of this machine put in.
#[tokio::test]
async fn a_stranger_writes_no_variable_into_the_file() {
    let file = "env:\n  CAM_PASS: geheim77\nstreams:\n  cam: 'demo:'\n";
    let server = super::Server::start("variables", file);
    let before = server.file();
    let stranger = "X-Forwarded-For: 192.168.1.5\r\n";
    for path in [
        "/api/streams?name=x&src=http://192.168.1.66/%24%7BCAM_PASS%7D",
        "/api/streams?name=x&src=http://192.168.1.66/a&src=http://192.168.1.66/%24%7BCAM_PASS%7D",
        "/api/streams?name=%24%7BCAM_PASS%7D&src=http://192.168.1.66/x",
        "/api/streams?src=http://192.168.1.66/%24%7BNOPE:%7D",
    ] {
        let refused = server.send("PUT", path, stranger, "").await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.body);
        assert!(refused.body.contains("${...} stands for"), "{path}: {}", refused.body);
    }
    // Nor by way of a name that stands in no file yet.
    let path = "/api/streams?name=%24%7BCAM_PASS%7D&src=cam";
    assert_eq!(server.send("PATCH", path, stranger, "").await.status, 200);
    let refused =
        server.send("PUT", "/api/preload?src=%24%7BCAM_PASS%7D&video", stranger, "").await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(server.file(), before);
    assert!(server.streams.get("x").is_none());
    // This machine may.
    let path = "/api/streams?name=x&src=http://127.0.0.1:1/%24%7BCAM_PASS%7D";
    server.call("PUT", path).await.is(200, "");
    assert_eq!(server.streams.get("x").unwrap().sources(), ["http://127.0.0.1:1/geheim77"]);
    server.stop().await;
}

/// A source that a call has written is no better for standing in the file.
#[tokio::test]
async fn a_source_that_was_saved_stays_what_it_was_named_by() {
    use crate::config::Edit;
    use rs2rtc_streams::Origin;
    let server = super::Server::start("saved-origin", "streams:\n  cam: 'demo:'\n");
    let options = Options {
        config: ["go2rtc.yaml", "api.listen=", "rtsp.listen="].map(str::to_owned).to_vec(),
        dir: Some(server.dir.clone()),
    };
    let app = App::load(&options);
    let api = app.api();
    let write = |name: &str| {
        api.file.set_stream(name, &Edit::List(vec!["exec:true".to_owned()])).unwrap();
    };
    api.live.edit_stream(api, "one", Origin::Stranger, || write("one"));
    assert!(api.streams.get("one").is_none(), "a program, named by a stranger");
    api.live.edit_stream(api, "two", Origin::Stranger, || write("three"));
    assert!(api.streams.get("three").is_some(), "written by somebody else meanwhile");
    server.stop().await;
}
