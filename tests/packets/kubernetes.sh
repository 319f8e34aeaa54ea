#!/bin/bash
# A node that follows Pods under NetworkPolicies, both as a cluster prints them: no native statement anywhere.
. "$(dirname "$0")/lib.sh"

pod_file() { # NAME LABELS [PHASE]
	cat >"$WORK/.new" <<-END
		apiVersion: v1
		kind: Pod
		metadata: {name: $1, namespace: shop, labels: {$2}}
		spec:
		  nodeName: node-a
		  containers: [{name: c, ports: [{name: http, containerPort: 8080}, {name: echo, containerPort: 8080, protocol: UDP}]}]
		status:
		  phase: ${3:-Running}
		  hostIPs: [{ip: 192.0.2.1}, {ip: "2001:db8:ff::1"}]
		  podIPs: [{ip: ${ADDRESS4[$1]}}, {ip: "${ADDRESS6[$1]}"}]
	END
	mv "$WORK/.new" "$WORKLOADS/$1.yaml"
}

network_policies() { # from stdin, entries of a list
	{
		printf 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\nitems:\n'
		cat
	} | policy policies
}

one_rule() { # LABEL OF THE SOURCE
	network_policies <<-END
		  - metadata: {name: default-deny, namespace: shop}
		    spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
		  - metadata: {name: api, namespace: shop}
		    spec:
		      podSelector: {matchLabels: {app: api}}
		      ingress: [{from: [{podSelector: {matchLabels: {app: $1}}}], ports: [{port: http}]}]
		  - metadata: {name: web, namespace: shop}
		    spec:
		      podSelector: {matchLabels: {app: web}}
		      egress: [{to: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: http}]}]
	END
}

node
workload web1 10.0.1.11 fd00:1::11
workload api1 10.0.1.12 fd00:1::12
workload db1 10.0.1.13 fd00:1::13
pod_file web1 'app: web'
pod_file api1 'app: api'
pod_file db1 'app: db'
one_rule web
serve 8080,9999 web1 api1 db1
watch
daemon_start

allowed web1 api1 8080 tcp "by a rule of each side"
denied web1 api1 8080 udp "another protocol"
denied web1 api1 9999 tcp "another port"
denied web1 db1 8080 tcp "no rule"
denied api1 web1 8080 tcp "the other way"
denied world api1 8080 tcp "from outside"
allowed node db1 8080 tcp "a pod and its own node"
allowed web1 web1 9999 tcp "a pod and itself"

# What runs stops when its policy changes, or a label of either end.
for name in client server policy; do
	start "$WORK/stream-$name" web1 "$PROBE" stream "${ADDRESS4[api1]}" 8080 tcp 2
	sleep 0.3
	case $name in
	client) change pod_file web1 'app: other' ;;
	server) change pod_file api1 'app: other' ;;
	policy) change one_rule somebody ;;
	esac
	denied web1 api1 8080 tcp "$name changed"
	seen=$(grep -c '^in ' "$WORK/stream-$name" || true)
	sleep 0.2
	equal "and what ran has stopped: $name" "$seen" "$(grep -c '^in ' "$WORK/stream-$name" || true)"
	kill "$STARTED_PID" 2>/dev/null || true
	wait "$STARTED_PID" 2>/dev/null || true
	case $name in
	client) change pod_file web1 'app: web' ;;
	server) change pod_file api1 'app: api' ;;
	policy) change one_rule web ;;
	esac
	allowed web1 api1 8080 tcp "$name changed back"
done

# A pod that is over leaves its address to nobody; a policy that is gone leaves the last good ones in force.
change pod_file db1 'app: db' Succeeded
change pod_file db1 'app: web' Running
allowed db1 api1 8080 tcp "a pod that came back with another label"
echo '{apiVersion: v1, kind: List, items: []}' | policy policies
await 5 status_has '"ok":false' && ok "an empty list is no policy" || not_ok "an empty list is no policy"
allowed web1 api1 8080 tcp "under the last good policy"
denied web1 db1 8080 tcp "under the last good policy"
printf 'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\nspec: {podSelector: {}, ingress: [null]}\n' | policy policies
await 5 status_has 'isnull' && ok "a null rule is refused" || not_ok "a null rule is refused"
denied web1 db1 8080 tcp "after a null rule"
check "no drift but that of the policy" grep -qF '"kinds":["policy"]' <<<"$(drift_json)"
daemon_stop
finish
