//! Values of the header fields `Transport`, `Session` and `RTP-Info`
//! (RFC 2326 sections 12.39, 12.37 and 12.33).

use std::fmt;
use std::time::Duration;

/// One transport out of a `Transport` field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Over the RTSP connection (`RTP/AVP/TCP`).
    pub tcp: bool,
    /// `interleaved=a-b`: channels of RTP and RTCP.
    pub interleaved: Option<(u8, u8)>,
    /// `client_port=a-b`.
    pub client_port: Option<(u16, u16)>,
    /// `server_port=a-b`.
    pub server_port: Option<(u16, u16)>,
    /// `mode=record`: the client sends.
    pub record: bool,
    /// `ssrc=`, hexadecimal.
    pub ssrc: Option<u32>,
}

impl Transport {
    /// RTP over the RTSP connection.
    pub fn tcp(channel: u8) -> Self {
        let interleaved = Some((channel, channel.saturating_add(1)));
        Self { tcp: true, interleaved, ..Self::default() }
    }

    /// RTP over UDP.
    pub fn udp(port: u16) -> Self {
        Self { client_port: Some((port, port.saturating_add(1))), ..Self::default() }
    }

    /// All transports of a field, in the order of preference. What is not RTP is left out.
    pub fn parse_all(value: &str) -> Vec<Self> {
        value.split(',').filter_map(Self::parse).take(16).collect()
    }

    fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let protocol = parts.next()?.to_ascii_uppercase();
        let tcp = match protocol.as_str() {
            "RTP/AVP/TCP" => true,
            "RTP/AVP" | "RTP/AVP/UDP" => false,
            _ => return None,
        };
        let mut transport = Self { tcp, ..Self::default() };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "interleaved" => transport.interleaved = pair(value, |n: u8| n.checked_add(1)),
                "client_port" => transport.client_port = pair(value, |n: u16| n.checked_add(1)),
                "server_port" => transport.server_port = pair(value, |n: u16| n.checked_add(1)),
                "mode" => transport.record = value.eq_ignore_ascii_case("record"),
                "ssrc" => transport.ssrc = u32::from_str_radix(value.trim(), 16).ok(),
                _ => {}
            }
        }
        Some(transport)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tcp { "RTP/AVP/TCP;unicast" } else { "RTP/AVP;unicast" })?;
        if let Some((a, b)) = self.interleaved {
            write!(f, ";interleaved={a}-{b}")?;
        }
        if let Some((a, b)) = self.client_port {
            write!(f, ";client_port={a}-{b}")?;
        }
        if let Some((a, b)) = self.server_port {
            write!(f, ";server_port={a}-{b}")?;
        }
        if let Some(ssrc) = self.ssrc {
            write!(f, ";ssrc={ssrc:08X}")?;
        }
        if self.record {
            f.write_str(";mode=record")?;
        }
        Ok(())
    }
}

fn pair<T: std::str::FromStr + Copy>(text: &str, next: impl Fn(T) -> Option<T>) -> Option<(T, T)> {
    let (first, second) = text.split_once('-').unwrap_or((text, ""));
    let first = first.trim().parse().ok()?;
    let second = second.trim().parse().ok().or_else(|| next(first))?;
    Some((first, second))
}

/// A `Session` field: the id and how long it lives without a request.
pub fn parse_session(value: &str) -> (&str, Option<Duration>) {
    let (id, parameters) = value.split_once(';').unwrap_or((value, ""));
    let timeout = parameters
        .split(';')
        .filter_map(|p| p.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))
        .and_then(|(_, seconds)| seconds.trim().parse().ok())
        // A day: what is longer needs no care, and cannot overflow.
        .map(|seconds: u64| Duration::from_secs(seconds.min(86_400)));
    (id.trim(), timeout)
}

/// First packet of a track after PLAY, from `RTP-Info`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtpInfo {
    /// URL of the track.
    pub url: String,
    /// Sequence number of the first packet.
    pub seq: Option<u16>,
    /// RTP timestamp that stands for the start of the range.
    pub rtptime: Option<u32>,
}

/// All entries of an `RTP-Info` field. URLs may hold commas and semicolons.
pub fn parse_rtp_info(value: &str) -> Vec<RtpInfo> {
    let mut entries: Vec<RtpInfo> = Vec::new();
    for part in value.split([',', ';']) {
        let (name, text) = part.split_once('=').unwrap_or((part, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("url") {
            if entries.len() == 64 {
                break;
            }
            let url = text.trim().trim_matches('"').to_owned();
            entries.push(RtpInfo { url, ..RtpInfo::default() });
        } else if let Some(entry) = entries.last_mut() {
            match name.to_ascii_lowercase().as_str() {
                "seq" => entry.seq = text.trim().parse().ok(),
                "rtptime" => entry.rtptime = text.trim().parse().ok(),
                _ if entry.seq.is_none() && entry.rtptime.is_none() => {
                    entry.url.push(',');
                    entry.url.push_str(part.trim());
                }
                _ => {}
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports() {
        let t = Transport::parse_all(
            "RTP/AVP/TCP;unicast;destination=1.2.3.4;interleaved=4-5;ssrc=5B2C0D1E;mode=\"PLAY\"",
        );
        assert_eq!(
            t,
            [Transport { interleaved: Some((4, 5)), ssrc: Some(0x5b2c_0d1e), ..Transport::tcp(0) }]
        );
        let list =
            "RTP/AVP;unicast;client_port=4000-4001,rtp/avp/tcp;unicast;interleaved=0,RAW/RAW/UDP";
        let t = Transport::parse_all(list);
        assert_eq!(t, [Transport::udp(4000), Transport::tcp(0)]);
        let t = Transport::parse_all("RTP/AVP/TCP;unicast;interleaved=2-3;mode=record");
        assert_eq!(t[0].to_string(), "RTP/AVP/TCP;unicast;interleaved=2-3;mode=record");
        assert_eq!(Transport::udp(6000).to_string(), "RTP/AVP;unicast;client_port=6000-6001");
        for odd in [
            "",
            ";",
            "RTP/AVP/TCP;interleaved=300-1",
            "RTP/AVP/TCP;interleaved=-",
            "RTP/AVP/TCP;interleaved=255",
        ] {
            assert!(Transport::parse_all(odd).iter().all(|t| t.interleaved.is_none()), "{odd}");
        }
    }

    #[test]
    fn sessions() {
        assert_eq!(
            parse_session("12345678;timeout=60"),
            ("12345678", Some(Duration::from_secs(60)))
        );
        assert_eq!(parse_session(" a b ; x ; Timeout = 5 "), ("a b", Some(Duration::from_secs(5))));
        assert_eq!(parse_session("a;timeout=x"), ("a", None));
        assert_eq!(parse_session("a"), ("a", None));
    }

    #[test]
    fn rtp_info() {
        let info = parse_rtp_info(
            "url=rtsp://h/a?x=1,2/trackID=1;seq=45102;rtptime=12345, url=trackID=2;rtptime=4294967295;seq=0",
        );
        assert_eq!(info.len(), 2);
        assert_eq!(info[0].url, "rtsp://h/a?x=1,2/trackID=1");
        assert_eq!((info[0].seq, info[0].rtptime), (Some(45102), Some(12345)));
        assert_eq!((info[1].seq, info[1].rtptime), (Some(0), Some(u32::MAX)));
        assert!(parse_rtp_info("seq=1;;=,,x").is_empty());
    }
}
