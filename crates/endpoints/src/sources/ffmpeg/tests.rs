//! The vectors of `spec/protocols-standard.md` 7.6, and what they leave open.

use std::collections::BTreeMap;

use rs2rtc_base::ErrorKind;

use super::command::{Environment, build};
use super::templates::{Templates, built_in};

const OUTPUT: &str = "-user_agent ffmpeg/go2rtc -rtsp_transport tcp -f rtsp {output}";
const HTTP: &str = "-fflags nobuffer -flags low_delay -i";
const RTSP: &str = "-fflags nobuffer -flags low_delay -timeout 5000000 -user_agent go2rtc/ffmpeg -rtsp_flags prefer_tcp -i";
const UDP: &str = "-fflags nobuffer -flags low_delay -timeout 5000000 -user_agent go2rtc/ffmpeg -i";
const VAAPI: &str =
    "-hwaccel vaapi -hwaccel_output_format vaapi -hwaccel_flags allow_profile_mismatch";
const VAAPI_NV12: &str =
    "-hwaccel vaapi -hwaccel_output_format nv12 -hwaccel_flags allow_profile_mismatch";
const RKMPP: &str = "-hwaccel rkmpp -hwaccel_output_format drm_prime -afbc rga";
const COLOURS: &str = "out_color_matrix=bt709:out_range=tv:format=nv12";

fn command_with(
    source: &str,
    templates: &BTreeMap<String, String>,
    libavformat: Option<(u32, u32)>,
) -> Result<String, rs2rtc_base::Error> {
    build(&Environment {
        templates: Templates(templates),
        is_stream: &|name| matches!(name, "camera" | "a.b"),
        rtsp_port: Some(8554),
        libavformat,
        log_level: "",
        sound: "opus",
        engine: super::hardware::Engine::Vaapi,
        source,
    })
}

fn command(source: &str) -> String {
    let command = command_with(source, &BTreeMap::new(), None).unwrap();
    command.strip_prefix("ffmpeg -hide_banner ").unwrap().to_owned()
}

fn t(name: &str) -> &'static str {
    built_in(name).unwrap()
}

#[test]
fn files() {
    let file = "-re -i /media/bbb.mp4";
    let (h264, h265) = (t("h264"), t("h265"));
    for (source, expected) in [
        ("/media/bbb.mp4", format!("{file} -c copy {OUTPUT}")),
        ("/media/bbb.mp4#video=h264", format!("{file} {h264} -an {OUTPUT}")),
        (
            "/media/bbb.mp4#video=copy#audio=pcmu",
            format!("{file} -c:v copy -c:a pcm_mulaw -ar:a 8000 -ac:a 1 {OUTPUT}"),
        ),
        (
            "/media/bbb.mp4#video=h265#rotate=-90",
            format!("{file} {h265} -an -vf \"transpose=2\" {OUTPUT}"),
        ),
        ("/media/bbb.mp4#video=mjpeg", format!("{file} -c:v mjpeg -an -f mjpeg -")),
        ("/media/bbb.mp4#video=h264#rotate=0", format!("{file} {h264} -an {OUTPUT}")),
        ("/media/bbb.mp4#video=h264#rotate", format!("{file} {h264} -an {OUTPUT}")),
        ("/media/bbb.mp4#video=h264#rotate=45", format!("{file} {h264} -an {OUTPUT}")),
        (
            "ffmpeg:test.mp4#raw=-ss 00:00:20",
            format!("-re -i ffmpeg:test.mp4 -ss 00:00:20 -c copy {OUTPUT}"),
        ),
    ] {
        assert_eq!(command(source), expected, "{source}");
    }
}

