//! Named pieces of FFmpeg command lines (`spec/protocols-standard.md` 7.3). The
//! configuration may replace them and add others.

use std::collections::BTreeMap;

/// Name and text of the built-in templates.
const BUILT_IN: &[(&str, &str)] = &[
    ("bin", "ffmpeg"),
    ("global", "-hide_banner"),
    ("timeout", "5"),
    // inputs
    ("file", "-re -i {input}"),
    ("http", "-fflags nobuffer -flags low_delay -i {input}"),
    (
        "rtsp",
        "-fflags nobuffer -flags low_delay -timeout {timeout} -user_agent go2rtc/ffmpeg -rtsp_flags prefer_tcp -i {input}",
    ),
    (
        "rtsp/udp",
        "-fflags nobuffer -flags low_delay -timeout {timeout} -user_agent go2rtc/ffmpeg -i {input}",
    ),
    // outputs
    ("output", "-user_agent ffmpeg/go2rtc -rtsp_transport tcp -f rtsp {output}"),
    ("output/mjpeg", "-f mjpeg -"),
    ("output/raw", "-f yuv4mpegpipe -"),
    ("output/aac", "-f adts -"),
    ("output/wav", "-f wav -"),
    // video
    (
        "h264",
        "-c:v libx264 -g 50 -profile:v high -level:v 4.1 -preset:v superfast -tune:v zerolatency -pix_fmt:v yuv420p",
    ),
    (
        "h265",
        "-c:v libx265 -g 50 -profile:v main -x265-params level=5.1:high-tier=0 -preset:v superfast -tune:v zerolatency -pix_fmt:v yuv420p",
    ),
    ("mjpeg", "-c:v mjpeg"),
    // The muxer of `output/raw` takes no `rawvideo`.
    ("raw", "-c:v wrapped_avframe"),
    ("raw/gray8", "-c:v wrapped_avframe -pix_fmt:v gray8"),
    ("raw/yuv420p", "-c:v wrapped_avframe -pix_fmt:v yuv420p"),
    ("raw/yuv422p", "-c:v wrapped_avframe -pix_fmt:v yuv422p"),
    ("raw/yuv444p", "-c:v wrapped_avframe -pix_fmt:v yuv444p"),
    // audio
    ("opus", "-c:a libopus -application:a lowdelay -min_comp 0"),
    ("opus/16000", "-c:a libopus -application:a lowdelay -min_comp 0 -ar:a 16000 -ac:a 1"),
    ("pcmu", "-c:a pcm_mulaw -ar:a 8000 -ac:a 1"),
    ("pcmu/8000", "-c:a pcm_mulaw -ar:a 8000 -ac:a 1"),
    ("pcmu/16000", "-c:a pcm_mulaw -ar:a 16000 -ac:a 1"),
    ("pcmu/48000", "-c:a pcm_mulaw -ar:a 48000 -ac:a 1"),
    ("pcma", "-c:a pcm_alaw -ar:a 8000 -ac:a 1"),
    ("pcma/8000", "-c:a pcm_alaw -ar:a 8000 -ac:a 1"),
    ("pcma/16000", "-c:a pcm_alaw -ar:a 16000 -ac:a 1"),
    ("pcma/48000", "-c:a pcm_alaw -ar:a 48000 -ac:a 1"),
    ("aac", "-c:a aac"),
    ("aac/16000", "-c:a aac -ar:a 16000 -ac:a 1"),
    ("mp3", "-c:a libmp3lame -q:a 8"),
    ("pcm", "-c:a pcm_s16be -ar:a 8000 -ac:a 1"),
    ("pcm/8000", "-c:a pcm_s16be -ar:a 8000 -ac:a 1"),
    ("pcm/16000", "-c:a pcm_s16be -ar:a 16000 -ac:a 1"),
    ("pcm/48000", "-c:a pcm_s16be -ar:a 48000 -ac:a 1"),
    ("pcml", "-c:a pcm_s16le -ar:a 8000 -ac:a 1"),
    ("pcml/8000", "-c:a pcm_s16le -ar:a 8000 -ac:a 1"),
    ("pcml/16000", "-c:a pcm_s16le -ar:a 16000 -ac:a 1"),
    ("pcml/44100", "-c:a pcm_s16le -ar:a 44100 -ac:a 1"),
    // hardware
    ("h264/vaapi", "-c:v h264_vaapi -g 50 -bf 0 -profile:v high -level:v 4.1 -sei:v 0"),
    ("h265/vaapi", "-c:v hevc_vaapi -g 50 -bf 0 -profile:v main -level:v 5.1 -sei:v 0"),
    ("mjpeg/vaapi", "-c:v mjpeg_vaapi"),
    ("h264/v4l2m2m", "-c:v h264_v4l2m2m -g 50 -bf 0"),
    ("h265/v4l2m2m", "-c:v hevc_v4l2m2m -g 50 -bf 0"),
    ("h264/rkmpp", "-c:v h264_rkmpp -g 50 -bf 0 -profile:v high -level:v 4.1"),
    ("h265/rkmpp", "-c:v hevc_rkmpp -g 50 -bf 0 -profile:v main -level:v 5.1"),
    ("mjpeg/rkmpp", "-c:v mjpeg_rkmpp"),
    (
        "h264/cuda",
        "-c:v h264_nvenc -g 50 -bf 0 -profile:v high -level:v auto -preset:v p2 -tune:v ll",
    ),
    ("h265/cuda", "-c:v hevc_nvenc -g 50 -bf 0 -profile:v main -level:v auto"),
    ("h264/dxva2", "-c:v h264_qsv -g 50 -bf 0 -profile:v high -level:v 4.1 -async_depth:v 1"),
    ("h265/dxva2", "-c:v hevc_qsv -g 50 -bf 0 -profile:v main -level:v 5.1 -async_depth:v 1"),
    ("mjpeg/dxva2", "-c:v mjpeg_qsv"),
    ("h264/videotoolbox", "-c:v h264_videotoolbox -g 50 -bf 0 -profile:v high -level:v 4.1"),
    ("h265/videotoolbox", "-c:v hevc_videotoolbox -g 50 -bf 0 -profile:v main -level:v 5.1"),
];

/// The templates in force: those of the configuration, else the built-in ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Templates<'a>(pub(super) &'a BTreeMap<String, String>);

impl<'a> Templates<'a> {
    /// The text of a template.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str).or_else(|| built_in(name))
    }

    /// The text of a template, or the text itself if it names none.
    pub(super) fn get_or<'b>(&self, text: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.get(text).unwrap_or(text)
    }
}

/// The text of a built-in template.
pub(super) fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}
