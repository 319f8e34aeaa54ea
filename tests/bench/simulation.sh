#!/bin/bash
# A large fleet without kernels against one real etcd: tests/bench/simulation.sh [NODES] [WORKLOADS] [FULL] [FOLLOWING],
# by default 1,000 nodes, 100,000 workloads, 4 and 50, which takes under 20 minutes and 10 GB. Of each node there is all
# that a daemon has between the store and the kernel, with connections of its own: it takes the policy, checks and compiles
# it, and plans the transactions; and it tells of its workloads. FULL nodes hold the workloads of all others as a daemon
# does, and FOLLOWING more follow the same keys and note a hash of each record (tests/bench/simulation/). The rest does not
# follow: to give each of 1,000 nodes 100,000 records costs more than an hour of processor. At the end a real ringfenced
# joins. Prints lines `what key=value ...`, and checks that nobody misses or loses anything.
#
#   start     all but the full nodes, from an empty store       follow  the FOLLOWING, by lists
#   full      one after the other, into a fleet that is there
#   rest      for a while nothing happens                       push    since `ringfence push` began
#   change    since a workload changed at its node              restart etcd is killed in the middle of a push and of a
#   join      a real daemon, until it is ready                          churn, and started again: the same since then
#
# bytes: as the kernel counted them between the nodes and etcd, with TLS and headers. RINGFENCE_BUILD as in the tests.
. "$(dirname "$0")/../packets/lib.sh"
. "$(dirname "$0")/../packets/store.sh"

NODES=${1:-1000} TOTAL=${2:-100000} FULL=${3:-4} FOLLOWING=${4:-50}
RATE=${RATE:-1200} # nodes that are started a minute
FOLLOW_RATE=${FOLLOW_RATE:-$((NODES < 100 ? 1200 : 12))} # nodes a minute that begin to follow the others
REST=${REST:-$((NODES < 100 ? 1 : 60))}     # seconds
PUSHES=${PUSHES:-$((NODES < 100 ? 2 : 5))} CHANGES=${CHANGES:-$((NODES < 100 ? 10 : 50))}
CHURN=${CHURN:-5} # workloads a second
DOWN=${DOWN:-$((NODES < 100 ? 1 : 5))} # seconds that etcd is away
SIMULATION=$BUILD/tests/bench/simulation/simulation

node
command -v etcd >/dev/null || skip_all "etcd is not installed"
ulimit -n "$(ulimit -Hn)"
workload fleet 10.9.0.1 fd09::1
STORE_DIR=$(mktemp -d /dev/shm/ringfence-store.XXXXXX)
mkdir "$STORE_DIR/nodes"
store_start
store_file
for key in sign enrol joins; do "$RINGFENCE" keygen "$WORK/$key.key" >/dev/null; done
"$RINGFENCE" enroll "$WORK/joins.key.pub" --node joins --key "$WORK/enrol.key" -o "$WORK/joins.enrolment" >/dev/null
cp "$WORK/enrol.key" "$STORE_DIR/nodes/" # each simulated node makes a key of its own, and enrols it
STORE_USER=", keys: [$WORK/enrol.key.pub], signing_key: $WORK/joins.key, enrolment: $WORK/joins.enrolment"
"$SIMULATION" --policy "$POLICY" "$NODES" "$TOTAL"
cat >"$WORK/simulated.yaml" <<-END
	policy: {etcd: {endpoints: ["https://169.254.1.1:2179"], ca: $WORK/ca.pem, certificate: $WORK/client.pem, key: $WORK/client.key}, keys: [$WORK/sign.key.pub]}
	workloads:
	$(store_source 169.254.1.1)
	state: $WORK/state
END

# Each bundle is of another policy for every node: a port of each service is another one.
PUSHED=0
bundle() {
	PUSHED=$((PUSHED + 1))
	sed -i -E "s/http: [0-9]+/http: $((8000 + PUSHED))/" "$POLICY"/services*.yaml
	rm -f "$WORK/policy.bundle"
	"$RINGFENCE" sign "$POLICY" -o "$WORK/policy.bundle" --key "$WORK/sign.key" --revision "$PUSHED" --format json \
		>"$WORK/signed" 2>/dev/null
	REVISION=$(jq -r .policy "$WORK/signed")
}
push() { on node "$RINGFENCE" push "$WORK/policy.bundle" --store "$WORK/store.yaml" --trust "$WORK/sign.key.pub" >/dev/null; }

