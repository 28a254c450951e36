-- Accesses whose row no chain of the operator vouches for.
select :COLUMNS
from :SCHEMA.secret_audit
where :WHERE and (chain_id is null or not (chain_id = any(:VOUCHED)))
order by audit_id desc
limit :LIMIT
