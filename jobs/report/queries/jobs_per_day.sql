-- SPDX-License-Identifier: Apache-2.0
-- How many jobs have ended, day by day: a sample, and of use. The role needs USAGE on schema job, SELECT on job.rollup.
-- title: Jobs per day
-- param: days integer = 30
-- param: queues text[] = null
-- chart: bar day succeeded dead other
SELECT hour::date AS day,
       coalesce(sum(n) FILTER (WHERE state = 'succeeded'), 0) AS succeeded,
       coalesce(sum(n) FILTER (WHERE state = 'dead'), 0) AS dead,
       coalesce(sum(n) FILTER (WHERE state NOT IN ('succeeded', 'dead')), 0) AS other
  FROM job.rollup
 WHERE hour >= now() - make_interval(days => $1)
   AND ($2 IS NULL OR queue = ANY ($2))
 GROUP BY 1
 ORDER BY 1;
