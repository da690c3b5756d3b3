/**
 * What the server tells, from its description (crates/server/src/http/openapi.yaml): `node tools/ui/api-types.mjs` writes this file, and it is not packed.
 * What a go2rtc does not tell may be missing.
 */

/** About the program */
export type Info = {
    /** The configuration file; absent without one */
    config_path?: string;
    /** What the caller takes for the server */
    host: string;
    revision: string;
    /** The version of go2rtc whose contract is kept */
    version: string;
    rs2rtc?: OwnInfo;
    rtsp?: RtspInfo;
};

/** What a go2rtc does not tell */
export type OwnInfo = {
    version: string;
    /** Addresses of the machine under which it serves pages; none for callers from outside */
    addresses: string[];
    /** The highest class of the caller */
    may: 'view' | 'stream' | 'admin';
};

/** The RTSP server, if its module is on */
export type RtspInfo = {
    listen: string;
    default_query: string;
    /** Bytes */
    pkt_size?: number;
};

/** A record of the log; its fields are those of the message */
export type LogRecord = {
    /** Milliseconds since 1970, only in the feed of events */
    at?: number;
    /** `trace`, `debug`, `info`, `warn` or `error` */
    level: string;
    /** In the form of `log.time`, milliseconds since 1970 by default */
    time?: number | string;
    /** `[module]` and the words */
    message: string;
    [name: string]: any;
};

export type LogLevels = {
    level: LogLevel;
    /** Those of single modules */
    modules: {
        [name: string]: LogLevel;
    };
    /** Modules that write */
    known: string[];
    /** What holds for a while instead */
    temporary: TemporaryLevel[];
};

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'disabled';

export type TemporaryLevel = {
    /** Empty for all others */
    module: string;
    level: LogLevel;
    /** Milliseconds until it ends */
    left_ms: number;
};

export type Login = {
    /** The caller may administrate */
    admin: boolean;
    /** By a cookie */
    cookie: boolean;
};

export type LoginKey = {
    /** To be sent as `X-RS` together with the cookie */
    key: string;
};

/** What is wrong in a configuration, and for admins what it would change */
export type ConfigCheck = {
    problems: ConfigProblem[];
    /** It could be put in force */
    valid: boolean;
    changes?: ConfigChange[];
    /** Keys that hold from the next start on */
    restart_required?: string[];
};

export type ConfigProblem = {
    /** The file, or the item of the command line */
    file: string;
    /** From 1, 0: not known */
    line: number;
    /** Characters, from 1, 0: not known */
    column: number;
    /** The key, may be empty */
    path: string;
    /** What is wrong and what would be right, for people */
    text: string;
    severity: 'error' | 'warning';
    /** The kind for who says it in another language */
    code: 'unknown_key' | 'wrong_value' | 'out_of_range' | 'unknown_scheme' | 'repeated' | 'syntax' | null;
    /** What belongs to its words */
    values: string[] | null;
};

export type ConfigChange = {
    /** The key, as `streams.gate` */
    path: string;
    change: 'added' | 'changed' | 'removed';
};

export type ConfigApplied = {
    /** What is in force now */
    version: string;
    changes: ConfigChange[];
    /** Keys that hold from the next start on */
    restart_required: string[];
    problems: ConfigProblem[];
    unconfirmed: Unconfirmed;
};

/** Whether a configuration is on trial */
export type Unconfirmed = {
    /** Milliseconds until the one before comes back */
    left_ms: number;
} | null;

export type ConfigRefused = {
    problems: ConfigProblem[];
};

export type ConfigConflict = {
    /** What is there; null if it cannot be read */
    version: string | null;
};

export type ConfigConfirmed = {
    version: string;
};

export type ConfigVersions = {
    /** What is in force */
    version: string;
    /** When the file was written, milliseconds since 1970 */
    saved: number | null;
    unconfirmed: Unconfirmed;
    /** The file */
    path: string | null;
    /** Newest first */
    versions: ConfigVersion[];
    /** Why none can be kept */
    unavailable: string | null;
};

/** A text that was replaced */
export type ConfigVersion = {
    number: number;
    version: string;
    /** Milliseconds since 1970 */
    saved: number;
    bytes: number;
};

/** By name */
export type Streams = {
    [name: string]: Stream;
};

