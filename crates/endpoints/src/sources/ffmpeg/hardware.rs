//! Hardware encoders and filters (`spec/protocols-standard.md` 7.4).

use super::command::Parts;
use super::templates::Templates;

/// An engine that `#hardware=` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Engine {
    Vaapi,
    V4l2m2m,
    Cuda,
    Dxva2,
    VideoToolbox,
    Rkmpp,
    Software,
}

const NAMES: [(&str, Engine); 7] = [
    ("vaapi", Engine::Vaapi),
    ("v4l2m2m", Engine::V4l2m2m),
    ("cuda", Engine::Cuda),
    ("dxva2", Engine::Dxva2),
    ("videotoolbox", Engine::VideoToolbox),
    ("rkmpp", Engine::Rkmpp),
    ("software", Engine::Software),
];

impl Engine {
    /// By its name.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(n, _)| *n == name).map(|(_, engine)| *engine)
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, engine)| *engine == self).map_or("", |(name, _)| name)
    }
}

/// Which encoders an engine can take the place of, by the beginning of their text.
pub(super) fn replaceable(codec: &str) -> Option<&'static str> {
    let name = codec.split_once("-c:v ").map_or(codec, |(_, name)| name);
    [("libx264", "h264"), ("libx265", "h265"), ("mjpeg", "mjpeg")]
        .iter()
        .find(|(begin, _)| name.starts_with(begin))
        .map(|(_, name)| *name)
}

/// Replaces encoders and filters by those of an engine, where it has some.
pub(super) fn apply(parts: &mut Parts, engine: Engine, templates: Templates<'_>) {
    if engine == Engine::Software {
        return;
    }
    let mut replaced = Vec::new();
    for codec in &mut parts.video {
        let Some(name) = replaceable(codec) else { continue };
        if let Some(text) = templates.get(&format!("{name}/{}", engine.name())) {
            *codec = text.to_owned();
            replaced.push(name);
        }
    }
    if replaced.is_empty() {
        return;
    }
    let h264 = replaced.contains(&"h264");
    let drawn = has(parts, "drawtext");
    let prefix = match engine {
        Engine::Vaapi => {
            vaapi(parts, h264, drawn);
            decoder("vaapi", "vaapi", drawn, "-hwaccel_flags allow_profile_mismatch ")
        }
        Engine::Cuda => {
            let software = drawn || has(parts, "transpose");
            if software {
                parts.filters.push("hwupload".to_owned());
            } else {
                rename(parts, "scale=", "scale_cuda=");
            }
            decoder("cuda", "cuda", software, "")
        }
        Engine::Dxva2 => {
            rename(parts, "scale=", "scale_qsv=");
            parts.filters.insert(0, "hwmap=derive_device=qsv,format=qsv".to_owned());
            decoder("dxva2", "dxva2_vld", false, "")
        }
        Engine::VideoToolbox => decoder("videotoolbox", "videotoolbox_vld", false, ""),
        Engine::Rkmpp => {
            rkmpp(parts, drawn);
            decoder("rkmpp", "drm_prime", drawn, "-afbc rga ")
        }
        Engine::V4l2m2m | Engine::Software => String::new(),
    };
    parts.input.insert_str(0, &prefix);
}

/// Options in front of the input. Software filters need pictures in memory.
fn decoder(name: &str, format: &str, software: bool, more: &str) -> String {
    let format = if software { "nv12" } else { format };
    format!("-hwaccel {name} -hwaccel_output_format {format} {more}")
}

fn has(parts: &Parts, filter: &str) -> bool {
    parts.filters.iter().any(|f| f.starts_with(filter))
}

fn rename(parts: &mut Parts, from: &str, to: &str) {
    for filter in &mut parts.filters {
        if let Some(rest) = filter.strip_prefix(from) {
            *filter = format!("{to}{rest}");
        }
    }
}

/// Turns by 180 degrees are one step in hardware (direction 4).
fn rename_transpose(parts: &mut Parts, to: &str) {
    rename(parts, "transpose=1,transpose=1", "transpose=4");
    rename(parts, "transpose=", to);
}

fn vaapi(parts: &mut Parts, h264: bool, drawn: bool) {
    /// Full-range colours (MJPEG cameras) look wrong in H.264 otherwise.
    const COLOURS: &str = "out_color_matrix=bt709:out_range=tv:format=nv12";
    if drawn {
        parts.filters.push("hwupload".to_owned());
        return;
    }
    rename(parts, "scale=", "scale_vaapi=");
    rename_transpose(parts, "transpose_vaapi=");
    if h264 {
        match parts.filters.iter_mut().find(|f| f.starts_with("scale_vaapi=")) {
            Some(scale) => *scale = format!("{scale}:{COLOURS}"),
            None => parts.filters.push(format!("scale_vaapi={COLOURS}")),
        }
    }
    parts.filters.insert(0, "format=vaapi|nv12,hwupload".to_owned());
}

fn rkmpp(parts: &mut Parts, drawn: bool) {
    if drawn {
        parts.filters.push("hwupload".to_owned());
        return;
    }
    rename(parts, "scale=", "scale_rkrga=");
    for filter in &mut parts.filters {
        if filter.starts_with("scale_rkrga=") {
            filter.push_str(":force_original_aspect_ratio=0");
        }
    }
    rename_transpose(parts, "vpp_rkrga=transpose=");
    if !parts.filters.is_empty() {
        parts.filters.insert(0, "format=drm_prime|nv12,hwupload".to_owned());
    }
}
