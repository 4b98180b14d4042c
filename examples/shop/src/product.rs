//! The page of a product.

use askama::Template;
use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};

use crate::{
    catalogue::{self, PRODUCTS, Product},
    page::{self, Failure, Frame, Visit, render},
};

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage {
    frame: Frame,
    product: &'static Product,
    also: Vec<&'static Product>,
}

pub(crate) async fn show(visit: Visit, Path(slug): Path<String>) -> Result<Response, Failure> {
    let Some(product) = catalogue::product(&slug) else {
        return page::not_found(visit).await;
    };
    let is_beside = |other: &&Product| other.category == product.category && other.slug != slug;
    let also = PRODUCTS.iter().filter(is_beside).collect();
    Ok(render(&ProductPage { frame: visit.frame().await?, product, also })?.into_response())
}
