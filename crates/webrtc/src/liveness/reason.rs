//! Why a session lets go of the camera, or ends; signs and proofs of it.

use std::fmt;

/// Why the camera was let go, or the session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The viewer's DTLS goodbye.
    CloseNotify,
    /// The abort of its data channels' association.
    SctpAbort,
    /// A DELETE of the session's address.
    HttpDelete,
    /// The page said that it is going away.
    Pagehide,
    /// The same player came again.
    Superseded,
    /// Its port is closed: two verified ICMP messages.
    IcmpVerified,
    /// Its WebSocket ended and no probe was answered.
    WsFinSilence,
    /// Its TCP connection or WebSocket was reset and no probe was answered.
    TcpReset,
    /// Nothing was heard.
    Silence,
    /// A fatal DTLS alert, or the transport failed.
    DtlsFatal,
    /// It never came.
    ConnectTimeout,
    /// Its signalling ended before it came.
    SignallingLost,
    /// The page is hidden.
    Hidden,
    /// Somebody waits for the camera, and this viewer may be gone.
    Contended,
    /// Its source could not be opened again, or came back without its tracks.
    SourceFailed,
    /// A person ended it.
    Admin,
    /// Its stream was deleted.
    Deleted,
    /// The server stops.
    Shutdown,
}

impl Reason {
    /// The code in logs, events and metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CloseNotify => "close_notify",
            Self::SctpAbort => "sctp_abort",
            Self::HttpDelete => "http_delete",
            Self::Pagehide => "pagehide",
            Self::Superseded => "superseded",
            Self::IcmpVerified => "icmp_verified",
            Self::WsFinSilence => "ws_fin+silence",
            Self::TcpReset => "tcp_rst",
            Self::Silence => "silence",
            Self::DtlsFatal => "dtls_fatal",
            Self::ConnectTimeout => "connect_timeout",
            Self::SignallingLost => "signalling_lost",
            Self::Hidden => "hidden",
            Self::Contended => "contended",
            Self::SourceFailed => "source_failed",
            Self::Admin => "admin",
            Self::Deleted => "deleted",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Where a sign comes from that a viewer may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hint {
    /// Its WebSocket was closed.
    WsFin,
    /// Its WebSocket was reset.
    WsReset,
    /// Its ICE-TCP connection was closed.
    TcpFin,
    /// Its ICE-TCP connection was reset.
    TcpReset,
    /// What is sent to it over TCP is not taken.
    TcpStalled,
    /// ICMP says that its port is closed, quoting a datagram of ours.
    Icmp,
    /// The same without a proof that it saw the datagram.
    IcmpUnverified,
    /// ICMP or the system says that there is no way to it.
    Unreachable,
}

impl Hint {
    /// All of them; their positions number the counters.
    pub const ALL: [Self; 8] = [
        Self::WsFin,
        Self::WsReset,
        Self::TcpFin,
        Self::TcpReset,
        Self::TcpStalled,
        Self::Icmp,
        Self::IcmpUnverified,
        Self::Unreachable,
    ];

    /// Name in the timeline and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WsFin => "ws_fin",
            Self::WsReset => "ws_rst",
            Self::TcpFin => "tcp_fin",
            Self::TcpReset => "tcp_rst",
            Self::TcpStalled => "tcp_stalled",
            Self::Icmp => "icmp",
            Self::IcmpUnverified => "icmp_unverified",
            Self::Unreachable => "unreachable",
        }
    }

    /// Position in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Weak ones say that a path is dead, not a viewer, or can be made by
    /// anybody: they ask for a probe.
    pub(super) const fn is_strong(self) -> bool {
        !matches!(self, Self::Unreachable | Self::TcpStalled | Self::IcmpUnverified)
    }

    pub(super) const fn is_websocket(self) -> bool {
        matches!(self, Self::WsFin | Self::WsReset)
    }

    /// What the end of its window is called if nobody answered.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::WsFin => Reason::WsFinSilence,
            Self::WsReset | Self::TcpFin | Self::TcpReset => Reason::TcpReset,
            Self::Icmp => Reason::IcmpVerified,
            Self::IcmpUnverified | Self::Unreachable | Self::TcpStalled => Reason::Silence,
        }
    }
}

/// What a proof that a viewer is gone can be; ends the session at once.
pub type Proof = Reason;
