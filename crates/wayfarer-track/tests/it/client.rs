//! The sink and the source that speak HTTP, against a server that answers as a collector may.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::Query,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use wayfarer_event::{EventSink, InsightError, InsightSource, RawEvent, Rests, SinkError, Who};
use wayfarer_track::{HttpInsights, HttpSink};

use crate::common::serve;

type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A collector that answers every batch alike, and remembers what it was sent.
async fn collector(status: u16, headers: &'static [(&str, &str)], body: Value) -> (HttpSink, Seen) {
    let seen = Seen::default();
    let memory = seen.clone();
    let events = move |sent: HeaderMap, Json(batch): Json<Value>| async move {
        let token = sent["authorization"].to_str().unwrap().to_owned();
        memory.lock().unwrap().push((token, batch));
        let mut answer: Response =
            (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
        for (name, value) in headers {
            answer.headers_mut().insert(*name, value.parse().unwrap());
        }
        answer
    };
    let url = serve(Router::new().route("/api/v1/events", post(events))).await;
    (HttpSink::new(&url, "secret").unwrap(), seen)
}

fn batch() -> Vec<RawEvent> {
    vec![RawEvent::new("a"), RawEvent::new("b")]
}

#[tokio::test]
async fn a_batch_arrives_and_its_receipt_comes_back() {
    let receipt = json!({"accepted": 1, "declined": 0, "rejected": [{"index": 1, "reason": "no"}]});
    let (sink, seen) = collector(202, &[], receipt).await;
    let receipt = sink.send(batch()).await.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected[0].index), (1, 1));
    let expected = json!({"events": [{"name": "a"}, {"name": "b"}]});
    assert_eq!(*seen.lock().unwrap(), [("Bearer secret".to_owned(), expected)]);
    assert_eq!(sink.send(Vec::new()).await.unwrap().accepted, 0);
    assert_eq!(seen.lock().unwrap().len(), 1, "nothing is not sent");
}

#[tokio::test]
async fn what_may_be_tried_again_is_told_from_what_may_not() {
    let none = json!({"accepted": 0, "declined": 0, "rejected": [{"index": 0, "reason": "no"}]});
    let (sink, _) = collector(400, &[], none).await;
    assert_eq!(sink.send(batch()).await.unwrap().rejected.len(), 1);

    let answer = |status, headers| async move {
        let (sink, _) = collector(status, headers, json!({"error": "sentence"})).await;
        sink.send(batch()).await.unwrap_err()
    };
    assert!(matches!(answer(400, &[]).await, SinkError::Refused(why) if why.contains("sentence")));
    assert!(matches!(answer(401, &[]).await, SinkError::Refused(why) if why.contains("401")));
    assert!(matches!(answer(403, &[]).await, SinkError::Refused(_)));
    assert!(matches!(answer(413, &[]).await, SinkError::TooLarge));
    assert!(matches!(answer(429, &[]).await, SinkError::Busy { retry_after_s: 1 }));
    let busy = answer(503, &[("retry-after", "7")]).await;
    assert!(matches!(busy, SinkError::Busy { retry_after_s: 7 }));
    assert!(matches!(answer(500, &[]).await, SinkError::Unavailable(_)));
    // Something that is no collector took the batch: nobody knows what became of it.
    assert!(matches!(answer(200, &[]).await, SinkError::Unavailable(_)));
}

#[tokio::test]
async fn nobody_there_is_said_plainly() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sink = HttpSink::new(&format!("http://{address}"), "t").unwrap();
    let error = sink.send(batch()).await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_silent_collector_is_not_waited_for_for_ever() {
    let silence = || std::future::pending::<()>();
    let url = serve(Router::new().route("/api/v1/events", post(silence))).await;
    let sink = HttpSink::new(&url, "t").unwrap().timeout(std::time::Duration::from_millis(20));
    let error = sink.send(batch()).await.unwrap_err();
    assert!(matches!(&error, SinkError::Unavailable(why) if why.contains("20 ms")), "{error}");
}

#[tokio::test]
async fn insights_are_asked_for_by_name() {
    let answer = |Query(query): Query<Value>| async move {
        let next = json!([{"path": format!("/{query}"), "share": 0.5, "visits": 4}]);
        Json(json!({"pages": ["/a"], "next_pages": next, "rests_on": "transitions", "visits": 8}))
    };
    let url = serve(Router::new().route("/api/v1/insights", get(answer))).await;
    let source = HttpInsights::new(&url, "t").unwrap();
    let insights = source.insights(&Who::Session("abc".into())).await.unwrap();
    assert_eq!((insights.rests_on, insights.visits), (Rests::Transitions, 8));
    assert_eq!(insights.next_pages[0].path, r#"/{"session":"abc"}"#);
    let insights = source.insights(&Who::Visitor("a&b=é".into())).await.unwrap();
    assert_eq!(insights.next_pages[0].path, r#"/{"visitor":"a&b=é"}"#);
}

#[tokio::test]
async fn no_insights_has_a_reason() {
    let ask = |status: u16| async move {
        let answer = move || async move { (StatusCode::from_u16(status).unwrap(), "{}") };
        let url = serve(Router::new().route("/api/v1/insights", get(answer))).await;
        let source = HttpInsights::new(&url, "t").unwrap();
        source.insights(&Who::Session("abc".into())).await.unwrap_err()
    };
    assert!(matches!(ask(401).await, InsightError::Refused(_)));
    assert!(matches!(ask(429).await, InsightError::Unavailable(_)));
    assert!(matches!(ask(503).await, InsightError::Unavailable(_)));
    assert!(matches!(ask(200).await, InsightError::Unavailable(_)), "`{{}}` is no answer");
}
