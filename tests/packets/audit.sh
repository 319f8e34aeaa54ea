#!/bin/bash
# Audit mode of single services, and of a node by its configuration: what they would deny passes and is recorded, as far
# as no other end denies it; and where it ends, the very next packet is denied.
. "$(dirname "$0")/lib.sh"

shop
serve 443 world
start "$WORK/records" node "$PROBE" nflog 5 120 # before the daemon, which would take the group
await 5 grep -q ready "$WORK/records"
daemon_start

policy_modes() { # OF_WEB OF_DB [OF_A_SECOND_SERVICE_OF_WEB] [SETTINGS]
	policy shop <<-END
		ringfence: v1
		namespace: shop
		services:
		  web: {workloads: {app: web}, ports: {http: 8080/tcp, echo: 8080/udp}${1:+, mode: $1}}
		  api: {workloads: {app: api}, ports: {http: 8080/tcp, echo: 8080/udp}}
		  db: {workloads: {app: postgres}, ports: {sql: 5432/tcp, echo: 5432/udp}${2:+, mode: $2}}
		$([ -z "${3:-}" ] || echo "  all: {workloads: {app: [web, none]}, mode: $3}")
		allow:
		  - {from: web, to: api}
		${4:+settings: {$4\}}
	END
}
record() { # TEXT REGEX SOURCE DESTINATION PORT
	if await 3 grep -qE "^$2 ?"$'\t'"$3"$'\t'"$4"$'\t[0-9]+\t'"$5\$" "$WORK/records"; then ok "$1"; else
		not_ok "$1"
		note "$(tail -n 5 "$WORK/records")"
	fi
}
records() { grep -cE "$1" "$WORK/records" || true; }

change policy_modes audit ""
# A packet of each flow and of its answer, since a rule records no more than a few at once.
allowed web1 world 443 udp "of a service in audit mode"
allowed world web1 8080 udp "to a service in audit mode"
sleep 0.6
denied web1 db1 5432 tcp "which the other end denies"
denied db1 web1 8080 tcp "which the other end denies"
denied world db1 5432 tcp "of another service"
for family in 4 6; do
	declare -n address=ADDRESS$family
	record "egress is recorded, IPv$family" "ringfence audit egress shop/web (.*/)?shop\.yaml:4" "${address[web1]}" "${address[world]}" 443
	record "ingress is recorded, IPv$family" "ringfence audit ingress shop/web (.*/)?shop\.yaml:4" "${address[world]}" "${address[web1]}" 8080
	record "both ends are, IPv$family" "ringfence audit egress shop/web (.*/)?shop\.yaml:4" "${address[web1]}" "${address[db1]}" 5432
	record "and the one denies, IPv$family" "ringfence deny ingress shop/db (.*/)?shop\.yaml:6" "${address[web1]}" "${address[db1]}" 5432
done
check "status says so" status_has '"mode":"partlyaudit"'
"$RINGFENCE" observe --socket "$SOCKET" >/dev/null 2>&1 || true
on web1 "$PROBE" spoof eth0 "$MAC" "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080
record "a spoofed source stays denied" "ringfence deny spoof source guard" "${ADDRESS4[db1]}" "${ADDRESS4[api1]}" 8080

change policy_modes audit audit
allowed web1 db1 5432 tcp "with both ends in audit mode"

# Promoted: the next packet of what runs is denied.
start "$WORK/stream" web1 "$PROBE" stream "${ADDRESS4[db1]}" 5432 udp 3
await 2 grep -q '^in ' "$WORK/stream"
change policy_modes enforce audit
sleep 0.2
count=$(grep -c '^in ' "$WORK/stream")
sleep 0.3
equal "a running flow stops when its service is enforced" "$count" "$(grep -c '^in ' "$WORK/stream")"
denied web1 db1 5432 tcp "of a service that is enforced again"
stop "$STARTED_PID"

# Of two services of a workload both have to say it.
change policy_modes audit "" enforce
denied web1 world 443 tcp "which one of two services enforces"
change policy_modes audit "" audit
allowed web1 world 443 tcp "which both services audit"

# A service's own word goes before that of the settings; a quarantine before all.
change policy_modes enforce "" "" "mode: audit"
denied web1 world 443 tcp "of a service that says enforce in a policy that says audit"
allowed db1 world 443 tcp "of one that says nothing there"
change policy_modes audit audit
policy incident <<-END
	ringfence: v1
	namespace: shop
	quarantine: [{workload: shop/web1}]
END
await 5 eval 'on node nft list table inet ringfence | grep -q quarantine'
denied web1 world 443 tcp "in quarantine"
rm "$POLICY/incident.yaml"
change policy_modes "" ""
denied web1 world 443 tcp "when nothing is in audit mode"
denied world db1 5432 tcp "when nothing is in audit mode"
daemon_stop

# The node, by the daemon's configuration; it changes with a restart, during which what held before holds.
daemon_config() { # DRIFT
	cat >"$WORK/ringfenced.yaml" <<-END
		node: node-a
		policy: {directory: $POLICY}
		workloads: [{source: files, directory: $WORKLOADS}]
		user: $DAEMON_USER
		drift: $1
		mode: $MODE
		control: {socket: $WORK/control.sock}
	END
}
MODE=audit
daemon_start
await 5 status_has '"mode":"audit"' || not_ok "the node is in audit mode"
allowed web1 world 443 tcp "on a node in audit mode"
allowed world db1 5432 tcp "on a node in audit mode"
# Both families were tried side by side, and the first packets of one may be all that a rule records at once.
record "and is recorded" "ringfence audit ingress shop/db (.*/)?shop\.yaml:6" \
	"(${ADDRESS4[world]}|${ADDRESS6[world]})" "(${ADDRESS4[db1]}|${ADDRESS6[db1]})" 5432
daemon_stop
MODE=enforce
daemon_start
denied web1 world 443 tcp "on a node that enforces again"
denied world db1 5432 tcp "on a node that enforces again"
check "status says so" status_has '"mode":"enforce"'
daemon_stop
sed -i 's/^mode: .*/mode: dry-run/' "$WORK/ringfenced.yaml"
code=0
"$RINGFENCED" --check --config "$WORK/ringfenced.yaml" 2>"$WORK/check.err" || code=$?
equal "another word is an error" 2 "$code"
check "with its place" grep -q 'ringfenced.yaml:6:7: error: `mode` must be enforce or audit' "$WORK/check.err"
finish
