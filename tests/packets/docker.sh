#!/bin/bash
# The source of containers against real Podman containers: labels to verdicts, two networks, both families, what happens to
# containers and networks while they run, and an engine that goes away. Podman speaks the Docker Engine API here.
. "$(dirname "$0")/lib_containers.sh"

node
engine_make
engine_network front 10.91.1.0/24 fd91:1::/64
engine_network back 10.91.2.0/24 fd91:2::/64
SHOP=(--label ringfence.namespace=shop)
# As Compose does it: the namespace is the project, and `app` the service.
container web front 10.91.1.11 fd91:1::11 --label com.docker.compose.project=shop --label com.docker.compose.service=web \
	--label com.docker.compose.container-number=1
container db back 10.91.2.13 fd91:2::13 "${SHOP[@]}" --label app=db
# On two networks: `api` is its place in front, `api2` the one in back.
engine run -d "${RUN_FLAGS[@]}" --name api --network front:ip=10.91.1.12,ip6=fd91:1::12 \
	--network back:ip=10.91.2.12,ip6=fd91:2::12 "${SHOP[@]}" --label ringfence.app=api "$IMAGE" sleep 100000 >/dev/null
enter api api 10.91.1.12 fd91:1::12
enter api2 api 10.91.2.12 fd91:2::12

policy inventory <<-END
	ringfence: v1
	nodes: {node-a: {addresses: [192.0.2.1, "2001:db8:ff::1"]}}
END
policy shop <<-END
	ringfence: v1
	namespace: shop
	services:
	  web: {workloads: {app: web}, ports: {http: 8080/tcp, echo: 8080/udp}}
	  api: {workloads: {app: api}, ports: {http: 8080/tcp, echo: 8080/udp}}
	  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
	networks:
	  payments: [203.0.113.0/24, "2001:db8:10::/64"]
	allow:
	  - {from: web, to: api}
	  - {from: api, to: db}
	  - {from: api, to: payments, ports: [8080/tcp]}
	  - {from: node, to: web}
END
SOURCES="  - {source: docker, socket: $ENGINE_SOCKET}"
enter_process gateway "$ENGINE_PID" 10.91.1.1 fd91:1::1 # the node, by the address that containers know
serve 8080,5432 web api db payments gateway

source_has() { [ "$(status | jq -r ".sources[0] | $1")" = "$2" ]; } # FILTER VALUE
in_force() { grep -q '^in force' <<<"$(tell status "$1")"; }      # WORKLOAD
unknown() { ! tell status "$1" >/dev/null 2>&1; }
judged() { grep -qwF "$1 : goto" <<<"$(on node nft list table inet ringfence)"; } # ADDRESS
unjudged() { ! judged "$1"; }
in_pool() { on node nft get element inet ringfence "$1" "{ $2 }" >/dev/null 2>&1; }
pool() { on node nft list table inet ringfence | grep -oE "g[0-9]+_pool$1 " | head -n 1; } # FAMILY

# ---- before and after ----

allowed db web 8080 tcp "without ringfence (control)"
daemon_start
for protocol in tcp udp; do allowed web api 8080 "$protocol" "on one bridge"; done
denied web db 5432 tcp "from bridge to bridge"
allowed api2 db 5432 tcp
denied db api2 8080 tcp
allowed api payments 8080 tcp "to outside"
denied web payments 8080 tcp "to outside"
denied world web 8080 tcp "from outside"
allowed gateway web 8080 tcp "the gateway of a network is the node"
denied gateway api 8080 tcp "the gateway of a network is the node"
denied web gateway 8080 tcp "the gateway of a network is the node"
equal "nothing is refused, and the engine is heard" "true null 0" \
	"$(status | jq -r '.sources[0] | "\(.told) \(.problem) \(.refused | length)"')"

# ---- who a container is ----

