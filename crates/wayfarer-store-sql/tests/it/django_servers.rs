//! Real Django on PostgreSQL and MariaDB: both ends read, write and end the same sessions.

mod real {
    use wayfarer_store_sql::{DjangoMySqlStore, DjangoPostgresStore, PoolOptions};
    use wayfarer_testkit::{
        MariaDb, Postgres,
        django::{both_ways, project},
    };

    use crate::common::django;

    fn settings(engine: &str, user: &str, port: u16, url: &str) -> String {
        let name = url.rsplit('/').next().unwrap();
        format!(
            "DATABASES={{'default': {{'ENGINE': 'django.db.backends.{engine}', 'NAME': '{name}',
            'USER': '{user}', 'PASSWORD': '{user}', 'HOST': '127.0.0.1', 'PORT': {port}}}}}"
        )
    }

    /// Django makes the table, or finds the one that we made; both are the same.
    #[tokio::test]
    async fn in_postgresql() {
        let server = Postgres::shared().unwrap();
        for django_first in [true, false] {
            let url = server.database().unwrap();
            let settings = settings("postgresql", "wayfarer", server.port(), &url);
            let project = project(&["psycopg"], "db", &settings).unwrap();
            if django_first {
                project.run("call_command('migrate', verbosity=0)").unwrap();
            }
            let store = DjangoPostgresStore::open(&url, PoolOptions::default()).await.unwrap();
            both_ways(&project, &django(store)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn in_mariadb() {
        let server = MariaDb::shared().unwrap();
        for django_first in [true, false] {
            let url = server.database().unwrap();
            let settings = settings("mysql", "wayfarer", server.port(), &url);
            let settings =
                format!("**(__import__('pymysql').install_as_MySQLdb() or {{}}), {settings}");
            let project = project(&["pymysql"], "db", &settings).unwrap();
            if django_first {
                project.run("call_command('migrate', verbosity=0)").unwrap();
            }
            let store = DjangoMySqlStore::open(&url, PoolOptions::default()).await.unwrap();
            both_ways(&project, &django(store)).await.unwrap();
        }
    }
}
