-- The digests of a block's rows.
select block_index, event_digest
from :SCHEMA.secret_audit
where audit_id between $3 and $4 and chain_id = $1 and block_no = $2 and octet_length(event_digest) = 32
limit 10001
