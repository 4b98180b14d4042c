//! `rediss://`: whom to trust, who we are, and what to do when either is not believed.
//!
//! The client library does the talking. Here is what it leaves to its users: an address that wants TLS is refused by name
//! where TLS is not built in, authorities are given as text, and cryptography has a provider.

use redis::{Client, RedisResult};
use wayfarer_session::{StoreError, StoreErrorKind};

use super::{RedisIdentity, RedisOptions};

/// A client of one server. The outer error is one of the options, the inner one of the address.
pub(super) fn client(url: &str, options: &RedisOptions) -> Result<RedisResult<Client>, StoreError> {
    check(&[url], options)?;
    #[cfg(feature = "tls")]
    if let Some(certificates) = built_in::certificates(options) {
        return Ok(Client::build_with_tls(url, certificates));
    }
    Ok(Client::open(url))
}

/// The beginnings of a client of a cluster.
#[cfg(feature = "redis-cluster")]
pub(super) fn cluster(
    urls: &[&str],
    options: &RedisOptions,
) -> Result<redis::cluster::ClusterClientBuilder, StoreError> {
    check(urls, options)?;
    let builder = redis::cluster::ClusterClientBuilder::new(urls.iter().copied());
    #[cfg(feature = "tls")]
    if let Some(certificates) = built_in::certificates(options) {
        return Ok(builder.certs(certificates));
    }
    Ok(builder)
}

/// Whether the options fit the addresses; and then sees to it that TLS can begin, where they want it.
fn check(urls: &[&str], options: &RedisOptions) -> Result<(), StoreError> {
    let secure = urls.iter().filter(|url| wants_tls(url)).count();
    let wrong =
        |why: &str| Err(StoreError::new(StoreErrorKind::Unavailable, "open", why.to_owned()));
    if secure > 0 && !cfg!(feature = "tls") {
        return wrong(MISSING);
    }
    if options.ca_pem.is_some() && secure < urls.len() {
        return wrong("`RedisOptions::ca_pem` is for `rediss://` addresses; others go without TLS");
    }
    if options.identity.is_some() && secure < urls.len() {
        return wrong(
            "`RedisOptions::identity` is for `rediss://` addresses; others go without TLS",
        );
    }
    if options.ca_pem.as_ref().is_some_and(|pem| !pem.contains(CERTIFICATE)) {
        return wrong(
            "`RedisOptions::ca_pem` has no certificate in it; it takes the text of a PEM file, not its name",
        );
    }
    if let Some(why) = options.identity.as_ref().and_then(amiss) {
        return wrong(why);
    }
    #[cfg(feature = "tls")]
    if secure > 0 {
        built_in::provide_cryptography();
    }
    Ok(())
}

const MISSING: &str =
    "a `rediss://` address needs TLS, which is not built in: turn on the feature `tls`";

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// What is wrong with an identity, as far as its texts tell.
fn amiss(identity: &RedisIdentity) -> Option<&'static str> {
    let RedisIdentity { certificate_pem, key_pem } = identity;
    if !certificate_pem.contains(CERTIFICATE) {
        return Some(
            "`RedisOptions::identity` has no certificate in it; it takes the text of a PEM file, not its name",
        );
    }
    if key_pem.contains("ENCRYPTED") {
        return Some(
            "the key of `RedisOptions::identity` is encrypted; give it as `openssl pkey` writes it",
        );
    }
    (!key_pem.contains("PRIVATE KEY-----")).then_some(
        "`RedisOptions::identity` has no private key in it; it takes the text of a PEM file, not its name",
    )
}

/// As the client library tells it.
fn wants_tls(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    ["rediss", "valkeys"].iter().any(|secure| scheme.eq_ignore_ascii_case(secure))
}

/// Whether the signature is of an authority that is not known, or of one that has the name of a known one: an authority of
/// one's own that was made again.
fn of_a_stranger(what: &str) -> bool {
    what.contains("UnknownIssuer") || what.contains("BadSignature")
}

