# shellcheck shell=sh
# lib_topology.sh - a fault test's pipeline on a primary with a replica under three Sentinels, or on a Cluster of three masters.
# Source it after lib.sh.
#
#   fault_up_sentinel [opt...]   nodes a and b (test/lib/topology.sh); present and other are the names of primary and replica
#   fault_up_cluster [opt...]    masters m1 m2 m3
#                                rcli looks through AP_CLUSTER_EYE, m1 unless set
#   roles                        sets present and other by what the Sentinels say
#   caught_up                    the replica has all that the primary has

. test/lib/topology.sh

rcli() {
	case $AP_REDIS_URL in
	sentinel:*) redis-cli -p "$(primary_port)" "$@" ;;
	*) redis-cli -c -p "$(node_port "${AP_CLUSTER_EYE:-m1}")" "$@" ;;
	esac
}

fault_up_on() {
	pg_start
	# shellcheck disable=SC2034 # lib.sh looks at it
	AP_PG_DIRECT="postgresql://alphapulse@/alphapulse?port=$AP_T_PG_PORT&host=$AP_T_PG_DIR"
	topology_url=$AP_REDIS_URL
	fault_up -o supervisor.embedded=false -o "redis.url=$AP_REDIS_URL" -o "pg.conninfo=$AP_T_CONNINFO" "$@"
	AP_REDIS_URL=$topology_url
}

fault_up_sentinel() {
	node_start a
	node_start b --replicaof 127.0.0.1 "$(node_port a)"
	sentinels_start a
	fault_up_on "$@"
}

fault_up_cluster() {
	cluster_start
	fault_up_on "$@"
}

roles() {
	present=a other=b
	[ "$(primary_port)" = "$(node_port a)" ] || { present=b other=a; }
}
offset_of() { ncli "$1" info replication | tr -d '\r' | sed -n 's/^master_repl_offset://p'; }
caught_up() {
	roles
	[ "$(ncli "$other" info replication | tr -d '\r' | sed -n 's/^master_link_status://p')" = up ] || return 1
	caught_at=$(offset_of "$present")
	[ "$(offset_of "$other")" -ge $((caught_at - 200000)) ]
}
# All functions called at a node since it started.
calls_of() { ncli "$1" info commandstats | tr -d '\r' | sed -n 's/^cmdstat_fcall:calls=\([0-9]*\).*/\1/p'; }