#[test]
fn addresses() {
    let (h265, both) = (t("h265"), "-allowed_media_types video+audio");
    for (source, expected) in [
        ("http://example.com", format!("{HTTP} http://example.com -c copy {OUTPUT}")),
        (
            "https://example.com#video=copy",
            format!("{HTTP} https://example.com -c:v copy -an {OUTPUT}"),
        ),
        ("rtsp://example.com", format!("{both} {RTSP} rtsp://example.com -c copy {OUTPUT}")),
        (
            "rtsp://example.com#video=h265#width=1280#height=720",
            format!(
                "-allowed_media_types video {RTSP} rtsp://example.com {h265} -an -vf \"scale=1280:720\" {OUTPUT}"
            ),
        ),
        (
            "rtsp://example.com#input=rtsp/udp",
            format!("{both} {UDP} rtsp://example.com -c copy {OUTPUT}"),
        ),
        ("rtmp://example.com#input=rtsp/udp", format!("{UDP} rtmp://example.com -c copy {OUTPUT}")),
        (
            "rtsp://example.com#timeout=10",
            format!(
                "{both} {} rtsp://example.com -c copy {OUTPUT}",
                RTSP.replace("5000000", "10000000")
            ),
        ),
        (
            "rtsp://example.com#audio=aac",
            format!("-allowed_media_types audio {RTSP} rtsp://example.com -c:a aac -vn -f adts -"),
        ),
        (
            "rtsp://example.com#audio=opus",
            format!(
                "-allowed_media_types audio {RTSP} rtsp://example.com -c:a libopus -application:a lowdelay -min_comp 0 -vn {OUTPUT}"
            ),
        ),
        (
            "rtsp://example.com#audio=pcmu/48000",
            format!(
                "-allowed_media_types audio {RTSP} rtsp://example.com -c:a pcm_mulaw -ar:a 48000 -ac:a 1 -vn -f wav -"
            ),
        ),
        ("srt://example.com:9000", format!("-i srt://example.com:9000 -c copy {OUTPUT}")),
    ] {
        assert_eq!(command(source), expected, "{source}");
    }
}

