-- breaking: no
-- What has been applied to this schema, by which version. A process that writes reads it when it connects.

create table :SCHEMA.secret_audit_migration (
  number          int         primary key,
  name            text        not null,
  checksum        text        not null,  -- SHA-256 of the file, hex
  breaking        boolean     not null,  -- versions that do not know this migration must not write
  applied_at      timestamptz not null default clock_timestamp(),
  product_version text        not null
);
comment on table :SCHEMA.secret_audit_migration is 'What otel-audit migrate has applied to this schema.';
