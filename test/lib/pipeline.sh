# shellcheck shell=sh
# pipeline.sh - a whole private pipeline for one test: apctl up in a temporary directory that goes with it.
# Source it from the project's top folder.
#
#   pipe_init            sets AP_P_DIR; everything is taken down on exit
#   pipe_up [option...]  apctl up --no-feed ...; exports AP_REDIS_URL AP_PG_URL AP_API_URL AP_METRICS_URL AP_INGEST_TCP
#   pipe_down            apctl down
#   ctl VERB ...         apctl VERB --dir DIR ...
#   psql_q "..."         psql -At
#
# Results: tap.sh.

AP_BIN=${AP_BIN:-bin}
AP_SHARED=${AP_SHARED:-../shared}
. test/lib/tap.sh

pipe_init() {
	AP_P_DIR=$(mktemp -d "${TMPDIR:-/tmp}/ap-pipe.XXXXXX") || exit 111
	chmod 755 "$AP_P_DIR"
	tap_tmp=$AP_P_DIR.out
	trap pipe_done EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

pipe_done() {
	"$AP_BIN/apctl" down --dir "$AP_P_DIR" --timeout 60 >/dev/null 2>&1
	[ "$tap_bad" -eq 0 ] || for log in "$AP_P_DIR"/log/*.log; do
		echo "# --- ${log##*/}"
		grep -E 'lvl=(warn|error)|ssert|ERROR|Sanitizer' "$log" | tail -n 15 | sed 's/^/#   /'
	done
	[ -n "${AP_KEEP:-}" ] || rm -rf "$AP_P_DIR" "$AP_P_DIR.out"
}

ctl() {
	ctl_verb=$1
	shift
	"$AP_BIN/apctl" "$ctl_verb" --dir "$AP_P_DIR" "$@"
}

pipe_up() {
	ctl up --no-feed --timeout 90 "$@" >"$AP_P_DIR/up.out" 2>&1 || {
		cat "$AP_P_DIR/up.out"
		return 1
	}
	eval "$(ctl env)"
	export AP_REDIS_URL AP_PG_URL AP_API_URL AP_METRICS_URL AP_INGEST_TCP
}

pipe_down() {
	ctl down --timeout 60
}

psql_q() {
	psql -X -q -At -v ON_ERROR_STOP=1 "$AP_PG_URL" -c "$1"
}

# replay FILE option...: prints the summary line
replay() {
	replay_file=$1
	shift
	"$AP_BIN/ap-ingest" -c "$AP_P_DIR/alphapulse.conf" --replay "$replay_file" "$@"
}

rcli() {
	redis-cli -u "$AP_REDIS_URL" "$@"
}

# What must be the same whenever the same tape has gone through: final candles and the trades they were made from.
# Revision numbers and times of writing are left out: they tell how it arrived.
rows_digest() {
	psql_q "SELECT 'candles', count(*), md5(string_agg(concat_ws('|', source, symbol, timeframe, open_time, open_price, high_price,
			low_price, close_price, volume, quote_volume, trade_count, vwap), E'\n'
			ORDER BY source, symbol, timeframe, open_time)) FROM realtime_candles
		UNION ALL SELECT 'trades', count(*), md5(string_agg(concat_ws('|', source, symbol, trade_id, price, quantity, side, timestamp), E'\n'
			ORDER BY source, symbol, timestamp, trade_id, price, quantity)) FROM normalized_data WHERE validation_status = 'valid'
		UNION ALL SELECT 'rejects', count(*), md5(string_agg(concat_ws('|', source, symbol, validation_status, validation_errors, trade_id), E'\n'
			ORDER BY source, symbol, validation_status, validation_errors::text, trade_id)) FROM normalized_data
			WHERE validation_status <> 'valid'
		UNION ALL SELECT 'messages', count(*), md5(string_agg(concat_ws('|', source, symbol, data), E'\n'
			ORDER BY source, symbol, data::text)) FROM stream_messages
		UNION ALL SELECT 'indicators', count(*), md5(string_agg(concat_ws('|', source, symbol, timeframe, indicator_name, parameters,
			timestamp, value), E'\n' ORDER BY source, symbol, timeframe, indicator_name, parameters::text, timestamp))
			FROM technical_indicators
		ORDER BY 1" || echo "no digest: $(date +%N)"        # never equal to another one
}
