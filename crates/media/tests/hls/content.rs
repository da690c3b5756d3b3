//! What is in segments and parts: whatever comes, in whatever order, none is empty.

use rs2rtc_media::Kind;

use super::schedules::{Camera, Chance};
use super::*;

/// Boxes one behind the other: their names and what is in them.
fn boxes(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let size = u32::from_be_bytes(*rest.first_chunk()?);
        let (one, more) = rest.split_at(size.try_into().unwrap());
        rest = more;
        Some((&one[4..8], &one[8..]))
    })
}

fn number(content: &[u8]) -> u32 {
    u32::from_be_bytes(*content[4..].first_chunk().unwrap())
}

/// Samples of a track, each with its bytes, in what was cut.
fn samples(bytes: &[u8], form: Form, track: usize) -> usize {
    if form == Form::Ts {
        // Packets that begin a unit, with something in them.
        let pid = 0x100 + u16::try_from(track).unwrap();
        let of = |packet: &&[u8]| u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]) == pid;
        let begins = |packet: &&[u8]| packet[1] & 0x40 != 0 && packet[3] & 0x10 != 0;
        return bytes.chunks(188).filter(of).filter(begins).count();
    }
    let all: Vec<_> = boxes(bytes).collect();
    let mut count = 0;
    for pair in all.chunks(2) {
        let [(b"moof", moof), (b"mdat", media)] = pair else { panic!("{all:?}") };
        assert!(!media.is_empty());
        for (_, run) in boxes(moof).filter(|(name, _)| *name == b"traf") {
            let of = |name: &[u8]| boxes(run).find(|one| one.0 == name).unwrap().1;
            let of_track = number(of(b"tfhd")) as usize == track + 1;
            count += if of_track { number(of(b"trun")) as usize } else { 0 };
        }
    }
    count
}

/// Payloads of a recorded stream, at other times: keyframes, others, and such in which
/// there is nothing.
struct Payloads {
    codecs: Vec<Codec>,
    /// By track.
    keyframes: Vec<Vec<Payload>>,
    others: Vec<Vec<Payload>>,
}

impl Payloads {
    fn of(name: &str, codecs: &[CodecId]) -> Self {
        let recorded = Recorded::load(name);
        let tracks: Vec<usize> = (0..recorded.codecs.len())
            .filter(|n| codecs.contains(&recorded.codecs[*n].id))
            .collect();
        let of = |keyframe: bool| {
            let of_track = |track: &usize| {
                let frames = recorded.frames.iter().filter(|(of, _)| of == track);
                frames
                    .filter(|(_, f)| f.keyframe == keyframe)
                    .map(|(_, f)| f.payload.clone())
                    .collect()
            };
            tracks.iter().map(of_track).collect()
        };
        let codecs = tracks.iter().map(|track| recorded.codecs[*track].clone()).collect();
        Self { codecs, keyframes: of(true), others: of(false) }
    }

    /// One without a sample.
    fn hollow(&self, track: usize, chance: &mut Chance) -> Payload {
        let nal = Bytes::from_static;
        let sets = |payload: &Payload| match payload {
            // They stand in front.
            Payload::Nals(nals) => Payload::Nals(nals[..2].to_vec()),
            _ => Payload::Data(Bytes::new()),
        };
        let delimiter = |h264: bool| if h264 { nal(b"\x09\xf0") } else { nal(b"\x46\x01\x50") };
        match (chance.below(5), &self.codecs[track].id) {
            (0, CodecId::H264 | CodecId::H265) => Payload::Nals(vec![]),
            (1, id @ (CodecId::H264 | CodecId::H265)) => {
                Payload::Nals(vec![delimiter(*id == CodecId::H264)])
            }
            (2, _) => Payload::Opaque(vec![]),
            (3, _) => Payload::Data(Bytes::new()),
            _ => sets(&self.keyframes[track][0]),
        }
    }

    fn frame(&self, track: usize, at: i64, is_key: bool, chance: &mut Chance) -> Arc<Frame> {
        let codec = &self.codecs[track];
        let all = if is_key { &self.keyframes[track] } else { &self.others[track] };
        let payload = if chance.one_in(9) {
            self.hollow(track, chance)
        } else {
            all[usize::try_from(chance.below(all.len() as i64)).unwrap()].clone()
        };
        // Times of the source, in milliseconds, as ticks.
        let ticks = at * i64::from(codec.timestamp_rate()) / 1000;
        Arc::new(Frame::new(codec.id.clone(), is_key, ticks, Instant::now(), payload))
    }
}