#[test]
fn hardware() {
    let first = "format=vaapi|nv12,hwupload";
    let (vaapi264, vaapi265) = (t("h264/vaapi"), t("h265/vaapi"));
    for (source, expected) in [
        (
            "http:///example.com#video=h264#hardware=vaapi",
            format!(
                "{VAAPI} {HTTP} http:///example.com {vaapi264} -an -vf \"{first},scale_vaapi={COLOURS}\" {OUTPUT}"
            ),
        ),
        (
            "rtsp://example.com#video=h264#rotate=180#hardware=vaapi",
            format!(
                "{VAAPI} -allowed_media_types video {RTSP} rtsp://example.com {vaapi264} -an -vf \"{first},transpose_vaapi=4,scale_vaapi={COLOURS}\" {OUTPUT}"
            ),
        ),
        (
            "rtsp://example.com#video=h265#width=1280#height=720#hardware=vaapi",
            format!(
                "{VAAPI} -allowed_media_types video {RTSP} rtsp://example.com {vaapi265} -an -vf \"{first},scale_vaapi=1280:720\" {OUTPUT}"
            ),
        ),
        (
            "/media/bbb.mp4#video=mjpeg#hardware=vaapi",
            format!(
                "{VAAPI} -re -i /media/bbb.mp4 -c:v mjpeg_vaapi -an -vf \"{first}\" -f mjpeg -"
            ),
        ),
        (
            "bbb.mp4#video=h264#hardware=rkmpp",
            format!("{RKMPP} -re -i bbb.mp4 {} -an {OUTPUT}", t("h264/rkmpp")),
        ),
        (
            "bbb.mp4#video=h264#height=320#hardware=rkmpp",
            format!(
                "{RKMPP} -re -i bbb.mp4 {} -an -vf \"format=drm_prime|nv12,hwupload,scale_rkrga=-1:320:force_original_aspect_ratio=0\" {OUTPUT}",
                t("h264/rkmpp")
            ),
        ),
        (
            "DeckLink SDI (2)#video=h264#hardware=vaapi#input=-format_code Hp29 -f decklink -i \"{input}\"",
            format!(
                "{VAAPI} -format_code Hp29 -f decklink -i \"DeckLink SDI (2)\" {vaapi264} -an -vf \"{first},scale_vaapi={COLOURS}\" {OUTPUT}"
            ),
        ),
        (
            "bbb.mp4#video=h264#width=640#rotate=90#hardware=cuda",
            format!(
                "-hwaccel cuda -hwaccel_output_format nv12 -re -i bbb.mp4 {} -an -vf \"scale=640:-1,transpose=1,hwupload\" {OUTPUT}",
                t("h264/cuda")
            ),
        ),
        (
            "bbb.mp4#video=h265#width=640#hardware=cuda",
            format!(
                "-hwaccel cuda -hwaccel_output_format cuda -re -i bbb.mp4 {} -an -vf \"scale_cuda=640:-1\" {OUTPUT}",
                t("h265/cuda")
            ),
        ),
        (
            "bbb.mp4#video=h264#hardware=v4l2m2m",
            format!("-re -i bbb.mp4 {} -an {OUTPUT}", t("h264/v4l2m2m")),
        ),
        // Nothing to replace, or nothing to replace it with.
        ("bbb.mp4#video=copy#hardware=vaapi", format!("-re -i bbb.mp4 -c:v copy -an {OUTPUT}")),
        (
            "bbb.mp4#video=mjpeg#hardware=cuda",
            "-re -i bbb.mp4 -c:v mjpeg -an -f mjpeg -".to_owned(),
        ),
        // Without a name it is what was found to work.
        (
            "bbb.mp4#video=h264#hardware",
            format!(
                "{VAAPI} -re -i bbb.mp4 {vaapi264} -an -vf \"{first},scale_vaapi={COLOURS}\" {OUTPUT}"
            ),
        ),
        (
            "bbb.mp4#video=h264#hardware=software",
            format!("-re -i bbb.mp4 {} -an {OUTPUT}", t("h264")),
        ),
        (
            "bbb.mp4#video=h264#width=640#hardware=dxva2",
            format!(
                "-hwaccel dxva2 -hwaccel_output_format dxva2_vld -re -i bbb.mp4 {} -an -vf \"hwmap=derive_device=qsv,format=qsv,scale_qsv=640:-1\" {OUTPUT}",
                t("h264/dxva2")
            ),
        ),
        (
            "bbb.mp4#video=h265#hardware=videotoolbox",
            format!(
                "-hwaccel videotoolbox -hwaccel_output_format videotoolbox_vld -re -i bbb.mp4 {} -an {OUTPUT}",
                t("h265/videotoolbox")
            ),
        ),
        (
            "bbb.mp4#video=h264#rotate=90#hardware=rkmpp",
            format!(
                "{RKMPP} -re -i bbb.mp4 {} -an -vf \"format=drm_prime|nv12,hwupload,vpp_rkrga=transpose=1\" {OUTPUT}",
                t("h264/rkmpp")
            ),
        ),
    ] {
        assert_eq!(command(source), expected, "{source}");
    }
}

#[test]
fn an_engine_is_looked_for_only_where_none_is_named() {
    let none = BTreeMap::new();
    let codec = |source: &str| super::command::probed_codec(source, Templates(&none));
    assert_eq!(codec("a.mp4#video=h264#hardware"), Some("h264"));
    assert_eq!(codec("a.mp4#video=mjpeg#hardware="), Some("mjpeg"));
    assert_eq!(codec("a.mp4#video=h265#video=h264#hardware"), Some("h264"));
    for source in ["video=h264", "video=h264#hardware=cuda", "video=copy#hardware", "hardware"] {
        assert_eq!(codec(&format!("a.mp4#{source}")), None, "{source}");
    }
    assert_eq!(codec("a.mp4#video=h265#hardware"), None);
}

#[test]
fn text_in_the_picture() {
    let text = r"scale=640:-1,drawtext=fontsize=12:text='%{localtime\:%Y-%m-%d %X}'";
    let source = "http:///example.com#video=h264#width=640#drawtext=fontsize=12";
    let expected = format!("{HTTP} http:///example.com {} -an -vf \"{text}\" {OUTPUT}", t("h264"));
    assert_eq!(command(source), expected);
    let expected = format!(
        "{VAAPI_NV12} {HTTP} http:///example.com {} -an -vf \"{text},hwupload\" {OUTPUT}",
        t("h264/vaapi")
    );
    assert_eq!(command(&format!("{source}#hardware=vaapi")), expected);
    assert!(command("a.mp4#video=h264#drawtext=text=x").contains("\"drawtext=text=x\""));
}

