//! `api/rs/doctor`: what the machine has and what we listen on, for who looks for the
//! cause of a problem; `api/rs/doctor/path`: the way to us without a camera
//! (`docs/api-rs.md`).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderValue, Method, StatusCode, header};
use rs2rtc_base::ErrorKind;
use rs2rtc_endpoints::io::sys;
use rs2rtc_endpoints::sources::ffmpeg;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::call::{Call, Reply, error, json as reply_json, not_allowed, typed};
use super::streamed::too_many;
use super::{Api, Peer, access, metrics, streams_api, webrtc};
use crate::version;

/// One caller at a time has the disk looked at, and FFmpeg asked.
static TURN: Semaphore = Semaphore::const_new(1);
/// A file system of a network that is gone answers nobody.
const DISK_LIMIT: Duration = Duration::from_secs(1);

/// A port of ours.
#[derive(Clone, Debug)]
struct Port {
    module: &'static str,
    network: &'static str,
    address: String,
    /// Why it is not listened on.
    problem: Option<String>,
}

impl Port {
    fn to_json(&self) -> Value {
        json!({ "module": self.module, "network": self.network, "address": self.address, "problem": self.problem })
    }
}

/// What was told at the start: the ports, and when that was.
#[derive(Debug)]
pub struct Facts {
    started: Instant,
    ports: Mutex<Vec<Port>>,
}

impl Default for Facts {
    fn default() -> Self {
        Self { started: Instant::now(), ports: Mutex::default() }
    }
}

impl Facts {
    /// A port that is listened on, or why it is not.
    pub fn port(
        &self,
        module: &'static str,
        network: &'static str,
        address: &str,
        problem: Option<String>,
    ) {
        let port = Port { module, network, address: address.to_owned(), problem };
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).push(port);
    }

    fn ports(&self) -> Vec<Port> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut facts = json!({
        "now_ms": u64::try_from(now.as_millis()).unwrap_or_default(),
        "uptime_s": api.facts.started.elapsed().as_secs(),
        "version": version::OWN,
        "platform": version::PLATFORM,
        "base_path": api.settings().api.base_path,
        "container": is_container(),
        "open_files": { "used": metrics::open_fds(), "limit": sys::descriptor_limit() },
        "request": {
            "peer": null,
            "host": call.header("host"),
            "forwarded": access::forwarded::names(&call.parts.headers),
        },
        "config": null, "disk": null, "ffmpeg": null,
        "ports": null, "interfaces": null, "candidates": null,
    });
    // The machine and its network do not concern others.
    if access::is_near(call.peer, &call.parts.headers)
        && let Some(map) = facts.as_object_mut()
    {
        let config = api.file.path().map(|path| path.display().to_string());
        map.insert("config".into(), config.into());
        if let Ok(_turn) = TURN.try_acquire() {
            map.insert("disk".into(), disk(&api).await);
            map.insert("ffmpeg".into(), program(&api).await);
        }
        map.insert("ports".into(), ports(&api).into());
        map.insert("interfaces".into(), interfaces().into());
        let gateway = api.webrtc.get().and_then(Option::as_ref);
        map.insert("candidates".into(), gateway.map(|g| g.addresses(is_here(&call))).into());
        if let Some(request) = map.get_mut("request").and_then(Value::as_object_mut) {
            request.insert("peer".into(), call.remote_addr().into());
        }
    }
    api.secrets.mask_json(&mut facts);
    reply_json(&facts)
}

/// The disk with the configuration.
async fn disk(api: &Api) -> Value {
    let folder = api.file.path().and_then(Path::parent);
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new(".")).to_owned();
    let name = folder.display().to_string();
    let looked = tokio::task::spawn_blocking(move || sys::disk_space(&folder));
    let found = timeout(DISK_LIMIT, looked).await.ok().and_then(Result::ok).flatten();
    found.map_or(Value::Null, |(free, total)| json!({ "path": name, "free": free, "total": total }))
}

async fn program(api: &Api) -> Value {
    if !api.settings().has_module("ffmpeg") {
        return Value::Null;
    }
    let found = ffmpeg::program(&api.context).await;
    found.map_or(Value::Null, |(path, version)| json!({ "path": path, "version": version }))
}

/// Those of WebRTC as its gateway tells them.
fn ports(api: &Api) -> Vec<Value> {
    let mut all = api.facts.ports();
    if let Some(gateway) = api.webrtc.get().and_then(Option::as_ref) {
        let problem = |network: &str| {
            let mut problems = gateway.problems().iter();
            problems.find(|text| text.contains(&format!(" {network} "))).cloned()
        };
        let port = |network, port: String, problem| Port {
            module: "webrtc",
            network,
            address: port,
            problem,
        };
        all.push(port("udp", gateway.udp_port().to_string(), problem("UDP")));
        let (tcp, lost) = (gateway.tcp_port(), problem("TCP"));
        if tcp.is_some() || lost.is_some() {
            let address = tcp.map(|tcp| tcp.to_string()).unwrap_or_default();
            all.push(port("tcp", address, lost));
        }
    }
    all.iter().map(Port::to_json).collect()
}

/// Addresses by interface, in the system's order.
fn interfaces() -> Vec<Value> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for own in sys::interface_addresses().unwrap_or_default() {
        let address = own.ip.to_string();
        match all.iter_mut().find(|(name, _)| *name == own.interface) {
            Some((_, addresses)) => addresses.push(address),
            None => all.push((own.interface, vec![address])),
        }
    }
    let interface =
        |(name, addresses): (String, Vec<String>)| json!({ "name": name, "addresses": addresses });
    all.into_iter().map(interface).collect()
}

/// Docker, Podman, Kubernetes and the add-ons of Home Assistant.
fn is_container() -> bool {
    let signs = ["/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io"];
    signs.iter().any(|path| Path::new(path).exists())
}

fn is_here(call: &Call) -> bool {
    match call.peer {
        Peer::Unix => true,
        Peer::Ip(address) => address.ip().to_canonical().is_loopback(),
    }
}

/// Answers the offer of a data channel with one of our addresses.
pub(crate) async fn path(api: Arc<Api>, mut call: Call) -> Reply {
    if call.method() != Method::POST {
        return not_allowed("POST");
    }
    if let Err(reply) = webrtc::may_view(&api, &call) {
        return *reply;
    }
    let candidate = match call.query.get("candidate") {
        "" => 0,
        text => match text.parse::<usize>() {
            Ok(number) => number,
            Err(_) => {
                return error(StatusCode::BAD_REQUEST, "candidate: a number from 0 is needed");
            }
        },
    };
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    let Some(gateway) = webrtc::gateway(&api).await else { return webrtc::not_started() };
    let signalling = webrtc::signalling(&call, "path", "http");
    let offer = String::from_utf8_lossy(&body);
    match gateway.try_path(&offer, signalling, candidate).await {
        Ok(test) => {
            let mut reply = typed("application/sdp", test.sdp);
            *reply.status_mut() = StatusCode::CREATED;
            let headers = reply.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert("x-candidates", HeaderValue::from(test.candidates));
            reply
        }
        Err(problem) if problem.kind() == ErrorKind::Busy => too_many(&problem.to_string()),
        Err(problem) => {
            let code = match problem.kind() {
                ErrorKind::Unsupported => StatusCode::BAD_REQUEST,
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            streams_api::failed(&api, code, &problem)
        }
    }
}
