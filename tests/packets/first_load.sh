#!/bin/bash
# The first ruleset of a machine that tracked no connections before: those that are open and allowed go on, whichever end
# conntrack hears first, and those that are denied end, whoever has traces in conntrack that look alike.
. "$(dirname "$0")/lib.sh"

TRIES=${TRIES:-2} STREAMS=${STREAMS:-8} # half of them over IPv6
SERVES=8080,5432,9999
shop
command -v conntrack >/dev/null || skip_all "conntrack is not installed"

# Nobody asks for conntrack; the kernel lets go of it a moment after the last table that did.
idle() {
	if [ -n "$DAEMON_PID" ]; then
		daemon_stop
		DAEMON_PID=
	fi
	on node nft 'table inet ringfence; delete table inet ringfence; table inet other; delete table inet other'
	await 5 is_idle || note "conntrack has connections"
}

is_idle() {
	on node conntrack -F
	sleep 0.05
	[ "$(on node conntrack -C)" -eq 0 ]
}

# Somebody else has.
tracking() {
	on node nft 'add table inet other; add chain inet other c { type filter hook forward priority 10; }; add rule inet other c ct state new counter'
}

declare -a STREAM_PIDS
# Opens streams and waits until the server speaks. MOST: messages of the client; 0: it is as busy as the server. All come
# from LOCAL_PORT where that is set.
streams() { # FROM TO PORT PROTOCOL MOST
	local i to
	STREAM_PIDS=()
	for ((i = 0; i < STREAMS; i++)); do
		to=${ADDRESS4[$2]}
		[ $((i % 2)) -eq 0 ] || to=${ADDRESS6[$2]}
		start "$WORK/stream-$i" "$1" "$PROBE" stream "$to" "$3" "$4" 60 "${LOCAL_PORT:-0}" "$5"
		STREAM_PIDS+=("$STARTED_PID")
	done
	for ((i = 0; i < STREAMS; i++)); do
		await 5 grep -q '^in' "$WORK/stream-$i" || note "no answer: $(cat "$WORK/stream-$i.err")"
	done
}

# How many of them had many messages in that were sent after TIME.
alive() { # TIME
	local i count=0
	for ((i = 0; i < STREAMS; i++)); do
		awk -v time="$1" '$1 == "in" && $5 > time { n++ } END { exit n > 100 ? 0 : 1 }' "$WORK/stream-$i" &&
			count=$((count + 1))
	done
	echo "$count"
}

# How many streams are alive a second after a load.
loads() { # WANT TEXT BEFORE LOAD FROM TO PORT PROTOCOL MOST
	local want=$1 text=$2 before=$3 load=$4 try pid loaded lived=0
	shift 4
	for ((try = 0; try < TRIES; try++)); do
		serve "$SERVES" "$2" # anew: nobody tells it that a stream of UDP has ended
		idle
		"$before"
		streams "$@"
		"$load" >"$WORK/said" 2>&1 || note "$(cat "$WORK/said")"
		loaded=$("$PROBE" now)
		sleep 1.5
		for pid in "${STREAM_PIDS[@]}"; do stop "$pid"; done
		lived=$((lived + $(alive $((loaded + 1000000000)))))
	done
	equal "$text: streams that go on" "$want" "$lived"
}

apply() { on node "$RINGFENCE" apply --node node-a --socket "$WORK/none.sock" -i "$WORKLOADS" "$POLICY"; }
daemon() { daemon_start; }
go_on() { loads $((TRIES * STREAMS)) "$@"; } # TEXT BEFORE LOAD FROM TO PORT PROTOCOL MOST
end() { loads 0 "$@"; }
BOTH=0 SERVER=1 # who sends: both ends alike, or the server, when it was asked once

go_on "apply, TCP, both send" true apply web1 api1 8080 tcp $BOTH
go_on "apply, TCP, the server sends" true apply web1 api1 8080 tcp $SERVER
go_on "apply, UDP, both send" true apply web1 api1 8080 udp $BOTH
go_on "the daemon, TCP, the server sends" true daemon web1 api1 8080 tcp $SERVER
go_on "the daemon, UDP, both send" true daemon web1 api1 8080 udp $BOTH
check "the keeper refused nothing" sh -c "! grep -E 'refuses|conntrack' '$WORK/daemon.log'"
end "apply, TCP that is denied either way" true apply web1 db1 9999 tcp $BOTH
end "apply, UDP that is denied either way" true apply web1 db1 9999 udp $BOTH

# What a denial answers would end a stream for good.
policy_shop
sed -i 's|^allow:|settings: {deny: reject}\n&|' "$POLICY/shop.yaml"
go_on "apply, with answers to what is denied" true apply web1 api1 8080 tcp $SERVER
policy_shop

# Through the output and input hooks.
for name in web1 api1; do
	ip_in "$ROUTER" route replace "${ADDRESS4[$name]}" dev "veth-$name" src "${ADDRESS4[node]}"
	ip_in "$ROUTER" -6 route replace "${ADDRESS6[$name]}" dev "veth-$name" src "${ADDRESS6[node]}"
done
policy_shop '{from: node, to: api}'
go_on "apply, TCP from the node" true apply node api1 8080 tcp $SERVER
end "apply, TCP from the node that is denied" true apply node db1 9999 tcp $SERVER
policy_shop

# The other end began these, from the port of its service; whoever tracked them knows.
serve 5432 api1 # so that 8080 is free
TRIES=1 STREAMS=2 LOCAL_PORT=8080
end "apply, TCP that the server began" tracking apply api1 web1 9999 tcp $BOTH
end "apply, UDP that the server began" tracking apply api1 web1 9999 udp $BOTH
idle
finish
