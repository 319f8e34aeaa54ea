#!/bin/bash
# A node that follows a cluster by its API: pods come, change and go, and packets follow.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kubernetes/lib.sh"

node
workload web1 10.0.1.11 fd00:1::11
workload api1 10.0.1.12 fd00:1::12
workload db1 10.0.1.13 fd00:1::13
policy policies <<-END
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicyList
	items:
	  - metadata: {name: default-deny, namespace: shop}
	    spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
	  - metadata: {name: api, namespace: shop}
	    spec:
	      podSelector: {matchLabels: {app: api}}
	      ingress:
	        - {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}, {port: echo, protocol: UDP}]}
	        - {from: [{namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [dev]}]}}], ports: [{port: http}]}
	  - metadata: {name: web, namespace: shop}
	    spec:
	      podSelector: {matchLabels: {app: web}}
	      egress: [{to: [{podSelector: {matchLabels: {app: api}}}]}]
END
serve 8080,9999 web1 api1 db1
watch
kube_setup
kube_nodes
kube PUT /namespaces/shop '{"labels": {"env": "dev"}}'
kube PUT /namespaces/kube-system
pod web1 web
pod api1 api
pod db1 db
daemon_start

# ---- as the lists say ----

allowed web1 api1 8080 tcp "by a rule of each side"
allowed web1 api1 8080 udp "the other protocol of the pod's ports"
denied web1 api1 9999 tcp "another port"
denied web1 db1 8080 tcp "no rule"
denied world api1 8080 tcp "from outside"
allowed node db1 8080 tcp "a pod and its own node"

# ---- as the watch says ----

workload web2 10.0.1.21 fd00:1::21
denied web2 api1 8080 tcp "a pod that has not been told of"
change pod web2 web
allowed web2 api1 8080 tcp "a pod that came"
change pod web2 other
denied web2 api1 8080 tcp "a pod that has another label"
change pod web2 web
pod web2 web '"deleting": true'
sleep 0.3
allowed web2 api1 8080 tcp "a pod that is to end runs still"
change pod web2 web '"phase": "Succeeded"'
denied web2 api1 8080 tcp "a pod that is over has no address"
change pod web2 web
change pod_gone web2
denied web2 api1 8080 tcp "a pod that is gone"
denied web2 world 8080 tcp "and its address is nobody's"

start "$WORK/stream" web1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 tcp 2
sleep 0.3
change pod web1 other
seen=$(grep -c '^in ' "$WORK/stream" || true)
sleep 0.2
equal "what ran stops with the label" "$seen" "$(grep -c '^in ' "$WORK/stream" || true)"
kill "$STARTED_PID" 2>/dev/null || true
change pod web1 web
allowed web1 api1 8080 tcp "and may again"

# A pod that another had the address of, which is still listed.
change pod web1 web '"phase": "Failed"'
change kube PUT /pods/shop/heir '{"labels": {"app": "web"}, "ips": ["10.0.1.11", "fd00:1::11"]}'
allowed web1 api1 8080 tcp "an address that a pod inherits"
change kube DELETE /pods/shop/heir
change pod web1 web

# ---- namespaces ----

workload dev1 10.0.1.31 fd00:1::31
in_space() { # NAMESPACE
	kube PUT "/pods/$1/dev1" "{\"labels\": {\"app\": \"x\"}, \"ips\": [\"${ADDRESS4[dev1]}\", \"${ADDRESS6[dev1]}\"]}"
}
in_space late
await 60 source_is '.refused | length' 1 && ok "a pod of no namespace is told" || not_ok "a pod of no namespace is told"
denied dev1 api1 8080 tcp "a pod whose namespace is not known, which may be of dev"
change kube PUT /namespaces/late '{"labels": {"env": "dev"}}'
check "nothing waits any more" await 60 source_is '.refused | length' 0
denied dev1 api1 8080 tcp "it is of dev"
change kube PUT /namespaces/late '{"labels": {"env": "prod"}}'
allowed dev1 api1 8080 tcp "a namespace that has another label"
change kube PUT /namespaces/late '{"labels": {"env": "dev"}}'
kube DELETE /namespaces/late
sleep 1
denied dev1 api1 8080 tcp "a namespace is what it was while a pod is in it"
change kube DELETE /pods/late/dev1
denied dev1 api1 8080 tcp "both are gone"
workload_remove dev1

# ---- nodes ----

# A bridge's address, in the network of pods: the machine's own, as soon as it is there.
ip_in "$ROUTER" addr add 10.0.1.1/32 dev lo
ip_in "$ROUTER" addr add fd00:1::1/128 dev lo
gateway() {
	become node "$PROBE" try 10.0.1.1 "${ADDRESS4[db1]}" 8080 tcp 300 5 >"$WORK/gateway" 2>&1 &
	wait "$!"
}
check "the node speaks from an address of its bridge" await 60 gateway
# What another machine has in its network for pods is not told, and so not closed here.
denied world api1 8080 tcp "the world stays outside"
change kube PUT /pods/shop/far '{"labels": {"app": "web"}, "ips": ["10.0.2.5"], "node": "node-b"}'
check "a pod of another node is known" grep -q 10.0.2.5 <<<"$(on node nft list table inet ringfence)"
check "another node's network is not closed" bash -c '! grep -q 10.0.2.0/24' <<<"$(on node nft list table inet ringfence)"
ip_in "$PREFIX-outside" addr add 10.0.2.5/32 dev eth0
ip_in "$ROUTER" route add 10.0.2.5 dev uplink
ADDRESS4[far]=10.0.2.5 ADDRESS6[far]=
far() { become outside "$PROBE" try 10.0.2.5 "$1" 8080 tcp 1000 5; }
(far "${ADDRESS4[api1]}") >/dev/null 2>&1 && ok "a pod of another node may what it may" || not_ok "a pod of another node may what it may"
change kube DELETE /pods/shop/far
(far "${ADDRESS4[api1]}") >/dev/null 2>&1 && not_ok "and not when it is gone" || ok "and not when it is gone"

# A pod of the host's network is the node.
kube PUT /pods/shop/agent '{"labels": {"app": "db"}, "ips": ["192.0.2.1"], "hostNetwork": true}'
sleep 0.3
check "no conflict" status_has '"conflicts":\[\]'
allowed node api1 8080 tcp "a pod of the host's network is the node"

# ---- the daemon starts anew, with the rights of deploy/kubernetes and no more ----

as_in_a_pod() { # writes a program that runs the daemon so
	local capabilities
	capabilities=$(/usr/bin/python3 "$ROOT/tests/cli/kubernetes.py" capabilities)
	cat >"$WORK/confined" <<-END
		#!/bin/sh
		exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,$capabilities "$RINGFENCED" "\$@"
	END
	chmod +x "$WORK/confined"
	RINGFENCED=$WORK/confined
	mkdir "$WORK/host"
	STATE=$WORK/host/state # which it makes, and gives to its user
}

kube PUT /pods/shop/agent '{"labels": {"app": "web"}, "ips": ["192.0.2.1"], "hostNetwork": true}'
daemon_kill
pod web1 other
cd "$ROOT"
as_in_a_pod
daemon_start
denied web1 api1 8080 tcp "what changed while it was down"
change pod web1 web
allowed web1 api1 8080 tcp "after a start"
equal "nothing is amiss but an address that no pod has" workloads "$(kinds)"
check "all is well" source_well
equal "what it keeps is its user's" "$DAEMON_USER" "$(stat -c %U "$STATE")"
daemon_stop
finish
