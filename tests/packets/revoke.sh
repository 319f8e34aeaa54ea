#!/bin/bash
# A revoked allow stops the very next packet of a running connection, in each direction, whether the policy changed or a
# workload's labels did. Both ends send a message a millisecond; those sent after the commit and received are counted.
. "$(dirname "$0")/lib.sh"

shop
daemon_start

# Messages in FILE of PROTOCOL and family (a regular expression on the address), sent after, or before, the time.
messages() { # FILE PROTOCOL ADDRESS after|before TIME
	awk -v protocol="$2" -v address="$3" -v when="$4" -v time="$5" '
		$1 == "in" && $2 == protocol && index($3, address) == 1 && (when == "after" ? $5 > time : $5 <= time) { n++ }
		END { print n + 0 }' "$1"
}

revoked() { # TEXT COMMAND...: streams from web1 to api1 run while the command takes their allow away
	local text=$1 before time flow protocol family pids=()
	shift
	serve 8080 api1
	for flow in tcp-IPv4 tcp-IPv6 udp-IPv4 udp-IPv6; do
		local to=${ADDRESS4[api1]}
		[ "${flow#*-}" = IPv4 ] || to=${ADDRESS6[api1]}
		start "$WORK/stream-$flow" web1 "$PROBE" stream "$to" 8080 "${flow%-*}" 2
		pids+=("$STARTED_PID")
	done
	sleep 0.7
	before=$(commits)
	"$@"
	wait "${pids[@]}"
	settle "$before"
	time=$(commit_time "$before")
	note "$text: $(grep -c . <(tail -n +$((before + 1)) <(grep process=ringfenced "$WORK/commits"))) transactions"
	for flow in tcp-IPv4 tcp-IPv6 udp-IPv4 udp-IPv6; do
		protocol=${flow%-*} family=${flow#*-}
		local from=${ADDRESS4[web1]} to=${ADDRESS4[api1]} there back
		[ "$family" = IPv4 ] || from=${ADDRESS6[web1]} to=${ADDRESS6[api1]}
		there=$(messages "$WORK/serve-api1.log" "$protocol" "$from" before "$time")
		back=$(messages "$WORK/stream-$flow" "$protocol" "$to" before "$time")
		check "$text: $protocol over $family ran both ways before ($there, $back)" \
			test "$there" -gt 100 -a "$back" -gt 100
		equal "$text: $protocol over $family, messages to the server after the commit" 0 \
			"$(messages "$WORK/serve-api1.log" "$protocol" "$from" after "$time")"
		equal "$text: $protocol over $family, messages to the client after the commit" 0 \
			"$(messages "$WORK/stream-$flow" "$protocol" "$to" after "$time")"
	done
	denied web1 api1 8080 tcp "new connections after: $text"
}

revoked "the policy changed" policy_shop '{from: web, to: db, ports: [sql]}'
change policy_shop
allowed web1 api1 8080 tcp "allowed again"
revoked "the client was relabelled" workload_file web1 shop 'app: retired'
change workload_file web1 shop 'app: web'
allowed web1 api1 8080 tcp "labelled again"
revoked "the server was relabelled" workload_file api1 shop 'app: retired'
change workload_file api1 shop 'app: api'
allowed web1 api1 8080 udp "labelled again"
revoked "the client's file was removed" rm "$WORKLOADS/web1.yaml"
daemon_stop
finish
