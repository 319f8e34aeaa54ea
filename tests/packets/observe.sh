#!/bin/bash
# What `ringfence observe` tells of connections that are denied or logged, and what a flood of them costs.
. "$(dirname "$0")/lib.sh"

# A sanitizer keeps what was freed for a while: little, so that memory tells of the daemon.
export ASAN_OPTIONS=quarantine_size_mb=1:${ASAN_OPTIONS:-}

command -v jq >/dev/null || skip_all "jq is not installed"
shop
serve 443 world
daemon_start

observe() { "$RINGFENCE" observe --socket "$SOCKET" --format json "$@" | jq -c 'select(.sequence)'; }
observe_text() { "$RINGFENCE" observe --socket "$SOCKET" "$@"; }
counts() { status | jq -c .observe; }
heard() { counts | jq .records; }
line_of() { grep -n -- "$1" "$POLICY/shop.yaml" | head -n 1 | cut -d: -f1; } # TEXT

# Whether an event is told of for which JQ holds.
has() { [ -n "$(observe --last 1000 | jq -c "select($1)" | head -n 1)" ]; } # JQ
told() { # TEXT JQ
	if await 3 has "$2"; then ok "$1"; else
		not_ok "$1"
		note "want: $2"$'\n'"$(observe | tail -n 4)"
	fi
}

check "it listens" test "$(counts | jq .listening)" = true
equal "nothing happened yet" "" "$(observe)"

# Denials of each protocol, in both families.
denied world api1 8080 tcp
denied web1 world 443 udp
denied db1 web1 8080 tcp
denied web1 db1 0 icmp
denied web1 db1 5432 tcp
for family in 4 6; do
	declare -n address=ADDRESS$family
	icmp=$([ "$family" -eq 4 ] && echo icmp || echo icmpv6)
	echo_request=$([ "$family" -eq 4 ] && echo 8 || echo 128)
	told "ingress of TCP, IPv$family" ".verdict == \"deny\" and .dir == \"ingress\" and .reason == \"no-allow\" and
		.src == \"${address[world]}\" and .dst == \"shop/api1\" and .dst_services == [\"shop/api\"] and
		.proto == \"tcp\" and .dport == 8080 and .sport > 0 and .line == $(line_of '^  api:') and
		.file == \"$POLICY/shop.yaml\""
	told "egress of UDP, IPv$family" ".dir == \"egress\" and .src == \"shop/web1\" and .src_ip == \"${address[web1]}\" and
		.dst == \"${address[world]}\" and .proto == \"udp\" and .dport == 443 and .line == $(line_of '^  web:')"
	told "an echo request, IPv$family" ".src == \"shop/web1\" and .dst == \"shop/db1\" and .proto == \"$icmp\" and
		.type == $echo_request and .code == 0 and .src_ip == \"${address[web1]}\""
