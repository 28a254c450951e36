-- The logins of docker-compose.yml, created together with the database. `otel-audit migrate --roles` gives the two group
-- roles their rights; it keeps existing roles.
\getenv wallet_password WALLET_DB_PASSWORD
\getenv grafana_password GRAFANA_DB_PASSWORD
\getenv reader_password READER_DB_PASSWORD
create role noetl_audit_writer nologin;
create role noetl_audit_reader nologin;
create role wallet login password :'wallet_password' in role noetl_audit_writer;
create role grafana login password :'grafana_password' in role noetl_audit_reader;
-- Of the console: each read leaves a row.
create role reader login password :'reader_password' in role noetl_audit_reader, noetl_audit_writer;
