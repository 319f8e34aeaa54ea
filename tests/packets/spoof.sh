#!/bin/bash
# The source guard: a workload with an interface sends from its own addresses only (past failures 18, 26, 27).
. "$(dirname "$0")/lib.sh"

shop
on node sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet'
for name in web1 api1 db1; do on node sh -c "echo 2 >/proc/sys/net/ipv6/conf/veth-$name/accept_ra"; done
start "$WORK/serve-loopback.log" node "$PROBE" serve 127.0.0.1,::1 7000 both
await 5 grep -q ready "$WORK/serve-loopback.log"
ADDRESS4[loopback]=127.0.0.1 ADDRESS6[loopback]=::1

arrived() { grep -c "^in udp $2 " "$WORK/serve-$1.log" || true; } # SERVER SOURCE

send() { # FROM_NAME SOURCE TO PORT: one packet; then a moment for it to arrive
	on "$1" "$PROBE" spoof eth0 "$MAC" "$2" "$3" "$4"
	sleep 0.1
}

# How many of a packet from FROM_NAME with the address SOURCE reach SERVER.
reaches() { # TEXT WANT FROM_NAME SOURCE SERVER TO PORT
	local before
	before=$(arrived "$5" "$4")
	send "$3" "$4" "$6" "$7"
	equal "$1" "$2" $(($(arrived "$5" "$4") - before))
}

advertised() { on node ip -6 route show proto ra; }

for family in 4 6; do
	declare -n address=ADDRESS$family
	reaches "control: without ringfence a foreign source passes, IPv$family" 1 db1 "${address[web1]}" api1 "${address[api1]}" 8080
done
reaches "control: 127.0.0.1 of the node answers its neighbours" 1 web1 "${ADDRESS4[web1]}" loopback 127.0.0.1 7000
on web1 "$PROBE" advert eth0 fe80::bad
sleep 0.1
check "control: a workload can advertise itself as the router" test -n "$(advertised)"
on node ip -6 route flush proto ra

daemon_start
for family in 4 6; do
	declare -n address=ADDRESS$family
	reaches "its own source passes, IPv$family" 1 web1 "${address[web1]}" api1 "${address[api1]}" 8080
	reaches "another workload's source does not, IPv$family" 0 db1 "${address[web1]}" api1 "${address[api1]}" 8080
	reaches "a source from outside does not, IPv$family" 0 web1 "${address[payments]}" api1 "${address[api1]}" 8080
done
reaches "its own source, to 127.0.0.1" 0 web1 "${ADDRESS4[web1]}" loopback 127.0.0.1 7000
on web1 "$PROBE" advert eth0 fe80::bad
sleep 0.2
equal "a router advertisement from a workload changes nothing" "" "$(advertised)"

for protocol in tcp udp; do allowed node loopback 7000 "$protocol" "the node reaches itself by its loopback addresses"; done
allowed api1 db1 5432 tcp "the guard lets the honest pass"
daemon_stop
finish
