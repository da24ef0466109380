-- What is derived: everything in this schema can be computed again from the archive's own tables, and `verify` does.
CREATE SCHEMA derived;

-- Addresses in the order in which they are fetched; constants stand here, so that indexes and queries have the same.
CREATE FUNCTION derived.is_bare(key text, url text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT key NOT LIKE 's/%' AND url !~ '[?&]chksm=[^&#]'
$$;

CREATE FUNCTION derived.has_failed(outcome text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(outcome IN ('verification', 'rate_limited', 'unknown', 'no_answer', 'not_drawn'), false)
$$;

CREATE FUNCTION derived.failed_at(outcome text, tried_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN derived.has_failed(outcome) THEN tried_at END
$$;

CREATE FUNCTION derived.is_refused(outcome text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(outcome IN ('verification', 'rate_limited', 'unknown', 'no_answer'), false)
$$;

CREATE FUNCTION derived.gave_other_post(reason text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT reason LIKE 'archive.post.other %' OR reason LIKE 'archive.post.redirected %'
$$;

-- Counters. Rows are added, never changed, so that writers do not wait for each other; a reader sums them.
CREATE TABLE derived.counters (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  key text NOT NULL,
  value bigint NOT NULL
);
CREATE INDEX ix__counters__name_key ON derived.counters (name, key);
CREATE SEQUENCE derived.statements_counted;
COMMENT ON TABLE derived.counters IS 'What there is how often: a row for each change, replaced by sums from time to time';

-- The hour of an instant, in hours since 1970.
CREATE FUNCTION derived.hour_of(at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT floor(extract(epoch FROM at) / 3600)::bigint::text
$$;

-- The first day of the month of an instant, in Asia/Shanghai.
CREATE FUNCTION derived.month_of(at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT extract(year FROM at AT TIME ZONE 'Asia/Shanghai')::text || '-'
    || lpad(extract(month FROM at AT TIME ZONE 'Asia/Shanghai')::text, 2, '0') || '-01'
$$;

-- What one row adds to which counters; one function for each table.
CREATE FUNCTION derived.counts_of(r posts) RETURNS TABLE (name text, key text, value bigint) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('posts', r.account_id::text, 1::bigint),
    ('posts_with_page', r.account_id::text, (r.capture_id IS NOT NULL)::int::bigint),
    ('posts_archived', derived.month_of(r.first_archived_at), 1)
$$;

CREATE FUNCTION derived.counts_of(r versions) RETURNS TABLE (name text, key text, value bigint) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('versions', '', 1::bigint)
$$;

CREATE FUNCTION derived.counts_of(r captures) RETURNS TABLE (name text, key text, value bigint) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('body_bytes', '', r.body_size::bigint)
$$;

CREATE FUNCTION derived.counts_of(r parse_results) RETURNS TABLE (name text, key text, value bigint) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('captures', r.outcome, r.is_current::int::bigint)
$$;

CREATE FUNCTION derived.counts_of(r unparsed_captures) RETURNS TABLE (name text, key text, value bigint) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('captures', 'unread', 1::bigint)
$$;

-- The bytes of a body count in the month of its first capture, in the order of storing.
CREATE VIEW derived.stored AS
  SELECT c.id, c.sha256, derived.month_of(c.fetched_at) AS month, length(b.data)::bigint AS bytes
  FROM captures c JOIN bodies b ON b.sha256 = c.sha256
  WHERE NOT EXISTS (SELECT FROM captures earlier WHERE earlier.sha256 = c.sha256 AND earlier.id < c.id);

-- What is due is the sum of the hours before now, and of the hour of now what an index finds.
CREATE FUNCTION derived.counts_of(r addresses) RETURNS TABLE (name text, key text, value bigint) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('addresses_scheduled', coalesce(derived.hour_of(r.next_fetch_at), ''), (r.next_fetch_at IS NOT NULL)::int::bigint),
    ('addresses_bare', '', (r.next_fetch_at IS NOT NULL AND derived.is_bare(r.key, r.url))::int::bigint),
    ('addresses_given_up', '',
      (r.next_fetch_at IS NULL AND coalesce(r.last_outcome IN ('unknown', 'no_answer', 'not_drawn'), false))::int::bigint)
$$;

-- A medium waits until it is due or its address has expired; it is due until that.
CREATE FUNCTION derived.counts_of(r media) RETURNS TABLE (name text, key text, value bigint) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('media', r.type, 1::bigint),
    ('media_stored', r.type, (r.file_id IS NOT NULL)::int::bigint),
    ('media_waiting', r.type || ' ' || coalesce(derived.hour_of(least(r.next_fetch_at, r.expires_at)), ''),
      (r.next_fetch_at IS NOT NULL)::int::bigint),
    ('media_due', r.type || ' ' || coalesce(derived.hour_of(r.next_fetch_at), ''),
      (r.next_fetch_at IS NOT NULL AND coalesce(r.expires_at > r.next_fetch_at, true))::int::bigint),
    ('media_due', r.type || ' ' || coalesce(derived.hour_of(r.expires_at), ''),
      -coalesce(r.expires_at > r.next_fetch_at, false)::int::bigint)
$$;

CREATE FUNCTION derived.counts_of(r files) RETURNS TABLE (name text, key text, value bigint) LANGUAGE sql IMMUTABLE AS $$
  VALUES ('file_bytes', split_part(r.media_type, '/', 1), r.size::bigint)
$$;

-- Replace the rows of each counter by one; those that another transaction replaces now are left to it.
CREATE FUNCTION derived.sum_counters() RETURNS void LANGUAGE sql AS $$
  WITH several AS (
    SELECT name, key FROM derived.counters GROUP BY name, key HAVING count(*) > 1
  ), chosen AS (
    SELECT c.id FROM derived.counters c JOIN several USING (name, key) ORDER BY c.id FOR UPDATE OF c SKIP LOCKED
  ), removed AS (
    DELETE FROM derived.counters USING chosen WHERE counters.id = chosen.id
    RETURNING counters.name, counters.key, counters.value
  )
  INSERT INTO derived.counters (name, key, value)
  SELECT name, key, sum(value) FROM removed GROUP BY name, key HAVING sum(value) <> 0
$$;

-- Add what the rows that a statement changed add to counters. It has its owner's rights: readers file addresses too.
CREATE FUNCTION derived.count_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  added text := format('SELECT c.name, c.key, c.value FROM new_rows r, derived.counts_of(r::%s) c', TG_RELID::regclass);
  gone text := format('SELECT c.name, c.key, -c.value FROM old_rows r, derived.counts_of(r::%s) c', TG_RELID::regclass);
BEGIN
  EXECUTE 'INSERT INTO derived.counters (name, key, value) SELECT name, key, sum(value) FROM ('
    || CASE TG_OP WHEN 'INSERT' THEN added WHEN 'DELETE' THEN gone ELSE added || ' UNION ALL ' || gone END
    || ') changed (name, key, value) GROUP BY name, key HAVING sum(value) <> 0';
  IF TG_TABLE_NAME = 'captures' AND TG_OP = 'INSERT' THEN
    INSERT INTO derived.counters (name, key, value)
    SELECT 'stored_bytes', s.month, sum(s.bytes)
    FROM new_rows r, LATERAL (SELECT * FROM derived.stored WHERE stored.id = r.id) s GROUP BY s.month;
  ELSIF TG_TABLE_NAME = 'captures' AND TG_OP = 'DELETE' THEN  -- a later capture may be the first of its body now
    WITH removed AS (DELETE FROM derived.counters WHERE name = 'stored_bytes')
    INSERT INTO derived.counters (name, key, value)
    SELECT 'stored_bytes', month, sum(bytes) FROM derived.stored GROUP BY month;
  END IF;
  IF nextval('derived.statements_counted') % 256 = 0 AND current_setting('transaction_isolation') = 'read committed' THEN
    PERFORM derived.sum_counters();
  END IF;
  RETURN NULL;
END $$;

-- Count what bodies that are stored in another form take more or less.
CREATE FUNCTION derived.count_bodies() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO derived.counters (name, key, value)
  SELECT 'stored_bytes', s.month, sum(length(n.data) - length(o.data))
  FROM new_rows n JOIN old_rows o ON o.sha256 = n.sha256 JOIN derived.stored s ON s.sha256 = n.sha256
  GROUP BY s.month HAVING sum(length(n.data) - length(o.data)) <> 0;
  RETURN NULL;
END $$;

-- What the counters must be, computed from the tables.
CREATE VIEW derived.counted AS
  SELECT name, key, sum(value)::bigint AS value FROM (
    SELECT c.* FROM posts r, derived.counts_of(r) c
    UNION ALL SELECT c.* FROM versions r, derived.counts_of(r) c
    UNION ALL SELECT c.* FROM captures r, derived.counts_of(r) c
    UNION ALL SELECT c.* FROM parse_results r, derived.counts_of(r) c
    UNION ALL SELECT c.* FROM unparsed_captures r, derived.counts_of(r) c
    UNION ALL SELECT 'stored_bytes', month, bytes FROM derived.stored
    UNION ALL SELECT c.* FROM addresses r, derived.counts_of(r) c
    UNION ALL SELECT c.* FROM media r, derived.counts_of(r) c
    UNION ALL SELECT c.* FROM files r, derived.counts_of(r) c
  ) counts GROUP BY name, key HAVING sum(value) <> 0;

-- Changes of posts in their order, for lists: which version was new or an edit follows from all versions of a post.
CREATE TABLE derived.changes (
  rank smallint NOT NULL,
  id bigint NOT NULL,
  post_id bigint NOT NULL,
  account_id bigint NOT NULL,
  at timestamptz NOT NULL,
  previous_id bigint,
  PRIMARY KEY (rank, id)
);
CREATE INDEX ix__changes__at ON derived.changes (at, rank, id);
CREATE INDEX ix__changes__rank_at ON derived.changes (rank, at, id);
CREATE INDEX ix__changes__account_id_at ON derived.changes (account_id, at, rank, id);
CREATE INDEX ix__changes__post_id ON derived.changes (post_id);
COMMENT ON TABLE derived.changes IS
  'Changes of posts: 0 new, 1 edited (id of a version), 2 removed, 3 restored (id of an absence)';

CREATE VIEW derived.changed AS
  SELECT CASE WHEN v.previous_id IS NULL THEN 0 ELSE 1 END::smallint AS rank, v.id, v.post_id, p.account_id, v.at, v.previous_id
  FROM (
    SELECT v.id, v.post_id, v.source, coalesce(c.fetched_at, v.recorded_at) AS at,
      lag(v.id) OVER (PARTITION BY v.post_id ORDER BY coalesce(c.fetched_at, v.recorded_at), v.number) AS previous_id
    FROM versions v LEFT JOIN captures c ON c.id = v.capture_id
  ) v JOIN posts p ON p.id = v.post_id
  WHERE v.previous_id IS NULL OR v.source <> 'reparse'
  UNION ALL
  SELECT 2::smallint, a.id, a.post_id, p.account_id, a.first_missing_at, NULL
  FROM absences a JOIN posts p ON p.id = a.post_id
  UNION ALL
  SELECT 3::smallint, a.id, a.post_id, p.account_id, a.returned_at, NULL
  FROM absences a JOIN posts p ON p.id = a.post_id WHERE a.returned_at IS NOT NULL;

CREATE FUNCTION derived.list_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  ids bigint[];
BEGIN
  EXECUTE 'SELECT array_agg(DISTINCT post_id) FROM ('
    || CASE TG_OP WHEN 'INSERT' THEN 'TABLE new_rows' WHEN 'DELETE' THEN 'TABLE old_rows'
       ELSE 'TABLE new_rows UNION ALL TABLE old_rows' END || ') r' INTO ids;
  DELETE FROM derived.changes WHERE post_id = ANY(ids);
  INSERT INTO derived.changes (rank, id, post_id, account_id, at, previous_id)
  SELECT c.rank, c.id, c.post_id, c.account_id, c.at, c.previous_id
  FROM unnest(ids) i(post_id), LATERAL (SELECT * FROM derived.changed WHERE changed.post_id = i.post_id) c;
  RETURN NULL;
END $$;

-- Compute all of it anew.
CREATE FUNCTION derived.refresh() RETURNS void LANGUAGE sql AS $$
  DELETE FROM derived.counters;
  INSERT INTO derived.counters (name, key, value) SELECT name, key, value FROM derived.counted;
  DELETE FROM derived.changes;
  INSERT INTO derived.changes (rank, id, post_id, account_id, at, previous_id)
  SELECT rank, id, post_id, account_id, at, previous_id FROM derived.changed;
$$;