export type Stream = {
    /** Its sources */
    producers: Connection[] | null;
    /** Its viewers */
    consumers: Connection[] | null;
};

/** Only `url`, and `error` with `error_kind` if the last dial failed, while it is not connected */
export type Connection = {
    id?: number;
    /** `rtsp`, `webrtc`, `preload`, ... */
    format_name?: string;
    protocol?: string;
    remote_addr?: string;
    source?: string;
    url?: string;
    error?: string;
    error_kind?: ErrorKind;
    sdp?: string;
    user_agent?: string;
    /** As `video, recvonly, H264` */
    medias?: string[];
    /** Tracks that come from it */
    receivers?: Track[];
    /** Tracks that are sent to it */
    senders?: Track[];
    /** Absent for 0 */
    bytes_recv?: number;
    /** Absent for 0 */
    bytes_send?: number;
};

/** The class of a failure */
export type ErrorKind = 'config' | 'auth' | 'busy' | 'gone' | 'unreachable' | 'protocol' | 'unsupported' | 'not_found' | 'ended';

export type Track = {
    id: number;
    codec: Codec;
    /** The receiver that it gets its media from */
    parent?: number;
    /** The senders that get its media */
    childs?: number[];
    /** Absent for 0 */
    bytes?: number;
    /** Absent for 0 */
    packets?: number;
    /** Packets that it was too slow for, absent for 0 */
    drops?: number;
};

export type Codec = {
    /** As FFmpeg names it */
    codec_name?: string;
    /** `video`, `audio` or empty */
    codec_type?: string;
    /** Hertz */
    sample_rate?: number;
    channels?: number;
    profile?: string;
    /** Ten times the level */
    level?: number;
};

/** By name of the stream */
export type Preloads = {
    [name: string]: Preload;
};

export type Preload = {
    consumer: Connection;
    /** What it asks for */
    query: string;
};

export type FoundSources = {
    sources: FoundSource[];
};

/** What a search has found; what says nothing is absent */
export type FoundSource = {
    /** Only of a go2rtc */
    id?: string;
    name?: string;
    info?: string;
    /** A source */
    url?: string;
};

export type Sessions = {
    sessions: Session[];
    /** Those that have left; absent if they are not asked for */
    ended?: Session[];
};

/** Who watches or publishes a stream; what is not known is null */
export type Session = {
    /** The number of the consumer in `api/streams` */
    id: number;
    stream: string;
    /** `webrtc`, `rtsp`, ... as in `api/streams` */
    format: string | null;
    /** It brings the stream instead of watching it */
    publishes: boolean;
    /** Whether it is there; `parked`: its camera is let go, it can come back */
    state: 'connecting' | 'alive' | 'suspect' | 'parked' | 'gone';
    /** The liveness profile */
    profile: string | null;
    /** Its address */
    remote: string | null;
    user_agent: string | null;
    /** Milliseconds since the answer, or for which it was there */
    age_ms: number | null;
    /** When it left, milliseconds since 1970 */
    left_at: number | null;
    /** Milliseconds since anything authentic of it arrived */
    heard_ms_ago: number | null;
    /** Milliseconds since media or a report was sent to it */
    sent_ms_ago: number | null;
    /** Milliseconds of silence that let go of the camera */
    limit_ms: number | null;
    /** Share of unanswered probes, 0 to 1 */
    loss: number | null;
    /** Round trip time, milliseconds */
    rtt_ms: number | null;
    /** How often an hour the settings would let go of the camera although the viewer is there */
    wrong_parks_per_hour: number | null;
    /** Why its camera was let go, or it left */
    reason: string | null;
    /** Milliseconds from its last sign of life to the decision */
    detect_ms: number | null;
    /** Milliseconds from the decision to the camera being free; null while others watch */
    release_ms: number | null;
    timeline: SessionMark[];
};

/** Something that happened to a session */
export type SessionMark = {
    /** Milliseconds since the answer */
    ms: number;
    event: string;
    /** May be empty */
    detail: string;
};

