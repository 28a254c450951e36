select :COLUMNS
from :SCHEMA.secret_audit
where :WHERE
order by audit_id desc
limit :LIMIT
