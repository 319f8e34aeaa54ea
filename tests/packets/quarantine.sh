#!/bin/bash
# A quarantine of an operator cuts running connections within milliseconds, and lasts: over a restart and a kill, until it
# is released or over. Who may ask for it, what is written down, and what happens where that cannot be.
. "$(dirname "$0")/lib.sh"

for program in jq python3 setpriv; do
	command -v "$program" >/dev/null || skip_all "$program is not installed"
done
shop
chmod 755 "$WORK" # others are to reach the socket
STATE=$WORK/state
CONTROL=", readers: [4000001], operators: [4000002]"

tell() { "$RINGFENCE" "$@" --socket "$SOCKET"; }
as() { # UID GROUP COMMAND...; as a user without privileges
	local user=$1 group=$2
	shift 2
	setpriv --reuid "$user" --regid "$user" --groups "$group" -- "$@"
}
code_of() { # WANT TEXT COMMAND...; its output is in $WORK/out and $WORK/err
	local want=$1 text=$2 code=0
	shift 2
	"$@" >"$WORK/out" 2>"$WORK/err" || code=$?
	equal "$text" "$want" "$code"
	[ "$code" -eq "$want" ] || note "$(cat "$WORK/err")"
}
said() { check "$1" grep -qF -- "$2" "$WORK/err"; } # TEXT WORDS
printed() { check "$1" grep -qE -- "$2" "$WORK/out"; }

# ---- before there is a daemon, or a policy ----

