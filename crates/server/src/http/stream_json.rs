//! A stream as JSON (`spec/api.md` 3.1): key order and what is left out are part
//! of the contract.

use base64::Engine as _;
use rs2rtc_media::codec::fmtp_value;
use rs2rtc_media::{Codec, CodecId, Kind};
use rs2rtc_streams::{ConnectionSnapshot, ProducerSnapshot, StreamSnapshot};
use serde_json::{Map, Value, json};

use crate::metrics::kind_name;

/// A stream with its producers and consumers.
pub(crate) fn stream(snapshot: &StreamSnapshot) -> Value {
    let producers = snapshot.producers.as_ref().map(|all| all.iter().map(producer).collect());
    let consumers = snapshot.consumers.as_ref().map(|all| all.iter().map(consumer).collect());
    let list = |list: Option<Vec<Value>>| list.map_or(Value::Null, Value::Array);
    json!({ "producers": list(producers), "consumers": list(consumers) })
}

fn producer(snapshot: &ProducerSnapshot) -> Value {
    match &snapshot.connection {
        None => {
            let mut map = Map::new();
            map.insert("url".into(), snapshot.source.as_str().into());
            if let Some(error) = &snapshot.error {
                map.insert("error".into(), error.to_string().into());
                map.insert("error_kind".into(), kind_name(error.kind()).into());
            }
            Value::Object(map)
        }
        Some(open) => {
            // Clients need a `url` on every producer, also on pushed ones.
            let source = if snapshot.source.is_empty() { "external" } else { &snapshot.source };
            connection(open, source)
        }
    }
}

/// A viewer.
pub(crate) fn consumer(snapshot: &ConnectionSnapshot) -> Value {
    connection(snapshot, "")
}

/// A connection; `url` stands in where it knows no address of its own.
fn connection(snapshot: &ConnectionSnapshot, url: &str) -> Value {
    let about = &snapshot.description;
    let mut map = Map::new();
    let mut text = |key: &str, value: &str| {
        if !value.is_empty() {
            map.insert(key.to_owned(), value.into());
        }
    };
    text("format_name", &about.format_name);
    text("protocol", &about.protocol);
    text("remote_addr", &about.remote_addr);
    text("source", &about.source);
    text("url", if about.url.is_empty() { url } else { &about.url });
    text("sdp", &about.sdp);
    text("user_agent", &about.user_agent);
    let mut all = Map::new();
    all.insert("id".into(), snapshot.id.into());
    all.append(&mut map);
    let mut list = |key: &str, values: Vec<Value>| {
        if !values.is_empty() {
            all.insert(key.to_owned(), Value::Array(values));
        }
    };
    list("medias", about.medias.iter().map(|m| m.to_string().into()).collect());
    list("receivers", snapshot.receivers.iter().map(receiver).collect());
    list("senders", snapshot.senders.iter().map(sender).collect());
    number(&mut all, "bytes_recv", snapshot.bytes_recv);
    number(&mut all, "bytes_send", snapshot.bytes_send);
    Value::Object(all)
}

fn receiver(track: &rs2rtc_streams::ReceiverSnapshot) -> Value {
    let mut map = Map::new();
    map.insert("id".into(), track.id.into());
    map.insert("codec".into(), codec(&track.codec));
    if !track.children.is_empty() {
        map.insert("childs".into(), track.children.clone().into());
    }
    number(&mut map, "bytes", track.bytes);
    number(&mut map, "packets", track.packets);
    Value::Object(map)
}

fn sender(track: &rs2rtc_streams::SenderSnapshot) -> Value {
    let mut map = Map::new();
    map.insert("id".into(), track.id.into());
    map.insert("codec".into(), codec(&track.codec));
    number(&mut map, "parent", track.parent);
    number(&mut map, "bytes", track.bytes);
    number(&mut map, "packets", track.packets);
    number(&mut map, "drops", track.drops);
    Value::Object(map)
}

fn number(map: &mut Map<String, Value>, key: &str, value: u64) {
    if value != 0 {
        map.insert(key.to_owned(), value.into());
    }
}

