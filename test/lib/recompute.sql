-- Candles computed again from the stored trades, by the database alone, against the stored candles.
-- One row for each difference: none is what a test wants to see. The six timeframes of the default configuration.
WITH tf(timeframe, width) AS (VALUES ('1m', interval '1 minute'), ('5m', interval '5 minutes'), ('15m', interval '15 minutes'),
		('1h', interval '1 hour'), ('4h', interval '4 hours'), ('1d', interval '1 day')),
trades AS (
	SELECT source, symbol, timestamp, price, quantity, trade_id, original_message_id, record_key,
		CASE WHEN trade_id ~ '^[0-9]+$' THEN trade_id::numeric END AS num
	FROM normalized_data WHERE validation_status = 'valid'),
made AS (
	SELECT source, symbol, timeframe, date_bin(width, timestamp, '2000-01-03 00:00+00') AS open_time,
		max(price) AS high, min(price) AS low, sum(quantity) AS volume, sum(price * quantity) AS quote_volume, count(*) AS n
	FROM trades, tf GROUP BY 1, 2, 3, 4)
SELECT coalesce(m.source, c.source) AS source, coalesce(m.symbol, c.symbol) AS symbol, coalesce(m.timeframe, c.timeframe) AS timeframe,
	coalesce(m.open_time, c.open_time) AS open_time, m.n AS made, c.trade_count AS stored, m.volume AS made_volume, c.volume AS stored_volume
FROM made m FULL JOIN realtime_candles c
	ON (m.source, m.symbol, m.timeframe, m.open_time) = (c.source, c.symbol, c.timeframe, c.open_time)
WHERE m.source IS NULL OR c.source IS NULL
	OR (m.high, m.low, m.volume, m.quote_volume, m.n) IS DISTINCT FROM (c.high_price, c.low_price, c.volume, c.quote_volume, c.trade_count)
	OR abs(c.vwap - c.quote_volume / nullif(c.volume, 0)) > 0.0000000000005;
