#!/bin/bash
# tests/packets/kill.sh [KILLS] [RESTARTS]: the daemon is killed, or ended and started, at random moments, also while it
# starts, while policy and workloads change and traffic runs: what is forbidden never passes, what is allowed loses nothing,
# and no file of the state is ever found damaged (past failures 14, 15).
. "$(dirname "$0")/lib.sh"

KILLS=${1:-20} RESTARTS=${2:-8}

shop
STATE=$WORK/state
workload new1 10.0.1.14 fd00:1::14
serve 8080,5432 new1
daemon_start

# Each leaves web to api allowed, and web to db denied.
changer() {
	local n=0
	while true; do
		n=$((n + 1))
		case $((RANDOM % 4)) in
		0) policy_shop '{from: web, to: api}' ;;
		1) policy_shop '{from: web, to: api}' "{from: db, to: web, why: \"$n\"}" ;;
		2) policy_shop '{from: any, to: api}' "{from: api, to: web, ports: [http], why: \"$n\"}" ;;
		3) workload_file new1 shop "app: $([ $((n % 2)) -eq 0 ] && echo web || echo postgres), n: \"$n\"" ;;
		esac
		sleep "0.$((RANDOM % 2))$((RANDOM % 10))"
	done
}
changer &
STARTED+=("$!")
CHANGER=$!

# The longest that it can take; the streams are ended when all is done.
SECONDS_MOST=$((10 + (KILLS + RESTARTS) * 2))
pids=()
stream() { # FILE TO_ADDRESS PORT PROTOCOL; from web1
	start "$WORK/$1" web1 "$PROBE" stream "$2" "$3" "$4" "$SECONDS_MOST"
	pids+=("$STARTED_PID")
}
for family in 4 6; do
	eval "api=\${ADDRESS$family[api1]} db=\${ADDRESS$family[db1]}"
	stream "allowed-udp$family" "$api" 8080 udp
	stream "allowed-tcp$family" "$api" 8080 tcp
	stream "denied-udp$family" "$db" 5432 udp
done
sleep 0.3

again() { # starts it, without waiting
	become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
	DAEMON_PID=$!
	STARTED+=("$DAEMON_PID")
}
moment() { sleep "0.$((RANDOM % 5))$((RANDOM % 10))$((RANDOM % 10))"; }

killed=0
for _ in $(seq "$KILLS"); do
	moment
	daemon_kill
	killed=$((killed + 1))
	again
done
await 20 ready || true
restarted=0
for _ in $(seq "$RESTARTS"); do
	moment
	stop "$DAEMON_PID"
	restarted=$((restarted + 1))
	again
done
check "ready after all of it" await 20 ready
sleep 0.3
ended=$("$PROBE" now)
check "every stream sends to the end" kill -0 "${pids[@]}"
for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
wait "${pids[@]}" 2>/dev/null || true
kill "$CHANGER" 2>/dev/null || true
wait "$CHANGER" 2>/dev/null || true

passed=0 broken=0 lost=0
for family in 4 6; do
	eval "web=\${ADDRESS$family[web1]} api=\${ADDRESS$family[api1]}"
	passed=$((passed + $(arrived "$WORK/serve-db1.log" "$web")))
	there=$(arrived "$WORK/serve-api1.log" "$web")
	check "requests over IPv$family came ($there)" test "$there" -gt 1000
	lost=$((lost + $(gaps "$WORK/allowed-udp$family" "$api")))
	# To the end, in order, and with nothing missing: TCP sees to that, or breaks.
	for protocol in tcp udp; do
		last=$(awk '$1 == "in" { last = $5 } END { print last == "" ? 0 : last }' "$WORK/allowed-$protocol$family")
		[ "$last" -gt $((ended - 500000000)) ] || {
			broken=$((broken + 1))
			note "$protocol over IPv$family ended $(((ended - last) / 1000000)) ms before the end"
		}
	done
done
lost=$((lost - $(no_room web1) - $(no_room api1)))
[ "$lost" -ge 0 ] || lost=0 # what found no room may be of the requests that no answer was due to
note "killed $killed times: forbidden packets passed $passed, flows broken $broken"
note "killed $killed and restarted $restarted times: allowed packets lost $lost"
equal "forbidden packets that passed" 0 "$passed"
equal "allowed flows that broke" 0 "$broken"
equal "allowed packets that were lost" 0 "$lost"

# The files are whole, and say what is in force.
check "no file was ever damaged" sh -c "! grep damaged '$WORK/daemon.log'"
await 10 sh -c "[ -s '$STATE/ruleset' ]" || true
daemon_stop
table_text node >"$WORK/before"
on node nft delete table inet ringfence
check "what was saved is enforced" on node "$RINGFENCED" --config "$WORK/ringfenced.yaml" --enforce-saved
table_text node >"$WORK/after"
same_text "it is what was in force at the end" "$WORK/before" "$WORK/after"
denied web1 db1 5432 tcp "in the end"
allowed web1 api1 8080 tcp "in the end"
finish
