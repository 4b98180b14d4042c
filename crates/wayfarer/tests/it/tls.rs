//! TLS to Redis, PostgreSQL and MariaDB: what is encrypted, whom a store trusts, and what its errors say to do.
//!
//! The servers have certificates for `localhost`, each of an authority of its own. So another server's authority is a
//! stranger, and `127.0.0.1` is a wrong name.

mod real {
    use std::{path::Path, time::Duration};

    use jiff::{SignedDuration, Timestamp};
    use sqlx::{Connection, MySqlConnection, PgConnection};
    use wayfarer::{
        session::{Created, Record, SessionKey, SessionStore, StoreError, StoreKey, SystemRandom},
        store::{MySqlStore, PoolOptions, PostgresStore, RedisIdentity, RedisOptions, RedisStore},
    };
    use wayfarer_testkit::{Identity, MariaDb, Postgres, Redis, RedisCluster};

    async fn saves_and_loads(store: &impl SessionStore) {
        let key = SessionKey::random(&SystemRandom).unwrap().at_rest();
        let key = StoreKey::new(key.expose().to_owned());
        let now = Timestamp::now();
        let expires_at = now + SignedDuration::from_hours(1);
        let data = b"secret".to_vec().into();
        let record = Record { data, expires_at, subject: None, user: None };
        let created = store.create(&key, &record, now).await.unwrap();
        assert!(matches!(created, Created::Stored(_)));
        let loaded = store.load(&key, now).await.unwrap().unwrap();
        assert_eq!(loaded.record.data, record.data);
    }

    /// A store is not opened, and its error names what happened, where, and what to do.
    fn refused<T>(opened: Result<T, StoreError>, words: &[&str]) {
        let error = opened.err().unwrap().to_string();
        for word in words {
            assert!(error.contains(word), "{word} is not in: {error}");
        }
    }

    fn trusting(authority: &Path) -> RedisOptions {
        let mut options = RedisOptions::default();
        options.patience = Duration::from_secs(60);
        options.ca_pem = Some(std::fs::read_to_string(authority).unwrap());
        options
    }

    #[tokio::test]
    async fn redis_is_spoken_to_in_secret() {
        let server = Redis::shared_with_tls().unwrap();
        let options = trusting(&server.authority().unwrap());
        saves_and_loads(&RedisStore::open(&server.url(), options.clone()).await.unwrap()).await;
        // Nobody is listened to there who does not speak TLS.
        let plain = server.url().replace("rediss:", "redis:");
        let mut without = options.clone();
        without.ca_pem = None;
        assert!(RedisStore::open(&plain, without).await.is_err());
        let opened = RedisStore::open(&plain, options).await;
        refused(opened, &["ca_pem", "rediss://"]);
    }

    #[tokio::test]
    async fn redis_is_trusted_by_its_authority_and_its_name() {
        let server = Redis::shared_with_tls().unwrap();
        let stranger = Postgres::shared_with_tls().unwrap().authority().unwrap();
        let opened = RedisStore::open(&server.url(), trusting(&stranger)).await;
        refused(opened, &["Redis at localhost:", "UnknownIssuer", "RedisOptions::ca_pem"]);
        let mut of_the_system = trusting(&stranger);
        of_the_system.ca_pem = None;
        let opened = RedisStore::open(&server.url(), of_the_system).await;
        refused(opened, &["UnknownIssuer", "SSL_CERT_FILE"]);
        let options = trusting(&server.authority().unwrap());
        let by_number = server.url().replace("localhost", "127.0.0.1");
        let opened = RedisStore::open(&by_number, options).await;
        refused(opened, &["Redis at 127.0.0.1:", "not valid for name", "name the host"]);
    }

    /// The address names one node; the others are found by what it tells of them.
    #[tokio::test]
    async fn a_redis_cluster_is_spoken_to_in_secret() {
        let cluster = RedisCluster::shared_with_tls().unwrap();
        let url = &cluster.urls()[0];
        let options = trusting(&cluster.authority().unwrap());
        let store = RedisStore::open_cluster(&[url.as_str()], options.clone()).await.unwrap();
        // Some on each node.
        for _ in 0..9 {
            saves_and_loads(&store).await;
        }
        let stranger = Redis::shared_with_tls().unwrap().authority().unwrap();
        let mut impatient = trusting(&stranger);
        impatient.patience = Duration::from_secs(2);
        let opened = RedisStore::open_cluster(&[url.as_str()], impatient).await;
        refused(opened, &["the Redis cluster", "UnknownIssuer", "ca_pem"]);
        let plain = url.replace("rediss:", "redis:");
        let opened = RedisStore::open_cluster(&[url.as_str(), &plain], options).await;
        refused(opened, &["ca_pem", "rediss://"]);
    }

