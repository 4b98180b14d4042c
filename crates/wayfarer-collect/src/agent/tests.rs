use super::*;

fn read(text: &str) -> Software {
    (*Agents::new().read(visitor::Agent::Said(text))).clone()
}

fn short(text: &str) -> String {
    let software = read(text);
    assert_eq!(software.bot_reason, None, "{text}");
    let text = |field: &Option<CompactString>| field.as_deref().unwrap_or("-").to_owned();
    format!(
        "{} {} | {} {} | {}",
        text(&software.browser),
        text(&software.browser_version),
        text(&software.os),
        text(&software.os_version),
        text(&software.device)
    )
}

#[test]
fn the_browsers_of_today_are_recognised() {
    let cases = [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Chrome 142 | Windows 10 | desktop",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Edge 142 | Windows 10 | desktop",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
            "Safari 18 | macOS 10.15 | desktop",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari 18 | iOS 18.1 | mobile",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/130.0.6723.78 Mobile/15E148 Safari/604.1",
            "Chrome 130 | iPadOS 17.6 | tablet",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
            "Firefox 132 | Linux - | desktop",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
            "Samsung Internet 26 | Android 14 | mobile",
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Chrome 142 | Android 13 | tablet",
        ),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Chrome 142 | ChromeOS - | desktop",
        ),
        (
            "Mozilla/5.0 (Linux; Android 12; V2) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/116.0.0.0 Mobile Safari/537.36 MMWEBID/1 MicroMessenger/8.0.47.2560(0x28002F36) NetType/WIFI Language/zh_CN",
            "WeChat 8 | Android 12 | mobile",
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
            "Internet Explorer 11 | Windows 7 | desktop",
        ),
        (
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1)",
            "Internet Explorer 8 | Windows XP | desktop",
        ),
        (
            "Opera/9.80 (Windows NT 6.1; U; en) Presto/2.10.289 Version/12.01",
            "Opera 12 | Windows 7 | desktop",
        ),
    ];
    for (agent, software) in cases {
        assert_eq!(short(agent), software, "{agent}");
    }
}

#[test]
fn bots_say_why() {
    let cases = [
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "ua:googlebot",
        ),
        ("Mozilla/5.0 (compatible; ExampleBot/1.0)", "ua:examplebot"),
        ("curl/8.5.0", "ua:curl"),
        ("Wget/1.21", "ua:wget"),
        ("python-requests/2.32", "ua:python"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
            "ua:headless",
        ),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Thing/1.0) Chrome/142 Safari/537.36",
            "ua:thing",
        ),
        ("Some Tool (+https://example.org/about)", "ua:link"),
        ("Mozilla", "ua:no-browser"),
    ];
    for (agent, reason) in cases {
        assert_eq!(read(agent).bot_reason.as_deref(), Some(reason), "{agent}");
    }
    let none = Agents::new().read(visitor::Agent::Missing);
    assert_eq!(none.bot_reason.as_deref(), Some("no-ua"));
    assert_eq!(read("-").bot_reason.as_deref(), Some("no-ua"));
    assert_eq!(*Agents::new().read(visitor::Agent::NotKnown), Software::default());
}

#[test]
fn telephones_and_carriers_are_no_bots() {
    short(
        "Mozilla/5.0 (Linux; U; Android 4.2.1; en-gb; CUBOT ONE Build/JOP40D) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
    );
    short(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 11_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15G77 [FBAN/FBIOS;FBAV/194.0.0.38.99;FBCR/OrangeBotswana]",
    );
}

#[test]
fn a_reason_is_short_whatever_the_agent() {
    for agent in ["é".repeat(200) + "bot", "x".repeat(1000) + "crawler", "\u{1F600}bot".into()] {
        assert!(read(&agent).bot_reason.unwrap().len() <= LONGEST_REASON);
    }
}

const LONGEST_REASON: usize = 43;
