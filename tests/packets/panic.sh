#!/bin/bash
# The panic isolates all workloads of the node but for the listed ones, also those that come later, and lasts until it ends.
. "$(dirname "$0")/lib.sh"

command -v jq >/dev/null || skip_all "jq is not installed"
shop
STATE=$WORK/state
workload late 10.0.1.14 fd00:1::14
workload_file late shop 'app: web'
daemon_start

code_of 2 "an exception that is nobody" tell panic --why x --except shop/dbb
said "is said" "no workload and no service is called shop/dbb"
allowed web1 api1 8080 tcp "nothing happened"
code_of 0 "panic" tell panic --why "INC-8" --except shop/api --except workload:shop/db1
printed "how many" '^2 of the node.s workloads are isolated and 2 are not, after [0-9.]+ ms$'
denied web1 api1 8080 tcp "panic"
denied late api1 8080 udp "panic"
allowed api1 db1 5432 tcp "the exceptions go on"
workload api2 10.0.1.15 fd00:1::15
workload web2 10.0.1.16 fd00:1::16
change workload_file api2 shop 'app: api'
change workload_file web2 shop 'app: web'
serve 8080 api2
allowed api2 db1 5432 tcp "one that comes to a service that is spared"
denied web2 api1 8080 tcp "one that comes later"
tell status >"$WORK/out" || true
printed "status tells of it" '^panic       every workload of the node but service:shop/api, workload:shop/db1 is isolated since .* by root: INC-8'
daemon_kill
daemon_start
denied web1 api1 8080 tcp "the panic lasts over a kill"
allowed api1 db1 5432 tcp "and so do its exceptions"
code_of 2 "a quarantine of the panic is none" tell release shop/web1
code_of 0 "the panic ends" tell panic --end
allowed web1 api1 8080 tcp "the panic is over"
allowed web2 api1 8080 tcp "the panic is over"
code_of 2 "there is none to end" tell panic --end
{
	echo "ringfence: v1"
	echo "workloads:"
	for ((i = 0; i < 200; i++)); do
		echo "  - {name: many-$i, namespace: shop, node: node-a, labels: {app: web, n: x$((i % 7))}, addresses: [10.0.1.$((i + 40)), \"fd00:1::1:$i\"]}"
	done
} >"$WORK/many"
before=$(commits)
cp "$WORK/many" "$WORKLOADS/.many" && mv "$WORKLOADS/.many" "$WORKLOADS/many.yaml"
settle "$before"
code_of 0 "panic with 200 more" tell panic --why many --format json
equal "all are isolated" 206 "$(jq .isolated "$WORK/out")"
note "panic: $(jq '.ms | round' "$WORK/out") ms for 206 workloads"
code_of 0 "and its end" tell panic --end --format json
note "panic: $(jq '.ms | round' "$WORK/out") ms for its end"
allowed web1 api1 8080 tcp "after that panic"
rm "$WORKLOADS/many.yaml"

daemon_stop
finish
