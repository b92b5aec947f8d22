-- As in 002, but what another session has made meanwhile is looked for in pg_class itself: to_regclass answers from a cache that waiting
-- for an advisory lock does not bring up to date, and two sinks that wanted the same partition at once met as an error (42P07).
CREATE OR REPLACE FUNCTION ap_partition_ensure(parent text, part text, lo timestamptz, hi timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass(quote_ident(part)) IS NOT NULL THEN
		RETURN false;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('alphapulse.partitions'));
	IF EXISTS (SELECT FROM pg_class WHERE relname = part AND pg_table_is_visible(oid)) THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
	EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, lo, hi);
	RETURN true;
END $$;