done
told "the nearest allow, and what it misses" ".src == \"shop/web1\" and .dst == \"shop/db1\" and .dport == 5432 and
	.nearest[0].line == $(line_of 'from: api, to: db') and .nearest[0].rule == \"shop/api -> shop/db on 5432/tcp, 5432/udp\" and
	any(.nearest[0].misses[]; .what == \"source\")"
told "a repeated packet is counted in its event" '.src == "shop/db1" and .dst == "shop/web1" and .dport == 8080 and .count >= 1'
equal "explain and observe name one nearest allow" \
	"$("$RINGFENCE" explain --format json -i "$WORKLOADS" "$POLICY" shop/db1 shop/web1 8080/tcp | jq -c '[.nearest[] | {line, rule}]')" \
	"$(observe --from shop/db1 --to shop/web1 --last 1 | jq -c '[.nearest[] | {line, rule}]')"

# The same text, for people.
observe_text --to shop/api1 --port 8080/tcp --last 1 >"$WORK/text"
check "text says all of it in a line" grep -qE "^20[^ ]+Z  DENY  [^ ]+ -> shop/api1 \([^ ]+\) in shop/api 8080/tcp: ingress, no allow matches; isolated by shop/api at .*shop\.yaml:$(line_of '^  api:')" "$WORK/text"

# Lines of JSON are lines of a flow log.
observe --to shop/db1 >"$WORK/flows"
replays() { "$RINGFENCE" replay "$@" >/dev/null; }
check "replay reads them, and nothing changes" replays -i "$WORKLOADS" "$WORK/flows" "$POLICY" "$POLICY"

# Filters.
before=$(heard)
equal "events name the policy in force" "$(status | jq -c .revision)" "$(observe --from shop/web1 --last 1 | jq -c .revision)"
equal "of a source" '"shop/web1"' "$(observe --from shop/web1 --last 1000 | jq .src | sort -u)"
equal "of a service" '"shop/web1"' "$(observe --from shop/web --last 1000 | jq .src | sort -u)"
equal "to a prefix" "\"${ADDRESS4[world]}\"" "$(observe --to 198.51.100.0/24 --last 1000 | jq .dst | sort -u)"
equal "of a port" 443 "$(observe --port 443/udp --last 1000 | jq .dport | sort -u)"
equal "of nobody" "" "$(observe --from shop/nobody)"
equal "allowed only" "" "$(observe --allowed)"
equal "the newest two" 2 "$(observe --last 2 | wc -l)"
equal "no filter is heard as a connection" "$before" "$(heard)"
code=0
observe_text --port 80/xyz >/dev/null 2>"$WORK/error" || code=$?
equal "a port that is none: status" 2 "$code"
check "a port that is none: why" grep -q 'port `80/xyz`' "$WORK/error"

# `log: true`, quarantine, an unknown address, a spoofed source, audit mode. With somebody who follows.
"$RINGFENCE" observe --socket "$SOCKET" --format json --follow --last 0 >"$WORK/followed" &
FOLLOWER=$!
STARTED+=("$FOLLOWER")
sleep 0.3
change policy_shop '{from: web, to: api, log: true}'
allowed web1 api1 8080 tcp "which is logged"
told "an allow that logs" ".verdict == \"allow\" and .src == \"shop/web1\" and .dst == \"shop/api1\" and .dport == 8080 and
	.line == $(line_of 'log: true') and .file == \"$POLICY/shop.yaml\" and .nearest == null"
equal "and of these only" '"allow"' "$(observe --allowed | jq .verdict | sort -u)"
check "who follows is told" await 3 grep -q '"verdict":"allow"' "$WORK/followed"
check "and of nothing that was before" test "$(jq -c 'select(.dst == "shop/db1")' "$WORK/followed" | wc -l)" -eq 0
on web1 "$PROBE" spoof eth0 "$MAC" "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080
told "a spoofed source" '.reason == "spoof" and .src == "shop/db1" and .dst == "shop/api1" and .proto == "udp" and .nearest == []'
workload web2 10.0.1.21 fd00:1::21
denied web2 world 443 tcp
told "an unknown address" ".reason == \"unknown\" and .src == \"${ADDRESS4[web2]}\" and .src_services == null"
change policy quarantine <<-END
	ringfence: v1
	namespace: shop
	quarantine: [{workload: web1, why: breach}]
END
denied web1 api1 8080 tcp "in quarantine"
told "quarantine" ".reason == \"quarantine\" and .src == \"shop/web1\" and .file == \"$POLICY/quarantine.yaml\" and .line == 3"
change rm "$POLICY/quarantine.yaml"
stop "$FOLLOWER"
all_json() { jq -e . "$WORK/followed" >/dev/null; }
check "each line that was followed is JSON" all_json

# A revoked allow: what answers is told as the flow that it belongs to.
start "$WORK/stream" web1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 tcp 3
await 3 grep -q ready "$WORK/stream"
change policy_shop '{from: web, to: db}'
told "a connection that was cut, by its own ends" '.src == "shop/web1" and .dst == "shop/api1" and .proto == "tcp" and .dport == 8080 and .verdict == "deny"'
equal "and never by the ends of its answers" "" "$(observe --from shop/api1 --to shop/web1 --last 1000)"
stop "$STARTED_PID"

# ---- a flood: a table of somebody else's logs every packet to the group, which our rules do not ----

cpu() { awk '{ print $14 + $15 }' "/proc/$DAEMON_PID/stat"; } # hundredths of a second
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$DAEMON_PID/status"; } # KiB
adds_up() { counts | jq -e '.records == .reported + .left_out.rate + .left_out.lost + .left_out.foreign' >/dev/null; }

# Packets that the other table logged.
logged() { on node nft list table inet others | sed -nE 's/.*counter packets ([0-9]+).*/\1/p'; }

flood() { # PORTS SECONDS LABEL yes|no; meanwhile the workload gets the label, which opens the database to it or not
	local before after first logged_before
	before=$(counts)
	logged_before=$(logged)
	cpu_before=$(cpu)
	start "$WORK/flood4" web1 "$PROBE" flood "${ADDRESS4[db1]}" 10000 "$1" "$2"
	first=$STARTED_PID
	start "$WORK/flood6" web1 "$PROBE" flood "${ADDRESS6[db1]}" 10000 "$1" "$2"
	sleep 1
	workload_file web1 shop "app: $3"
	change_ms=$(date +%s%3N)
	await 5 reaches "$4" || true
	change_ms=$(($(date +%s%3N) - change_ms))
	wait "$first" "$STARTED_PID" || true
	cpu_ticks=$(($(cpu) - cpu_before))
	sleep 1.3
	on web1 "$PROBE" flood "${ADDRESS4[db1]}" 9 1 0 >/dev/null # the number of the next record tells what was lost
	sleep 1.3
	after=$(counts)
	heard=$(jq -n "$after.records - $before.records")
	events=$(jq -n "$after.events - $before.events")
	left_out=$(jq -n "($after.left_out | add) - ($before.left_out | add)")
	unheard=$(($(logged) - logged_before - heard)) # and less than none, by the records of our own rules
	note "$1 ports, $2 s: sent $(awk '{ n += $2 } END { print n }' "$WORK/flood4" "$WORK/flood6"), heard $heard," \
		"in $events events all but $left_out; CPU $cpu_ticks hundredths of a second, memory $(memory) KiB;" \
		"the change in force after $change_ms ms; logged but not heard $unheard"
}

# Whether the workload reaches what only the label `app: web` opens.
reaches() { # yes|no
	local got=no
	on web1 "$PROBE" try "${ADDRESS4[web1]}" "${ADDRESS4[db1]}" 5432 tcp 100 5 >/dev/null 2>&1 && got=yes
	[ "$got" = "$1" ]
}

on node nft -f - <<-'END'
	table inet others {
		chain c {
			type filter hook prerouting priority -300
			udp dport >= 9 iifname "veth-web1" log prefix "ringfence deny ingress shop/db shop.yaml:10 " group 5 counter
		}
	}
END
check "web reaches the database" await 3 reaches yes
flooded() { # TEXT MOST_EVENTS CPU_TICKS
	check "a flood of $1: counts add up" adds_up
	check "a flood of $1: all that the kernel logged was heard, or counted as lost" test "$unheard" -le 0 -a "$unheard" -gt -1000
	check "a flood of $1: it was one" test "$heard" -gt 10000
	check "a flood of $1: events are few" test "$events" -le "$2"
	check "a flood of $1: what is in no event is left out" test "$left_out" -gt 0
	check "a flood of $1: bounded CPU" test "$cpu_ticks" -lt "$3"
	check "a flood of $1: a change is enforced meanwhile" test "$change_ms" -lt 5000
}
flood 1 5 other no
flooded "one flow" 50 150
flood 50000 5 web yes
flooded "many flows" 1000 250
flood 50000 3 other no
memory_full=$(memory)
flood 50000 3 web yes
check "memory is flat" test $(($(memory) - memory_full)) -lt 1024
observe_text --last 5 >"$WORK/text"
check "and people are told how much was left out" grep -qE '^left out of [0-9]+ records: [0-9]+ ' "$WORK/text"
on node nft delete table inet others

# The configuration.
for log in 'rate: 0/second' 'rate: 1001/second' 'rate: 10/minute' 'rate: many' 'denied: perhaps' 'speed: 5'; do
	sed "\$ a log: {$log}" "$WORK/ringfenced.yaml" >"$WORK/wrong.yaml"
	code=0
	"$RINGFENCED" --check --config "$WORK/wrong.yaml" 2>"$WORK/error" || code=$?
	check "a configuration with {$log} is refused" test "$code" -eq 2 -a -s "$WORK/error"
done
daemon_config() {
	cat >"$WORK/ringfenced.yaml" <<-END
		node: node-a
		policy: {directory: $POLICY}
		workloads: [{source: files, directory: $WORKLOADS}]
		user: $DAEMON_USER
		control: {socket: $SOCKET}
		log: {denied: false, rate: 5/second}
	END
}

# Another reader of the group.
daemon_stop
start "$WORK/records" node "$PROBE" nflog 5 60
reader=$STARTED_PID
await 5 grep -q ready "$WORK/records"
daemon_start
equal "a daemon that cannot have the group enforces all the same" '[false,"another process reads the log group"]' "$(counts | jq -c '[.listening, .problem]')"
denied world api1 8080 tcp
code=0
observe_text >/dev/null 2>"$WORK/error" || code=$?
equal "observe ends with 2 then" 2 "$code"
check "and says why" grep -q 'another process reads the log group' "$WORK/error"
stop "$reader"
listening() { [ "$(counts | jq .listening)" = true ]; }
check "it listens when the other has gone" await 5 listening
on web1 "$PROBE" flood "${ADDRESS4[db1]}" 20000 50 0 >/dev/null
sleep 0.3
check "no more events than the configuration lets be" test "$(observe | wc -l)" -ge 1 -a "$(observe | wc -l)" -le 10
daemon_stop

# The journal, with a socket in its place that only the daemon sees.
install -d -m 755 "$WORK/journal"
cat >"$WORK/under-systemd" <<-END
	#!/bin/sh
	export INVOCATION_ID=0123456789abcdef0123456789abcdef
	exec unshare -m sh -c 'mount -t tmpfs none /run && mkdir -p /run/systemd/journal &&
		mount --bind "$WORK/journal" /run/systemd/journal && exec "$RINGFENCED" "\$@"' sh "\$@"
END
chmod +x "$WORK/under-systemd"
cat >"$WORK/receive.py" <<-'END'
	import socket, sys
	journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	journal.bind(sys.argv[1])
	print("ready", flush=True)
	while True:
	    print(journal.recv(65536).decode().replace("\n", "|"), flush=True)
END
start "$WORK/entries" node python3 "$WORK/receive.py" "$WORK/journal/socket"
await 30 grep -q ready "$WORK/entries" || note "$(cat "$WORK/entries" "$WORK/entries.err")"
chmod 666 "$WORK/journal/socket" # as the journal's own
entry() { # TEXT REGEX
	if await 3 grep -qE "$2" "$WORK/entries"; then ok "$1"; else
		not_ok "$1"
		note "want: $2"$'\n'"$(cat "$WORK/entries")"
	fi
}
policy_shop '{from: web, to: api, log: true}'
RINGFENCED=$WORK/under-systemd
daemon_start # denials are not for its journal
denied world api1 8080 tcp
allowed web1 api1 8080 tcp
entry "what is allowed and logged goes to the journal" '\|RINGFENCE_VERDICT=allow\|RINGFENCE_REASON=allow\|RINGFENCE_DIRECTION=ingress\|RINGFENCE_SOURCE=shop/web1\|'
check "denials do not, where the configuration says so" test "$(grep -c 'VERDICT=deny' "$WORK/entries")" -eq 0
daemon_stop
sed -i 's/denied: false/denied: true/' "$WORK/ringfenced.yaml"
daemon_config() { :; }
daemon_start
denied world api1 8080 tcp
entry "and else they do, with fields" "^MESSAGE=DENY .*\|PRIORITY=5\|SYSLOG_IDENTIFIER=ringfenced\|RINGFENCE_VERDICT=deny\|RINGFENCE_REASON=no-allow\|.*\|RINGFENCE_SOURCE=${ADDRESS4[world]}\|RINGFENCE_SOURCE_ADDRESS=${ADDRESS4[world]}\|RINGFENCE_DESTINATION=shop/api1\|.*RINGFENCE_DESTINATION_SERVICES=shop/api\|RINGFENCE_PORT=8080/tcp\|RINGFENCE_STATEMENT=.*shop.yaml:[0-9]+\|.*RINGFENCE_COUNT=1\|"
equal "status knows of it" true "$(counts | jq .journal)"
daemon_stop
finish
