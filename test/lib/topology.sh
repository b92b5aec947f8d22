# shellcheck shell=sh disable=SC2034
# topology.sh - Redis as several servers, for one test: a primary with a replica under three Sentinels, or a Cluster of three masters.
# Source it after servers.sh and servers_init; everything started here ends with the test.
#
#   node_start NAME [option...]  one redis-server; NODE_NAME_port and NODE_NAME_pid are set (node_port NAME, node_pid NAME print them).
#                                Started again under the same name it keeps its port and its data
#   node_kill NAME               kill -9
#   ncli NAME ...                redis-cli at it
#   sentinels_start PRIMARY      three Sentinels that know the node PRIMARY as "alphapulse", down-after 1 s; AP_REDIS_URL
#   primary_port                 of the present primary, by a Sentinel's word
#   cluster_start                masters m1 m2 m3 with a third of the slots each; AP_REDIS_URL
#   cluster_replica NAME OF      one more node, a replica of the master OF, with all it has; CLUSTER_NODES names all nodes
#   node_of PARTITION            the master that it lies on, also of any other key; asked of AP_CLUSTER_EYE, m1 unless set
#   partition_nodes              the masters that partitions 0 to 3 lie on, each once
#   slot_move SLOT FROM TO       moves one slot between two masters while it is in use, key by key

node_port() { eval "echo \"\${NODE_$1_port:-}\""; }
node_pid() { eval "echo \"\${NODE_$1_pid:-}\""; }

node_start() {
	node=$1
	shift
	[ -n "$(node_port "$node")" ] || eval "NODE_${node}_port=$(free_port)"
	mkdir -p "$AP_T_DIR/$node"
	redis-server --port "$(node_port "$node")" --bind 127.0.0.1 --dir "$AP_T_DIR/$node" --save '' --appendonly yes \
		--appendfsync everysec --maxmemory-policy noeviction --daemonize no --repl-diskless-sync-delay 0 --enable-debug-command yes "$@" >>"$AP_T_DIR/$node.log" 2>&1 &
	eval "NODE_${node}_pid=$!"
	AP_T_PIDS="$AP_T_PIDS $!"
	wait_for 20 node_answers "$node" || die "$node did not start: $(tail -3 "$AP_T_DIR/$node.log")"
}
node_answers() { [ "$(ncli "$1" ping 2>/dev/null)" = PONG ]; }
node_kill() {
	kill -9 "$(node_pid "$1")" 2>/dev/null
	wait "$(node_pid "$1")" 2>/dev/null
	eval "NODE_$1_pid="
}
ncli() {
	ncli_node=$1
	shift
	redis-cli -p "$(node_port "$ncli_node")" "$@"
}

# --- Sentinel -----------------------------------------------------------------

sentinels_start() {
	sentinel_list=
	for i in 1 2 3; do
		sentinel_port=$(free_port)
		cat >"$AP_T_DIR/sentinel$i.conf" <<-EOF
			port $sentinel_port
			bind 127.0.0.1
			dir $AP_T_DIR
			sentinel monitor alphapulse 127.0.0.1 $(node_port "$1") 2
			sentinel down-after-milliseconds alphapulse 1000
			sentinel failover-timeout alphapulse 6000
		EOF
		redis-server "$AP_T_DIR/sentinel$i.conf" --sentinel >>"$AP_T_DIR/sentinel$i.log" 2>&1 &
		eval "SENTINEL_${i}_pid=$! SENTINEL_${i}_port=$sentinel_port"
		AP_T_PIDS="$AP_T_PIDS $!"
		sentinel_list=$sentinel_list${sentinel_list:+,}127.0.0.1:$sentinel_port
		wait_for 10 scli "$i" ping || die "sentinel $i did not start"
	done
	AP_REDIS_URL=sentinel://$sentinel_list/alphapulse
	wait_for 20 replica_linked "$1" || die "the replica does not follow"
	wait_for 20 sentinels_agree || die "the sentinels do not see each other"
}
# A replica of this node has all it has.
replica_linked() { ncli "$1" info replication | grep -q 'state=online'; }
scli() {
	scli_port=
	eval "scli_port=\$SENTINEL_$1_port"
	shift
	redis-cli -p "$scli_port" "$@"
}
# Each has seen the two others and at least one replica.
sentinels_agree() {
	for i in 1 2 3; do
		scli $i sentinel master alphapulse | awk '
			NR % 2 { name = $0; next } { v[name] = $0 }
			END { exit !(v["num-other-sentinels"] == 2 && v["num-slaves"] >= 1) }' || return 1
	done
}
primary_port() { scli "${1:-1}" sentinel get-master-addr-by-name alphapulse | tail -1; }

