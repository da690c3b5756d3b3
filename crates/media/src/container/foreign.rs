//! Containers and bare streams that are not read here, told by their first bytes, so that
//! an error can name them. FFmpeg reads all of them.

use crate::codec::mpa::Header as MpaHeader;

/// What stands at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing that is known here.
    Nothing,
    /// That cannot be told yet.
    More,
    /// This.
    Is(&'static str),
}

/// Bytes in which the header of Matroska says which kind it is.
const EBML: usize = 64;
/// Header of a chunk of RIFF and IFF, with the kind of the file.
const FORM: usize = 12;

/// What begins with the first four bytes and more, as their owners write it.
const MAGICS: &[(&[u8], &str)] = &[
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"RF64", "WAV of 64 bit (RF64)"),
    (b"RIFX", "WAV with the other byte order (RIFX)"),
    (b".snd", "AU"),
    (b"caff", "Core Audio (CAF)"),
    (b"#!AMR", "AMR"),
    (b"wvpk", "WavPack"),
    (b"DKIF", "IVF"),
    (b"nut/multimedia container\0", "NUT"),
    (b".RMF", "RealMedia"),
    (b"DHAV", "a recording of a Dahua camera (DHAV)"),
    (b"IMKH", "a recording of a Hikvision camera (IMKH)"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF (WMV, WMA)"),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "MXF"),
    (b"\x0b\x77", "AC-3"),
    // These are no NAL units: their first bit is set (H.264 7.3.1).
    (b"\0\0\x01\xba", "an MPEG program stream"),
    (b"\0\0\x01\xb3", "MPEG-1 or MPEG-2 video"),
];

/// What a stream is that begins so; `ended` says that nothing follows.
pub(super) fn tell(first: &[u8], ended: bool) -> Told {
    let is_short = |length: usize| first.len() < length && !ended;
    match first {
        [0x1a, 0x45, 0xdf, 0xa3, ..] if is_short(EBML) => Told::More,
        [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] => {
            let head = rest.get(..EBML.min(rest.len())).unwrap_or_default();
            let is_webm = head.windows(4).any(|word| word == b"webm");
            Told::Is(if is_webm { "WebM" } else { "Matroska" })
        }
        [b'R', b'I', b'F', b'F', ..] | [b'F', b'O', b'R', b'M', ..] if is_short(FORM) => Told::More,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', ..] => Told::Is("AVI"),
        [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', ..] => Told::Is("AIFF"),
        // With a tag in front it is read.
        [0xff, second, ..] if second & 0xf6 != 0xf0 && MpaHeader::parse(first).is_some() => {
            Told::Is("MPEG audio without a tag in front")
        }
        _ => {
            let found = MAGICS.iter().find(|(magic, _)| {
                let length = magic.len().min(first.len());
                first.get(..length) == magic.get(..length)
            });
            match found {
                Some((magic, _)) if first.len() < magic.len() => {
                    if ended {
                        Told::Nothing
                    } else {
                        Told::More
                    }
                }
                Some((_, name)) => Told::Is(name),
                None => Told::Nothing,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_needs_its_whole_magic() {
        for (magic, name) in MAGICS {
            let stream = [magic, &[0; 100][..]].concat();
            assert_eq!(tell(&stream, false), Told::Is(name));
            for length in 4..magic.len() {
                assert_eq!(tell(&magic[..length], false), Told::More, "{name}");
                assert_eq!(tell(&magic[..length], true), Told::Nothing, "{name}");
            }
        }
    }

    #[test]
    fn names_that_stand_further_behind() {
        let ebml = |kind: &[u8]| {
            let head = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82";
            [&head[..], &[0x80 | kind.len() as u8], kind, &[0; 100]].concat()
        };
        assert_eq!(tell(&ebml(b"webm"), false), Told::Is("WebM"));
        assert_eq!(tell(&ebml(b"matroska"), false), Told::Is("Matroska"));
        assert_eq!(tell(&ebml(b"webm")[..30], false), Told::More);
        assert_eq!(tell(&ebml(b"webm")[..30], true), Told::Is("WebM"));
        assert_eq!(tell(b"RIFF\x10\0\0\0AVI LIST", false), Told::Is("AVI"));
        assert_eq!(tell(b"RIFF\x10\0\0\0", false), Told::More);
        assert_eq!(tell(b"RIFF\x10\0\0\0WAVEfmt ", false), Told::Nothing);
        assert_eq!(tell(b"FORM\0\0\0\x10AIFC", false), Told::Is("AIFF"));
        assert_eq!(tell(b"\xff\xfb\x90\x00", false), Told::Is("MPEG audio without a tag in front"));
        for none in [
            &b"hello"[..],
            b"\xff\xd8\xff\xe0",
            b"\xff\xf1\x50\x80",
            b"FLV\x01",
            b"\0\0\0\x01g",
            b"G@\0\x10",
        ] {
            assert_eq!(tell(none, false), Told::Nothing, "{none:02x?}");
        }
    }
}