/// A codec; keys sorted by name.
pub(crate) fn codec(codec: &Codec) -> Value {
    let mut map = Map::new();
    if codec.channels > 0 {
        map.insert("channels".into(), codec.channels.into());
    }
    map.insert("codec_name".into(), codec.id.ffmpeg_name().into());
    let kind = match codec.id.kind() {
        Kind::Other => "",
        kind => kind.name(),
    };
    map.insert("codec_type".into(), kind.into());
    if let Some((profile, level)) = profile(codec) {
        map.insert("level".into(), level.into());
        map.insert("profile".into(), profile.into());
    }
    if codec.clock_rate != 0 && codec.clock_rate != 90_000 {
        map.insert("sample_rate".into(), codec.clock_rate.into());
    }
    Value::Object(map)
}

/// Profile and level of H.264 from the first parameter set in the SDP.
fn profile(codec: &Codec) -> Option<(String, u8)> {
    if codec.id != CodecId::H264 {
        return None;
    }
    let sets = fmtp_value(&codec.fmtp, "sprop-parameter-sets")?;
    let first = sets.split(',').next()?.trim_end_matches('=');
    let sps = base64::engine::general_purpose::STANDARD_NO_PAD.decode(first).ok()?;
    let name = match *sps.get(1)? {
        0x42 => "Baseline".to_owned(),
        0x4D => "Main".to_owned(),
        0x58 => "Extended".to_owned(),
        0x64 => "High".to_owned(),
        other => format!("0x{other:02X}"),
    };
    Some((name, *sps.get(3)?))
}

#[cfg(test)]
mod tests {
    use rs2rtc_base::{Error, ErrorKind};
    use rs2rtc_media::{Direction, Media};
    use rs2rtc_streams::{Description, Quality, ReceiverSnapshot, SenderSnapshot};

    use super::*;

    fn h264() -> Codec {
        let fmtp = "packetization-mode=1; sprop-parameter-sets=Z0LADdkBQfsBEAAAAwAQAAADAyDxQqSA,aMuMsg==; profile-level-id=42C00D";
        Codec::new(CodecId::H264).clock(90_000).fmtp(fmtp)
    }

    #[test]
    fn keys_and_their_order_are_those_of_the_contract() {
        let description = Description {
            format_name: "rtsp".into(),
            protocol: "rtsp+tcp".into(),
            medias: vec![Media::new(Kind::Video, Direction::RecvOnly, h264())],
            ..Description::default()
        };
        let open = ConnectionSnapshot {
            id: 5,
            description,
            timings: Vec::new(),
            receivers: vec![ReceiverSnapshot {
                id: 6,
                codec: h264(),
                children: vec![8],
                bytes: 123,
                packets: 4,
            }],
            senders: vec![SenderSnapshot {
                id: 8,
                codec: Codec::new(CodecId::Opus).clock(48_000).channels(2),
                parent: 6,
                bytes: 0,
                packets: 0,
                drops: 1,
            }],
            bytes_recv: 1000,
            bytes_send: 0,
        };
        let snapshot = StreamSnapshot {
            producers: Some(vec![
                ProducerSnapshot {
                    source: "exec:x".into(),
                    connection: Some(open),
                    error: None,
                    quality: Quality::default(),
                },
                ProducerSnapshot {
                    source: "rtsp://h/x".into(),
                    connection: None,
                    error: None,
                    quality: Quality::default(),
                },
                ProducerSnapshot {
                    source: "rtsp://h/y".into(),
                    connection: None,
                    error: Some(Error::new(ErrorKind::Auth, "wrong user/pass")),
                    quality: Quality::default(),
                },
            ]),
            consumers: None,
        };
        assert_eq!(
            stream(&snapshot).to_string(),
            "{\"producers\":[{\"id\":5,\"format_name\":\"rtsp\",\"protocol\":\"rtsp+tcp\",\"url\":\"exec:x\",\
             \"medias\":[\"video, recvonly, H264\"],\"receivers\":[{\"id\":6,\"codec\":{\"codec_name\":\"h264\",\
             \"codec_type\":\"video\",\"level\":13,\"profile\":\"Baseline\"},\"childs\":[8],\"bytes\":123,\"packets\":4}],\
             \"senders\":[{\"id\":8,\"codec\":{\"channels\":2,\"codec_name\":\"opus\",\"codec_type\":\"audio\",\
             \"sample_rate\":48000},\"parent\":6,\"drops\":1}],\"bytes_recv\":1000},{\"url\":\"rtsp://h/x\"},\
             {\"url\":\"rtsp://h/y\",\"error\":\"wrong user/pass\",\"error_kind\":\"auth\"}],\
             \"consumers\":null}"
        );
    }
}
