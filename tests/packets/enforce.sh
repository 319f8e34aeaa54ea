#!/bin/bash
# What the policy allows passes and nothing else does: TCP, UDP and ICMP, both families, both directions.
. "$(dirname "$0")/lib.sh"

shop
policy_shop \
	'{from: web, to: api}' \
	'{from: api, to: payments, ports: [443/tcp]}' \
	'{from: payments, to: web, ports: [http]}' \
	'{from: {labels: {app: batch}}, to: db, ports: [any]}' \
	'{from: {labels: {app: batch}}, to: api, ports: [9990-9999/tcp]}'
workload batch1 10.0.1.14 fd00:1::14
workload_file batch1 shop 'app: batch'
serve 443,8080 payments
serve 444,8081 world

allowed web1 db1 5432 tcp "control: without ringfence all is open"
allowed world web1 8080 udp "control"
daemon_start

for protocol in tcp udp; do
	allowed web1 api1 8080 "$protocol" "and its reply comes back"
	allowed api1 db1 5432 "$protocol"
	denied web1 db1 5432 "$protocol"
	denied db1 web1 8080 "$protocol"
	denied api1 web1 8080 "$protocol" "an allow has a direction"
	denied web1 api1 9999 "$protocol" "a port that the service does not declare"
	denied web1 api1 5432 "$protocol" "a port of another service"
done
allowed web1 api1 8080 udp "in fragments" 4000
denied web1 db1 5432 udp "in fragments" 4000
denied web1 api1 0 icmp
denied db1 api1 0 icmp "the way back of an allow"

allowed api1 payments 443 tcp "a network"
denied api1 payments 443 udp "the right port of the wrong protocol"
denied api1 payments 8080 tcp
denied api1 world 444 tcp "outside the network"
denied web1 payments 443 tcp
allowed payments web1 8080 tcp "a network as the source"
denied world web1 8080 tcp
denied payments api1 8080 tcp

for protocol in tcp udp icmp; do allowed batch1 db1 9999 "$protocol" "ports: any"; done
allowed batch1 api1 9999 tcp "a port range"
denied batch1 api1 9999 udp "a port range of another protocol"
denied batch1 api1 8080 tcp "outside the range"

# From the port of a server to any port of its client: that is no reply while no request went before.
on api1 "$PROBE" spoof eth0 "$MAC" "${ADDRESS4[api1]}" "${ADDRESS4[web1]}" 9999 8080
on api1 "$PROBE" spoof eth0 "$MAC" "${ADDRESS6[api1]}" "${ADDRESS6[web1]}" 9999 8080
sleep 0.2
equal "a server cannot open its client's ports from its own" 0 "$(grep -c '^in ' "$WORK/serve-web1.log" || true)"

# Traffic of the router that is no workload's is none of ours.
allowed world payments 443 tcp "two ends that are not ours"
daemon_stop
allowed web1 api1 8080 tcp "after the daemon has ended"
denied web1 db1 5432 tcp "after the daemon has ended"
finish
