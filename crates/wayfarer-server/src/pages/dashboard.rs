//! The first page.

use axum::{extract::State, response::Html};

use crate::{Server, access::Reader, messages::Lang};

pub(crate) async fn get(State(server): State<Server>, _reader: Reader) -> Html<String> {
    Html(server.words(Lang::En).text("title"))
}
