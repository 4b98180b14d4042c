use super::*;

#[test]
fn only_the_address_of_an_http_server_will_do() {
    let refused = |address: &str| HttpSink::new(address, "t").unwrap_err();
    assert_eq!(refused("https://a.example"), AddressError::Https("https://a.example".into()));
    for address in ["", "a.example", "ftp://a.example", "http://a.example?x=1", "/path", "http://"]
    {
        assert_eq!(refused(address), AddressError::Malformed(address.into()), "{address}");
    }
    for address in ["http://127.0.0.1:8080", "http://a.example/", "http://[::1]:1/prefix"] {
        assert!(HttpSink::new(address, "t").is_ok(), "{address}");
    }
    assert_eq!(HttpSink::new("http://a.example", "a\nb").unwrap_err(), AddressError::Token);
}

#[test]
fn the_token_is_never_shown() {
    let sink = HttpSink::new("http://a.example", "hush").unwrap();
    assert!(!format!("{sink:?}").contains("hush"));
}
