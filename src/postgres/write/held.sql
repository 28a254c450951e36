-- Which ids are taken, and by what. A digest that is none is not fetched: it may be of any size.
select audit_id, case when octet_length(event_digest) = 32 then event_digest end, chain_id, block_no, block_index
from :SCHEMA.secret_audit
where audit_id = any ($1::bigint[])