/** When a stream lets go of its camera */
export type ReleasePolicy = {
    /** A preload holds the camera, whoever goes */
    warm: boolean;
    /** Milliseconds after the last goodbye */
    linger_ms: number;
    /** Milliseconds after the page of the last viewer was hidden */
    hidden_linger_ms: number;
    /** Milliseconds of the past that are kept for clips */
    clip_ms: number;
    /** Others may wait for the camera */
    exclusive: boolean;
    /** The liveness profile; null without WebRTC */
    profile: string | null;
    /** Milliseconds after a WebRTC viewer was last heard; null without WebRTC */
    silence_ms: number | null;
};

export type StreamsAbout = {
    /** By name */
    streams: {
        [name: string]: StreamAbout;
    };
};

export type StreamAbout = {
    /** When its source was opened, milliseconds since 1970 */
    since: number | null;
    /** When it was let go last, milliseconds since 1970 */
    released_at: number | null;
    /** Milliseconds that this took */
    release_ms: number | null;
};

export type SourceReports = {
    sources: SourceReport[];
    /** Newest first, five at most */
    errors: SourceError[];
};

/** How good what a source delivers is, counted since the stream was made */
export type SourceReport = {
    source: string;
    open: boolean;
    /** Pictures and packets of sound */
    frames: number;
    /** Jumps of timestamps that were repaired */
    jumps: number;
    /** Those of RTP; null of other sources */
    packets: number | null;
    /** Those of RTP that are missing */
    lost: number | null;
};

export type SourceError = {
    /** Milliseconds since 1970 */
    at: number;
    source: string;
    kind: ErrorKind;
    error: string;
};

/** A line of the test of a source; what else it has goes by its step */
export type TestStep = {
    step: 'connect' | 'tracks' | 'picture' | 'protocol' | 'still' | 'keyframes' | 'packets' | 'release';
    /** `skip`: not possible here */
    state: 'run' | 'ok' | 'skip' | 'fail';
    /** Milliseconds that it took */
    ms?: number;
    /** `connect`: the source runs already */
    running?: boolean;
    kind?: ErrorKind;
    /** Why it failed */
    error?: string;
    tracks?: TestTrack[];
    /** `tracks`: one can talk to it */
    talk?: boolean;
    /** `protocol`: what the source did */
    parts?: TestPart[];
    /** `still`: the type of `data` */
    type?: string;
    /** `still`: what the camera sees */
    data?: string;
    /** `keyframes`: milliseconds between two */
    every_ms?: number;
    /** `packets`: pictures and packets of sound */
    frames?: number;
    /** `packets`: those of RTP; null of other sources */
    packets?: number | null;
    /** `packets`: those of RTP that are missing */
    lost?: number | null;
    /** `packets`: their share, 0 to 1 */
    loss?: number | null;
    /** `packets`: jumps of timestamps that were repaired */
    jumps?: number;
};

export type TestTrack = {
    /** As FFmpeg names it */
    codec_name: string;
    /** `video`, `audio` or empty */
    codec_type: string;
    /** Hertz */
    sample_rate?: number;
    channels?: number;
    profile?: string;
    /** Ten times the level */
    level?: number;
    /** Pixels */
    width?: number;
    /** Pixels */
    height?: number;
};

export type TestPart = {
    /** `connect`, or as the protocol has it, such as `DESCRIBE` */
    name: string;
    /** Milliseconds that it took */
    ms: number;
};

/** What the machine has and what is listened on; what does not concern callers from outside is null for them */
export type DoctorFacts = {
    /** The clock of the server, milliseconds since 1970 */
    now_ms: number;
    /** Seconds that the program runs */
    uptime_s: number;
    version: string;
    /** As `linux/amd64` */
    platform: string;
    base_path: string;
    /** It runs in one */
    container: boolean;
    open_files: OpenFiles;
    request: DoctorRequest;
    /** The configuration file */
    config: string | null;
    disk: DoctorDisk;
    ffmpeg: DoctorFfmpeg;
    ports: DoctorPort[] | null;
    interfaces: NetworkInterface[] | null;
    /** What WebRTC offers to this caller, as `udp 192.168.1.5:8555` */
    candidates: string[] | null;
};

export type OpenFiles = {
    used: number;
    limit: number;
};

/** How this call came */
export type DoctorRequest = {
    peer: string | null;
    host: string;
    /** Names of the headers that a proxy has added */
    forwarded: string[];
};

/** Where the configuration is; null also while it is looked at for somebody else */
export type DoctorDisk = {
    path: string;
    /** Bytes */
    free: number;
    /** Bytes */
    total: number;
} | null;

