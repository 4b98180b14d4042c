//! `GET /api/v1/report/{name}?site=…`: an exact answer as JSON. The parameters are those of the table of reports.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Path, Query, State},
};
use serde_json::{Map, Value};
use wayfarer_analysis::Parameter;
use wayfarer_embedded::{Answer, Request};

use crate::{Server, access::Reader, errors::ApiError};

/// Whether the value of a field, as the table of parameters tells it, is of this form: `N` a number, nothing a yes or no.
fn is(key: &str, form: &str) -> bool {
    Parameter::ALL.iter().any(|known| known.name() == key && known.value() == form)
}

pub(crate) async fn get(
    State(server): State<Server>,
    reader: Reader,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Answer>, ApiError> {
    let mut request = request(name, pairs)?;
    request.site = reader.site(&request.site)?;
    Ok(Json(server.wayfarer().report(request).await?))
}

/// A request as its query string says it; a parameter that comes more than once is a list.
fn request(name: String, pairs: Vec<(String, String)>) -> Result<Request, ApiError> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in pairs {
        fields.entry(key).or_default().push(value);
    }
    let mut object = Map::new();
    for (key, values) in fields {
        let value = value(&key, values)?;
        object.insert(key, value);
    }
    object.insert("report".to_owned(), Value::String(name));
    serde_json::from_value(Value::Object(object)).map_err(|e| ApiError::bad_request(e.to_string()))
}

fn value(key: &str, values: Vec<String>) -> Result<Value, ApiError> {
    let wrong = |problem: &str| ApiError::bad_request(format!("`{key}` {problem}"));
    match values.as_slice() {
        [one] if is(key, "N") => Ok(one.parse::<u64>().map_err(|_| wrong("is no number"))?.into()),
        [one] if is(key, "") => Ok(Value::Bool(!matches!(one.as_str(), "false" | "0"))),
        [one] => Ok(Value::from(one.as_str())),
        _ if is(key, "N") || is(key, "") => Err(wrong("stands there twice")),
        _ => Ok(Value::from(values)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Request, ApiError> {
        let pairs = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        request("funnel".to_owned(), pairs)
    }

    #[test]
    fn a_query_string_becomes_a_request() {
        let query = [
            ("site", "s"),
            ("steps", "name = 'a'"),
            ("steps", "name in ('b','c')"),
            ("metrics", "visitors,visits"),
            ("limit", "7"),
            ("step", "2"),
            ("bots", ""),
            ("dropped", "true"),
        ];
        let request = read(&query).unwrap();
        assert_eq!(request.report, "funnel");
        assert_eq!(request.steps, ["name = 'a'", "name in ('b','c')"]);
        assert_eq!(request.metrics, ["visitors", "visits"]);
        assert_eq!((request.limit, request.bots), (Some(7), true));
        assert_eq!((request.step, request.dropped), (Some(2), true));
    }

    #[test]
    fn what_is_given_once_keeps_its_commas() {
        let query = [("did", r#"title = "a, b""#), ("group", "Sale, today*"), ("steps", "a,b")];
        let request = read(&query).unwrap();
        assert_eq!(request.did, [r#"title = "a, b""#]);
        assert_eq!(request.group, ["Sale, today*"]);
        assert_eq!(request.steps, ["a,b"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |query: &[_]| read(query).unwrap_err().external().to_owned();
        assert!(message(&[("limit", "many")]).contains("`limit`"));
        assert!(message(&[("limit", "1"), ("limit", "2")]).contains("twice"));
        assert!(message(&[("colour", "red")]).contains("colour"));
    }
}
