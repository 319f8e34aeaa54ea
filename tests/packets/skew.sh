#!/bin/bash
# Clocks that are far off: that of node-a is a day ahead and that of node-b 400 days behind (skew/clock.c), with a real etcd
# between them. Workloads and policies go between the nodes all the same, since leases and revisions are the store's;
# certificates alone are judged by a node's clock, and one that is not valid yet is told.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/store.sh"

for program in etcd jq cc; do command -v "$program" >/dev/null || skip_all "$program is not installed"; done
DAY=86400
skewed() { # DAYS COMMAND...
	env LD_PRELOAD="$WORK/clock.so" RINGFENCE_SKEW="$(($1 * DAY))" "${@:2}"
}
# Certificates for years to both sides, in place of two days from now.
openssl() {
	local words=() word
	for word in "$@"; do
		[ "$word" != 2 ] || word=${VALID_DAYS:-2000}
		words+=("$word")
	done
	skewed "${VALID_FROM:--1000}" openssl "${words[@]}"
}

shop
cc -shared -fPIC -O2 -D_GNU_SOURCE -o "$WORK/clock.so" "$ROOT/tests/packets/skew/clock.c"
workload nodeb 10.9.0.2 fd09::2
workload web9 10.0.2.9 fd00:2::9
policy inventory <<-END
	ringfence: v1
	nodes:
	  node-a: {addresses: [192.0.2.1, "2001:db8:ff::1"], workload_networks: [10.0.1.0/24, "fd00:1::/64"]}
	  node-b: {workload_networks: [10.0.2.0/24, "fd00:2::/64"]}
END
store_start
store_file
"$RINGFENCE" keygen "$WORK/sign.key" >/dev/null
push() { # REVISION; what stands in $POLICY
	"$RINGFENCE" sign "$POLICY" -o "$WORK/$1.bundle" --key "$WORK/sign.key" --revision "$1" >/dev/null 2>&1
	on node "$RINGFENCE" push "$WORK/$1.bundle" --store "$WORK/store.yaml" --trust "$WORK/sign.key.pub" >/dev/null
}
begin() { # NODE NAMESPACE DAYS ADDRESS; a daemon in $WORK/NODE, whose pid is in STARTED_PID
	local home=$WORK/$1 source
	source=$(store_source "$4")
	mkdir -p "$home/workloads" "$home/state"
	chmod 700 "$home/state"
	chown -R "$DAEMON_USER" "$home"
	cat >"$home/ringfenced.yaml" <<-END
		node: $1
		policy: {etcd: {${source#*source: etcd, }, keys: [$WORK/sign.key.pub]}
		workloads:
		  - {source: files, directory: $home/workloads}
		$source
		user: $DAEMON_USER
		state: $home/state
		control: {socket: $home/control.sock}
	END
	become "$2" env LD_PRELOAD="$WORK/clock.so" RINGFENCE_SKEW="$(($3 * DAY))" "$RINGFENCED" --config "$home/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
	STARTED_PID=$!
	STARTED+=("$STARTED_PID")
}
of() { "$ASK" "$WORK/$1/control.sock" status; } # NODE
is() { [ "$(of "$1" | jq -r "$2")" = "$3" ]; }  # NODE FILTER VALUE
ends() { # NODE PID
	local code=0
	kill -TERM "$2" || true
	wait "$2" || code=$?
	equal "$1 ends well" 0 "$code"
}

push 1
begin node-a node 1 127.0.0.1
A_PID=$STARTED_PID
mv "$WORKLOADS"/*.yaml "$WORK/node-a/workloads"
begin node-b nodeb -400 169.254.1.1
B_PID=$STARTED_PID
for name in node-a node-b; do check "$name takes the policy of the store" await 20 is "$name" '"\(.ready) \(.bundle.revision)"' "true 1"; done
hours() { echo $((($(date -d "$(of "$1" | jq -r .since)" +%s) - $(date +%s)) / 3600)); } # NODE; between its clock and ours
check "the clock of node-a is a day ahead" [ "$(hours node-a)" -ge 23 ]
check "that of node-b is 400 days behind" [ "$(hours node-b)" -le -9599 ]

# ---- workloads ----

denied web9 api1 8080 tcp "nobody has told of it"
tell_of() { # LABELS; of web9, on node-b
	printf 'ringfence: v1\nworkloads:\n  - {name: web9, namespace: shop, labels: {%s}, addresses: [%s, "%s"]}\n' \
		"$1" "${ADDRESS4[web9]}" "${ADDRESS6[web9]}" >"$WORK/node-b/.new"
	mv "$WORK/node-b/.new" "$WORK/node-b/workloads/web9.yaml"
}
change tell_of 'app: web'
allowed web9 api1 8080 tcp "its node told of it"
check "node-b knows those of node-a" await 10 is node-b .workloads 4
change tell_of 'app: postgres'
denied web9 api1 8080 tcp "with other labels"
change tell_of 'app: web'
allowed web9 api1 8080 tcp "with the first ones again"
sleep 12
leases() { for lease in $(store lease list | grep -E '^[0-9a-f]{8,}'); do store lease timetolive "$lease"; done; }
equal "the leases of 30 s are kept alive, by the clock of the store" 2 "$(leases | grep -cE 'remaining\((19|2[0-9]|30)s\)')"
equal "node-a hears of nothing that is wrong" null "$(of node-a | jq -c '.sources[] | select(.source == "etcd") | .problem')"
equal "nor does node-b" null "$(of node-b | jq -c '.sources[] | select(.source == "etcd") | .problem')"

# ---- policies ----

policy_shop '{from: api, to: web}'
change push 2
for name in node-a node-b; do check "$name takes the next policy" await 10 is "$name" .bundle.revision 2; done
denied web9 api1 8080 tcp "by the next policy"
fleet() { on node "$RINGFENCE" fleet --store "$WORK/store.yaml" "$@"; }
code_of 0 "fleet --wait" fleet --wait 2 --timeout 20
code_of 0 "fleet: all is well" fleet
printed "node-a is there" '^node-a +2 .* ok$'
printed "and node-b" '^node-b +2 .* ok$'
policy_shop
change push 3
allowed web9 api1 8080 tcp "by the policy after that"

# ---- a certificate that is of now: not valid yet for node-b ----

VALID_FROM=-1 VALID_DAYS=20
store_certificate server DNS:localhost,IP:127.0.0.1,IP:169.254.1.1
store_stop
store_start
check "node-b says that the certificate is not valid yet" await 20 is node-b \
	'[.sources[] | select(.source == "etcd" and (.problem // "" | contains("not yet valid")))] | length' 1
check "and so do words" grep -q '^source .*etcd.*not yet valid' <("$RINGFENCE" status --socket "$WORK/node-b/control.sock")
check "it is well for node-a" await 20 is node-a '[.sources[] | select(.problem != null)] | length' 0
equal "node-b has what it had" "true 3 4" "$(of node-b | jq -r '"\(.ready) \(.bundle.revision) \(.workloads)"')"
allowed web9 api1 8080 tcp "node-b cannot ask the store"
ends node-a "$A_PID"
ends node-b "$B_PID"
check "no sanitizer spoke" no_sanitizer
finish
