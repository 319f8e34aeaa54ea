#!/bin/bash
# A quarantine of an operator cuts running connections within milliseconds, is told of, and ends when it is released or over.
. "$(dirname "$0")/lib.sh"

for program in jq python3; do
	command -v "$program" >/dev/null || skip_all "$program is not installed"
done
case $BUILD in *sanitize*) limit=50 ;; *) limit=10 ;; esac # where memory is checked all takes several times as long
LIMIT_MS=${LIMIT_MS:-$limit}
shop
STATE=$WORK/state
daemon_start

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
		print(before, time.monotonic_ns(), round(answer["ms"], 2) if "ms" in answer else answer)
	END
}

serve 8080 api1
pids=()
for flow in tcp-IPv4 tcp-IPv6 udp-IPv4 udp-IPv6; do
	to=${ADDRESS4[api1]}
	[ "${flow#*-}" = IPv4 ] || to=${ADDRESS6[api1]}
	start "$WORK/stream-$flow" web1 "$PROBE" stream "$to" 8080 "${flow%-*}" 20
	pids+=("$STARTED_PID")
done
sleep 0.7
read -r before after ms < <(ask '{"command": "quarantine", "workload": "shop/web1", "why": "INC-7 `odd`"}')
note "quarantine: $ms ms in the daemon, $(((after - before) / 1000000)) ms to the answer, which waits for the disk"
sleep 0.5
for pid in "${pids[@]}"; do stop "$pid"; done
for flow in tcp-IPv4 tcp-IPv6 udp-IPv4 udp-IPv6; do
	protocol=${flow%-*} from=${ADDRESS4[web1]} to=${ADDRESS4[api1]}
	[ "${flow#*-}" = IPv4 ] || from=${ADDRESS6[web1]} to=${ADDRESS6[api1]}
	ms=$(last "$WORK/serve-api1.log" "$protocol" "$from" "$before")
	note "quarantine: $ms ms from the request to the last packet, $flow"
	check "$flow: packets pass until then" awk -v ms="$ms" 'BEGIN { exit !(ms > -500) }'
	equal "$flow: messages to the server after the answer" 0 "$(messages "$WORK/serve-api1.log" "$protocol" "$from" "$after")"
	equal "$flow: messages to the client after the answer" 0 "$(messages "$WORK/stream-$flow" "$protocol" "$to" "$after")"
done
denied web1 api1 8080 tcp "in quarantine"
denied api1 web1 9999 udp "towards one in quarantine"
allowed api1 db1 5432 tcp "others go on"

# ---- what is told of it ----

tell status >"$WORK/out" || true
printed "status tells who, why and since when" '^quarantine  shop/web1 is isolated since 20[^ ]*Z by root: INC-7 `odd`$'
tell quarantine shop/web1 --why $'INC-7\ndrift       none' >/dev/null
tell status >"$WORK/out" || true
printed "a line cannot be made up" ': INC-7.*drift'
tell quarantine shop/web1 --why INC-7 >/dev/null
equal "status in JSON" '["shop/web1","root",null]' "$(status | jq -c '.quarantines[0] | [.workload, .by, .until]')"
told() { [ -n "$(tell observe --last 1000 --format json | jq -c 'select(.reason == "quarantine-by-operator" and .src == "shop/web1")')" ]; }
check "observe names the cause" await 3 told
audited() { jq -se "any(.[]; $1)" "$STATE/audit.log" >/dev/null; } # JQ on a line
check "the audit log has who and what" audited \
	'.command == "quarantine" and .uid == 0 and .user == "root" and .pid > 0 and .outcome == "done" and
	.arguments == {workload: "shop/web1", why: "INC-7 `odd`"}'
check "standard error has it, too" grep -q 'audit: {"time":' "$WORK/daemon.log"

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
equal "and is forgotten" '[]' "$(tail -c +57 "$STATE/quarantines" | jq -c .quarantines)"
stop "$kept"
code_of 2 "one that is over already is refused" tell quarantine shop/web1 --until 2020-01-01 --why late
said "in words" "over already"
code_of 2 "a time that is none is refused" tell quarantine shop/web1 --until soon --why late
code_of 2 "a name that is none is refused" tell quarantine web1 --why x
code_of 2 "no reason is refused" tell quarantine shop/web1
times=()
for _ in 1 2 3 4 5; do
	tell quarantine shop/web1 --why again --format json >"$WORK/out"
	times+=("$(jq '.ms * 100 | round / 100' "$WORK/out")")
	tell release shop/web1 >/dev/null
done
median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 3p)
note "quarantine: ${times[*]} ms in the daemon, five times"
check "half of five quarantines hold within $LIMIT_MS ms" awk -v ms="$median" -v limit="$LIMIT_MS" \
	'BEGIN { exit !(ms < limit) }'
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
denied late api1 8080 tcp "isolated when it comes"
tell release shop/late >/dev/null
allowed late api1 8080 tcp "released"

daemon_stop
finish
