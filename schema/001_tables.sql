-- The tables of AlphaPulse. Prices, quantities and sums are NUMERIC without modifier: every digit is kept.
-- Every unique key holds the table's time column, which is always the event's own time, so that a record written
-- twice meets itself. PARTITION BY clauses are left out where the tables become hypertables instead.

-- Which data set this database belongs to: the mirror of ap:dataset in Redis.
CREATE TABLE dataset (
	one         boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
	id          uuid        NOT NULL,
	parts       integer     NOT NULL CHECK (parts > 0),
	created_at  timestamptz NOT NULL DEFAULT now(),
	kept_before timestamptz             -- rows of intervals before this are only replaced by higher revisions (apctl rebuild)
);

-- How far each stream has been stored. Moves in the transaction that stores the rows; token is the lease's.
CREATE TABLE sink_cursors (
	dataset     uuid        NOT NULL,
	partition   integer     NOT NULL,           -- -1: streams that belong to no partition (ap:metric)
	stream      text        NOT NULL,           -- raw, tick, reject, candle, indicator, signal, metric
	last_id     text        NOT NULL,           -- id of the last entry stored
	q           bigint      NOT NULL,           -- its sequence number; -1: nothing stored yet
	records     bigint      NOT NULL DEFAULT 0, -- records taken from this stream, ever
	lost        bigint      NOT NULL DEFAULT 0, -- entries whose sequence number never came
	token       text        NOT NULL,           -- of the owner that may move it
	updated_at  timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (dataset, partition, stream)
) WITH (fillfactor = 50);

