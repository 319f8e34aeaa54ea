#!/bin/bash
# What can go wrong between a node and the API of its cluster: each is told, takes nobody with it, and is got over.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/kubernetes/lib.sh"

shop_policy() {
	policy policies <<-END
		ringfence: v1
		namespace: shop
		services:
		  web: {workloads: {app: web}}
		  api: {workloads: {app: api}, ports: {http: 8080/tcp}}
		allow:
		  - {from: web, to: api}
	END
}

daemon_begin() { # as daemon_start, without waiting until it is ready
	daemon_config repair
	become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
	DAEMON_PID=$!
	STARTED+=("$DAEMON_PID")
}
not_ready() { sleep 0.5; ! ready; }
all_is_as_it_was() { # TEXT
	allowed web1 api1 8080 tcp "$1"
	denied web2 api1 8080 tcp "$1"
	denied web1 web2 8080 tcp "$1"
}

node
workload web1 10.0.1.11 fd00:1::11
workload api1 10.0.1.12 fd00:1::12
workload web2 10.0.1.21 fd00:1::21
shop_policy
serve 8080 web1 api1 web2
watch
kube_setup
kube_nodes
kube PUT /namespaces/shop
pod web1 web
pod api1 api

# ---- before anything is known ----

kube_certificates other
kube_stop
kube_start other
METRICS=127.0.0.1:9478
daemon_begin
check "a server whose certificate is of somebody else is refused" source_was_ill 'certificate'
check "and nothing is told" not_ready
equal "nor is it asked for anything" 0 "$(asked .)"
page() { on node curl -s --noproxy '*' -m 10 -o "$WORK/page" -w '%{http_code}' "http://$METRICS$1"; }
equal "a pod of it lives" 200 "$(page /healthz)"
equal "and is not ready" 503 "$(page /readyz)"
mark
kube_stop

check "no server" source_was_ill 'connect|refused'
mark
kube_accept second
kube_start
check "a token that is not taken" source_was_ill '401.*service account'
mark
kube_do faults '{"match": "/pods", "always": "forbidden"}'
kube_token second
check "what the role lacks" source_was_ill '403.*cannot list resource "pods".*get, list and watch'
check "nothing is told before all is listed" not_ready
kube_do faults
await 60 ready && ok "all is listed" || not_ok "all is listed"
check "all is well" await 60 source_well
all_is_as_it_was "after all that"

# ---- lists ----

kube_do fill '{"count": 620}'
kube_do faults '{"match": "continue=", "faults": ["continue-expired"]}'
kube_do end '{"how": "error"}'
check "a watch that is too old leads to a list, in pages" await 60 has_far_pod many-619
check "of which the first was asked for again" asked_over 1 'pods\?limit=250$'
check "and the rest followed it" asked_over 1 'pods\?limit=250&continue='
check "all is well" await 60 source_well
all_is_as_it_was "behind a list in pages"

mark
kube_do faults '{"match": "/pods?limit", "always": "html"}'
kube_do end '{"how": "error"}'
check "a list that makes no sense" source_was_ill 'makes no sense'
all_is_as_it_was "while lists make no sense"
mark
kube_do faults '{"match": "/pods?limit", "always": "unavailable"}'
check "another answer" source_was_ill '503: apiserver is shutting down'
kube_do faults '{"match": "/pods?limit", "faults": ["reset"]}'
check "all is well" await 60 source_well
all_is_as_it_was "behind lists that made none"

# What went while nobody heard is gone with the list, and only then.
before=$(asked 'pods\?limit=250$')
kube_do remove '{"keys": [["pods", "shop", "many-5"]]}'
kube_do faults '{"match": "continue=", "faults": ["slow", "slow"]}'
kube_do compact
kube_do end
check "what was compacted is listed" await 60 asked_over "$before" 'pods\?limit=250$'
has_far_pod many-5 && ok "while a list is not whole nobody is forgotten" || not_ok "while a list is not whole nobody is forgotten"
has_no_far_pod() { ! has_far_pod "$1"; }
check "who is not in the whole list is gone" await 60 has_no_far_pod many-5
all_is_as_it_was "behind a list without somebody"

# ---- watches ----

