#!/bin/sh
# fault: F34 FUNCTION FLUSH, ACL reset
# budget: <= 5 s
# budget_ms: 5000
# measured: flush: from FUNCTION FLUSH, acl: from the rights' return, until a new trade has come through all stages
# remark: ap-supervisor loads the functions again; rights are given by a person, nothing is to be done after that
cd "$(dirname "$0")/../.." || exit 111
. test/faults/lib.sh
fault_init
fault_up
rcli ACL SETUSER keeper on '>keeper' '~*' '&*' '+@all' >/dev/null
keeper() { redis-cli --no-auth-warning -u "redis://keeper:keeper@${AP_REDIS_DIRECT#redis://}" "$@"; }
processes() { for stage in ap-ingest.0 ap-normalize.0 ap-candle.0 ap-indicators.0 ap-persist.0 ap-api.0 ap-metrics.0; do pid_of $stage; done; }

load_start
before=$(processes)
while next_trial; do
	t=$(mono)
	rcli FUNCTION FLUSH >/dev/null
	flow "$t" && trial "$flow_ms" kind=flush
	check "flush: the supervisor says that it has loaded them" logged supervisor ev=functions_loaded

	keeper ACL SETUSER default reset >/dev/null
	sleep 3
	check "acl: a stage says what it lacks" wait_for 10 logged ap-normalize.0 'why="?(NOPERM|NOAUTH|role:NOAUTH|role:NOPERM)'
	t=$(mono)
	keeper ACL SETUSER default on nopass '~*' '&*' '+@all' >/dev/null
	flow "$t" && trial "$flow_ms" kind=acl
done
equal "the same processes are still at work" "$before" "$(processes)"
fault_end