# ---- what is measured beside the simulation ----

etcd_metric() { # NAME; the sum of all series
	on node curl -s --cacert "$WORK/ca.pem" --cert "$WORK/client.pem" --key "$WORK/client.key" \
		https://127.0.0.1:2179/metrics | awk -v name="$1" '$1 ~ "^" name "($|{)" { sum += $2 } END { printf "%.0f\n", sum }'
}
etcd_cpu() { awk '{ split($0, at, ") "); split(at[2], field, " "); printf "%.2f\n", (field[12] + field[13]) / '"$(getconf CLK_TCK)"' }' "/proc/${STORE_PIDS[1]}/stat"; }
etcd_rss() { awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/${STORE_PIDS[1]}/status"; }
wire() { # to nodes, from nodes: bytes
	ip_in "$ROUTER" -s -j link show veth-fleet | jq -r '.[0].stats64 | "\(.tx.bytes) \(.rx.bytes)"'
}
begin() {
	read -r SENT GOT <<<"$(wire)"
	CPU=$(etcd_cpu)
	tell cpu
	BEGAN=$(value now)
	NODES_CPU=$(value seconds)
}
load() { # WHAT [PER]; since `begin`, by node and PER things
	local sent got
	read -r sent got <<<"$(wire)"
	tell cpu
	echo "load of=$1 seconds=$(awk "BEGIN { printf \"%.1f\", ($(value now) - $BEGAN) / 1e9 }")" \
		"node_received_bytes=$(((sent - SENT) / NODES / ${2:-1})) node_sent_bytes=$(((got - GOT) / NODES / ${2:-1}))" \
		"etcd_cpu_s=$(awk "BEGIN { printf \"%.2f\", $(etcd_cpu) - $CPU }") etcd_rss_mb=$(etcd_rss)" \
		"nodes_cpu_s=$(awk "BEGIN { printf \"%.2f\", $(value seconds) - $NODES_CPU }")"
}

# ---- the simulation, which reads commands ----

coproc SIM { become fleet "$SIMULATION" "$WORK/simulated.yaml" "$STORE_DIR/nodes" "$NODES" "$TOTAL" "$FULL" "$FOLLOWING" 2>"$WORK/simulation.err"; }
STARTED+=("$SIM_PID")
SIM_PROCESS=$SIM_PID
tell() { # COMMAND...; its answer is in $WORK/answer
	echo "$*" >&"${SIM[1]}"
	: >"$WORK/answer"
	local line=
	until [[ $line == *short=* ]]; do
		read -r -t 2000 line <&"${SIM[0]}" || {
			not_ok "the simulation answers $1"
			note "$(tail -n 5 "$WORK/simulation.err")"
			exit 1
		}
		echo "$line" >>"$WORK/answer"
	done
}
value() { sed -nE "s/.* $1=([0-9.]+).*/\1/p" "$WORK/answer" | tail -n 1; }
told() { sed -E 's/ short=[0-9]+$//' "$WORK/answer"; }
whole() { # TEXT; nobody is short
	equal "$1" 0 "$(value short)"
}
nothing_lost() { # TEXT
	tell lost
	told
	equal "$1: no node was told that a workload is gone which is there" 0 "$(value workloads)"
}

# ---- the run ----

bundle
echo "policy bytes=$(stat -c %s "$WORK/policy.bundle") services=$(grep -h 'ports:' "$POLICY"/services*.yaml | wc -l) nodes=$NODES workloads=$TOTAL full=$FULL following=$FOLLOWING"
push
begin
tell start "$RATE"
told
whole "every node holds the policy"
# Its workloads, the mark, that it is alive, and its status.
published() { [ "$(etcd_metric etcd_debugging_mvcc_keys_total)" -ge $(((NODES - FULL) * (TOTAL / NODES + 3))) ]; }
check "and tells of its workloads" await 120 published
load start
begin
tell follow "$FOLLOW_RATE"
told
whole "every node that follows them knows the workloads of all others"
load follow
if [ "$FULL" -gt 0 ]; then
	begin
	tell full
	told
	whole "so do those that hold them all"
	load full
fi
tell requests
begin
sleep "$REST"
tell requests
told | grep -v '^tenths'
load rest
echo "etcd database_mb=$(($(etcd_metric etcd_mvcc_db_total_size_in_bytes) >> 20)) in_use_mb=$(($(etcd_metric etcd_mvcc_db_total_size_in_use_in_bytes) >> 20))" \
	"keys=$(etcd_metric etcd_debugging_mvcc_keys_total) watchers=$(etcd_metric etcd_debugging_mvcc_watcher_total) grpc_sent_mb=$(($(etcd_metric etcd_network_client_grpc_sent_bytes_total) >> 20))"
for ((p = 1; p <= PUSHES; p++)); do
	bundle
	begin
	since=$BEGAN
	push
	tell push "$REVISION" "$since"
	told
	whole "every node holds push $p"
	load push
done
begin
tell change "$CHANGES"
told
whole "every node that follows them hears of a workload that changes"
load change "$CHANGES"
nothing_lost "so far"

# ---- etcd is killed, and comes back ----

bundle
tell churn "$CHURN"
sleep 2
begin
tell requests
push
tell middle "$REVISION"
store_stop KILL
told
sleep "$DOWN"
tell cpu
back=$(value now)
store_start
CPU=0
tell push "$REVISION" "$back"
told | sed 's/^push/restart_push/'
whole "every node holds the push in the middle of which etcd was killed"
tell churn 0
tell exact "$back"
told | sed 's/^exact/restart_exact/'
whole "every node that follows them knows exactly what runs on the others"
tell requests
told
load restart
nothing_lost "after the restart"
equal "nobody had to read it all anew" 0 "$(value lists)"

# ---- a real daemon joins ----

workload joins 10.9.0.2 fd09::2
mkdir -p "$WORK/joins/workloads" "$WORK/joins/state"
printf 'ringfence: v1\nworkloads:\n  - {name: late, namespace: n0, labels: {app: s0}, addresses: [10.8.0.1]}\n' >"$WORK/joins/workloads/late.yaml"
chmod 700 "$WORK/joins/state"
chown -R "$DAEMON_USER" "$WORK/joins" "$WORK/joins.key"
sed "s|^state:.*|state: $WORK/joins/state|; 1i node: joins\nuser: $DAEMON_USER\ncontrol: {socket: $WORK/joins/control.sock}" \
	"$WORK/simulated.yaml" | sed "/^workloads:/a\  - {source: files, directory: $WORK/joins/workloads}" >"$WORK/joins/ringfenced.yaml"
joined() {
	"$RINGFENCE" status --socket "$WORK/joins/control.sock" --format json 2>/dev/null >"$WORK/joins/status" &&
		jq -e ".ready and .workloads == $((TOTAL + 1)) and .bundle.in_force" "$WORK/joins/status" >/dev/null
}
tell cpu
since=$(value now)
start "$WORK/joins/log" joins "$RINGFENCED" --config "$WORK/joins/ringfenced.yaml"
daemon=$STARTED_PID
check "a real daemon joins" await 120 joined
tell cpu
echo "join seconds=$(awk "BEGIN { printf \"%.2f\", ($(value now) - $since) / 1e9 }")" \
	"rss_mb=$(for pid in $daemon $(pgrep -P "$daemon"); do awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"; done | awk '{ sum += $1 } END { print int(sum / 1024) }')" \
	"most_mb=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$daemon/status")"
stop "$daemon"

exec {SIM[1]}>&-
code=0
wait "$SIM_PROCESS" || code=$?
equal "the simulation ends well" 0 "$code"
check "no sanitizer spoke" bash -c '! grep -E "Sanitizer|runtime error" "$1"' - "$WORK/simulation.err"
finish
