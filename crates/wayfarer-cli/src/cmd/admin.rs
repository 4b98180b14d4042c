//! `wayfarer admin`: sites and tokens; goals and segments are in [`super::saved`].

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use wayfarer_embedded::{Scope, SiteSpec};
use wayfarer_server::local::Folder;

use super::saved::{AddGoal, AddSegment, Of};
use crate::{
    desk::{Desk, with_folder},
    failure::Failure,
    show::{output, rows},
};

/// What is administered.
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Sites: whose events these are
    #[command(subcommand)]
    Site(Site),
    /// Tokens: who may send events, and who may also read
    #[command(subcommand)]
    Token(Token),
    /// Goals: what is wanted to happen
    #[command(subcommand)]
    Goal(Of<AddGoal>),
    /// Segments: whom and what reports can be narrowed to
    #[command(subcommand)]
    Segment(Of<AddSegment>),
}

/// What is done with sites.
#[derive(Debug, Subcommand)]
pub(crate) enum Site {
    /// Make a site, or give a site a new time zone, new hosts and a new retention
    Add(AddSite),
    /// List the sites
    List,
}

/// Make a site, or give a site a new time zone, new hosts and a new retention
#[derive(Args, Debug)]
pub(crate) struct AddSite {
    /// Its name: letters, digits, `.`, `-` and `_`
    name: String,
    /// The time zone of its days, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    tz: String,
    /// A host of its own, from which browsers may send; none: from everywhere
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Keep its events for so many days; for ever by default
    #[arg(long, value_name = "N")]
    keep_days: Option<u32>,
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token; it is shown once, now
    Create(CreateToken),
    /// List the tokens, without their secrets
    List,
    /// Take a token back
    Revoke {
        /// Its id, as `list` shows it
        #[arg(allow_hyphen_values = true)]
        id: String,
    },
}

/// Make a token; it is shown once, now
#[derive(Args, Debug)]
pub(crate) struct CreateToken {
    /// Whose events
    #[arg(long, value_name = "S")]
    site: String,
    /// What it may do
    #[arg(long)]
    scope: ScopeName,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeName {
    /// Public, in pages: sends events as the browser that it is
    Browser,
    /// Secret, on servers: sends events for others, reads insights and reports
    Server,
}

impl From<ScopeName> for Scope {
    fn from(scope: ScopeName) -> Scope {
        match scope {
            ScopeName::Browser => Scope::Browser,
            ScopeName::Server => Scope::Server,
        }
    }
}

impl Admin {
    /// Does it.
    pub(crate) async fn run(self, desk: Desk) -> Result<(), Failure> {
        match self {
            Admin::Site(Site::Add(site)) => site.run(&desk).await,
            Admin::Site(Site::List) => {
                let folder = desk.existing().await?;
                let sites = with_folder(folder, async |folder| Ok(folder.sites().await?)).await?;
                rows(&desk, &sites)
            }
            Admin::Token(Token::Create(token)) => token.run(&desk).await,
            Admin::Token(Token::List) => {
                let folder = desk.existing().await?;
                let tokens = with_folder(folder, async |folder| Ok(folder.tokens().await?)).await?;
                rows(&desk, &tokens)
            }
            Admin::Token(Token::Revoke { id }) => revoke(&desk, id).await,
            Admin::Goal(goal) => goal.run(&desk).await,
            Admin::Segment(segment) => segment.run(&desk).await,
        }
    }
}

impl AddSite {
    async fn run(self, desk: &Desk) -> Result<(), Failure> {
        let mut site = SiteSpec::new(self.name).timezone(self.tz);
        site.hosts = self.hosts;
        site.keep_days = self.keep_days;
        let put = async |folder: &Folder| Ok(folder.put_site(&site).await?);
        with_folder(desk.folder().await?, put).await?;
        if desk.json {
            return Ok(output::json(&site)?);
        }
        let variables = [("site", site.name.into()), ("zone", site.timezone.into())];
        Ok(output::line(&desk.words.with("cli-site-added", &variables))?)
    }
}

impl CreateToken {
    async fn run(self, desk: &Desk) -> Result<(), Failure> {
        let create =
            async |folder: &Folder| Ok(folder.create_token(&self.site, self.scope.into()).await?);
        let token = with_folder(desk.existing().await?, create).await?;
        if desk.json {
            return Ok(output::json(&token)?);
        }
        // The token alone, so that a script without JSON can take it as it is.
        Ok(output::line(&token.token)?)
    }
}

async fn revoke(desk: &Desk, id: String) -> Result<(), Failure> {
    let revoke = async |folder: &Folder| Ok(folder.revoke_token(&id).await?);
    if !with_folder(desk.existing().await?, revoke).await? {
        return Err(Failure::new("cli-token-unknown").with("id", id));
    }
    if desk.json {
        return Ok(output::json(&json!({ "revoked": id }))?);
    }
    Ok(output::line(&desk.words.with("cli-token-revoked", &[("id", id.into())]))?)
}
