#!/bin/sh
# The page in the distribution's Chromium, against a real Redis, PostgreSQL, ap-persist and ap-api, fed by ap-feed. Prints TAP.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/servers.sh
AP_BIN=${AP_BIN:-bin} AP_TOOLS=${AP_TOOLS:-build/test/tools}
need node npm chromium
if [ ! -d test/e2e/node_modules/playwright-core ]; then
	(cd test/e2e && npm ci --ignore-scripts --no-audit --no-fund --silent) || skip_all "playwright-core cannot be installed"
fi
[ -d web/node_modules/lightweight-charts ] || skip_all "the page was built without its chart library"

servers_init 24000 24999
redis_start
pg_start
port=$(free_port)
"$AP_TOOLS/ap-feed" "$AP_T_REDIS_PORT" 4 400 0 || die "ap-feed"
set -- -o "redis.url=$AP_REDIS_URL" -o "pg.conninfo=$AP_T_CONNINFO"
"$AP_BIN/apctl" "$@" migrate >/dev/null 2>"$AP_T_DIR/migrate.log" || die "apctl migrate: $(cat "$AP_T_DIR/migrate.log")"
bg persist "$AP_BIN/ap-persist" "$@"
bg feed "$AP_TOOLS/ap-feed" "$AP_T_REDIS_PORT" 4 0 300 100
AP_FEED_PID=$BG_PID
bg api "$AP_BIN/ap-api" "$@" -o "api.listen=127.0.0.1:$port" -o "api.ingest=127.0.0.1:$(free_port)"
AP_API_PID=$BG_PID AP_API_URL=http://127.0.0.1:$port AP_CHROMIUM=$(command -v chromium)
export AP_FEED_PID AP_API_PID AP_API_URL AP_CHROMIUM
wait_for 20 curl -sf -m 2 "$AP_API_URL/readyz" || die "ap-api is not ready: $(tail -3 "$AP_T_DIR/api.log")"
node test/e2e/page.test.mjs