/// All that is listed: with the track that leads.
fn check(cutter: &Segmenter, form: Form, tracks: usize, lead: usize, seen: &mut u64, when: &str) {
    let from = *seen;
    let all = cutter.closed().map(AsRef::as_ref).chain(cutter.open());
    for segment in all.filter(|segment| segment.number >= from) {
        let is_closed = segment.duration > 0;
        assert!(!is_closed || !segment.parts.is_empty(), "{when}: {segment:?}");
        for part in &segment.parts {
            let counted = |track: usize| part.counts.get(track).map_or(0, |count| count.0);
            assert!(counted(lead) > 0, "{when}: {part:?}");
            for track in 0..tracks {
                let found = samples(&part.bytes, form, track);
                assert_eq!(found, counted(track), "{when}, track {track}: {part:?}");
            }
        }
        if is_closed {
            *seen = segment.number + 1;
        }
    }
}

/// Pictures with and without sound, sound alone; that come late, in bursts, with holes, with
/// other parameter sets, with a clock that jumps; and frames in which there is nothing.
#[test]
fn nothing_that_is_listed_is_empty() {
    use CodecId::{Aac, Av1, H264, H265, Opus, Pcma};
    let scenes: [(&str, &[CodecId], &[Form]); 7] = [
        ("h264_aac.ts", &[H264, Aac], &[Form::Ts, Form::Mp4]),
        ("h264_aac.ts", &[H264], &[Form::Ts, Form::Mp4]),
        ("h264_aac.ts", &[Aac], &[Form::Ts, Form::Mp4]),
        ("hevc_opus.ts", &[H265, Opus], &[Form::Ts, Form::Mp4]),
        ("hevc_opus.ts", &[Opus], &[Form::Mp4]),
        ("av1_mp3.mp4", &[Av1], &[Form::Mp4]),
        ("pcma.flv", &[Pcma], &[Form::Mp4]),
    ];
    let (mut segments, mut parts, mut changed) = (0, 0, 0);
    for (index, (name, codecs, forms)) in scenes.iter().enumerate() {
        let payloads = Payloads::of(name, codecs);
        assert_eq!(payloads.codecs.len(), codecs.len(), "{name}");
        let lead = payloads.codecs.iter().position(|codec| codec.id.kind() == Kind::Video);
        for (form, seed) in forms.iter().flat_map(|form| (0..10_u64).map(move |n| (*form, n))) {
            let packager: Box<dyn Packager> = match form {
                Form::Ts => Box::new(Ts::new(&payloads.codecs).unwrap()),
                Form::Mp4 => Box::new(Mp4::new(&payloads.codecs).unwrap()),
            };
            let mut cutter = Segmenter::new(packager, &payloads.codecs);
            let mut camera = Camera::new(seed * 31 + index as u64);
            let mut chance = Chance::new(seed);
            let (mut seen, mut heard) = (0, 0);
            for n in 0..800 {
                let picture = camera.next();
                let at = picture.dts / 90;
                let when = format!("{name} as {form:?}, seed {seed}, frame {n}");
                let is_key = lead.is_none() || picture.keyframe;
                let frame = payloads.frame(lead.unwrap_or(0), at, is_key, &mut chance);
                // Another size now and then.
                let is_other = codecs[0] == H264 && is_key && chance.one_in(4);
                let frame = if is_other { picture_of(at, true, OTHER_SETS) } else { frame };
                changed += usize::from(is_other);
                cutter.push(lead.unwrap_or(0), &frame);
                check(&cutter, form, codecs.len(), lead.unwrap_or(0), &mut seen, &when);
                // In bursts, and not at all in between.
                if lead.is_some() && codecs.len() > 1 && n > 100 && chance.one_in(7) {
                    for late in 0..chance.below(20) {
                        heard = (heard + 20).max(at - 400 + late);
                        cutter.push(1, &payloads.frame(1, heard, true, &mut chance));
                    }
                    check(&cutter, form, codecs.len(), lead.unwrap_or(0), &mut seen, &when);
                }
            }
            segments += cutter.closed().len();
            parts += cutter.closed().map(|segment| segment.parts.len()).sum::<usize>();
        }
    }
    assert!(segments > 500 && parts > segments && changed > 50, "{segments} {parts} {changed}");
}
