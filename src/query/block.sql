select :BLOCK
from :SCHEMA.secret_audit_block as block
where chain_id = $1::uuid and block_no = $2::bigint
