-- What the three group roles may do. Applied as a whole each time, so that it also takes away what is too much:
-- revoking from a table revokes from its columns.
-- To insert, the writer needs no right on a partition; the parent's suffice.

revoke all on :SCHEMA.secret_audit, :SCHEMA.secret_audit_block, :SCHEMA.secret_audit_migration,
  :SCHEMA.secret_audit_trail, :SCHEMA.secret_audit_quarantine, :SCHEMA.secret_audit_quarantine_end,
  :SCHEMA.secret_audit_retirement, :SCHEMA.secret_audit_leaf, :SCHEMA.secret_audit_hold, :SCHEMA.secret_audit_partitioning,
  :SCHEMA.secret_audit_chain_start
  from :WRITER, :READER, :KEEPER, public;

-- Not recorded_at and recorded_xid: those are the database's to say. The writer reads blocks, to tell its own from one
-- of somebody else under the same number.
grant insert (
  audit_id, occurred_at, credential, operation, outcome, worker_id, execution_id, parent_execution_id, server_region,
  broker_region, kek_version, notes, actor_id, actor_type, source_address, service_name, service_instance_id, trace_id,
  span_id, attributes, original_audit_id, event_digest, chain_id, block_no, block_index
) on :SCHEMA.secret_audit to :WRITER;
grant select (audit_id, event_digest, chain_id, block_no, block_index) on :SCHEMA.secret_audit to :WRITER;
grant select on :SCHEMA.secret_audit to :READER;
grant insert (
  chain_id, block_no, log, kind, prev_hash, min_id, max_id, root, row_count, row_total, lost_total, block_time, body,
  signatures
) on :SCHEMA.secret_audit_block to :WRITER;
grant select on :SCHEMA.secret_audit_block to :WRITER, :READER;
grant select on :SCHEMA.secret_audit_migration, :SCHEMA.secret_audit_trail, :SCHEMA.secret_audit_partitioning to :WRITER, :READER;
-- What was kept aside may hold secrets: neither writers nor readers see it. Who decides about it writes rows, too.
grant select on :SCHEMA.secret_audit_quarantine, :SCHEMA.secret_audit_quarantine_end, :SCHEMA.secret_audit_migration,
  :SCHEMA.secret_audit_trail to :KEEPER;
grant insert (quarantine_id, fingerprint, decision, audit_id, decided_by) on :SCHEMA.secret_audit_quarantine_end to :KEEPER;

grant execute on function
  :SCHEMA.secret_audit_ensure_partitions(),
  :SCHEMA.secret_audit_ensure_partitions(int),
  :SCHEMA.secret_audit_ensure_partition_for(bigint),
  :SCHEMA.secret_audit_written(bigint[]),
  :SCHEMA.secret_audit_proven(bigint[]),
  :SCHEMA.secret_audit_elsewhere(bigint[], bigint[], bigint[], bigint[]),
  :SCHEMA.secret_audit_same_event(bigint[], bytea[], text[], boolean[]),
  :SCHEMA.secret_audit_set_aside(json, uuid, bigint, int)
to :WRITER;
-- What is left of retired rows, and what is held.
grant select on :SCHEMA.secret_audit_retirement, :SCHEMA.secret_audit_leaf, :SCHEMA.secret_audit_hold,
  :SCHEMA.secret_audit_chain_start to :READER;
grant execute on function :SCHEMA.secret_audit_partitions(), :SCHEMA.secret_audit_pending(), :SCHEMA.secret_audit_gaps()
  to :WRITER, :READER;
revoke all on type :SCHEMA.secret_audit_row_v1 from :READER, public;
grant usage on type :SCHEMA.secret_audit_row_v1 to :WRITER;
