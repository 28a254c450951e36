-- What is archived only is in the trail still.
select partition, state, from_id::text, to_id::text, row_count::text, place
from :SCHEMA.secret_audit_retirement where state <> 'archived' order by to_id
