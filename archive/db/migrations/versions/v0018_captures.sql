-- The months of captures. An id is yyyymm * 10^9 + serial: the month (UTC) in which the capture is recorded, and a
-- number that no other capture has. Both together stay below 2^53, which every reader of JSON takes.
CREATE SEQUENCE captures_id_seq AS bigint MAXVALUE 999999999;

-- Where the month has no partition the id is the serial alone: nothing is lost when nobody has made one.
CREATE FUNCTION partitions.new_capture_id() RETURNS bigint LANGUAGE sql VOLATILE
RETURN nextval('captures_id_seq') + 1000000000 * coalesce((
  SELECT present.month
  FROM (SELECT to_char(timezone('UTC', clock_timestamp()), 'YYYYMM')::bigint) present (month)
  JOIN pg_catalog.pg_class c ON c.oid = to_regclass('partitions.captures_' || present.month)
  WHERE c.relispartition
), 0);

CREATE TABLE captures (
  LIKE partitions.captures_without_month INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMMENTS,
  CONSTRAINT pk__captures PRIMARY KEY (id)
) PARTITION BY RANGE (id);
ALTER TABLE captures ALTER COLUMN id SET DEFAULT partitions.new_capture_id();
ALTER SEQUENCE captures_id_seq OWNED BY captures.id;

-- Make the partition of a month, given as yyyymm, unless it is there. Attached when it is made, it stops neither readers nor backups.
CREATE FUNCTION partitions.add_capture_month(month integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  name text := 'captures_' || month;
BEGIN
  IF month NOT BETWEEN 197001 AND 999912 OR month % 100 NOT BETWEEN 1 AND 12 THEN
    RAISE EXCEPTION '% is no month', month;
  END IF;
  IF to_regclass('partitions.' || name) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format(
    'CREATE TABLE partitions.%I (LIKE captures INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', name
  );
  EXECUTE format(
    'ALTER TABLE captures ATTACH PARTITION partitions.%I FOR VALUES FROM (%s) TO (%s)',
    name, month * 1000000000::bigint, (month + 1) * 1000000000::bigint
  );
END $$;
