-- The original's columns are enough to see that this role may insert into today's partition; and a block.
insert into :SCHEMA.secret_audit (audit_id, occurred_at, credential, operation, outcome)
values (
  ((extract(epoch from clock_timestamp()) * 1000)::bigint - 1704067200000) << 22, clock_timestamp(),
  'self-test', 'audit_lifecycle', 'started'
);
insert into :SCHEMA.secret_audit_block (
  chain_id, block_no, log, kind, prev_hash, root, row_count, row_total, lost_total, block_time, body, signatures
)
values (pg_catalog.gen_random_uuid(), 0, 'self-test', 'genesis', '', '', 0, 0, 0, 0, '', '');
