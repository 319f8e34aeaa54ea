#!/bin/bash
# How long from the rename of a workload's file to the kernel commit, with 1,000 workloads present (goal: p99 under 5 ms).
# Prints "latency changes=N p50=... p99=... ms" for workloads that change their address, and the same for labels.
. "$(dirname "$0")/lib.sh"

CHANGES=${1:-1000}
LIMIT_MS=${LIMIT_MS:-5}

node
policy inventory <<-END
	ringfence: v1
	nodes:
	  node-a: {addresses: [192.0.2.1], workload_networks: [10.1.0.0/16, 10.2.0.0/16, "fd00:1::/64", "fd00:2::/64"]}
END
{
	printf 'ringfence: v1\nnamespace: load\nservices:\n'
	for i in $(seq 0 19); do printf '  s%d:\n    workloads: {app: s%d}\n    ports: {http: 8080/tcp, rpc: 9090/tcp}\n' "$i" "$i"; done
	printf 'networks:\n  corp: [198.51.100.0/24, "2001:db8:20::/64"]\nallow:\n'
	for i in $(seq 0 19); do printf '  - {from: s%d, to: s%d}\n  - {from: s%d, to: corp, ports: [443/tcp]}\n' "$i" $(((i + 1) % 20)) "$i"; done
} | policy load
"$PROBE" populate "$WORKLOADS" 1000
daemon_start
check "1,000 workloads are known" await 10 status_has '"workloads":1000[,}]'

measure() { # NAME move|relabel
	local line p99
	line=$(on node "$PROBE" latency "$WORKLOADS" "$CHANGES" "$2") || {
		not_ok "$1: every change is committed"
		return
	}
	echo "$1 $line"
	p99=$(grep -oE 'p99=[0-9.]+' <<<"$line" | cut -d= -f2)
	check "$1: p99 under $LIMIT_MS ms" awk -v p99="$p99" -v limit="$LIMIT_MS" 'BEGIN { exit !(p99 < limit) }'
}
measure latency move
measure relabel relabel
check "1,000 workloads are known after it" await 10 status_has '"workloads":1000[,}]'
daemon_stop
finish