container plain front 10.91.1.20 fd91:1::20
await 5 in_force default/plain || true
check "a container that says nothing is in the default namespace" in_force default/plain
serve 8080 plain
denied plain api 8080 tcp "it is in no service"
denied web plain 8080 tcp

engine_image localhost/evil "LABEL app=web" "LABEL ringfence.app=web"
FROM_IMAGE=localhost/evil container evil front 10.91.1.21 fd91:1::21 "${SHOP[@]}"
await 5 in_force shop/evil || true
check "labels that come from an image" in_force shop/evil
denied evil api 8080 tcp "they are not the container's word"

container wrong front 10.91.1.22 fd91:1::22 "${SHOP[@]}" --label app=web --label "ringfence.tier=no good"
await 5 source_has '.refused | length' 1 || true
check "a wrong label of ours is told" grep -q 'container [0-9a-f]*: its label ringfence.tier' <<<"$(status | jq -r '.sources[0].refused[0]')"
denied wrong api 8080 tcp "and closes the container that has it"
allowed web api 8080 tcp "and no other"
engine rm -f -t 0 wrong >/dev/null
await 5 source_has '.refused | length' 0 || true
check "it is over with the container" source_has '.refused | length' 0

engine run -d "${RUN_FLAGS[@]}" --name sidecar --network container:api "${SHOP[@]}" --label app=db "$IMAGE" sleep 100000 >/dev/null
engine run -d "${RUN_FLAGS[@]}" --name hosted --network host "${SHOP[@]}" --label app=db "$IMAGE" sleep 100000 >/dev/null
allowed web api 8080 tcp "a container that shares its network changes nothing"
check "who shares a network, or has the host's, is no workload" eval 'unknown shop/sidecar && unknown shop/hosted'

# ---- the source guard ----

# The hardware address of the interface that has an address.
mac_of() { # NAMESPACE ADDRESS
	local name
	name=$(on "$1" ip -j addr show to "$2" | jq -er '[.[] | select(.ifname)][0].ifname')
	on "$1" ip -j link show "$name" | jq -er '.[0].address'
}
FRONT=$(mac_of node 10.91.1.1) API_MAC=$(mac_of api 10.91.1.12)
udp_from() { grep -c "^in udp $1 " "$WORK/serve-$2.log" || true; } # SOURCE SERVER
spoofed() { # TEXT WANT SOURCE TO SERVER MAC
	local before
	before=$(udp_from "$3" "$5")
	on web "$PROBE" spoof eth0 "$6" "$3" "$4" 8080
	sleep 0.1
	equal "$1" "$2" $(($(udp_from "$3" "$5") - before))
}
spoofed "its own source passes, IPv4" 1 10.91.1.11 10.91.1.12 api "$API_MAC"
spoofed "its own source passes, IPv6" 1 fd91:1::11 fd91:1::12 api "$API_MAC"
spoofed "the source of a container on another network does not, IPv4" 0 10.91.2.12 10.91.1.12 api "$API_MAC"
spoofed "the source of a container on another network does not, IPv6" 0 fd91:2::12 fd91:1::12 api "$API_MAC"
spoofed "a source from outside does not, IPv4" 0 203.0.113.10 10.91.1.12 api "$API_MAC"
spoofed "a source from outside does not, to be routed, IPv6" 0 2001:db8:10::10 fd91:2::12 api "$FRONT"

# What the README says that the guard cannot do: on one bridge it takes two networks to tell containers apart.
container twin front 10.91.1.24 fd91:1::24 "${SHOP[@]}" --label app=web
await 5 in_force shop/twin || true
spoofed "a limit: the source of a container on its own bridge passes" 1 10.91.1.24 10.91.1.12 api "$API_MAC"

# ---- what happens to containers ----