    fn identity(of: &Identity) -> RedisIdentity {
        let [certificate, key] = [&of.certificate, &of.key].map(std::fs::read_to_string);
        RedisIdentity::new(certificate.unwrap(), key.unwrap())
    }

    #[tokio::test]
    async fn redis_is_shown_a_certificate_where_it_wants_one() {
        let server = Redis::start_for_certified().unwrap();
        let mut options = trusting(&server.authority().unwrap());
        options.identity = Some(identity(&server.identity().unwrap()));
        let url = server.url();
        saves_and_loads(&RedisStore::open(&url, options.clone()).await.unwrap()).await;
        let mut unknown = options.clone();
        unknown.identity = None;
        let opened = RedisStore::open(&url, unknown.clone()).await;
        refused(opened, &["Redis at localhost:", "shows no certificate", "RedisOptions::identity"]);
        let stranger = Redis::shared_with_tls().unwrap().identity().unwrap();
        unknown.identity = Some(identity(&stranger));
        let opened = RedisStore::open(&url, unknown).await;
        refused(
            opened,
            &["UnknownCA", "does not take the certificate of `RedisOptions::identity`"],
        );
        let plain = url.replace("rediss:", "redis:");
        options.ca_pem = None;
        let opened = RedisStore::open(&plain, options).await;
        refused(opened, &["RedisOptions::identity", "`rediss://` addresses"]);
    }

    #[tokio::test]
    async fn a_redis_cluster_is_shown_a_certificate_where_it_wants_one() {
        let cluster = RedisCluster::start_for_certified().unwrap();
        let url = &cluster.urls()[0];
        let mut options = trusting(&cluster.authority().unwrap());
        options.identity = Some(identity(&cluster.identity().unwrap()));
        let store = RedisStore::open_cluster(&[url.as_str()], options.clone()).await.unwrap();
        // Some on each node.
        for _ in 0..9 {
            saves_and_loads(&store).await;
        }
        options.identity = None;
        options.patience = Duration::from_secs(2);
        let opened = RedisStore::open_cluster(&[url.as_str()], options).await;
        refused(opened, &["the Redis cluster", "RedisOptions::identity"]);
    }

