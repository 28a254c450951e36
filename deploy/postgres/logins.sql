-- The logins of docker-compose.yml, made when the database is. `otel-audit migrate --roles` gives the two group roles
-- their rights; it keeps roles that it finds.
\getenv wallet_password WALLET_DB_PASSWORD
\getenv grafana_password GRAFANA_DB_PASSWORD
create role noetl_audit_writer nologin;
create role noetl_audit_reader nologin;
create role wallet login password :'wallet_password' in role noetl_audit_writer;
create role grafana login password :'grafana_password' in role noetl_audit_reader;