engine network connect --ip 10.91.2.11 --ip6 fd91:2::11 back web
await 5 judged 10.91.2.11 || true
enter web2 web 10.91.2.11 fd91:2::11
serve 8080 api2
allowed web2 api2 8080 tcp "once it is connected to another network"
engine network disconnect back web
await 5 unjudged 10.91.2.11 || true
check "a container that leaves a network has no address there" unjudged 10.91.2.11
enter web web 10.91.1.11 fd91:1::11
allowed web api 8080 tcp "on the network that it is still in"

engine rename plain worker
await 5 in_force default/worker || true
check "a renamed container has its new name" in_force default/worker
check "and the old one is gone" unknown default/plain

engine run -d --privileged --pids-limit=-1 "${RUN_FLAGS[@]:1}" --name sleepy --network front:ip=10.91.1.23 "${SHOP[@]}" \
	--label app=web "$IMAGE" sleep 100000 >/dev/null
await 5 in_force shop/sleepy || true
engine pause sleepy >/dev/null
equal "a container is paused" paused "$(engine inspect -f '{{.State.Status}}' sleepy)"
sleep 1
check "and keeps its address" judged 10.91.1.23
engine unpause sleepy >/dev/null
check "also when it goes on" judged 10.91.1.23

engine restart -t 0 api >/dev/null
await 5 in_force shop/api || true
enter api api 10.91.1.12 fd91:1::12
enter api2 api 10.91.2.12 fd91:2::12
serve 8080,5432 api
for name in web db; do on "$name" ip neigh flush all; done # it has other hardware addresses
allowed web api 8080 tcp "after a restart"
allowed api2 db 5432 tcp "after a restart"

engine stop -t 0 db >/dev/null
await 5 unknown shop/db || true
check "a container that has ended is gone" unknown shop/db
container taker back 10.91.2.13 fd91:2::13
serve 5432 taker
await 5 in_force default/taker || true
denied api2 taker 5432 tcp "whoever takes its address has none of its rights"

# ---- a network that is new ----

engine_network extra 10.91.3.0/24 fd91:3::/64
container newcomer extra 10.91.3.11 fd91:3::11 "${SHOP[@]}" --label app=web
await 5 in_force shop/newcomer || true
allowed newcomer api 8080 tcp "from a network that was made meanwhile"
await 5 in_pool "$(pool 4)" 10.91.3.77 || true
check "whose addresses are this node's, IPv4" in_pool "$(pool 4)" 10.91.3.77
check "whose addresses are this node's, IPv6" in_pool "$(pool 6)" fd91:3::77

# ---- an engine that is away ----

before=$(status | jq -c '[.generation, .workloads]')
stop "$ENGINE_PID" KILL
await 5 source_has '.problem != null' true || true
check "an engine that is away is told" grep -q 'the container engine at' <<<"$(status | jq -r '.sources[0].problem')"
equal "what it told last stays" "$before" "$(status | jq -c '[.generation, .workloads]')"
allowed web api 8080 tcp "while the engine is away"
denied web db 5432 tcp "while the engine is away"
container late front 10.91.1.30 fd91:1::30 "${SHOP[@]}" --label app=api
serve 8080 late
denied web late 8080 tcp "it has started and was not told yet"
denied late taker 5432 tcp "it has started and was not told yet"
engine rm -f -t 0 newcomer >/dev/null
check "one that ends meanwhile is still there" in_force shop/newcomer
ENGINE_GROUP=root engine_start
await 20 eval 'source_has ".problem | contains(\"Permission denied; make the daemon\")" true' || true
check "a socket that may not be used is told" grep -q 'Permission denied; make the daemon' <<<"$(status | jq -r '.sources[0].problem')"
chgrp "$DAEMON_USER" "$ENGINE_SOCKET"
await 20 in_force shop/late || true
await 20 unknown shop/newcomer || true
allowed web late 8080 tcp "when the engine is back"
check "and who is gone is gone" unknown shop/newcomer
await 5 source_has '.problem' null || true
check "all is well again" source_has '.problem' null
daemon_stop
finish