-- What sources sent, as it came. message_id: entry id and place in the entry, unique within a partition. A message that is published again
-- (Redis was lost and refilled from the journals) has another one, but the same origin: the producer's tag and the number in its journal, 64 bits.
-- Of a message that came without, a number made from the entry's id, below 2^40.
CREATE TABLE stream_messages (
	message_id  text        NOT NULL,
	stream_key  text        NOT NULL,
	source      text        NOT NULL,
	symbol      text        NOT NULL,
	data_type   text        NOT NULL,
	partition   integer     NOT NULL,
	priority    integer     NOT NULL,           -- 1 trades, 2 quotes, 3 the rest: the smaller, the more urgent
	data        jsonb       NOT NULL,           -- the payload; a string when it is not JSON
	origin      bigint      NOT NULL,
	timestamp   timestamptz NOT NULL,           -- when it was received
	created_at  timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX stream_messages_key ON stream_messages (timestamp, partition, origin);

-- What became of it: one row per trade, quote or reject. record_key tells rows of one instant apart: the trade id
-- where a valid trade has one (so the same trade sent again meets itself), else origin, place and status.
CREATE TABLE normalized_data (
	original_message_id text        NOT NULL,
	source              text        NOT NULL,
	symbol              text        NOT NULL,
	data_type           text        NOT NULL,
	validation_status   text        NOT NULL,   -- valid, invalid, duplicate, outlier, late, poison
	confidence_score    double precision,
	processing_time_ms  bigint,                 -- from the raw entry's id to the row
	price               numeric,
	quantity            numeric,
	side                text,
	trade_id            text,
	normalized_data     jsonb,                  -- what else there was; of a reject: the input
	validation_errors   jsonb,                  -- [{"reason", "detail", "stage"}]
	metadata            jsonb,                  -- {"venue_symbol"}
	record_key          text        NOT NULL,
	origin              bigint      NOT NULL,   -- of the message
	timestamp           timestamptz NOT NULL,
	created_at          timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX normalized_data_key ON normalized_data (timestamp, symbol, source, record_key);

CREATE TABLE realtime_candles (
	source       text        NOT NULL,
	symbol       text        NOT NULL,
	timeframe    text        NOT NULL,
	open_time    timestamptz NOT NULL,
	close_time   timestamptz NOT NULL,          -- exclusive
	open_price   numeric     NOT NULL,
	high_price   numeric     NOT NULL,
	low_price    numeric     NOT NULL,
	close_price  numeric     NOT NULL,
	volume       numeric     NOT NULL,
	quote_volume numeric     NOT NULL,          -- exact sum of price x quantity
	trade_count  bigint      NOT NULL,
	vwap         numeric     NOT NULL,
	state        text        NOT NULL,          -- final, revised
	revision     integer     NOT NULL,
	coverage_ms  bigint      NOT NULL,          -- how long of it the feed was up
	quality      text        NOT NULL,          -- full, partial, gap, filled
	metadata     jsonb,                         -- {"buy_volume", "sell_volume"}
	timestamp    timestamptz NOT NULL,          -- = open_time
	created_at   timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (open_time);
CREATE UNIQUE INDEX realtime_candles_key ON realtime_candles (symbol, timeframe, open_time, source);

CREATE TABLE technical_indicators (
	source         text             NOT NULL,
	symbol         text             NOT NULL,
	timeframe      text             NOT NULL,
	indicator_name text             NOT NULL,
	parameters     jsonb            NOT NULL,   -- {"period": 20}
	value          numeric          NOT NULL,   -- the shortest numeral that reads back as the computed double
	revision       integer          NOT NULL,
	metadata       jsonb,
	timestamp      timestamptz      NOT NULL,   -- the candle's open
	created_at     timestamptz      NOT NULL DEFAULT now()
) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX technical_indicators_key
	ON technical_indicators (symbol, timeframe, timestamp, indicator_name, source, parameters);

CREATE TABLE signals (
	source      text             NOT NULL,
	symbol      text             NOT NULL,
	timeframe   text             NOT NULL,
	kind        text             NOT NULL,      -- signal, pattern, outcome
	signal_name text             NOT NULL,
	direction   text             NOT NULL,      -- none, long, short
	strength    double precision NOT NULL,      -- pattern: -200..200; signal: confidence 0..1; outcome: return in R
	entry_price  numeric,
	stop_price   numeric,
	target_price numeric,
	inputs      jsonb,
	revision    integer          NOT NULL,
	timestamp   timestamptz      NOT NULL,      -- the candle's open
	created_at  timestamptz      NOT NULL DEFAULT now()
) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX signals_key ON signals (symbol, timeframe, timestamp, kind, signal_name, source);

-- One row per raw message as it leaves ap-normalize.
CREATE TABLE processing_results (
	message_id           text        NOT NULL,
	success              boolean     NOT NULL,
	processing_time_ms   bigint      NOT NULL,
	components_processed jsonb       NOT NULL,
	errors               jsonb       NOT NULL,
	metadata             jsonb,
	partition            integer     NOT NULL,
	origin               bigint      NOT NULL,
	timestamp            timestamptz NOT NULL,  -- when it was received
	created_at           timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX processing_results_key ON processing_results (timestamp, partition, origin);

CREATE TABLE system_metrics (
	cpu_percent          double precision,
	memory_percent       double precision,
	memory_used_mb       double precision,
	memory_available_mb  double precision,
	disk_usage_percent   double precision,
	network_bytes_sent   bigint,
	network_bytes_recv   bigint,
	instance             text        NOT NULL DEFAULT '',
	timestamp            timestamptz NOT NULL,
	created_at           timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX system_metrics_key ON system_metrics (timestamp, instance);

CREATE TABLE component_metrics (
	component_name text             NOT NULL,
	metric_name    text             NOT NULL,   -- with its labels: records_in_total{part="3"}
	metric_value   double precision NOT NULL,
	metric_type    text             NOT NULL,   -- counter, gauge
	timestamp      timestamptz      NOT NULL,
	created_at     timestamptz      NOT NULL DEFAULT now()
) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX component_metrics_key ON component_metrics (timestamp, component_name, metric_name);

CREATE TABLE streaming_alerts (
	alert_type  text             NOT NULL,      -- stage_down, lag_high, lost, bad_row ...
	component   text             NOT NULL,
	severity    text             NOT NULL,      -- info, warning, critical
	state       text             NOT NULL,      -- raised, cleared
	message     text             NOT NULL,
	value       double precision,
	metadata    jsonb,
	alert_key   text             NOT NULL,      -- tells alerts of one instant apart
	timestamp   timestamptz      NOT NULL,
	created_at  timestamptz      NOT NULL DEFAULT now()
) PARTITION BY RANGE (timestamp);
CREATE UNIQUE INDEX streaming_alerts_key ON streaming_alerts (timestamp, alert_type, component, alert_key);

-- When each source was proven to be up: intervals that neither touch nor overlap.
CREATE TABLE coverage (
	source      text        NOT NULL,
	started_at  timestamptz NOT NULL,
	ended_at    timestamptz NOT NULL,
	PRIMARY KEY (source, started_at),
	CHECK (ended_at >= started_at)
) WITH (fillfactor = 50);

-- Indicator windows saved for other readers.
CREATE TABLE rolling_windows (
	source      text        NOT NULL,
	symbol      text        NOT NULL,
	timeframe   text        NOT NULL,
	window_name text        NOT NULL,
	data        jsonb       NOT NULL,
	revision    integer     NOT NULL DEFAULT 0,
	timestamp   timestamptz NOT NULL,
	created_at  timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (source, symbol, timeframe, window_name)
);
