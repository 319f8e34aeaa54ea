#!/bin/bash
# `ringfence apply --dry-run` names the open connections that the change would end, from the kernel's own table of them,
# and no others; applying the change then ends exactly those.
. "$(dirname "$0")/lib.sh"

shop
on node sh -c 'echo 0 >/proc/sys/net/netfilter/nf_conntrack_acct'
apply() { on node "$RINGFENCE" apply --node node-a --socket "$WORK/none.sock" -i "$WORKLOADS" "$@" "$POLICY"; }
dry() { # WANT TEXT [OPTION...]; what it prints is in $WORK/out
	local want=$1 text=$2
	shift 2
	code_of "$want" "$text" apply --dry-run "$@"
}
# Those that would end, a line for each, sorted: FROM TO ADDRESS_OF_TO PORT/PROTOCOL
named() {
	dry "$1" "$2" --format json
	jq -r '.ending.connections[] | "\(.src) \(.dst) \(.dst_ip) \(.dport)/\(.proto)"' "$WORK/out" | sort >"$WORK/named"
}
total() { jq -r ".ending.$1" "$WORK/out"; } # KEY
holds() { jq -e "$1" "$WORK/out" >/dev/null; } # FILTER
declare -A STREAM
stream() { # NAME FROM ADDRESS PORT PROTOCOL; opens it, and goes on
	start "$WORK/stream-$1" "$2" "$PROBE" stream "$3" "$4" "$5" 60
	STREAM[$1]=$STARTED_PID
	await 5 grep -q "^in" "$WORK/stream-$1" || note "no answer: $(cat "$WORK/stream-$1.err")"
}
goes_on() { # NAME; whether messages still come
	local before
	before=$(grep -c '^in' "$WORK/stream-$1")
	sleep 0.3
	[ "$(grep -c '^in' "$WORK/stream-$1")" -gt "$before" ]
}
ended() { ! goes_on "$1"; }

# Conntrack sees nothing before something asks for it.
dry 1 "a machine without connection tracking"
printed "it says that it is blind" 'conntrack knows no connection here'
on node nft 'add table inet other; add chain inet other c { type filter hook forward priority 10; }; add rule inet other c ct state new counter'

# No table of ours: everything passes now. Nothing counts bytes yet.
stream first web1 "${ADDRESS4[db1]}" 9999 tcp
stream kept web1 "${ADDRESS4[api1]}" 8080 tcp
dry 1 "a difference, as before"
printed "one would end" '^1 open connection would end:$'
printed "both ends, their services, the port" \
	'^  - shop/web1 \(10\.0\.1\.11\) in shop/web -> shop/db1 \(10\.0\.1\.13\) in shop/db 9999/tcp from port [0-9]+: bytes unknown$'
printed "who denies it, and where" '^      ingress  deny   .*/policy/shop.yaml:[0-9]+:[0-9]+  no allow'
printed "how bytes would be known" 'bytes are unknown of 1: .*sysctl net.netfilter.nf_conntrack_acct=1'
printed "the rest is told, too" '^\+ chain g1_'
check "nothing was changed" sh -c "! nsenter --net=/run/netns/$PREFIX-node -- nft list table inet ringfence 2>/dev/null"
check "the connection goes on" goes_on first

on node sh -c 'echo 1 >/proc/sys/net/netfilter/nf_conntrack_acct'
policy_shop '{from: web, to: api}' '{from: web, to: db, ports: [sql, echo, 5514/udp]}'
code_of 0 "a policy is loaded" apply
dry 0 "nothing to change"
check "it says so and no more" test "$(wc -l <"$WORK/out")" -eq 1
named 0 "nothing to change, as JSON"
equal "and nothing would end" 0 "$(total total)"
check "what it denies has ended" ended first

for protocol in tcp udp; do
	for family in 4 6; do
		declare -n address=ADDRESS$family
		stream "db-$protocol$family" web1 "${address[db1]}" 5432 "$protocol"
		stream "api-$protocol$family" web1 "${address[api1]}" 8080 "$protocol"
	done
