-- Makes one range partition of a table unless it is there; true when it was made. Built beside and attached,
-- because CREATE TABLE ... PARTITION OF would lock out every reader of the parent.
CREATE FUNCTION ap_partition_ensure(parent text, part text, lo timestamptz, hi timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF to_regclass(quote_ident(part)) IS NOT NULL THEN
		RETURN false;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtext('alphapulse.partitions'));
	IF to_regclass(quote_ident(part)) IS NOT NULL THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', part, parent);
	EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, part, lo, hi);
	RETURN true;
END $$;

-- Drops the partitions of a table that end at or before `cut`; how many they were.
CREATE FUNCTION ap_partitions_drop(parent text, cut timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
	part record;
	n integer := 0;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('alphapulse.partitions'));
	FOR part IN
		SELECT c.oid::regclass AS name,
		       substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \(''([^'']+)''\)')::timestamptz AS hi
		  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		 WHERE i.inhparent = to_regclass(quote_ident(parent))
	LOOP
		IF part.hi <= cut THEN
			EXECUTE format('DROP TABLE %s', part.name);
			n := n + 1;
		END IF;
	END LOOP;
	RETURN n;
END $$;

-- The source was up from lo to hi: joins every interval it touches. Any order, any repetition gives the same rows.
CREATE FUNCTION ap_coverage_add(src text, lo timestamptz, hi timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
	first_at timestamptz;
	last_at  timestamptz;
	touched  integer;
BEGIN
	SELECT min(started_at), max(ended_at), count(*) INTO first_at, last_at, touched
	  FROM coverage WHERE source = src AND started_at <= hi AND ended_at >= lo;
	IF touched = 1 AND first_at <= lo THEN
		UPDATE coverage SET ended_at = hi
		 WHERE source = src AND started_at = first_at AND ended_at < hi;
		RETURN;
	END IF;
	DELETE FROM coverage WHERE source = src AND started_at <= hi AND ended_at >= lo;
	INSERT INTO coverage (source, started_at, ended_at)
	VALUES (src, least(lo, first_at), greatest(hi, last_at));
END $$;
