#!/bin/bash
# `deny: reject`: what is denied is answered in both families and in each hook, and what must go without an answer does.
. "$(dirname "$0")/lib.sh"

shop
serve 443,8080 world
daemon_start

# The shop, where web says how it denies, or whoever else; api and db say nothing.
policy_deny() { # OF_WEB [SETTINGS]
	policy shop <<-END
		ringfence: v1
		namespace: shop
		services:
		  web: {workloads: {app: web}, ports: {http: 8080/tcp, echo: 8080/udp}${1:+, deny: $1}}
		  api: {workloads: {app: api}, ports: {http: 8080/tcp, echo: 8080/udp}}
		  db: {workloads: {app: postgres}, ports: {sql: 5432/tcp, echo: 5432/udp}}
		allow:
		  - {from: web, to: api}
		${2:+settings: {$2\}}
	END
}

# The answer is an error of the socket, at once: its text is what the kernel makes of it.
answered() { # TEXT FROM TO PORT PROTOCOL
	TRY_MS=2000 expect 2 answered "$2" "$3" "$4" "$5"
	check "... with: $1" grep -qE "$1" "$WORK/try-0"
	check "... and in the other family" grep -qE "$1" "$WORK/try-1"
}
refused="Connection refused" prohibited="No route to host|Permission denied"

# How often the kernel answered, by our rules; and how many packets of denials went without.
answers() {
	on node nft list table inet ringfence | awk '/reject with/ { for (i = 1; i < NF; i++) if ($i == "packets") sum += $(i + 1) } END { print sum + 0 }' |
		head -n 1
}

denied web1 db1 5432 tcp "silence is the default"
equal "with no rule that answers" 0 "$(on node nft list table inet ringfence | grep -c 'reject with' || true)"

change policy_deny reject
allowed web1 api1 8080 tcp
allowed web1 api1 8080 udp
answered "$refused" web1 db1 5432 tcp
answered "$prohibited" web1 db1 5432 udp
answered "$refused" world web1 8080 tcp
answered "$prohibited" world web1 8080 udp
answered "$refused" web1 node 443 tcp
answered "$prohibited" web1 node 443 udp
answered "$refused" node web1 8080 tcp
answered "$prohibited|Operation not permitted" node web1 8080 udp
denied world api1 8080 tcp "of a service that says nothing"
denied api1 db1 5432 udp "of a service that says nothing"
denied api1 web1 8080 tcp "whose own end comes first"
check "the table is as it should be" status_has '"differs":false'
code=0
"$RINGFENCE" drift --socket "$SOCKET" >/dev/null || code=$?
equal "and was read back so" 0 "$code"

# What must go without.
before=$(answers)
errors() { on db1 awk '/^Icmp: [0-9]/ { print $5 }' /proc/net/snmp; } # of unreachable destinations, heard by db1
heard=$(errors)
on web1 "$PROBE" spoof eth0 "$MAC" "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080
on web1 "$PROBE" spoof eth0 "$MAC" "${ADDRESS6[db1]}" "${ADDRESS6[api1]}" 8080
workload web2 10.0.1.21 fd00:1::21
denied web2 world 443 tcp "of an unknown address"
policy incident <<-END
	ringfence: v1
	namespace: shop
	quarantine: [{workload: shop/web1}]
END
quarantined() { status_has '"conflicts"' && on node nft list table inet ringfence | grep -q 'quarantine'; }
await 5 quarantined || not_ok "the quarantine is in force"
denied web1 db1 5432 tcp "in quarantine"
denied world web1 8080 udp "in quarantine"
rm "$POLICY/incident.yaml"
equal "spoofed sources, unknown addresses and quarantines have no answer" "0 $heard" "$(($(answers) > before)) $(errors)"
sleep 0.5

# A flood of denials makes no flood of answers: of 900 connections at once some 100 are answered.
cat >"$WORK/burst.py" <<-'END'
	import errno, select, socket, sys, time
	poll, sockets, refused = select.poll(), {}, 0
	for _ in range(900):
	    s = socket.socket()
	    s.setblocking(False)
	    s.connect_ex((sys.argv[1], 5432))
	    sockets[s.fileno()] = s
	    poll.register(s, select.POLLOUT)
	end = time.monotonic() + 0.7
	while time.monotonic() < end:
	    for fd, _ in poll.poll(50):
	        refused += sockets[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
	        poll.unregister(fd)
	print(refused)
END
await 5 eval '! on node nft list table inet ringfence | grep -q quarantine'
sleep 1.2 # the limit is whole again
count=$(on web1 python3 "$WORK/burst.py" "${ADDRESS4[db1]}")
note "$count of 900 were answered"
check "a flood has a hundred answers or so" test "$count" -ge 50 -a "$count" -le 400

# A node's own, and the settings.
policy inventory <<-END
	ringfence: v1
	nodes:
	  node-a: {addresses: [192.0.2.1, "2001:db8:ff::1"], workload_networks: [10.0.1.0/24, "fd00:1::/64"], deny: reject}
END
change policy_deny drop
sleep 1
answered "$refused" world api1 8080 tcp
denied web1 db1 5432 tcp "of a service that says drop"
policy_node
change policy_deny "" "deny: reject"
answered "$refused" web1 db1 5432 tcp
change policy_deny ""
denied web1 db1 5432 tcp "silence again"
daemon_stop
finish
