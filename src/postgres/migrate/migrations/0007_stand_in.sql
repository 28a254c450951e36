-- breaking: no
-- Stands in for the migration of this number, which another branch makes: it goes when the two are merged.
select 1;
