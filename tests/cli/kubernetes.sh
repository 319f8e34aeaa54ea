#!/bin/bash
# deploy/kubernetes fits together, and fits the daemon; and what the configuration of the source may say. TAP.
. "$(dirname "$0")/lib.sh"
RINGFENCED=$(dirname "$RINGFENCE")/ringfenced

manifests() { /usr/bin/python3 tests/cli/kubernetes.py "$@" >"$WORK/out" 2>"$WORK/err"; }
holds "its objects name each other" manifests objects
holds "it has the rights that it needs, and no more" manifests rights
holds "it runs on every node, and leaves its table there" manifests every_node
holds "paths, ports and names of the configuration are those of the pods" manifests configuration
holds "its flags are the daemon's" manifests flags "$RINGFENCED"
holds "its image has the libraries of the daemon" manifests libraries "$RINGFENCED"
mkdir "$WORK/maps"
holds "its ConfigMaps can be read" manifests write "$WORK/maps"

export KUBERNETES_SERVICE_HOST=10.96.0.1 KUBERNETES_SERVICE_PORT=443
checks() { "$RINGFENCED" --config "$1" --check >"$WORK/out" 2>"$WORK/err"; }
holds "its configuration is sound" checks "$WORK/maps/ringfence-config.ringfenced.yaml"
expect "its policy is sound" 0 '^ok' '' check "$WORK/maps/ringfence-policy.open.yaml"

# ---- the source's keys ----

configuration() { # ENTRY
	echo "policy: {directory: /p}" >"$WORK/config.yaml"
	echo "workloads: [$1]" >>"$WORK/config.yaml"
}
refused() { # TEXT ENTRY PATTERN
	configuration "$2"
	local status=0
	checks "$WORK/config.yaml" && status=1
	grep -qF -- "$3" "$WORK/err" || status=1
	result "$1" "$status"
}
taken() { # TEXT ENTRY
	configuration "$2"
	holds "$1" checks "$WORK/config.yaml"
}
taken "a server" '{source: kubernetes, server: "https://kube.example:6443/", ca: /etc/ca.crt, token: /etc/token}'
taken "one at an address of IPv6" '{source: kubernetes, server: "https://[2001:db8::1]:6443"}'
taken "one behind a path" '{source: kubernetes, server: "https://kube.example/k8s/clusters/c-1"}'
for wrong in http://kube.example:6443 kube.example:6443 https:// https://kube.example:0 https://kube.example:70000 \
	https://kube.example:64x43 'https://user@kube.example' 'https://kube.example/?a=b' 'https://[::1' 'https://a b'; do
	refused "no server: $wrong" "{source: kubernetes, server: \"$wrong\"}" 'a server is https://HOST:PORT'
done
refused "a path that is none" '{source: kubernetes, ca: ca.crt}' 'a path must be absolute'
refused "a key that is none" '{source: kubernetes, tokn: /t}' 'did you mean `token`'
refused "two clusters" '{source: kubernetes}, {source: kubernetes, server: "https://other.example"}' 'a node is of one cluster'
export KUBERNETES_SERVICE_HOST=2001:db8::1
taken "a pod's server of IPv6" '{source: kubernetes}'
unset KUBERNETES_SERVICE_HOST
refused "no pod, and no server" '{source: kubernetes}' 'needs a `server` here'
finish
