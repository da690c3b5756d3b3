//! Class x peer x endpoint: the table of who may call what, walked over every
//! route.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use rs2rtc_base::Secret;
use rs2rtc_streams::CancellationToken;

use crate::app::{App, Options};
use crate::http::access::{Class, Peer, Policy};
use crate::http::{Call, ROUTES, Route, judge};

/// What every route is, by method and query. A route without a line fails.
pub(super) const CLASSES: &[(&str, &str, Class)] = &[
    ("GET", "api", Class::View),
    ("POST", "api/exit", Class::Admin),
    ("POST", "api/restart", Class::Admin),
    ("GET", "api/log", Class::View),
    ("DELETE", "api/log", Class::Admin),
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
    ("GET", "api/rs/sessions", Class::View),
    ("DELETE", "api/rs/sessions?id=1", Class::Stream),
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
];

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
                    STRANGE if matches!(*method, "GET" | "HEAD") => LOOK,
                    _ if login => caller.login,
                    _ => caller.open,
                };
                let call = call(method, path, caller);
                let real = (route(path).class)(app.api(), &call);
                let (decision, admin) = judge(&policy, Some(&token), &call, real);
                let expected = highest.is_some_and(|highest| *class <= highest);
                let who = caller.name;
                assert_eq!(
                    decision.is_ok(),
                    expected,
                    "{who}, login {login}: {method} {path}: {decision:?}"
                );
                assert!(!admin || highest == ALL, "{who}, login {login}: {method} {path}");
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
            let (decision, _) = judge(&policy, None, &call("GET", "api", &who), Class::View);
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