start "$WORK/gate" node "$RINGFENCE" wait shop/late --timeout 30 --socket "$SOCKET"
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
code_of 2 "no quarantine while nothing is in force" tell quarantine shop/db1 --why early
said "that is said" "no rules are in force yet"
code_of 1 "and no gate opens" tell wait shop/web1 --timeout 0
mv "$WORK/policy.away"/*.yaml "$POLICY"
check "ready with a policy" await 10 ready
denied api1 db1 5432 tcp "what was asked for before there was a policy holds with it"
code_of 0 "it is released" tell release shop/db1
allowed api1 db1 5432 tcp "released"

# ---- running connections ----

messages() { # FILE PROTOCOL ADDRESS TIME; how many that were sent after the time came in
	awk -v protocol="$2" -v address="$3" -v time="$4" '
		$1 == "in" && $2 == protocol && index($3, address) == 1 && $5 > time { n++ } END { print n + 0 }' "$1"
}
last() { # FILE PROTOCOL ADDRESS TIME; when the last of them was sent, in ms after the time
	awk -v protocol="$2" -v address="$3" -v time="$4" '
		$1 == "in" && $2 == protocol && index($3, address) == 1 && $5 > last { last = $5 }
		END { printf "%.2f\n", (last - time) / 1e6 }' "$1"
}

# Sends a request as the command does, and prints when it was sent and when the answer had come, in ns, and its `ms`: to
# start a process takes longer than all the rest.
ask() { # REQUEST
	python3 - "$SOCKET" "$1" <<-'END'
		import json, socket, sys, time
		peer = socket.socket(socket.AF_UNIX)
		peer.connect(sys.argv[1])
		before = time.monotonic_ns()
		peer.sendall(sys.argv[2].encode() + b"\n")
		answer = json.loads(peer.makefile().read())
		print(before, time.monotonic_ns(), answer.get("ms", answer))
	END
}

serve 8080 api1
pids=()
for flow in tcp-IPv4 tcp-IPv6 udp-IPv4 udp-IPv6; do
	to=${ADDRESS4[api1]}
	[ "${flow#*-}" = IPv4 ] || to=${ADDRESS6[api1]}
	start "$WORK/stream-$flow" web1 "$PROBE" stream "$to" 8080 "${flow%-*}" 3
	pids+=("$STARTED_PID")
done
sleep 0.7
read -r before after ms < <(ask '{"command": "quarantine", "workload": "shop/web1", "why": "INC-7 `odd`"}')
note "quarantine: $ms ms in the daemon, $(((after - before) / 1000000)) ms to the answer, which waits for the disk"
wait "${pids[@]}" || true
for flow in tcp-IPv4 tcp-IPv6 udp-IPv4 udp-IPv6; do
	protocol=${flow%-*} from=${ADDRESS4[web1]} to=${ADDRESS4[api1]}
	[ "${flow#*-}" = IPv4 ] || from=${ADDRESS6[web1]} to=${ADDRESS6[api1]}
	ms=$(last "$WORK/serve-api1.log" "$protocol" "$from" "$before")
	note "quarantine: $ms ms from the request to the last packet, $flow"
	check "$flow: packets pass until then, and 20 ms later none" awk -v ms="$ms" 'BEGIN { exit !(ms > -20 && ms < 20) }'
	equal "$flow: messages to the server after the answer" 0 "$(messages "$WORK/serve-api1.log" "$protocol" "$from" "$after")"
	equal "$flow: messages to the client after the answer" 0 "$(messages "$WORK/stream-$flow" "$protocol" "$to" "$after")"
done
denied web1 api1 8080 tcp "in quarantine"
denied api1 web1 9999 udp "towards one in quarantine"
allowed api1 db1 5432 tcp "others go on"

# ---- what is told of it ----

tell status >"$WORK/out" || true
printed "status tells who, why and since when" '^quarantine  shop/web1 is isolated since 20[^ ]*Z by root: INC-7 `odd`$'
equal "status in JSON" '["shop/web1","root",null]' "$(status | jq -c '.quarantines[0] | [.workload, .by, .until]')"
told() { [ -n "$(tell observe --last 1000 --format json | jq -c 'select(.reason == "quarantine-by-operator" and .src == "shop/web1")')" ]; }
check "observe names the cause" await 3 told
printed_audit() { jq -se "any(.[]; $1)" "$STATE/audit.log" >/dev/null; } # JQ on a line
check "the audit log has who and what" printed_audit \
	'.command == "quarantine" and .uid == 0 and .user == "root" and .pid > 0 and .outcome == "done" and
	.arguments == {workload: "shop/web1", why: "INC-7 `odd`"}'
check "and what failed" printed_audit '.outcome == "failed" and (.error | contains("no rules are in force"))'
check "standard error has it, too" grep -q 'audit: {"time":' "$WORK/daemon.log"

# ---- it lasts ----

daemon_kill
denied web1 api1 8080 tcp "the daemon is killed"
daemon_start
denied web1 api1 8080 tcp "it is back"
table_text node >"$WORK/after.table"
daemon_stop
denied web1 api1 8080 tcp "the daemon is ended"
daemon_start
denied web1 api1 8080 tcp "it is started again"
fresh_table "$WORK/fresh.table"
same_text "a fresh daemon makes the same table" "$WORK/fresh.table" "$WORK/after.table"
daemon_kill
mv "$STATE/quarantines.json" "$WORK/good.json"
for text in '' '{' '{"version": 1, "quarantines": [], "panic": null' 'garbage' '{"version": 2, "quarantines": [], "panic": null}' \
	'{"version": 1, "quarantines": [{"workload": "shop/web1"}], "panic": null}'; do
	printf %s "$text" >"$STATE/quarantines.json"
	code_of 2 "a daemon does not start with quarantines.json of \`$text\`" \
		timeout 5 nsenter --net="/run/netns/$ROUTER" -- "$RINGFENCED" --config "$WORK/ringfenced.yaml"
	said "and says why" "workloads in quarantine would be opened"
	denied web1 api1 8080 udp "after that"
done
mv "$WORK/good.json" "$STATE/quarantines.json"
daemon_start
denied web1 api1 8080 tcp "with the good file"
change policy_shop '{from: web, to: api}' '{from: api, to: web, ports: [http]}'
denied web1 api1 8080 tcp "another policy changes nothing"
denied api1 web1 8080 tcp "another policy opens nothing"
change policy_shop

# ---- it ends ----

code_of 0 "release" tell release shop/web1
allowed web1 api1 8080 tcp "released"
code_of 2 "a second release says that there is none" tell release shop/web1
said "in words" "shop/web1 is in no quarantine of an operator"
start "$WORK/kept" web1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 tcp 5
kept=$STARTED_PID
sleep 0.3
code_of 0 "a quarantine with an end" tell quarantine shop/web1 --until 2s --why short
printed "that is told" ', until 20[0-9T:-]+Z$'
sleep 0.3
released=$("$PROBE" now)
opened() { [ "$(messages "$WORK/serve-api1.log" tcp "${ADDRESS4[web1]}" "$released")" -gt 100 ]; }
check "it ends by itself, and the connection goes on" await 5 opened
equal "and is forgotten" '[]' "$(jq -c .quarantines "$STATE/quarantines.json")"
stop "$kept"
code_of 2 "one that is over already is refused" tell quarantine shop/web1 --until 2020-01-01 --why late
said "in words" "over already"
code_of 2 "a time that is none is refused" tell quarantine shop/web1 --until soon --why late
code_of 2 "a name that is none is refused" tell quarantine web1 --why x
code_of 2 "no reason is refused" tell quarantine shop/web1
times=()
for _ in 1 2 3 4 5; do
	tell quarantine shop/web1 --why again --format json >"$WORK/out"
	times+=("$(jq .ms "$WORK/out")")
	tell release shop/web1 >/dev/null
done
median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 3p)
note "quarantine: ${times[*]} ms in the daemon, five times"
check "half of five quarantines hold within 10 ms" awk -v ms="$median" 'BEGIN { exit !(ms < 10) }'
allowed web1 api1 8080 tcp "after five quarantines"

# ---- of the policy, and of nobody ----

{
	cat "$POLICY/shop.yaml"
	echo "quarantine: [{workload: db1}]"
} | change policy shop
denied api1 db1 5432 tcp "in quarantine by the policy"
code_of 2 "that cannot be released" tell release shop/db1
said "and where it is said" "$POLICY/shop.yaml:$(grep -n '^quarantine' "$POLICY/shop.yaml" | cut -d: -f1)"
change policy_shop
code_of 0 "one that is not there" tell quarantine shop/late --why "before it comes"
said "that is told" "no workload has this name now"
workload late 10.0.1.14 fd00:1::14
workload_file late shop 'app: web'
check "the gate that waited for it opens" wait "$gate"
denied late api1 8080 tcp "isolated when it comes"
tell release shop/late >/dev/null
allowed late api1 8080 tcp "released"

# ---- what cannot be written down ----

mv "$STATE/quarantines.json" "$WORK/good.json"
mkdir "$STATE/quarantines.json"
code_of 2 "a quarantine that cannot be written down" tell quarantine shop/web1 --why x
said "that is said" "shop/web1 is isolated now, but a restart would forget it"
denied web1 api1 8080 tcp "isolated all the same"
code_of 2 "a release that cannot be written down" tell release shop/web1
said "that is said" "nothing is released"
denied web1 api1 8080 tcp "still isolated"
rmdir "$STATE/quarantines.json"
code_of 0 "released when it can" tell release shop/web1
allowed web1 api1 8080 tcp "released"

# ---- panic ----

code_of 2 "an exception that is nobody" tell panic --why x --except shop/dbb
said "is said" "no workload and no service is called shop/dbb"
allowed web1 api1 8080 tcp "nothing happened"
code_of 0 "panic" tell panic --why "INC-8" --except shop/api --except workload:shop/db1
printed "how many" '^2 of the node.s workloads are isolated and 2 are not, after [0-9.]+ ms$'
denied web1 api1 8080 tcp "panic"
denied late api1 8080 udp "panic"
allowed api1 db1 5432 tcp "the exceptions go on"
workload api2 10.0.1.15 fd00:1::15
workload web2 10.0.1.16 fd00:1::16
change workload_file api2 shop 'app: api'
change workload_file web2 shop 'app: web'
serve 8080 api2
allowed api2 db1 5432 tcp "one that comes to a service that is spared"
denied web2 api1 8080 tcp "one that comes later"
tell status >"$WORK/out" || true
printed "status tells of it" '^panic       every workload of the node but service:shop/api, workload:shop/db1 is isolated since .* by root: INC-8'
daemon_kill
daemon_start
denied web1 api1 8080 tcp "the panic lasts over a kill"
allowed api1 db1 5432 tcp "and so do its exceptions"
code_of 2 "a quarantine of the panic is none" tell release shop/web1
code_of 0 "the panic ends" tell panic --end
allowed web1 api1 8080 tcp "the panic is over"
allowed web2 api1 8080 tcp "the panic is over"
code_of 2 "there is none to end" tell panic --end
{
	echo "ringfence: v1"
	echo "workloads:"
	for ((i = 0; i < 200; i++)); do
		echo "  - {name: many-$i, namespace: shop, node: node-a, labels: {app: web, n: x$((i % 7))}, addresses: [10.0.1.$((i + 40)), \"fd00:1::1:$i\"]}"
	done
} >"$WORK/many"
before=$(commits)
cp "$WORK/many" "$WORKLOADS/.many" && mv "$WORKLOADS/.many" "$WORKLOADS/many.yaml"
settle "$before"
code_of 0 "panic with 200 more" tell panic --why many --format json
equal "all are isolated" 206 "$(jq .isolated "$WORK/out")"
note "panic: $(jq .ms "$WORK/out") ms for 206 workloads"
code_of 0 "and its end" tell panic --end --format json
note "panic: $(jq .ms "$WORK/out") ms for its end"
allowed web1 api1 8080 tcp "after that panic"
rm "$WORKLOADS/many.yaml"

# ---- who may ----

code_of 0 "a reader asks" as 65534 4000001 "$RINGFENCE" status --socket "$SOCKET"
code_of 0 "a reader waits" as 65534 4000001 "$RINGFENCE" wait shop/web --timeout 5 --socket "$SOCKET"
code_of 2 "a reader does not act" as 65534 4000001 "$RINGFENCE" quarantine shop/web1 --why x --socket "$SOCKET"
said "and is told who does" 'needs an operator: root or a member of 4000002'
allowed web1 api1 8080 tcp "nothing happened"
check "the audit log has the refusal" printed_audit '.outcome == "refused" and .uid == 65534 and .command == "quarantine"'
code_of 2 "a stranger gets nothing" as 65534 65534 "$RINGFENCE" status --socket "$SOCKET"
said "and is told so" "closed the connection"
code_of 2 "nor does a gate open for one" as 65534 65534 "$RINGFENCE" wait shop/web1 --timeout 20 --socket "$SOCKET"
code_of 0 "an operator acts" as 65534 4000002 "$RINGFENCE" quarantine shop/web1 --why x --socket "$SOCKET"
denied web1 api1 8080 tcp "by an operator"
check "the audit log has the operator" printed_audit '.outcome == "done" and .uid == 65534 and .command == "quarantine"'
code_of 0 "and an operator reads" as 65534 4000002 "$RINGFENCE" status --socket "$SOCKET"

# ---- gates ----

code_of 0 "a gate for a workload" tell wait shop/api1 --timeout 5
code_of 0 "a gate for a service, of all its workloads" tell wait shop/web --format json
equal "these are" 3 "$(jq .workloads "$WORK/out")"
code_of 1 "a gate for nobody" tell wait shop/nobody --timeout 0
said "says so" "no workload or service is called shop/nobody yet"
workload_file clash shop 'app: web' '10.0.1.11'
clashes() { status_has '"shop/clash"'; }
await 5 clashes
code_of 1 "a gate for one in conflict" tell wait shop/clash --timeout 0
said "says so" "shop/clash is in conflict"
code_of 1 "nor for its service" tell wait shop/web --timeout 0
rm "$WORKLOADS/clash.yaml"

# ---- without a directory ----

tell release shop/web1 >/dev/null
daemon_stop
STATE=
daemon_start
code_of 0 "without a state directory" tell quarantine shop/web1 --why x
said "a warning tells of restarts" "this is forgotten when the daemon or the machine restarts"
denied web1 api1 8080 tcp "without a state directory"
daemon_stop
finish
