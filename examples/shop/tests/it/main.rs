//! A visitor walks through the shop, over real HTTP and with a cookie jar, as a browser without JavaScript would.

mod browser;
mod walk;
