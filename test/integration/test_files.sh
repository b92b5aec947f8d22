#!/bin/sh
# The stages without any server, joined by pipes: the same tape gives the same bytes, and the candles are the
# expected ones.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
AP_P_DIR=$(mktemp -d "${TMPDIR:-/tmp}/ap-files.XXXXXX") || exit 111
trap 'rm -rf "$AP_P_DIR" "$AP_P_DIR.out"' EXIT
d=$AP_P_DIR
bin=$AP_BIN

awk 'BEGIN { srand(5); p = 100; t = 1700000000000
	for (i = 1; i <= 20000; i++) { p += (rand() - 0.5) / 4; t += int(rand() * 400)
		printf "{\"source\":\"gen\",\"symbol\":\"G%d-USD\",\"price\":\"%.6f\",\"quantity\":\"%.8f\",\"timestamp\":%.0f,\"trade_id\":%d}\n",
			i % 3, p, rand() + 0.00000001, t - int(rand() * 900), i } }' >"$d/gen.ndjson"

# through FILE options...: raw frames, then every stage; the indicators and all other streams on stdout
frames() { "$bin/ap-ingest" -c /dev/null --replay "$@" --close --file 2>"$d/ingest.err"; }
all() { "$bin/ap-normalize" --file | "$bin/ap-candle" --file | "$bin/ap-indicators" --file; }

check "a tape becomes raw frames" sh -c "'$bin/ap-ingest' -c /dev/null --replay '$d/gen.ndjson' --format ndjson --close --file >'$d/raw'"
all <"$d/raw" >"$d/one"
all <"$d/raw" >"$d/two"
check "all stages write something" test -s "$d/one"
check "the same frames give the same bytes" cmp "$d/one" "$d/two"
frames "$d/gen.ndjson" --format ndjson >"$d/raw2"
check "the same tape gives the same frames" cmp "$d/raw" "$d/raw2"

# Final candles as one line each, the highest revision of each.
candles() {
	jq -r 'select(.kind == "candle" and .state != "forming") | [.source, .symbol, .timeframe, .open_time, .revision, .open, .high, .low, .close,
		.volume, .quote_volume, .trade_count] | map(tostring) | join("|")' | sort -t '|' -k1,4 -k5,5n |
		awk -F '|' '{ k = $1 "|" $2 "|" $3 "|" $4; if (k != last && NR > 1) print line; last = k; line = k; for (i = 6; i <= NF; i++) line = line "|" $i }
			END { print line }'
}
"$bin/ap-normalize" --file <"$d/raw" | "$bin/ap-candle" --file --json | candles >"$d/from-frames"
"$bin/ap-normalize" --file <"$d/gen.ndjson" | "$bin/ap-candle" --file --json | candles >"$d/from-lines"
check "candles come out ($(wc -l <"$d/from-frames"))" test "$(wc -l <"$d/from-frames")" -gt 100
# Lines have no end of tape, so the last intervals stay open.
check "NDJSON on standard input gives the same candles" sh -c "test \$(wc -l <'$d/from-lines') -gt 50 && ! grep -vxF -f '$d/from-frames' '$d/from-lines' | grep -q ."

# One entry puts no more than 16,000 of them; the last one of a tape has more to close.
finals() { "$bin/ap-candle" --file --json | grep -c '"state":"final"'; }
awk 'BEGIN { for (i = 0; i < 4000; i++)
	printf "{\"symbol\":\"T%d-USD\",\"price\":\"1.5\",\"quantity\":\"2\",\"timestamp\":1767323045,\"trade_id\":\"%d\"}\n", i, i }' >"$d/wide"
equal "a tape of 4,000 symbols closes its six candles of each" 24000 "$("$bin/ap-normalize" --file --close <"$d/wide" | finals)"

if [ -d "$AP_SHARED/data/trades" ]; then
	frames "$AP_SHARED/data/trades/binance-spot-XRPETH-aggTrades-2019-10-11_13.csv.gz" --format binance-aggtrades --source binance --symbol XRP-ETH |
		"$bin/ap-normalize" --file | "$bin/ap-candle" --file --json | candles | cut -d '|' -f 3- | sort >"$d/got"
	# The programs print decimals exactly; the expected file does too. jq would round numbers with more than 17 digits: none here.
	awk -F, 'NR > 1 { print $3 "|" strftime("%Y-%m-%dT%H:%M:%S.000Z", $4 / 1000, 1) "|" $5 "|" $6 "|" $7 "|" $8 "|" $9 "|" $10 "|" $11 }' \
		"$AP_SHARED/data/trades/expected-candles-binance-spot-XRPETH.csv" | sort >"$d/want"
	check "recorded trades give the expected $(wc -l <"$d/want") candles without any server" cmp "$d/want" "$d/got"
else
	skip "recorded trades are not here"
fi

printf 'not json\n{"source":"x","symbol":"A-B","price":"NaN","quantity":"1","timestamp":1700000000000}\n' >"$d/bad"
check "what is not a trade comes out with its reason" sh -c "'$bin/ap-normalize' --file --json <'$d/bad' | grep -c '\"reason\":\"' | grep -qx 2"
tap_end
