#!/bin/bash
# A policy that comes from an etcd store: pushed, rolled out by stages, and attacked by whoever holds the store.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/store.sh"

shop
command -v etcd >/dev/null || skip_all "etcd is not installed"
store_start
store_file
STATE=$WORK/state
mkdir "$STATE" && chmod 700 "$STATE" && chown "$DAEMON_USER" "$STATE"
for key in sign other; do "$RINGFENCE" keygen "$WORK/$key.key" >/dev/null; done
TRUST=(--trust "$WORK/sign.key.pub")
sign() { # FILE [OPTION...]; what stands in $POLICY
	local file=$1
	shift
	rm -f "$WORK/$file"
	"$RINGFENCE" sign "$POLICY" -o "$WORK/$file" --key "$WORK/sign.key" "$@" >"$WORK/out" 2>"$WORK/err"
}
push() { on node "$RINGFENCE" push "$WORK/$1" --store "$WORK/store.yaml" "${TRUST[@]}"; }
fleet() { on node "$RINGFENCE" fleet --store "$WORK/store.yaml" "$@"; }
bundle_is() { status_has "\"bundle\":\{\"revision\":\"$1\""; }
POLICY_FROM="etcd: {endpoints: [\"https://127.0.0.1:2179\"], ca: $WORK/ca.pem, certificate: $WORK/client.pem, key: $WORK/client.key}, keys: [$WORK/sign.key.pub]"
SOURCES=$(store_source 127.0.0.1)

code_of 0 "a policy is signed" sign 1.bundle --revision 1
code_of 0 "and pushed" push 1.bundle
printed "which is told" '^pushed: revision 1 at'
code_of 0 "twice" push 1.bundle
printed "which is told as well" '^was there already: revision 1 at'
daemon_start
allowed web1 api1 8080 tcp "its policy came from the store"
denied web1 db1 5432 tcp "its policy came from the store"

policy more <<-END
	ringfence: v1
	namespace: shop
	allow: [{from: web, to: db, ports: [5432/tcp]}]
END
sign 2.bundle --revision 2
change push 2.bundle >/dev/null
check "a pushed bundle is taken" await 10 bundle_is 2
allowed web1 db1 5432 tcp "with the second bundle"
code_of 1 "an older one is not pushed" push 1.bundle
said "that is told" 'the store has revision 2 already'
on node "$RINGFENCE" pull -o "$WORK/pulled.bundle" --store "$WORK/store.yaml" "${TRUST[@]}" >/dev/null
check "what is pulled is what was pushed" cmp "$WORK/2.bundle" "$WORK/pulled.bundle"
code_of 0 "fleet --wait" fleet --wait 2 --timeout 20
printed "the node has it" '^node-a +2 '

# ---- whoever holds the store ----

# Puts a file there as a bundle, as `push` would without looking at it.
force() { # FILE REVISION
	local digest
	digest=$(sha256sum "$WORK/$1" | cut -d' ' -f1)
	store put "/ringfence/bundles/$2/000000" <"$WORK/$1" >/dev/null
	store put /ringfence/policy/current "{\"revision\":\"$2\",\"bytes\":$(stat -c %s "$WORK/$1"),\"pieces\":1,\"digest\":\"$digest\"}" >/dev/null
}
refused() { status_has "\"errors\":\[\"[^]]*$1"; }
forced() { # FILE REVISION WORDS TEXT
	force "$1" "$2"
	check "$4: refused" await 10 refused "$3"
	allowed web1 db1 5432 tcp "$4"
	denied api1 web1 9999 tcp "$4"
}
policy open <<-END
	ringfence: v1
	namespace: shop
	allow: [{from: api, to: web, ports: [any]}]
END
rm -f "$WORK/forged.bundle"
"$RINGFENCE" sign "$POLICY" -o "$WORK/forged.bundle" --key "$WORK/other.key" --revision 9 >/dev/null 2>&1
forced forged.bundle 9 'bundle' "signed by another key"
forced 1.bundle 10 'older' "an older one in the place of a newer"
sed 's/9999/8080/; s/5432/9999/' "$WORK/2.bundle" >"$WORK/changed.bundle"
forced changed.bundle 11 'bundle' "another content with the same signature"
store put /ringfence/policy/current nonsense >/dev/null
check "a pointer that makes no sense is told" await 10 status_has 'makesnosense'
allowed web1 db1 5432 tcp "a pointer that makes no sense"
store del --prefix /ringfence/bundles/ >/dev/null
store put /ringfence/policy/current "{\"revision\":\"12\",\"bytes\":5,\"pieces\":1,\"digest\":\"$(printf '%064d' 0)\"}" >/dev/null
check "pieces that are missing are told" await 10 status_has 'apieceofthebundle'
store del --prefix /ringfence/ >/dev/null
sleep 0.5
allowed web1 db1 5432 tcp "all is deleted"
daemon_stop
daemon_config repair
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
await 10 ready
allowed web1 db1 5432 tcp "all is deleted, and the daemon began anew"
force 1.bundle 1
check "an older one is refused after a restart, too" await 10 refused older
allowed web1 db1 5432 tcp "an older one after a restart"
sign 13.bundle --revision 13
change push 13.bundle >/dev/null
check "and a newer one is taken" await 10 bundle_is 13
allowed api1 web1 9999 tcp "with a newer bundle"

# ---- stages ----

echo "labels: {zone: a}" >>"$WORK/ringfenced.yaml"
daemon_restart() {
	stop "$DAEMON_PID"
	become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
	DAEMON_PID=$!
	STARTED+=("$DAEMON_PID")
	await 10 ready
}
daemon_restart
rm "$POLICY/open.yaml"
sign 14.bundle --revision 14 --staged
rollout() { on node "$RINGFENCE" rollout "$WORK/$1" --key "$WORK/sign.key" --store "$WORK/store.yaml" "${TRUST[@]}" "${@:2}"; }
code_of 0 "a stage without this node" rollout 14.bundle --stage zone=b --soak 1 --timeout 10
check "it waits for its release" await 10 status_has '"waits":"revision14'
allowed api1 web1 9999 tcp "while the bundle waits"
code_of 0 "the stage of this node" rollout 14.bundle --stage zone=b --stage zone=a --soak 1 --timeout 20
check "it is taken" await 10 bundle_is 14
denied api1 web1 9999 tcp "after its stage"
code_of 2 "a bundle that is not staged" rollout 13.bundle --stage all

# A stage after which much more is denied stops.
policy more <<-END
	ringfence: v1
	namespace: shop
	services: {unused: {workloads: {app: unused}}}
END
sign 15.bundle --revision 15 --staged
flood() { # what the new bundle denies, until there is the file
	until [ -e "$WORK/enough" ]; do
		on web1 "$PROBE" try 10.0.1.11 10.0.1.13 9999 udp 50 5 || true
	done >/dev/null 2>&1
}
flood &
flood=$!
code_of 1 "a jump in denials stops a rollout" rollout 15.bundle --stage zone=a --stage all --soak 60 --timeout 20
touch "$WORK/enough"
said "that is told" 'stopped in stage 1: node-a denies'
wait "$flood" || true
daemon_stop
finish
