-- What the best bid and ask did in an interval. Written as candles are: a higher revision replaces the row.
CREATE TABLE quote_bars (
	source        text        NOT NULL,
	symbol        text        NOT NULL,
	timeframe     text        NOT NULL,
	open_time     timestamptz NOT NULL,
	close_time    timestamptz NOT NULL,         -- exclusive
	bid_open      numeric     NOT NULL,
	bid_high      numeric     NOT NULL,
	bid_low       numeric     NOT NULL,
	bid_close     numeric     NOT NULL,
	ask_open      numeric     NOT NULL,
	ask_high      numeric     NOT NULL,
	ask_low       numeric     NOT NULL,
	ask_close     numeric     NOT NULL,
	mid_open      numeric     NOT NULL,         -- (bid + ask) / 2
	mid_high      numeric     NOT NULL,
	mid_low       numeric     NOT NULL,
	mid_close     numeric     NOT NULL,
	spread_min    numeric     NOT NULL,         -- ask - bid
	spread_max    numeric     NOT NULL,
	spread_mean   numeric     NOT NULL,         -- weighted by time, half-even at 18 decimals
	spread_last   numeric     NOT NULL,
	weighted_ns   bigint      NOT NULL,         -- the time it is weighted over: from the first quote to the close
	resolution_ms bigint      NOT NULL,         -- quotes nearer than this count as one in the mean; 0: none does
	quote_count   bigint      NOT NULL,
	locked_count  bigint      NOT NULL,         -- quotes with bid = ask
	state         text        NOT NULL,         -- final, revised
	revision      integer     NOT NULL,
	coverage_ms   bigint      NOT NULL,         -- how long of it the feed was up
	quality       text        NOT NULL,         -- full, partial, gap
	created_at    timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (open_time);
CREATE UNIQUE INDEX quote_bars_key ON quote_bars (symbol, timeframe, open_time, source);
