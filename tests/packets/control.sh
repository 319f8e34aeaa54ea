#!/bin/bash
# Who may ask the daemon and who may tell it what to do, and `ringfence wait`, which asks until a workload's rules are there.
. "$(dirname "$0")/lib.sh"

for program in jq setpriv; do
	command -v "$program" >/dev/null || skip_all "$program is not installed"
done
shop
chmod 755 "$WORK" # others are to reach the socket
STATE=$WORK/state
CONTROL=", readers: [4000001], operators: [4000002]"

as() { # UID GROUP COMMAND...; as a user without privileges
	local user=$1 group=$2
	shift 2
	setpriv --reuid "$user" --regid "$user" --groups "$group" -- "$@"
}
audited() { jq -se "any(.[]; $1)" "$STATE/audit.log" >/dev/null; } # JQ on a line

# ---- what the configuration says ----

daemon_config repair
sed -i 's/operators: \[4000002\]/operators: [nosuchgroup]/' "$WORK/ringfenced.yaml"
code_of 2 "a group that is none is an error" "$RINGFENCED" --check --config "$WORK/ringfenced.yaml"
check "with its place" grep -qE 'ringfenced\.yaml:[0-9]+:[0-9]+: error' "$WORK/err"
said "and its name" 'this machine has no group `nosuchgroup`'

# ---- gates ----

start "$WORK/gate" node "$RINGFENCE" wait shop/late --timeout 60 --socket "$SOCKET"
gate=$STARTED_PID
code_of 1 "a gate shuts when its time is over, without a daemon" tell wait shop/web1 --timeout 0
said "and says why" "no daemon listens here"
mkdir "$WORK/policy.away"
mv "$POLICY"/*.yaml "$WORK/policy.away"
daemon_config repair
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
await 10 status_has '"ready":false'
code_of 1 "nor does it open without a policy" tell wait shop/web1 --timeout 0
said "and says why" "no rules are in force"
mv "$WORK/policy.away"/*.yaml "$POLICY"
check "ready with a policy" await 10 ready
code_of 1 "nor for a workload that is not there" tell wait shop/late --timeout 0
workload late 10.0.1.14 fd00:1::14
workload_file late shop 'app: web'
check "the gate that waited for it opens" wait "$gate"
allowed late api1 8080 tcp "behind the gate"
code_of 0 "a gate for a workload" tell wait shop/api1 --timeout 5
code_of 0 "a gate for a service, of all its workloads" tell wait shop/web --format json
equal "these are" 2 "$(jq .workloads "$WORK/out")"
code_of 1 "a gate for nobody" tell wait shop/nobody --timeout 0
said "says so" "no workload or service is called shop/nobody yet"
workload_file clash shop 'app: web' '10.0.1.11'
clashes() { status_has '"shop/clash"'; }
await 5 clashes
code_of 1 "a gate for one in conflict" tell wait shop/clash --timeout 0
said "says so" "shop/clash is in conflict"
code_of 1 "nor for its service" tell wait shop/web --timeout 0
rm "$WORKLOADS/clash.yaml"

# ---- who may ----

code_of 0 "a reader asks" as 65534 4000001 "$RINGFENCE" status --socket "$SOCKET"
code_of 0 "a reader waits" as 65534 4000001 "$RINGFENCE" wait shop/web --timeout 5 --socket "$SOCKET"
code_of 2 "a reader does not act" as 65534 4000001 "$RINGFENCE" quarantine shop/web1 --why x --socket "$SOCKET"
said "and is told who does" 'needs an operator: root or a member of 4000002'
allowed web1 api1 8080 tcp "nothing happened"
check "the audit log has the refusal" audited '.outcome == "refused" and .uid == 65534 and .command == "quarantine"'
code_of 2 "a stranger gets nothing" as 65534 65534 "$RINGFENCE" status --socket "$SOCKET"
said "and is told so" "closed the connection"
code_of 2 "nor does a gate open for one" as 65534 65534 "$RINGFENCE" wait shop/web1 --timeout 20 --socket "$SOCKET"
code_of 0 "an operator acts" as 65534 4000002 "$RINGFENCE" quarantine shop/web1 --why x --socket "$SOCKET"
denied web1 api1 8080 tcp "by an operator"
check "the audit log has the operator" audited '.outcome == "done" and .uid == 65534 and .command == "quarantine"'
code_of 0 "and an operator reads" as 65534 4000002 "$RINGFENCE" status --socket "$SOCKET"

# ---- who only asks holds nobody up ----

daemon_stop
METRICS=127.0.0.1:9478
checks() { value 'ringfence_checks_total{result="whole"}'; }
asks() { as 65534 4000001 "$RINGFENCE" drift --socket "$SOCKET" "$@"; } # by a reader
made_few() { # TEXT; of 60 questions of a reader
	local before i since=$SECONDS
	before=$(checks)
	for ((i = 0; i < 60; i++)); do asks >/dev/null; done
	check "$1 (60 questions, $(($(checks) - before)) checks)" test $(($(checks) - before)) -le $((SECONDS - since + 2))
}
daemon_start report
code_of 0 "a reader asks for drift" asks
made_few "who asks again and again has it looked at once a second"
code_of 0 "root has one for each time" tell drift
before=$(checks)
for _ in 1 2 3 4 5; do tell drift >/dev/null; done
equal "as many as are asked for" 5 $(($(checks) - before))
daemon_stop

# A table that is not compared in a moment: 65536 elements.
{
	cat <<-END
		ringfence: v1
		namespace: shop
		services: {large: {workloads: {app: web}}}
		networks:
		  crowd:
	END
	for ((i = 0; i < 65536; i += 2)); do echo "    - 198.18.$((i / 256 % 256)).$((i % 256))/32"; done
	echo 'allow: [{from: crowd, to: large, ports: [1/tcp, 2/tcp]}]'
} >"$POLICY/large.yaml"
daemon_start report
await 20 ready
made_few "of a large table, too"
set=$(on node nft list table inet ringfence | awk '$1 == "set" && $2 ~ /_known4$/ { print $2 }')
on node nft add element inet ringfence "$set" '{ 10.0.1.99 }'
reader_sees() { { asks --format json || true; } | jq -e '.kinds == ["table"]'; }
check "and still hears what is found" await 20 reader_sees
daemon_stop
finish