/** Null without one */
export type DoctorFfmpeg = {
    path: string;
    version: string;
} | null;

export type DoctorPort = {
    module: string;
    network: 'tcp' | 'tls' | 'unix' | 'udp';
    address: string;
    /** Why it is not listened on as configured */
    problem: string | null;
};

export type NetworkInterface = {
    name: string;
    addresses: string[];
};

/** The events of the feed, by name, with their data */
export type Events = {
    ping?: EventPing;
    hello?: EventHello;
    reset?: EventHello;
    streams_changed?: EventStreamsChanged;
    source_opening?: EventSourceOpening;
    source_opened?: EventSourceOpened;
    source_failed?: EventSourceFailed;
    source_waiting?: EventSourceWaiting;
    source_stalled?: EventSourceStalled;
    source_changed?: EventSourceChanged;
    source_released?: EventSourceReleased;
    viewer_joined?: EventViewerJoined;
    viewer_parked?: EventViewerParked;
    viewer_resumed?: EventViewerResumed;
    viewer_left?: EventViewerLeft;
    talk_started?: EventTalkStarted;
    talk_ended?: EventTalkEnded;
    log?: LogRecord;
};

/** The connection lives */
export type EventPing = Record<string, never>;

/** The first message; as `reset` that what is known is out of date */
export type EventHello = {
    /** Names this run of the program */
    boot: string;
    seq: number;
};

/** The name was added, removed, or stands for other sources */
export type EventStreamsChanged = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
};

export type EventSourceOpening = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    source: string;
};

export type EventSourceOpened = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    source: string;
    /** Milliseconds */
    took_ms: number;
};

export type EventSourceFailed = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    source: string;
    error: string;
    kind: ErrorKind;
    /** Milliseconds until it is tried again, null: not by itself */
    retry_ms: number | null;
};

/** Somebody else holds the exclusive group */
export type EventSourceWaiting = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    source: string;
    group: string;
};

/** It is opened again */
export type EventSourceStalled = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    source: string;
    /** Milliseconds without a frame */
    silent_ms: number;
};

/** The camera has other parameter sets than before */
export type EventSourceChanged = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    source: string;
    codec: string;
    /** Pixels */
    width: number | null;
    /** Pixels */
    height: number | null;
};

/** Socket closed, child reaped */
export type EventSourceReleased = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    source: string;
    /** The last one, 0: none */
    viewer: number;
    reason: string;
    /** May be empty */
    profile: string;
    /** Milliseconds from its last sign of life to the decision */
    detect_ms: number | null;
    /** Milliseconds from the decision to the camera being free */
    release_ms: number;
};

export type EventViewerJoined = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    /** Its id */
    viewer: number;
    format: string;
    remote: string;
};

/** Its camera is let go, it stays */
export type EventViewerParked = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    /** Its id */
    viewer: number;
    reason: string;
    /** Milliseconds from its last sign of life to the decision */
    detect_ms: number | null;
    /** May be empty */
    profile: string;
};

export type EventViewerResumed = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    /** Its id */
    viewer: number;
    /** Milliseconds */
    parked_ms: number;
};

export type EventViewerLeft = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    /** Its id */
    viewer: number;
    format: string;
    reason: string;
    /** Milliseconds from its last sign of life to the decision */
    detect_ms: number | null;
    /** May be empty */
    profile: string;
};

/** Somebody speaks into the camera's loudspeaker */
export type EventTalkStarted = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    id: number;
    by: string;
    /** By a player that has asked for the floor */
    asked: boolean;
};

export type EventTalkEnded = {
    /** Milliseconds since 1970 */
    at: number;
    stream: string;
    id: number;
    by: string;
    reason: 'released' | 'left' | 'silence' | 'limit' | 'taken';
    /** Milliseconds */
    took_ms: number;
};

/** What the server says to players over `api/ws`, by `type`, with its `value` */
export type SocketMessages = {
    session?: SocketSession;
    why?: SocketWhy;
    state?: SocketState;
    released?: SocketReleased;
    talk?: SocketTalk;
    'talk/granted'?: SocketTalkGranted;
    'talk/busy'?: SocketTalk;
    'talk/ended'?: SocketTalkEnded;
    /** The type of the request, a colon, and what is wrong */
    error?: string;
    /** SDP */
    'webrtc/answer'?: string;
    'webrtc/candidate'?: string;
    webrtc?: Description;
    /** The type of what follows */
    mse?: string;
    /** Only of a go2rtc */
    mp4?: string;
    /** A playlist */
    hls?: string;
    mjpeg?: string;
};