# --- Cluster ------------------------------------------------------------------

cluster_start() {
	first=0 cluster_list='' CLUSTER_NODES='m1 m2 m3'
	for i in 1 2 3; do
		# The bus is at the port + 10000, which may be anybody's.
		node_start m$i --cluster-enabled yes --cluster-node-timeout 2000 --cluster-port "$(free_port)" --cluster-require-full-coverage no
		cluster_list=$cluster_list${cluster_list:+,}127.0.0.1:$(node_port m$i)
		last=$((16384 * i / 3 - 1))
		ncli m$i cluster addslotsrange $first $last >/dev/null
		ncli m$i cluster set-config-epoch $i >/dev/null
		first=$((last + 1))
	done
	for i in 2 3; do
		ncli m1 cluster meet 127.0.0.1 "$(node_port m$i)" "$(ncli m$i config get cluster-port | tail -1)" >/dev/null
	done
	AP_REDIS_URL=cluster://$cluster_list
	wait_for 30 cluster_whole || die "the cluster does not come together: $(ncli m1 cluster info)"
}
cluster_whole() {
	for i in 1 2 3; do
		ncli m$i cluster info | tr -d '\r' >"$AP_T_DIR/cluster.info"
		grep -qx 'cluster_state:ok' "$AP_T_DIR/cluster.info" && grep -qx 'cluster_known_nodes:3' "$AP_T_DIR/cluster.info" &&
			grep -qx 'cluster_slots_ok:16384' "$AP_T_DIR/cluster.info" || return 1
	done
}
node_id() { ncli "$1" cluster myid; }
cluster_replica() {
	node_start "$1" --cluster-enabled yes --cluster-node-timeout 2000 --cluster-port "$(free_port)" --cluster-require-full-coverage no
	ncli "$1" cluster meet 127.0.0.1 "$(node_port m1)" "$(ncli m1 config get cluster-port | tail -1)" >/dev/null
	replica_of=$(node_id "$2")
	wait_for 30 replicates "$1" || die "$1 does not become a replica: $(ncli "$1" cluster nodes)"
	wait_for 30 replica_linked "$2" || die "$1 does not follow $2"
	CLUSTER_NODES="$CLUSTER_NODES $1"
}
replicates() { [ "$(ncli "$1" cluster replicate "$replica_of")" = OK ]; }
# The master that has a slot, by its name here.
slot_owner() {
	for node_name in $CLUSTER_NODES; do
		ncli "$node_name" cluster nodes 2>/dev/null | awk -v slot="$1" '$3 ~ /myself/ { for (f = 9; f <= NF; f++) {
			n = split($f, a, "-"); if ($f !~ /^\[/ && a[1] + 0 <= slot && slot <= a[n] + 0) ok = 1 } } END { exit !ok }' && echo "$node_name" && return
	done
}
node_of() { slot_owner "$(ncli "${AP_CLUSTER_EYE:-m1}" cluster keyslot "$1")"; }
partition_nodes() { for p in 0 1 2 3; do node_of $p; done | sort -u; }
slot_move() {
	ncli "$3" cluster setslot "$1" importing "$(node_id "$2")" >/dev/null
	ncli "$2" cluster setslot "$1" migrating "$(node_id "$3")" >/dev/null
	while :; do
		key=$(ncli "$2" cluster getkeysinslot "$1" 1)
		[ -n "$key" ] || break
		ncli "$2" migrate 127.0.0.1 "$(node_port "$3")" "$key" 0 10000 >>"$AP_T_DIR/migrate.log" || sleep 0.05
		[ -z "${SLOT_PAUSE:-}" ] || sleep "$SLOT_PAUSE"
	done
	for i in $3 $2 m1 m2 m3; do
		ncli "$i" cluster setslot "$1" node "$(node_id "$3")" >/dev/null
	done
}
