//! Certificates for servers that speak TLS, and the authority that signed them, which nobody else trusts.
//!
//! The command `openssl` makes them, in the folder of the server and as its user: Debian's PostgreSQL brings it, and a crate
//! would be built in every run.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::server::{Place, find, run};

/// What tells the certificate of a server from that of an authority. A server's is for `localhost` and for no address.
const CONFIG: &str = "[req]
distinguished_name = name
prompt = no
[name]
CN = replaced
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
[client]
basicConstraints = critical, CA:FALSE
";

/// The files of a server of its own authority.
pub(crate) struct Certificate {
    /// Whom to trust.
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) client: Identity,
}

/// The files by which a program says who it is, of the authority of a server that wants to know.
#[derive(Clone)]
pub struct Identity {
    /// Its certificate, in PEM.
    pub certificate: PathBuf,
    /// The key to it, in PEM.
    pub key: PathBuf,
}

impl Certificate {
    /// A new authority, and the certificates of a server and of its clients that it signed.
    pub(crate) fn new(place: &Place) -> Result<Certificate> {
        let at = |name: &str| Ok::<_, anyhow::Error>(format!("{}/{name}", place.text()?));
        let config = at("openssl.conf")?;
        std::fs::write(&config, CONFIG)?;
        let openssl = find("openssl", &[], "openssl")?;
        let make = |name: &str, signed: &[&str]| {
            let (certificate, key) = (at(&format!("{name}.pem"))?, at(&format!("{name}.key"))?);
            // Authorities of one name would be taken for each other, as far as their signatures.
            let subject = format!("/CN=the {name} at port {}", place.port());
            let own = ["req", "-x509", "-days", "2", "-config", &config, "-extensions", name];
            let pair = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
            let to = ["-subj", &subject, "-out", &certificate, "-keyout", &key];
            run(&openssl, &[&own[..], &pair, &to, signed].concat(), place.path())?;
            Ok::<_, anyhow::Error>((certificate, key))
        };
        let (authority, signs) = make("authority", &[])?;
        let (certificate, key) = make("server", &["-CA", &authority, "-CAkey", &signs])?;
        let (of_client, its_key) = make("client", &["-CA", &authority, "-CAkey", &signs])?;
        let client = Identity { certificate: of_client.into(), key: its_key.into() };
        Ok(Certificate { authority, certificate, key, client })
    }
}

/// What the clients of a server show that wants to see it.
pub(crate) fn identity(certificate: Option<&Certificate>) -> Result<Identity> {
    Ok(certificate.context("a server without TLS")?.client.clone())
}

/// The file of the authority that signed a server's certificate, of a server that has one.
pub(crate) fn authority(certificate: Option<&Certificate>) -> Result<PathBuf> {
    Ok(PathBuf::from(&certificate.context("a server without TLS")?.authority))
}
