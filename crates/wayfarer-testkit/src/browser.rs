//! Headless Chromium for tests, driven over WebDriver by `chromedriver`.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use fantoccini::{Client, ClientBuilder};
use serde_json::{Map, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// A browser with an empty profile. It is closed by [`close`](Browser::close), and killed when dropped.
pub struct Browser {
    client: Client,
    _driver: Child,
    profile: TempDir,
}

/// A driver that is killed leaves its browser behind. The folder of the profile is in the browser's command line and in
/// nobody else's.
impl Drop for Browser {
    fn drop(&mut self) {
        let profile = self.profile.path().as_os_str();
        let killed =
            std::process::Command::new("pkill").args(["-KILL", "-f"]).arg(profile).status();
        if let Err(error) = killed {
            eprintln!("a browser may still be running: {error}");
        }
    }
}

/// Chromium as a test wants it: no window, no profile of somebody's, no calls home.
const ARGUMENTS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
    // By its own name, headless Chromium is a bot, and what it does is not counted.
    "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
];

impl Browser {
    /// Starts a browser whose first language is `language`, such as `en` or `zh-CN`.
    ///
    /// # Errors
    /// When `chromedriver` or `chromium` is missing or does not start.
    pub async fn start(language: &str) -> Result<Browser> {
        let profile = TempDir::new()?;
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("could not start chromedriver; `apt-get install chromium-driver` brings it")?;
        let port = port(&mut driver).await?;
        let mut arguments: Vec<String> =
            ARGUMENTS.iter().map(|&argument| argument.into()).collect();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        arguments.push(format!("--lang={language}"));
        let options = json!({
            "args": arguments,
            "prefs": { "intl.accept_languages": language },
        });
        let capabilities = Map::from_iter([("goog:chromeOptions".to_owned(), options)]);
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("could not start chromium; `apt-get install chromium` brings it")?;
        Ok(Browser { client, _driver: driver, profile })
    }

    /// The WebDriver client: go to a page, find elements, click.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Closes the browser.
    ///
    /// # Errors
    /// When the browser is gone already.
    pub async fn close(self) -> Result<()> {
        self.client.clone().close().await.context("the browser did not close")
    }
}

/// Reads `ChromeDriver was started successfully on port 40123.`
async fn port(driver: &mut Child) -> Result<u16> {
    let stdout = driver.stdout.take().context("chromedriver has no stdout")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().context("chromedriver named no port");
        }
    }
    bail!("chromedriver ended before it was ready")
}

#[cfg(test)]
mod tests {
    mod real {
        use crate::Browser;

        #[tokio::test]
        async fn a_browser_shows_a_page_in_its_language() {
            let browser = Browser::start("zh-CN").await.unwrap();
            browser.client().goto("data:text/html,<title>hello</title>").await.unwrap();
            assert_eq!(browser.client().title().await.unwrap(), "hello");
            let language = browser.client().execute("return navigator.language", vec![]).await;
            assert_eq!(language.unwrap(), "zh-CN");
            browser.close().await.unwrap();
        }
    }
}
