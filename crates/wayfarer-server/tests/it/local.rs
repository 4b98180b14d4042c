//! The socket: what the command line does to a folder that a server holds is what it does to one that it opens itself.

use std::{io::Read, path::Path};

use wayfarer_embedded::{
    ExportRequest, Exported, ImportCounts, ImportEvent, ImportRequest, Inputs, OpenError, Options,
    Request, Scope, SiteSpec, Wayfarer,
};
use wayfarer_server::{
    ServeError, Server,
    config::Http,
    local::{Folder, FolderError},
};

use crate::house::House;

const LOG: &str = r#"203.0.113.7 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
203.0.113.8 - - [17/May/2015:10:05:04 +0000] "GET /b HTTP/1.1" 404 5 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
this is no line of a log of 203.0.113.9
203.0.113.7 - - [17/May/2015:10:05:05 +0000] "GET /a HTTP/1.1" 200 5 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
"#;

fn inputs(texts: &[&'static str]) -> Inputs {
    let texts = texts.to_vec();
    Box::new(texts.into_iter().map(|text| Ok(Box::new(text.as_bytes()) as Box<dyn Read + Send>)))
}

/// Everything that the command line does, in one run; what comes out must not depend on who holds the folder.
async fn work(folder: &Folder) -> (ImportCounts, Vec<ImportEvent>, Vec<String>, String) {
    let request = ImportRequest { site: "s".into(), ..ImportRequest::default() };
    let mut events = Vec::new();
    let mut counts =
        folder.import(&request, inputs(&[LOG]), |event| events.push(event)).await.unwrap();
    let again = folder.import(&request, inputs(&[LOG, LOG]), |_| {}).await.unwrap();
    assert_eq!((again.imported, again.duplicates), (0, 6));
    counts.seconds = 0.0;
    folder.put_site(&SiteSpec::new("s").timezone("Asia/Shanghai")).await.unwrap();
    assert_eq!(folder.sites().await.unwrap()[0].timezone, "Asia/Shanghai");
    let token = folder.create_token("s", Scope::Browser).await.unwrap();
    assert_eq!(folder.tokens().await.unwrap()[0].id, token.id);
    assert!(folder.revoke_token(&token.id).await.unwrap());
    assert!(!folder.revoke_token(&token.id).await.unwrap());
    let request = Request { report: "trend".into(), site: "s".into(), ..Request::default() };
    let answer = folder.report(&request).await.unwrap();
    let exported = export(folder, &ExportRequest::default()).await;
    let paths = exported.iter().map(|row| row.event.path.as_deref().unwrap_or_default().to_owned());
    let mut rows: Vec<String> = paths.collect();
    rows.sort();
    assert_eq!(folder.status().await.unwrap().lake.rows, 3);
    (counts, events, rows, serde_json::to_string(&answer.rows).unwrap())
}

async fn export(folder: &Folder, request: &ExportRequest) -> Vec<Exported> {
    let mut stream = folder.export(request).await.unwrap();
    let mut rows = Vec::new();
    while let Some(batch) = stream.next_batch().await.unwrap() {
        rows.extend(batch);
    }
    rows
}

async fn open(folder: &Path) -> Folder {
    Folder::open(folder, Options::default()).await.unwrap()
}

#[tokio::test]
async fn both_ways_do_the_same() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let direct = open(here.path()).await;
    assert!(matches!(direct, Folder::Open(_)));
    let house = House::open(there.path()).await;
    let remote = open(there.path()).await;
    assert!(matches!(remote, Folder::Remote(_)));
    let expected = work(&direct).await;
    assert_eq!((expected.0.read, expected.0.imported, expected.0.rejected), (4, 3, 1));
    assert!(!format!("{:?}", expected.1).contains("203.0.113.9"), "addresses are masked");
    assert_eq!(work(&remote).await, expected);
    direct.close().await.unwrap();
    remote.close().await.unwrap();
    house.close().await;
}

