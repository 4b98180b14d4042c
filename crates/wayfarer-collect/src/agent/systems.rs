//! Operating systems and devices.

use compact_str::CompactString;

use super::version;

/// A system and its version.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct System {
    pub(super) name: Option<&'static str>,
    pub(super) version: Option<CompactString>,
}

/// A token of a user agent and the system that it means, in the order in which they are tried; the version stands right
/// behind the token.
#[rustfmt::skip]
static SYSTEMS: &[(&str, &str)] = &[
    ("Windows Phone OS ", "Windows Phone"), ("Windows Phone ", "Windows Phone"), ("Windows CE", "Windows CE"), ("Xbox", "Xbox"), ("Windows NT ", "Windows"), ("Windows ", "Windows"), ("Win98", "Windows"), ("Win64", "Windows"), ("Win32", "Windows"),
    ("CPU iPhone OS ", "iOS"), ("CPU OS ", "iPadOS"), ("iPhone OS ", "iOS"), ("iPhone", "iOS"), ("iPad", "iPadOS"), ("iPod", "iOS"), ("watchOS", "watchOS"), ("AppleTV", "tvOS"), ("Apple TV", "tvOS"),
    ("OpenHarmony ", "HarmonyOS"), ("HarmonyOS ", "HarmonyOS"), ("HarmonyOS", "HarmonyOS"), ("KAIOS/", "KaiOS"), ("Tizen ", "Tizen"), ("Tizen/", "Tizen"), ("Web0S", "webOS"), ("webOS/", "webOS"), ("hpwOS/", "webOS"), ("BB10", "BlackBerry"), ("BlackBerry", "BlackBerry"), ("PlayBook", "BlackBerry"),
    ("Android ", "Android"), ("Android", "Android"),
    ("Intel Mac OS X ", "macOS"), ("PPC Mac OS X ", "macOS"), ("Mac OS X ", "macOS"), ("Mac OS X", "macOS"), ("Macintosh", "macOS"), ("Mac_PowerPC", "macOS"),
    ("CrOS ", "ChromeOS"), ("Symbian", "Symbian"), ("Series60", "Symbian"), ("PlayStation ", "PlayStation"), ("Nintendo ", "Nintendo"), ("MeeGo", "MeeGo"), ("Maemo", "Maemo"),
    ("Linux", "Linux"), ("Ubuntu", "Linux"), ("X11; U; ", "Linux"), ("FreeBSD", "FreeBSD"), ("OpenBSD", "OpenBSD"), ("NetBSD", "NetBSD"), ("SunOS", "Solaris"), ("Haiku", "Haiku"), ("OS/2", "OS/2"),
];

/// Versions of Windows by the number that its kernel gives. 10 and 11 give the same.
static WINDOWS: &[(&str, &str)] = &[
    ("10.0", "10"),
    ("6.4", "10"),
    ("6.3", "8.1"),
    ("6.2", "8"),
    ("6.1", "7"),
    ("6.0", "Vista"),
    ("5.2", "XP"),
    ("5.1", "XP"),
    ("5.01", "2000"),
    ("5.0", "2000"),
];

/// The system that a user agent names.
pub(super) fn recognise(agent: &str) -> System {
    let found = SYSTEMS.iter().find_map(|(token, name)| {
        let (_, rest) = agent.split_once(token)?;
        Some((*token, *name, rest))
    });
    let Some((token, name, rest)) = found else { return System::default() };
    let number = match name {
        "Linux" | "ChromeOS" | "Nintendo" | "Xbox" => None,
        "Android" => version(rest, 1),
        _ => version(rest, 2),
    };
    let version = match token {
        "Windows NT " => number.and_then(|number| windows(&number)),
        _ => number,
    };
    System { name: Some(name), version }
}

fn windows(kernel: &str) -> Option<CompactString> {
    WINDOWS.iter().find(|(number, _)| *number == kernel).map(|(_, name)| (*name).into())
}

/// The kind of device: `desktop`, `mobile`, `tablet`; `None` for others (televisions, consoles) and where it is not said.
pub(super) fn device(agent: &str, system: Option<&str>) -> Option<&'static str> {
    let has = |token| agent.contains(token);
    if has("SmartTV") || has("Smart-TV") || has("SMART-TV") || has("GoogleTV") || has("Android TV")
    {
        return None;
    }
    match system? {
        "iPadOS" => Some("tablet"),
        "Android" | "HarmonyOS" | "Tizen" if has("Tablet") => Some("tablet"),
        "Android" if has("AFT") || has("BRAVIA") || has(" TV") => None,
        "HarmonyOS" if has("PC") => Some("desktop"),
        "Android" | "HarmonyOS" if has("Mobi") => Some("mobile"),
        "Android" if has("Opera Mini") || has("Opera Mobi") || has("UCBrowser") => Some("mobile"),
        "Android" => Some("tablet"),
        "iOS" | "Windows Phone" | "KaiOS" | "Symbian" | "MeeGo" | "Maemo" | "Windows CE" => {
            Some("mobile")
        }
        "BlackBerry" if has("PlayBook") => Some("tablet"),
        "BlackBerry" => Some("mobile"),
        "Windows" | "macOS" | "ChromeOS" | "FreeBSD" | "OpenBSD" | "NetBSD" | "Solaris"
        | "Haiku" | "OS/2" => Some("desktop"),
        "Linux" => Some(if has("Mobi") { "mobile" } else { "desktop" }),
        "HarmonyOS" | "Tizen" | "webOS" if has("Mobi") => Some("mobile"),
        _ => None,
    }
}
