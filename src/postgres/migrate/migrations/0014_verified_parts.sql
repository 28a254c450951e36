-- breaking: no
-- What `otel-audit verify --state` finds parts of the trail by, without a look at all blocks. Both cost a writer next to nothing: of the
-- first one entry is made for a megabyte of blocks, of the second one for a thousand blocks.
create index secret_audit_block_ids on :SCHEMA.secret_audit_block using brin (min_id);
create index secret_audit_block_keys on :SCHEMA.secret_audit_block (chain_id, block_no) where kind in ('genesis', 'rotate');
