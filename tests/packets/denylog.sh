#!/bin/bash
# Every deny record says in which direction, for which service, and where in the policy that service stands.
. "$(dirname "$0")/lib.sh"

shop
serve 443 world
start "$WORK/records" node "$PROBE" nflog 5 60 # before the daemon, which would take the group
await 5 grep -q ready "$WORK/records"
daemon_start
LINE_WEB=$(grep -n '^  web:' "$POLICY/shop.yaml" | cut -d: -f1)
LINE_API=$(grep -n '^  api:' "$POLICY/shop.yaml" | cut -d: -f1)

record() { # TEXT PREFIX SOURCE DESTINATION PROTOCOL PORT
	local line=$'^'"$2 ?"$'\t'"$3"$'\t'"$4"$'\t'"$5"$'\t'"$6"$'$'
	if await 2 grep -qE "$line" "$WORK/records"; then ok "$1"; else
		not_ok "$1"
		note "want: $line"$'\n'"$(tail -n 4 "$WORK/records")"
	fi
}

denied world api1 8080 tcp
denied web1 world 443 udp
denied db1 web1 8080 tcp
for family in 4 6; do
	declare -n address=ADDRESS$family
	record "ingress, IPv$family" "ringfence deny ingress shop/api (.*/)?shop\.yaml:$LINE_API" \
		"${address[world]}" "${address[api1]}" 6 8080
	record "egress, IPv$family" "ringfence deny egress shop/web (.*/)?shop\.yaml:$LINE_WEB" \
		"${address[web1]}" "${address[world]}" 17 443
done
check "the line numbers are right" test "$LINE_WEB" -eq 4 -a "$LINE_API" -eq 7

# Records follow the file.
change sed -i '1i # a line more' "$POLICY/shop.yaml"
change mv "$POLICY/shop.yaml" "$POLICY/moved.yaml"
denied world api1 8080 udp
for family in 4 6; do
	declare -n address=ADDRESS$family
	record "moved to another file, IPv$family" "ringfence deny ingress shop/api (.*/)?moved\.yaml:$((LINE_API + 1))" \
		"${address[world]}" "${address[api1]}" 17 8080
done

# Spoofed and unknown sources have records of their own.
on web1 "$PROBE" spoof eth0 "$MAC" "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080
record "a spoofed source" "ringfence deny [^	]*spoof[^	]*" "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 17 8080
workload web2 10.0.1.21 fd00:1::21
denied web2 world 443 tcp
record "an unknown address" "ringfence deny [^	]*unknown[^	]*" "${ADDRESS4[web2]}" "${ADDRESS4[world]}" 6 443

# A flood is dropped all the same, and costs few records.
seen=$(wc -l <"$WORK/records")
start "$WORK/flood" web1 "$PROBE" stream "${ADDRESS4[db1]}" 5432 udp 2
wait "$STARTED_PID" || true
check "records are limited in a flood" test $(($(wc -l <"$WORK/records") - seen)) -lt 1000
equal "and none of it passes" 0 "$(grep -c '^in ' "$WORK/serve-db1.log" || true)"
daemon_stop
finish
