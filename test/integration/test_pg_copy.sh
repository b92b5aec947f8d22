#!/bin/sh
# COPY to a real PostgreSQL that refuses a row while the rest is still being sent: the answer comes when it is there, not at a deadline.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
need psql
servers_init 27000 27199
pg_start
"${AP_TOOLS:-build/test/tools}/pgcopy" "$AP_T_CONNINFO" "${AP_COPIES:-50}" 40000 30 >"$AP_T_DIR/out"
equal "every COPY is answered, with its error, before the client gives it up" "0 answers=${AP_COPIES:-50} errors=${AP_COPIES:-50}" \
	"$? $(cut -d' ' -f1,2 "$AP_T_DIR/out")"
echo "# $(cut -d' ' -f3 "$AP_T_DIR/out")"
tap_end