/** The answer to `hello` */
export type SocketSession = {
    id: string;
    /** Where a goodbye is said */
    bye: string;
    /** Names this run of the program */
    boot: string;
    /** What the server knows */
    caps: string[];
};

export type SocketWhy = {
    candidates: WhyCandidate[];
};

/** What became of a way of playing, or of a track that could go that way */
export type WhyCandidate = {
    mode: 'webrtc' | 'mse' | 'hls' | 'mp4' | 'mjpeg';
    /** Of the track; without it the verdict is of the way as a whole */
    kind?: 'video' | 'audio';
    /** As FFmpeg names it */
    codec?: string;
    /** The codec that it is made from */
    from?: string;
    verdict: 'chosen' | 'bframes' | 'codec_unsupported' | 'other_chosen' | 'no_track' | 'network' | 'failed' | 'slower' | 'pinned' | 'off';
    /** More about it */
    text?: string;
};

export type SocketState = {
    /** `parked`: the camera is let go while the session stays */
    state: 'parked' | 'alive';
    /** Why it is parked */
    reason?: string;
};

/** The session has ended */
export type SocketReleased = {
    reason: string;
    /** If there is more to say */
    text?: string;
    /** Milliseconds from the last sign of life to the decision */
    detectMs: number | null;
    /** Milliseconds from the decision to the camera being free */
    releaseMs: number | null;
};

/** Who speaks into the camera's loudspeaker; only `by`, which is null, if nobody does */
export type SocketTalk = {
    id?: number;
    by: string | null;
    /** By a player that has asked for the floor */
    asked?: boolean;
    /** Milliseconds since 1970 */
    since?: number | null;
};

export type SocketTalkGranted = {
    id: number;
    /** Milliseconds at most */
    ttl: number;
};

export type SocketTalkEnded = {
    reason: 'released' | 'left' | 'silence' | 'limit' | 'taken';
};

export type Description = {
    type: string;
    sdp: string;
};

/** What `GET` without a question answers, by its path. */
export type Answers = {
    /** Version, configuration file and RTSP settings */
    api: Info;
    /** The log levels in force (docs/api-rs.md) */
    'api/rs/log/levels': LogLevels;
    /** Schemes of sources */
    'api/schemes': string[];
    /** The kept versions of the configuration file */
    'api/rs/config/versions': ConfigVersions;
    /** JSON schema of the configuration */
    'schema.json': {
        [name: string]: any;
    };
    /** All streams, one, or what one can deliver */
    'api/streams': Streams;
    /** Streams that are kept open although nobody watches */
    'api/preload': Preloads;
    /** Capture devices that FFmpeg can read, as sources */
    'api/ffmpeg/devices': FoundSources;
    /** Which hardware encoders work here */
    'api/ffmpeg/hardware': FoundSources;
    /** Who watches, and who has left (docs/api-rs.md) */
    'api/rs/sessions': Sessions;
    /** When a stream lets go of its camera (docs/api-rs.md) */
    'api/rs/release': ReleasePolicy;
    /** Whether the caller may administrate (docs/access.md) */
    'api/rs/login': Login;
    /** Since when each stream is open, and its last release (docs/api-rs.md) */
    'api/rs/streams': StreamsAbout;
    /** How good what a stream's sources deliver is, and what failed last (docs/api-rs.md) */
    'api/rs/sources': SourceReports;
    /** What the machine has, what is listened on, and how the call came (docs/api-rs.md) */
    'api/rs/doctor': DoctorFacts;
};

/** The same of one path; of others nothing is known. */
export type Answer<P extends string> = P extends keyof Answers ? Answers[P] : any;

export type EventName = keyof Events;

/** Those that are about a stream. */
export type StreamEventName = {[K in EventName]: Required<Events>[K] extends {stream: string} ? K : never}[EventName];

/** What an event tells, one of several. */
export type EventData<N extends EventName> = Required<Events>[N];
