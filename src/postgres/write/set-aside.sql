-- $1: what is kept aside, as JSON; $2 and $3: the block of the row about it; $4: its place there. $5: how many they are: dividing
-- by zero then fails the statement, and with it the batch.
select done
from (select :SCHEMA.secret_audit_set_aside($1::json, $2::uuid, $3::bigint, $4::int) as done) as kept
where 1 / (done = $5::bigint)::int = 1
