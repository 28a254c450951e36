-- Rows that may be one of our events under an id of another time.
select * from :SCHEMA.secret_audit_elsewhere($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])