#[test]
fn made_by_ffmpeg() {
    let picture = |source: &str| command(source).split_once(" -c ").unwrap().0.to_owned();
    let default = "-re -f lavfi -i testsrc=decimals=2:size=1920x1080";
    assert_eq!(picture("virtual?video"), default);
    assert_eq!(picture("virtual"), default);
    let large = "-re -f lavfi -i testsrc2=size=3840x2160";
    assert_eq!(picture("virtual?video=testsrc2&size=4K"), large);
    let small = "-re -f lavfi -i testsrc=size=640x360:rate=5:decimals=1";
    assert_eq!(picture("virtual?size=640x360&rate=5&decimals=1"), small);
    let spoken = "-re -f lavfi -i \"flite=text='hello world':voice=slt\"";
    assert_eq!(picture("tts?text=hello+world&voice=slt"), spoken);
    let odd = r#"-re -f lavfi -i "flite=text='it'\\\''s 7\:30, "#.to_owned() + r#"really'""#;
    assert_eq!(picture("tts?text=it's 7:30,%20really"), odd);
}

#[test]
fn sound_that_is_chosen_later() {
    let opus = "-c:a libopus -application:a lowdelay -min_comp 0";
    assert_eq!(command("a.mp4#audio=auto"), format!("-re -i a.mp4 {opus} -vn {OUTPUT}"));
    let chosen = build(&Environment {
        templates: Templates(&BTreeMap::new()),
        is_stream: &|_| false,
        rtsp_port: None,
        libavformat: None,
        log_level: "",
        sound: "pcma/8000",
        engine: super::hardware::Engine::Software,
        source: "a.mp4#audio=auto#input=file",
    });
    let expected = "ffmpeg -hide_banner -re -i a.mp4 -c:a pcm_alaw -ar:a 8000 -ac:a 1 -vn -f wav -";
    assert_eq!(chosen.unwrap(), expected);
}

#[test]
fn what_home_assistant_adds() {
    let command = command_with("camera.door#audio=opus", &BTreeMap::new(), None);
    assert_eq!(command.unwrap_err().kind(), ErrorKind::NotFound, "it is never a file");
    assert!(self::command("camera.mp4").starts_with("-re -i camera.mp4 "));
    let url = "rtsp://127.0.0.1:8554/camera?audio&source=ffmpeg:camera%23audio%3Dopus%23query%3Dlog_level%3Ddebug&log_level=debug";
    let source = "camera#audio=opus#query=log_level=debug";
    assert!(self::command(source).starts_with(&format!("{RTSP} {url} -c:a libopus ")));
    let source = "rtsp://example.com#video=h264#audio=copy#raw=-vf hflip";
    assert_eq!(
        self::command(source),
        format!(
            "-allowed_media_types video+audio {RTSP} rtsp://example.com -vf hflip {} -c:a copy {OUTPUT}",
            t("h264")
        )
    );
}

#[test]
fn devices() {
    for (source, expected) in [
        (
            "device?video=0&video_size=1280x720&input_format=mjpeg",
            "-f v4l2 -video_size 1280x720 -input_format mjpeg -i /dev/video0 -c copy -f mjpeg -",
        ),
        (
            "device?video=/dev/video1&resolution=640x480#video=mjpeg",
            "-f v4l2 -video_size 640x480 -i /dev/video1 -c:v mjpeg -an -f mjpeg -",
        ),
        (
            "device?audio=default&channels=1&sample_rate=16000&#audio=pcma",
            "-f alsa -channels 1 -sample_rate 16000 -i default -c:a pcm_alaw -ar:a 8000 -ac:a 1 -vn -f wav -",
        ),
    ] {
        assert_eq!(command(source), expected, "{source}");
    }
    assert!(
        command("device?video=0&audio=hw:1").starts_with("-f v4l2 -i /dev/video0 -f alsa -i hw:1 ")
    );
}

