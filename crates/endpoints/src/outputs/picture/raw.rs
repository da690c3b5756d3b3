//! Uncompressed pictures of a source, as pictures to encode.

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::Codec;
use rs2rtc_media::container::y4m::{Chroma, Header};
use rs2rtc_transcode::video::I420Frame;

/// The line that a YUV4MPEG2 stream of this codec begins with.
///
/// # Errors
/// `Unsupported` if the codec does not say what its pictures are.
pub(super) fn first_line(codec: &Codec) -> Result<Bytes, Error> {
    let header = Header::of_codec(codec)
        .ok_or_else(|| Error::new(ErrorKind::Unsupported, "pictures of unknown size"))?;
    Ok(format!("{}\n", header.line()).into())
}

/// A picture in 4:2:0; a row or column beyond an even size is left out. `None` if
/// it is not what its codec says. Grey pictures use the full range, others that of
/// television, as FFmpeg makes them.
pub(super) fn picture(data: &[u8], codec: &Codec) -> Option<I420Frame> {
    let header = Header::of_codec(codec).filter(|header| header.picture_bytes() == data.len())?;
    let (width, height) = (header.width, header.height);
    let (w, h) = (width & !1, height & !1);
    let (luma, rest) = data.split_at_checked(width * height)?;
    let y = cut(luma, width, w, h);
    let (u, v) = match header.chroma {
        Chroma::Mono => (vec![128; w / 2 * (h / 2)], vec![128; w / 2 * (h / 2)]),
        chroma => {
            let (cw, ch) = match chroma {
                Chroma::C420 => (width.div_ceil(2), height.div_ceil(2)),
                Chroma::C422 => (width.div_ceil(2), height),
                _ => (width, height),
            };
            let (u, v) = rest.split_at_checked(cw * ch)?;
            let across = if chroma == Chroma::C444 { 2 } else { 1 };
            let down = if chroma == Chroma::C420 { 1 } else { 2 };
            let reduced = |plane: &[u8]| reduced(plane, cw, (w / 2, h / 2), (across, down));
            (reduced(u), reduced(v))
        }
    };
    let full_range = header.chroma == Chroma::Mono;
    let picture = I420Frame { width: w, height: h, y, u, v, full_range };
    (picture.is_consistent() && !picture.y.is_empty()).then_some(picture)
}

/// The first `w * h` samples of a plane.
fn cut(plane: &[u8], stride: usize, w: usize, h: usize) -> Vec<u8> {
    let rows = plane.chunks_exact(stride.max(1)).take(h);
    rows.flat_map(|row| row.iter().take(w)).copied().collect()
}

/// Means of `across * down` samples each.
fn reduced(
    plane: &[u8],
    stride: usize,
    (w, h): (usize, usize),
    (across, down): (usize, usize),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(w * h);
    for rows in plane.chunks(stride.max(1) * down).take(h) {
        for x in 0..w {
            let samples = rows
                .chunks(stride.max(1))
                .flat_map(|row| row.get(x * across..(x + 1) * across).unwrap_or_default().iter());
            let (sum, count) =
                samples.fold((0_usize, 0_usize), |(sum, n), s| (sum + usize::from(*s), n + 1));
            out.push(
                u8::try_from((sum + count / 2).checked_div(count).unwrap_or(128)).unwrap_or(128),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rs2rtc_media::CodecId;

    use super::*;

    fn codec(width: usize, height: usize, form: &str) -> Codec {
        let fmtp = format!("width={width};height={height};colorspace={form}");
        Codec::new(CodecId::RawVideo).fmtp(fmtp)
    }

    #[test]
    fn every_form_becomes_420() {
        let luma = [1, 2, 3, 4, 5, 6, 7, 8];
        let full = [10, 20, 30, 40, 50, 60, 70, 80];
        let of = |form: &str, chroma: &[&[u8]]| {
            let data = [&luma[..], &chroma.concat()].concat();
            let picture = picture(&data, &codec(4, 2, form)).unwrap();
            assert_eq!(picture.y, luma);
            (picture.u, picture.v)
        };
        assert_eq!(of("mono", &[]), (vec![128, 128], vec![128, 128]));
        assert_eq!(of("420jpeg", &[&[1, 2], &[3, 4]]), (vec![1, 2], vec![3, 4]));
        assert_eq!(of("422", &[&[1, 2, 3, 4], &[5, 6, 7, 8]]), (vec![2, 3], vec![6, 7]));
        assert_eq!(of("444", &[&full, &full]), (vec![35, 55], vec![35, 55]));
    }

    #[test]
    fn odd_sizes_are_cut_and_wrong_ones_refused() {
        let odd = picture(&[9; 3 * 3 + 2 * 4], &codec(3, 3, "420")).unwrap();
        assert_eq!((odd.width, odd.height), (2, 2));
        for len in 0..17 {
            assert!(picture(&vec![9; len], &codec(3, 3, "420")).is_none(), "{len}");
        }
        assert!(picture(&[9; 3], &codec(1, 1, "444")).is_none());
        assert!(picture(&[9; 6], &Codec::new(CodecId::RawVideo)).is_none());
        assert_eq!(first_line(&codec(4, 2, "422")).unwrap(), "YUV4MPEG2 W4 H2 C422\n");
    }
}