#[tokio::test]
async fn what_is_refused_is_refused_in_the_same_words() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let direct = open(here.path()).await;
    let house = House::open(there.path()).await;
    let remote = open(there.path()).await;
    let report = Request { report: "overview".into(), site: "nobody".into(), ..Request::default() };
    let site = SiteSpec::new("a/b");
    let import = ImportRequest { site: "s".into(), format: Some("morse".into()), timezone: None };
    let mut said = Vec::new();
    for folder in [&direct, &remote] {
        let errors = [
            folder.report(&report).await.unwrap_err(),
            folder.put_site(&site).await.unwrap_err(),
            folder.create_token("nobody", Scope::Server).await.unwrap_err(),
            folder.import(&import, inputs(&[LOG]), |_| {}).await.unwrap_err(),
        ];
        assert!(errors.iter().all(FolderError::is_wrong_usage));
        said.push(errors.map(|error| error.to_string()));
    }
    assert_eq!(said[0], said[1]);
    direct.close().await.unwrap();
    house.close().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_read_ends_the_import_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(folder.path()).await;
    let remote = open(folder.path()).await;
    let broken: Inputs = Box::new(
        [
            Ok(Box::new(LOG.as_bytes()) as Box<dyn Read + Send>),
            Err(std::io::Error::other("disk on fire")),
        ]
        .into_iter(),
    );
    let request = ImportRequest { site: "s".into(), ..ImportRequest::default() };
    let error = remote.import(&request, broken, |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("disk on fire"), "{error}");
    assert!(!error.is_wrong_usage());
    assert_eq!(remote.status().await.unwrap().lake.rows, 3, "what was read before stays");
    house.close().await;
}

#[tokio::test]
async fn an_export_takes_the_days_of_the_site() {
    let folder = tempfile::tempdir().unwrap();
    let direct = open(folder.path()).await;
    let request =
        ImportRequest { site: "s".into(), timezone: Some("Asia/Shanghai".into()), format: None };
    let late = r#"203.0.113.7 - - [17/May/2015:20:00:00 +0000] "GET /late HTTP/1.1" 200 5 "-" "x""#;
    direct.import(&request, inputs(&[LOG, late]), |_| {}).await.unwrap();
    let of = |from: Option<&str>, to: Option<&str>| ExportRequest {
        site: Some("s".into()),
        from: from.map(Into::into),
        to: to.map(Into::into),
        person: None,
    };
    assert_eq!(export(&direct, &of(None, None)).await.len(), 4);
    assert_eq!(export(&direct, &of(None, Some("2015-05-17"))).await.len(), 3);
    assert_eq!(export(&direct, &of(Some("2015-05-18"), None)).await.len(), 1);
    assert_eq!(export(&direct, &of(Some("2015-05"), None)).await.len(), 4);
    assert_eq!(export(&direct, &of(Some("7d"), None)).await.len(), 0);
    let error = direct.export(&of(Some("soon"), None)).await.unwrap_err();
    assert!(error.is_wrong_usage(), "{error}");
    direct.close().await.unwrap();
}

#[tokio::test]
async fn one_process_holds_a_folder_and_it_must_answer() {
    let folder = tempfile::tempdir().unwrap();
    let held = Wayfarer::open(folder.path(), Options::default()).await.unwrap();
    let second = Wayfarer::open(folder.path(), Options::default()).await.unwrap_err();
    assert!(matches!(second, OpenError::Held { .. }), "{second}");
    let error = Folder::open(folder.path(), Options::default()).await.unwrap_err();
    assert!(matches!(error, FolderError::Unreachable { .. }), "{error}");
    held.close().await.unwrap();
    drop(held);
    open(folder.path()).await.close().await.unwrap();
    let nowhere = Folder::existing(&folder.path().join("no"), Options::default()).await;
    assert!(matches!(nowhere, Err(FolderError::Missing { .. })));
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let wayfarer = Wayfarer::open(folder.path(), Options::default()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let server = Server::new(wayfarer.clone(), Http::default());
    let refused = wayfarer_server::serve(server, listener, std::future::pending()).await;
    assert!(matches!(refused, Err(ServeError::NotLoopback(_))));
    wayfarer.close().await.unwrap();
}