before=$(asked 'pods\?watch')
kube_do bookmark
sleep 0.3
version=$(jq -r .version "$WORK/kube.json")
kube_do end
check "a watch that ends is followed by another" await 60 asked_over "$before" 'pods\?watch'
check "from where the last bookmark was" asked_over 0 "resourceVersion=$version\$"
pod web2 web
check "which tells what comes" await 60 has_pod web2
check "what was never ill is not told of" source_well
pod_gone web2
check "and what goes" await 60 has_no_pod web2

kube_do end '{"how": "cut"}'
pod web2 web
check "a line that was cut is heard whole" await 60 has_pod web2
pod_gone web2
check "and so is the next" await 60 has_no_pod web2

for text in 'garbage' '{\"type\": \"ADDED\", \"object\": {\"kind\": \"Secret\", \"metadata\": {\"resourceVersion\": \"1\"}}}'; do
	mark
	kube_do line "{\"plural\": \"pods\", \"text\": \"$text\"}"
	check "a line that makes no sense: $text" source_was_ill 'makes no sense'
	check "a list leads past it" await 60 source_well
done
mark
kube_do line '{"plural": "pods", "text": "xxxxxxxx", "times": 1200000}'
check "a line without end" source_was_ill 'longer than'
check "a list leads past it, too" await 60 source_well
all_is_as_it_was "behind lines that made no sense"

# ---- things that make no sense ----

pod web2 web '"raw": {"status.podIPs": [{"ip": "10.0.1.999"}]}'
check "a pod that makes no sense is named, with the reason" await 60 source_is '.refused[0]' \
	"pod:shop:web2: \`10.0.1.999\` is no address: not an IPv4 or IPv6 address"
all_is_as_it_was "beside a pod that makes no sense"
change pod web2 web
check "until it does" await 60 source_is '.refused | length' 0
allowed web2 api1 8080 tcp "a pod that makes sense again"
change pod web2 web '"raw": {"metadata.labels": {"app": "web", "a\u001b[31m": "x"}}'
check "what it says is not shown as it is" await 60 source_is '.refused[0] | test("\u001b")' false
denied web2 api1 8080 tcp "a pod that makes no sense any more"
pod_gone web2
check "and is forgotten" await 60 source_is '.refused | length' 0

# ---- a server that is gone, and one that has forgotten ----

mark
kube_stop
check "a server that died" source_was_ill 'nodes of https'
all_is_as_it_was "while the server is dead"
stale() { value 'ringfence_source_stale_since_timestamp_seconds{source="kubernetes"}'; }
check "a metric tells since when" [ "$(stale)" -gt 0 ]
equal "and so does status" false "$(status | jq '.sources[0].since == null')"
sleep 1
kube_start
pod web2 web
check "it is back" await 60 source_well
equal "the metric is well again" 0 "$(stale)"
check "and what came is heard" await 60 has_pod web2
change pod_gone web2

mark
kube_accept third
kube_do end
check "a token that was revoked" source_was_ill '401'
kube_token third
check "the new one is taken from its file" await 60 source_well

cp "$WORK/kube.json" "$WORK/kept.json"
mark
kube_do forget
kube_do end
check "a server that forgot all is not believed" source_was_ill 'none of 0 nodes of the cluster is this one, node-a'
all_is_as_it_was "while the server has forgotten all"
mark
kube_nodes
check "nor of namespaces" source_was_ill 'no namespaces'
mark
kube PUT /namespaces/shop
check "nor of pods" source_was_ill 'no pods'
all_is_as_it_was "while the server has forgotten pods"
pod api1 api
pod web1 other
check "what it tells is believed again" await 60 source_well
denied web1 api1 8080 tcp "as it tells now"
change pod web1 web
allowed web1 api1 8080 tcp "and as it tells then"

mark
kube DELETE /nodes/node-a
check "a node that was taken out of the cluster says so" source_was_ill 'not in the cluster any more'
all_is_as_it_was "on a node that is no more"
kube_nodes
check "until it is in again" await 60 source_well
daemon_stop

# ---- another node ----

KUBE_NODE=node-x
mark
daemon_begin
check "a name that the cluster does not know" source_was_ill 'none of 2 nodes.*this one, node-x: set `node`'
all_is_as_it_was "and its table stays"
daemon_stop
finish