done
stream api-db api1 "${ADDRESS6[db1]}" 5432 tcp
allowed web1 db1 5432 tcp "closed again: it is over"
# UDP that is never answered: syslog, statsd.
on web1 bash -c 'exec 3>/dev/udp/10.0.1.13/5514; echo x >&3'
policy_shop '{from: web, to: api}'
named 1 "the change, as JSON"
sort >"$WORK/want" <<-END
	shop/web1 shop/db1 10.0.1.13 5432/tcp
	shop/web1 shop/db1 10.0.1.13 5432/udp
	shop/web1 shop/db1 fd00:1::13 5432/tcp
	shop/web1 shop/db1 fd00:1::13 5432/udp
END
same_text "exactly those that it denies and the rules let pass now" "$WORK/want" "$WORK/named"
equal "no other is counted" 4 "$(total total)"
equal "what is never answered is counted apart" 1 "$(total unanswered)"
equal "all bytes are known" 0 "$(total bytes_unknown_of)"
check "each carried bytes both ways" holds '[.ending.connections[] | .bytes_there > 1000 and .bytes_back > 1000] | all'
check "largest first" holds '[.ending.connections[] | .bytes_there + .bytes_back] | . == (sort | reverse)'
check "the sum is right" holds '.ending.bytes == ([.ending.connections[] | .bytes_there + .bytes_back] | add)'
check "each has its reason" holds '[.ending.connections[] | .because[] | select(.verdict == "deny") | .line > 0] | length >= 4 and all'
dry 1 "the change"
printed "those without an answer in words" '^  and 1 flow that nobody has answered$'
printed "bytes in words" ' 5432/udp from port [0-9]+: [0-9,]+ bytes there, [0-9,]+ back$'
for name in "${!STREAM[@]}"; do
	[ "$name" = first ] || check "$name goes on after the dry run" goes_on "$name"
done

# In audit the same change ends nothing.
policy_shop '{from: web, to: api}'
sed -i 's/^namespace: shop$/&\nsettings: {mode: audit}/' "$POLICY/shop.yaml"
named 1 "in audit"
equal "nothing ends that is let through" 0 "$(total total)"
policy_shop '{from: web, to: api}'

# Somebody's rule in the table: whether what passes it passes now is not known, and the more is told.
on node nft insert rule inet ringfence forward ip daddr 10.0.1.13 ip dscp 5 drop
named 1 "with a foreign rule"
equal "those are named all the same" 4 "$(jq '[.ending.connections[] | select(.unsure and .dport == 5432 and .src == "shop/web1")] | length' "$WORK/out")"
check "and the one that the rules deny, since nobody knows any more" grep -q 9999 "$WORK/named"

# Nobody special.
code_of 2 "without the capability" on node setpriv --reuid "$DAEMON_USER" --clear-groups "$RINGFENCE" apply --node node-a \
	-i "$WORKLOADS" --dry-run "$POLICY"
said "it says what is missing" "CAP_NET_ADMIN"

# For real.
code_of 0 "the change is made" apply
sleep 0.3
for name in "${!STREAM[@]}"; do
	case $name in
	first | db-*) check "$name has ended" ended "$name" ;;
	*) check "$name goes on" goes_on "$name" ;;
	esac
done
named 0 "what has ended"
equal "is not named again" 0 "$(total total)"

# Many: the list has an end, and the count does not.
code_of 0 "all is open" on node nft delete table inet ringfence
start "$WORK/many" web1 bash -c 'for ((i = 0; i < 130; i++)); do exec {fd}<>/dev/tcp/10.0.1.13/5432; echo x >&$fd; done; echo made; sleep 60'
await 20 grep -q made "$WORK/many" || note "$(cat "$WORK/many.err")"
named 1 "many connections"
equal "at most 100 are listed" 100 "$(wc -l <"$WORK/named")"
check "all are counted" test "$(total total)" -ge 130
equal "and so are the others" "$(total total)" "$(($(total left_out) + 100))"
dry 1 "many connections in words"
printed "how many more there are" '^  and [0-9]+ more$'
finish