#[test]
fn streams() {
    let url =
        "rtsp://127.0.0.1:8554/camera?audio&source=ffmpeg:camera%23audio%3Dopus%23query%3Dmp4&mp4";
    assert!(
        command("camera#audio=opus#query=mp4").starts_with(&format!("{RTSP} {url} -c:a libopus "))
    );
    let url = "rtsp://127.0.0.1:8554/a.b?video&audio&source=ffmpeg:a.b";
    assert_eq!(command("a.b"), format!("{RTSP} {url} -c copy {OUTPUT}"));
    let error = command_with("nobody", &BTreeMap::new(), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn several_codecs_become_several_tracks() {
    let expected = format!(
        "-re -i a.mp4 -map 0:v:0? -c:v:0 copy -map 0:v:0? -c:v:1 mjpeg -b:v 1M -maxrate 1M -bufsize 1M -map 0:a:0? -c:a:0 copy -map 0:a:0? -c:a:1 pcm_mulaw -ar:a:1 8000 -ac:a:1 1 {OUTPUT}"
    );
    let source = "a.mp4#video=copy#video=mjpeg#audio=copy#audio=pcmu#bitrate=1M";
    assert_eq!(command(source), expected);
}

#[test]
fn settings_replace_and_add_templates() {
    let settings =
        [("bin", "/opt/ffmpeg"), ("mine", "-c:v mine"), ("file", "-i {input}"), ("timeout", "9")];
    let settings = settings.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let settings = BTreeMap::from(settings);
    let mine = command_with("a.mp4#video=mine", &settings, None).unwrap();
    assert_eq!(mine, format!("/opt/ffmpeg -hide_banner -i a.mp4 -c:v mine -an {OUTPUT}"));
    assert!(command_with("rtsp://h", &settings, None).unwrap().contains("-timeout 9000000 "));
}

#[test]
fn newer_versions_start_at_once() {
    let begin = |version| {
        let command = command_with("/media/bbb.mp4", &BTreeMap::new(), version).unwrap();
        command.contains("-hide_banner -readrate_initial_burst 0.001 -re -i /media/bbb.mp4 ")
    };
    assert!(begin(Some((60, 16))) && begin(Some((61, 1))));
    assert!(!begin(Some((60, 15))) && !begin(None));
}

#[test]
fn odd_inputs_are_quoted() {
    assert!(command("/media/my clip.mp4").contains("-i \"/media/my clip.mp4\" "));
    assert!(command("/media/the \"best\" clip.mp4").contains("-i '/media/the \"best\" clip.mp4' "));
    let prefix = "-use_wallclock_as_timestamps 1 -async 1 -re -i a.mp4";
    assert!(command("a.mp4#async").starts_with(prefix));
}

#[test]
fn wrong_parameters_are_named() {
    for (source, text) in [
        ("", "ffmpeg: there is no input"),
        ("a.mp4#video=h264#hardware=x", "ffmpeg: unknown hardware engine x"),
    ] {
        let error = command_with(source, &BTreeMap::new(), None).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, text));
    }
    assert!(super::check("ffmpeg:camera#video=h264").is_ok());
    assert!(super::check("ffmpeg:a.mp4#raw='x").is_err());
}

#[test]
fn devices_are_exclusive() {
    let same = Some("/dev/video0".to_owned());
    assert_eq!(super::device("device?video=0&video_size=1280x720#video=h264"), same);
    assert_eq!(super::device("device?video=/dev/video0&audio=hw:1"), same);
    assert_eq!(super::device("/dev/video0#input=-f v4l2 -i {input}"), same);
    assert_eq!(super::device("device?audio=hw:1"), Some("alsa hw:1".to_owned()));
    assert_eq!(super::device("rtsp://cam/1#video=copy"), None);
    assert_eq!(super::device("virtual?video"), None);
}
