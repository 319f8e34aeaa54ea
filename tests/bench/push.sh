#!/bin/bash
# How long from `ringfence push` to the new policy in the kernels of a fleet: tests/bench/push.sh [NODES] [PUSHES], 20 real
# daemons in namespaces with a real etcd, and 10 pushes, by default. Prints, in milliseconds from when push began,
#
#   enforced   to the commit of the new policy, of each node and push
#   fleet      to the last node's
#
# RINGFENCE_BUILD as in the tests.
. "$(dirname "$0")/../packets/lib.sh"
. "$(dirname "$0")/../packets/store.sh"

NODES=${1:-20} PUSHES=${2:-10}

node
policy_node
"$RINGFENCE" keygen "$WORK/sign.key" >/dev/null
policy_of() { # NUMBER
	policy shop <<-END
		ringfence: v1
		namespace: shop
		services:
		  web: {workloads: {app: web}, ports: {http: $((8000 + $1))/tcp}}
		  api: {workloads: {app: api}, ports: {http: 8080/tcp}}
		allow:
		  - {from: api, to: web}
	END
	rm -f "$WORK/policy.bundle"
	"$RINGFENCE" sign "$POLICY" -o "$WORK/policy.bundle" --key "$WORK/sign.key" --revision "$((1 + $1))" 2>/dev/null >/dev/null
}
push() { on node "$RINGFENCE" push "$WORK/policy.bundle" --store "$WORK/store.yaml" --trust "$WORK/sign.key.pub" >/dev/null; }

store_start
store_file
policy_of 0
push
for ((n = 1; n <= NODES; n++)); do
	workload "n$n" "10.9.0.$n" "fd09::$n"
	mkdir -p "$WORK/n$n/workloads" "$WORK/n$n/state"
	printf 'ringfence: v1\nworkloads:\n  - {name: web, namespace: n%d, labels: {app: web}, addresses: [10.8.0.%d]}\n' "$n" "$n" |
		sed "s/namespace: n$n/namespace: shop/; s/name: web,/name: web$n,/" >"$WORK/n$n/workloads/web.yaml"
	chmod 700 "$WORK/n$n/state"
	chown -R "$DAEMON_USER" "$WORK/n$n"
	cat >"$WORK/n$n/ringfenced.yaml" <<-END
		node: n$n
		policy: {etcd: {endpoints: ["https://169.254.1.1:2179"], ca: $WORK/ca.pem, certificate: $WORK/client.pem, key: $WORK/client.key}, keys: [$WORK/sign.key.pub]}
		workloads:
		  - {source: files, directory: $WORK/n$n/workloads}
		$(store_source 169.254.1.1)
		user: $DAEMON_USER
		control: {socket: $WORK/n$n/control.sock}
		state: $WORK/n$n/state
	END
	start "$WORK/n$n/log" "n$n" "$RINGFENCED" --config "$WORK/n$n/ringfenced.yaml"
	start "$WORK/n$n/commits" "n$n" "$PROBE" watch
done
has() { # REVISION
	local n
	for ((n = 1; n <= NODES; n++)); do
		"$RINGFENCE" status --socket "$WORK/n$n/control.sock" --format json 2>/dev/null |
			jq -e ".bundle.revision == \"$1\" and .bundle.in_force and .ready" >/dev/null || return 1
	done
}
check "every node takes the first bundle" await 60 has 1
sleep 1
monotonic() { python3 -c 'import time; print(time.monotonic_ns())'; }
: >"$WORK/enforced"
: >"$WORK/fleet"
for ((p = 1; p <= PUSHES; p++)); do
	policy_of "$p"
	for ((n = 1; n <= NODES; n++)); do wc -l <"$WORK/n$n/commits" >"$WORK/n$n/seen"; done
	began=$(monotonic)
	push
	await 30 has "$((p + 1))" || not_ok "every node takes push $p"
	for ((n = 1; n <= NODES; n++)); do
		tail -n +"$(($(<"$WORK/n$n/seen") + 1))" "$WORK/n$n/commits" |
			awk -v began="$began" '/process=ringfenced / { printf "%.1f\n", ($2 - began) / 1e6; exit }'
	done | sort -n >"$WORK/times"
	cat "$WORK/times" >>"$WORK/enforced"
	tail -n 1 "$WORK/times" >>"$WORK/fleet"
	sleep 1
done
percentiles() { sort -n | awk -v what="$1" '{ at[NR] = $1 } END {
	printf "%s samples=%d p50=%.1f p99=%.1f most=%.1f ms\n", what, NR, at[int((NR + 1) / 2)], at[int(NR * 0.99 + 0.999)], at[NR] }'; }
percentiles enforced <"$WORK/enforced"
percentiles fleet <"$WORK/fleet"
equal "every node enforced every push" "$((NODES * PUSHES))" "$(wc -l <"$WORK/enforced")"
finish
