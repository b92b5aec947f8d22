#!/bin/sh
# apctl rebuild from journals that are not whole: an end torn off in the middle of a record, a segment in the middle that is gone. What is
# missing is told by number, what is there is rebuilt, stored rows stay as they were, and apctl verify names what PostgreSQL has more.
# shellcheck disable=SC2317,SC2015,SC2012  # functions called by name
cd "$(dirname "$0")/../.." || exit 111
. test/lib/pipeline.sh
pipe_init

tape() {
	awk 'BEGIN { srand(8); p = 100; t = 1700000000000
		for (i = 1; i <= 14000; i++) { p += (rand() - 0.5) / 4; t += int(rand() * 1000)
			printf "{\"source\":\"src\",\"symbol\":\"V%d-USD\",\"price\":\"%.4f\",\"quantity\":\"%.6f\",\"timestamp\":%.0f,\"trade_id\":\"%d\"}\n",
				i % 5, p, rand() * 3 + 0.000001, t, i } }'
}
same_rows() { rows_digest >"$AP_P_DIR/after"; diff "$AP_P_DIR/before" "$AP_P_DIR/after"; }
# ctl rebuild --json, its words in $AP_P_DIR/said
rebuild() {
	ctl rebuild --json "$@" >"$AP_P_DIR/rebuild.json" 2>"$AP_P_DIR/said" || { cat "$AP_P_DIR/said"; return 1; }
}
says() { grep -E "$1" "$AP_P_DIR/said" || { cat "$AP_P_DIR/said"; return 1; }; }
json_says() { grep -F "$1" "$AP_P_DIR/rebuild.json" || { cat "$AP_P_DIR/rebuild.json"; return 1; }; }
# differs REGEX: apctl verify ends with 1 and says this
differs() {
	ctl verify --count 100000 >"$AP_P_DIR/verify" 2>&1
	[ $? -eq 1 ] && grep -qE "$1" "$AP_P_DIR/verify" || { tail -n 20 "$AP_P_DIR/verify"; return 1; }
}
number() { basename "$1" | sed 's/^0*\([0-9]*\)-.*/\1/'; }

check "pipeline comes up" pipe_up -o journal.segment_mb=1
tape >"$AP_P_DIR/tape.ndjson"
# Not at full speed: a group never spans segments, and one of some megabytes would leave too few of them.
check "a tape is replayed" replay "$AP_P_DIR/tape.ndjson" --format ndjson --close --speed 1750
check "stored" ctl drain --timeout 120
rows_digest >"$AP_P_DIR/before"
check "apctl verify agrees" ctl verify
dir=$(echo "$AP_P_DIR"/journal/replay:*)
cp -r "$dir" "$AP_P_DIR/whole"
check "the journal has three segments or more" test "$(ls "$dir"/*.apj | wc -l)" -ge 3
whole_again() { rm -f "$dir"/*.apj; cp "$AP_P_DIR"/whole/*.apj "$AP_P_DIR/whole/published" "$dir"; }
end=$(sort -n "$dir/published" | tail -1)

# --- the end is torn off ----------------------------------------------------------------------------
rcli FLUSHALL >/dev/null
last=$(ls "$dir"/*.apj | tail -1)
truncate -s -20007 "$last"
check "rebuilt from a journal whose end is torn off" rebuild
torn=$(sed 's/.*"torn":{"behind":\([0-9]*\),.*/\1/' "$AP_P_DIR/rebuild.json")
check "it ends within the last segment" test "$torn" -ge "$(number "$last")" -a "$torn" -lt "$end"
check "the torn record is told" says "journal of replay:.* behind number $torn \(.*\) [1-9][0-9]* bytes hold no whole record"
check "and which numbers had been published and are missing" says "numbers $((torn + 1)) to $end are missing: $((end - torn)) records"
check "in JSON too" json_says "\"lost\":$((end - torn)),\"live\":false,\"missing\":[{\"first\":$((torn + 1)),\"last\":$end}]"
check "every stored row is what it was" same_rows
# ap-ingest looks after the journal of a producer that has ended: once it has cut the torn end off, nobody knows any more how many records
# there were, and each row is named.
check "apctl verify says what PostgreSQL has more" differs "differs: (journal of replay:.*, numbers $((torn + 1)) to $end: records: expected missing, stored [1-9][0-9]* rows|journaled message .*: journal: expected no such message, stored a row)"

# --- a segment in the middle is gone ------------------------------------------------------------------
whole_again
rcli FLUSHALL >/dev/null
middle=$(ls "$dir"/*.apj | sed -n 2p)
next=$(ls "$dir"/*.apj | sed -n 3p)
a=$(number "$middle") b=$(($(number "$next") - 1))
rm "$middle"
check "rebuilt from a journal without a segment" rebuild
check "which numbers are missing is told, and from when to when" says "journal of replay:.*: numbers $a to $b are missing: $((b - a + 1)) records, between 2.*Z and 2.*Z"
check "in JSON too" json_says "\"lost\":$((b - a + 1)),\"live\":false,\"missing\":[{\"first\":$a,\"last\":$b}],\"torn\":null"
check "every stored row is what it was, indicators behind the gap too" same_rows
check "apctl verify says what PostgreSQL has more" differs "differs: journal of replay:.*, numbers $a to $b: records: expected missing, stored [1-9][0-9]* rows"
equal "and finds nothing else" 1 "$(grep -c '^differs' "$AP_P_DIR/verify")"

# --- the same into an empty PostgreSQL --------------------------------------------------------------------
messages=$(psql_q "SELECT count(*) FROM stream_messages")
gone=$(psql_q "SELECT count(*) FROM stream_messages WHERE (origin & 1099511627775) BETWEEN $a AND $b")
rcli FLUSHALL >/dev/null
psql_q "TRUNCATE stream_messages, normalized_data, processing_results, realtime_candles, technical_indicators, signals, coverage, sink_cursors"
check "rebuilt, PostgreSQL empty" rebuild
equal "all that the journal has is stored" $((messages - gone)) "$(psql_q "SELECT count(*) FROM stream_messages")"
check "apctl verify agrees: nothing is stored that the journal lacks" ctl verify

# --- and whole again ------------------------------------------------------------------------------------------
whole_again
rcli FLUSHALL >/dev/null
check "rebuilt from the whole journal" rebuild --force
check "every row is what it was" same_rows
check "apctl verify agrees" ctl verify
tap_end
