//! The files of the pages, compiled in: HTML, style sheets and modules as they are, without a framework and without
//! anything that is fetched from elsewhere.

pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    pub(super) bytes: &'static [u8],
    /// Whether it is a page, which needs a session; the rest is the same for everybody.
    pub(super) is_page: bool,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:literal, $file:literal, $kind:expr) => {
        Asset {
            path: $path,
            kind: $kind,
            bytes: include_bytes!(concat!("assets/", $file)),
            is_page: matches!($kind.as_bytes(), [b't', b'e', b'x', b't', b'/', b'h', ..]),
        }
    };
}

pub(super) const ASSETS: &[Asset] = &[
    asset!("/link", "link.html", HTML),
    asset!("/ui", "ui.html", HTML),
    asset!("/style.css", "style.css", "text/css; charset=utf-8"),
    asset!("/icon.svg", "icon.svg", "image/svg+xml"),
    asset!("/common.js", "common.js", SCRIPT),
    asset!("/licence.js", "licence.js", SCRIPT),
    asset!("/wallet.js", "wallet.js", SCRIPT),
    asset!("/link.js", "link.js", SCRIPT),
    asset!("/charts.js", "charts.js", SCRIPT),
    asset!("/machine.js", "machine.js", SCRIPT),
    asset!("/ui.js", "ui.js", SCRIPT),
];

/// What a browser shows where it is turned away, with `{}` for what is said.
pub(super) const DENIED: &str = include_str!("assets/denied.html");
