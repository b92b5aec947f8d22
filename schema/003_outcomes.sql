-- Outcomes are few among the patterns; the hit rates of rules are counted from them.
CREATE INDEX signals_outcomes ON signals (signal_name, timeframe) WHERE kind = 'outcome';
