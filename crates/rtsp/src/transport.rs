//! The `Transport` header (RFC 2326 12.39), as far as TCP needs it.

/// What we read of a transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transport {
    /// `RTP/AVP/TCP`, upper-cased.
    pub(crate) protocol: String,
    /// `interleaved=a-b`; a missing second channel follows the first.
    pub(crate) interleaved: Option<(u8, u8)>,
    /// `mode=record` or `mode="RECORD"`.
    pub(crate) record: bool,
}

impl Transport {
    /// Parses the first transport of a list that goes over TCP, else the first.
    pub(crate) fn parse(value: &str) -> Self {
        let all: Vec<Self> = value.split(',').map(Self::parse_one).collect();
        let tcp = all.iter().position(Self::is_tcp).unwrap_or(0);
        all.into_iter().nth(tcp).unwrap_or_default()
    }

    fn parse_one(value: &str) -> Self {
        let mut parts = value.split(';').map(str::trim);
        let protocol = parts.next().unwrap_or_default().to_ascii_uppercase();
        let mut transport = Self { protocol, ..Self::default() };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if name.eq_ignore_ascii_case("interleaved") {
                let (first, second) = value.split_once('-').unwrap_or((value, ""));
                transport.interleaved = first.trim().parse::<u8>().ok().map(|first| {
                    (first, second.trim().parse().unwrap_or(first.wrapping_add(1)))
                });
            } else if name.eq_ignore_ascii_case("mode") {
                let mode = value.trim_matches('"');
                transport.record = mode.eq_ignore_ascii_case("record") || mode.eq_ignore_ascii_case("receive");
            }
        }
        transport
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.protocol.starts_with("RTP/AVP/TCP")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_matters() {
        let t = Transport::parse("RTP/AVP/UDP;unicast;client_port=1-2,RTP/AVP/TCP;unicast;interleaved=4-5;mode=\"RECORD\"");
        assert!(t.is_tcp() && t.record);
        assert_eq!(t.interleaved, Some((4, 5)));
        assert_eq!(Transport::parse("RTP/AVP/TCP;interleaved=255").interleaved, Some((255, 0)));
        assert!(!Transport::parse("RTP/AVP;unicast").is_tcp());
        assert_eq!(Transport::parse("").interleaved, None);
    }
}