/// What to do about a failure that a certificate is the reason of. The client library hides whose error it
/// is, so its words must tell.
pub(super) fn help(what: &str) -> Option<&'static str> {
    if what.contains("root certificate PEM") || what.contains("trust anchors") {
        return Some(": `RedisOptions::ca_pem` is damaged");
    }
    if ["client certificate chain PEM", "private key from PEM", "TLS parameters provided"]
        .iter()
        .any(|words| what.contains(words))
    {
        return Some(": `RedisOptions::identity` is damaged, or its key is another certificate's");
    }
    if let Some((_, alert)) = what.split_once("received fatal alert: ") {
        return refusal(alert);
    }
    if !what.contains("invalid peer certificate") {
        return None;
    }
    Some(if of_a_stranger(what) {
        ": if you trust who signed it, name that authority, by `RedisOptions::ca_pem` or the \
         environment variable `SSL_CERT_FILE`"
    } else if what.contains("not valid for name") {
        ": the address must name the host as the certificate does"
    } else {
        ": the server needs another certificate"
    })
}

/// What to do when a server does not take us, by its own word for why.
fn refusal(alert: &str) -> Option<&'static str> {
    let of_ours = ["UnknownCA", "DecryptError", "AccessDenied"];
    Some(if alert.starts_with("CertificateRequired") {
        ": the server lets nobody in who shows no certificate: give one by `RedisOptions::identity`"
    } else if alert.starts_with("HandshakeFailure") {
        ": the server may want to see a certificate (`RedisOptions::identity`), or speaks no TLS that we speak"
    } else if of_ours.iter().any(|word| alert.starts_with(word)) || alert.contains("Certificate") {
        ": the server does not take the certificate of `RedisOptions::identity`; it must be valid, and of an \
         authority that the server trusts (`tls-ca-cert-file`)"
    } else {
        return None;
    })
}

#[cfg(feature = "tls")]
mod built_in {
    use redis::{ClientTlsConfig, TlsCertificates};
    use rustls::crypto::{CryptoProvider, ring};

    use crate::RedisOptions;

    pub(super) fn certificates(options: &RedisOptions) -> Option<TlsCertificates> {
        let root_cert = options.ca_pem.as_ref().map(|pem| pem.clone().into_bytes());
        let client_tls = options.identity.as_ref().map(|identity| ClientTlsConfig {
            client_cert: identity.certificate_pem.clone().into_bytes(),
            client_key: identity.key_pem.clone().into_bytes(),
        });
        let needed = root_cert.is_some() || client_tls.is_some();
        needed.then_some(TlsCertificates { client_tls, root_cert })
    }

    /// rustls looks for the provider of the process. Without one, the client library would panic wherever a program has two to
    /// choose from, or none. What an application has chosen stays.
    pub(super) fn provide_cryptography() {
        if CryptoProvider::get_default().is_none() {
            // An error means that somebody else was quicker, whose choice serves as well.
            let _ = ring::default_provider().install_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_whether_it_wants_tls() {
        for url in ["rediss://host", "REDISS://host", "valkeys://host:1/2"] {
            assert!(wants_tls(url), "{url}");
        }
        for url in ["redis://rediss:rediss@host", "valkey://host", "redis+unix:///rediss", ""] {
            assert!(!wants_tls(url), "{url}");
        }
    }

    #[test]
    fn what_a_certificate_is_refused_for_says_what_to_do() {
        let of = |why: &str| help(&format!("invalid peer certificate: {why}"));
        assert!(of("UnknownIssuer").is_some_and(|help| help.contains("ca_pem")));
        assert_eq!(of("BadSignature"), of("UnknownIssuer"));
        assert!(of("certificate not valid for name \"a\"").is_some_and(|h| h.contains("host")));
        assert!(of("certificate expired").is_some_and(|help| help.contains("another")));
        assert_eq!(help("Connection refused (os error 111)"), None);
    }

    #[test]
    fn what_a_server_refuses_us_for_says_what_to_do() {
        let of = |alert: &str| help(&format!("Io: received fatal alert: {alert}"));
        assert!(of("CertificateRequired").is_some_and(|help| help.contains("shows no")));
        assert!(of("HandshakeFailure").is_some_and(|help| help.contains("may want")));
        for alert in ["UnknownCA", "BadCertificate", "CertificateExpired", "DecryptError"] {
            assert!(of(alert).is_some_and(|help| help.contains("does not take")), "{alert}");
        }
        assert_eq!(of("ProtocolVersion"), None);
    }
}