    #[tokio::test]
    async fn what_is_no_identity_says_why() {
        let server = Redis::shared_with_tls().unwrap();
        let another = Redis::start_for_certified().unwrap();
        let (ours, other) = (server.identity().unwrap(), another.identity().unwrap());
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        let (certificate, key) = (read(&ours.certificate), read(&ours.key));
        let damaged = "-----BEGIN PRIVATE KEY-----\n?\n-----END PRIVATE KEY-----\n";
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        // All of it is said before anybody is asked, so nobody need be trusted.
        let mut options = RedisOptions::default();
        for (certificate, key, why) in [
            ("/etc/ssl/client.pem", key.as_str(), "no certificate in it"),
            (&certificate, "/etc/ssl/client.key", "no private key in it"),
            (&certificate, &encrypted, "is encrypted"),
            (&certificate, damaged, "is damaged"),
            (&certificate, &read(&other.key), "is damaged, or its key is another certificate's"),
        ] {
            options.identity = Some(RedisIdentity::new(certificate, key));
            let opened = RedisStore::open(&server.url(), options.clone()).await;
            refused(opened, &["`RedisOptions::identity`", why]);
            let shown = format!("{options:?}");
            assert!(!shown.contains("PRIVATE") && !shown.contains("client.key"), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_name_of_a_file_is_no_certificate() {
        let mut options = RedisOptions::default();
        options.ca_pem = Some("/etc/ssl/ca.pem".into());
        let opened = RedisStore::open("rediss://localhost:1", options.clone()).await;
        refused(opened, &["no certificate in it", "not its name"]);
        options.ca_pem = Some("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n".into());
        let opened = RedisStore::open("rediss://localhost:1", options).await;
        refused(opened, &["PEM", "ca_pem` is damaged"]);
    }

    fn patient() -> PoolOptions {
        let mut options = PoolOptions::default();
        options.patience = Duration::from_secs(60);
        options
    }

    /// The address of a new database, by the name that the certificate has.
    fn postgres(authority: &Path) -> String {
        let database = Postgres::shared_with_tls().unwrap().database().unwrap();
        let named = database.replace("127.0.0.1", "localhost");
        format!("{named}?sslmode=verify-full&sslrootcert={}", authority.display())
    }

    #[tokio::test]
    async fn postgres_is_spoken_to_in_secret() {
        let server = Postgres::shared_with_tls().unwrap();
        let url = postgres(&server.authority().unwrap());
        let store = PostgresStore::open(&url, patient()).await.unwrap();
        saves_and_loads(&store).await;
        let plain = server.database().unwrap() + "?sslmode=disable";
        let mut raw = PgConnection::connect(&plain).await.unwrap();
        let secret = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'wayfarer' AND datname = $1";
        let database = url.split(['/', '?']).nth(3).unwrap();
        let secret: Vec<bool> =
            sqlx::query_scalar(secret).bind(database).fetch_all(&mut raw).await.unwrap();
        assert!(!secret.is_empty() && secret.iter().all(|secret| *secret), "{secret:?}");
    }

    #[tokio::test]
    async fn postgres_is_trusted_by_its_authority_and_its_name() {
        let server = Postgres::shared_with_tls().unwrap();
        let stranger = Redis::shared_with_tls().unwrap().authority().unwrap();
        let opened = PostgresStore::open(&postgres(&stranger), patient()).await;
        refused(opened, &["PostgreSQL at localhost:", "UnknownIssuer", "sslrootcert=FILE"]);
        let url = postgres(&server.authority().unwrap());
        let opened = PostgresStore::open(&url.replace("localhost", "127.0.0.1"), patient()).await;
        refused(opened, &["PostgreSQL at 127.0.0.1:", "not valid for name", "name the host"]);
        let opened = PostgresStore::open(&postgres(Path::new("/nowhere.pem")), patient()).await;
        refused(opened, &["No such file", "that the address names"]);
    }

    /// The address of a new database, by the name that the certificate has.
    fn mariadb(authority: &Path) -> String {
        let database = MariaDb::shared_with_tls().unwrap().database().unwrap();
        let named = database.replace("127.0.0.1", "localhost");
        format!("{named}?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", authority.display())
    }

    #[tokio::test]
    async fn mariadb_is_spoken_to_in_secret() {
        let server = MariaDb::shared_with_tls().unwrap();
        let url = mariadb(&server.authority().unwrap());
        saves_and_loads(&MySqlStore::open(&url, patient()).await.unwrap()).await;
        // The same user, without TLS, is nobody.
        let plain = server.database().unwrap() + "?ssl-mode=DISABLED";
        refused(MySqlStore::open(&plain, patient()).await, &["Access denied"]);
        let mut raw = MySqlConnection::connect(&url).await.unwrap();
        let cipher = "SHOW STATUS LIKE 'Ssl_cipher'";
        let cipher: (String, String) = sqlx::query_as(cipher).fetch_one(&mut raw).await.unwrap();
        assert!(cipher.1.starts_with("TLS_"), "{cipher:?}");
    }

    #[tokio::test]
    async fn mariadb_is_trusted_by_its_authority_and_its_name() {
        let server = MariaDb::shared_with_tls().unwrap();
        let stranger = Redis::shared_with_tls().unwrap().authority().unwrap();
        let opened = MySqlStore::open(&mariadb(&stranger), patient()).await;
        refused(opened, &["MySQL at localhost:", "UnknownIssuer", "ssl-ca=FILE"]);
        let url = mariadb(&server.authority().unwrap());
        let opened = MySqlStore::open(&url.replace("localhost", "127.0.0.1"), patient()).await;
        refused(opened, &["MySQL at 127.0.0.1:", "not valid for name", "name the host"]);
    }
}
