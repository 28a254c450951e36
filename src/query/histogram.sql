select ((extract(epoch from occurred_at) * 1000000)::bigint - :FROM) / :WIDTH as bucket, outcome, count(*) as accesses
from (:MATCHING) matching
group by bucket, outcome
order by bucket, outcome
