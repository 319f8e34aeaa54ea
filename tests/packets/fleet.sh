#!/bin/bash
# Nodes tell each other of their workloads in an etcd store: with real packets on node-a, and node-b as another daemon in
# a namespace of its own. What becomes of the store opens and closes nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/store.sh"

shop
command -v etcd >/dev/null || skip_all "etcd is not installed"
policy inventory <<-END
	ringfence: v1
	nodes:
	  node-a: {addresses: [192.0.2.1, "2001:db8:ff::1"], workload_networks: [10.0.1.0/24, "fd00:1::/64"]}
	  node-b: {workload_networks: [10.0.2.0/24, "fd00:2::/64"]}
END
store_start
SOURCES=$(store_source localhost) # whose address is looked up, within what the daemon may do
daemon_start
serve 8080 api1

# ---- node-b: a daemon in its own namespace; its workloads are reached over node-a's router ----

workload nodeb 10.9.0.2 fd09::2
mkdir -p "$WORK/b/workloads"
chown -R "$DAEMON_USER" "$WORK/b"
b_config() { # MORE
	cat >"$WORK/b/ringfenced.yaml" <<-END
		node: node-b
		policy: {directory: $POLICY}
		workloads:
		  - {source: files, directory: $WORK/b/workloads}
		$(store_source 169.254.1.1)
		user: $DAEMON_USER
		control: {socket: $WORK/b/control.sock}
	END
}
b_status() { "$RINGFENCE" status --socket "$WORK/b/control.sock" --format json; }
b_has() { grep -qE "$1" <<<"$(b_status 2>/dev/null | tr -d ' \n\t')"; }
b_start() {
	b_config
	become nodeb "$RINGFENCED" --config "$WORK/b/ringfenced.yaml" >>"$WORK/b/daemon.log" 2>&1 &
	B_PID=$!
	STARTED+=("$B_PID")
	await 10 b_has '"ready":true' || {
		not_ok "node-b becomes ready"
		note "$(tail -n 20 "$WORK/b/daemon.log")"
	}
}
b_workload() { # NAME NUMBER LABELS
	printf 'ringfence: v1\nworkloads:\n  - {name: %s, namespace: shop, labels: {%s}, addresses: [10.0.2.%d, "fd00:2::%x"]}\n' \
		"$1" "$3" "$2" "$2" >"$WORK/b/.new"
	mv "$WORK/b/.new" "$WORK/b/workloads/$1.yaml"
}
store_holds() { store get --keys-only "/ringfence/workloads/$1" | grep -q .; }
count() { status | jq .workloads; }
count_is() { [ "$(count)" = "$1" ]; }
b_count_is() { [ "$(b_status | jq .workloads)" = "$1" ]; }
heard() { status_has '"source":"etcd","told":true,"since":null'; }
unheard() { status_has '"source":"etcd","told":true,"since":"'; }

for name in web9 web8; do workload "$name" "10.0.2.${name#web}" "fd00:2::${name#web}"; done
denied web9 api1 8080 tcp "nobody has told of it"
b_start
change b_workload web9 9 'app: web'
allowed web9 api1 8080 tcp "its node told of it"
change b_workload web8 8 'app: web'
allowed web8 api1 8080 tcp "another one"
change b_workload web8 8 'app: postgres'
denied web8 api1 8080 tcp "with other labels"
change rm "$WORK/b/workloads/web8.yaml"
check "one that ended is forgotten" await 5 count_is 4
check "node-b knows those of node-a" await 5 b_count_is 4
equal "each workload is in the store, with its node's mark" "/ringfence/workloads/node-a
/ringfence/workloads/node-a/shop/api1
/ringfence/workloads/node-a/shop/db1
/ringfence/workloads/node-a/shop/web1
/ringfence/workloads/node-b
/ringfence/workloads/node-b/shop/web9" "$(store get --prefix /ringfence/workloads --keys-only | grep .)"

# ---- what a store's user may write and must not bring in ----

record() { # KEY NODE NAMESPACE NAME ADDRESS
	store put "/ringfence/workloads/$1" "{\"ringfence\":\"v1\",\"workloads\":[{\"name\":\"$4\",\"namespace\":\"$3\",\"node\":\"$2\",\"labels\":{\"app\":\"web\"},\"addresses\":[\"$5\"]}]}" >/dev/null
}
refuses() { status_has "$1"; }
record node-b/shop/web8 node-b shop web8 10.0.2.8
check "what its node does not say that it has is not taken" await 10 refuses 'nodenode-b:whatitsaysisnottaken,[^"]*:itsworkloadsinthestorearenot'
denied web8 api1 8080 tcp "its node does not say that it has it"
record node-b/shop/web8 node-c shop web8 10.0.2.8
store_mark node-b
check "a record of another node than its key's is refused" await 5 refuses 'node-b:shop:web8isnottaken'
record node-b/shop/web8 node-b shop web9 10.0.2.8
store_mark node-b
check "a record of another workload than its key's is refused" await 5 refuses 'node-b:shop:web8isnottaken'
store put /ringfence/workloads/node-b/shop/web7 'ringfence: v1
allow: [{from: world, to: web, ports: [any]}]' >/dev/null
store_mark node-b
check "a policy is no record" await 5 refuses 'node-b:shop:web7isnottaken'
store put /ringfence/workloads/node-b/shop/web9 'nonsense: [' >/dev/null
store_mark node-b
check "what makes no sense is refused" await 5 refuses 'node-b:shop:web9isnottaken'
allowed web9 api1 8080 tcp "and its last record holds"
denied web8 api1 8080 tcp "nobody's after refused records"
record node-a/shop/spy node-a shop spy 10.0.2.8
record node-b/a/b/c/d node-b a b 10.0.2.8
sleep 0.5
denied web8 api1 8080 tcp "records of this node, and keys that are none, are nobody's"
store del --prefix /ringfence/workloads/node-b/shop/web7 >/dev/null
store del --prefix /ringfence/workloads/node-b/a >/dev/null
store del /ringfence/workloads/node-a/shop/spy >/dev/null
stop "$B_PID"
b_start # puts its own records in place of those
check "the node puts right what was put under its name" await 10 status_has '"source":"etcd","told":true,"since":null,"problem":null,"refused":\[\]'

# ---- the node is not heard for a while: its short lease runs out, and its records stay ----

put_in() { store get "/ringfence/workloads/$1" -w json | jq '.kvs[0].mod_revision'; }
run_out() { # WORDS; revokes the leases of keys that have these
	for lease in $(store lease list | grep -E '^[0-9a-f]{8,}'); do
		store lease timetolive "$lease" --keys | grep -qE "$1" && store lease revoke "$lease" >/dev/null
	done
	return 0
}
well() { status_has '"source":"etcd","told":true,"since":null,"problem":null,"refused":\[\]'; }
web9_put=$(put_in node-b/shop/web9)
kill -STOP "$B_PID"
run_out '/ringfence/workloads/node-b[], ]'
check "a node whose lease ran out is told" await 10 status_has 'nodenode-bisnotheard'
allowed web9 api1 8080 tcp "its node's lease ran out"
kill -CONT "$B_PID"
check "it is heard again" await 60 well
equal "and put nothing but its mark" "$web9_put" "$(put_in node-b/shop/web9)"

# ---- the node goes ----

stop "$B_PID" KILL
for lease in $(store lease list | grep -E '^[0-9a-f]{8,}'); do
	store lease timetolive "$lease" --keys | grep -q node-b && store lease revoke "$lease" >/dev/null
done
check "a node that is not heard is told" await 5 status_has 'nodenode-bisnotheard'
allowed web9 api1 8080 tcp "its node is not heard"
rm "$WORK/b/workloads/web9.yaml"
b_workload web8 8 'app: web'
b_start
check "what ended meanwhile is forgotten when the node is back" await 10 count_is 4
denied web9 api1 8080 tcp "its node is back without it"
allowed web8 api1 8080 tcp "and with this one"

# ---- the store goes, and comes back ----

web1_put=$(put_in node-a/shop/web1) mark_put=$(put_in node-a)
store_stop KILL
check "a store that is gone is told" await 10 unheard
code_of 1 "that is drift" tell drift
printed "of a kind of its own" '^sources: not heard'
printed "which names it" '^    etcd, since .*: https://localhost:2179: '
allowed web8 api1 8080 tcp "the store is gone"
denied web9 api1 8080 tcp "the store is gone"
b_workload web9 9 'app: web'
sleep 0.5
store_start
check "it is heard again" await 20 heard
check "and what happened meanwhile" await 20 count_is 5
allowed web9 api1 8080 tcp "after the store is back"
equal "what it has is not put again" "$web1_put $mark_put" "$(put_in node-a/shop/web1) $(put_in node-a)"

# ---- it forgets what happened meanwhile (compaction) ----

kill -STOP "$DAEMON_PID"
store_stop
store_start
rm "$WORK/b/workloads/web9.yaml"
b_workload web8 8 'app: web, note: changed'
changed() { store get --print-value-only /ringfence/workloads/node-b/shop/web8 | grep -q changed; }
check "node-b goes on" await 20 changed
store put /noise 1 >/dev/null
store compact "$(store get /noise -w json | jq .header.revision)" >/dev/null
kill -CONT "$DAEMON_PID"
check "what happened before a compaction is read as a list" await 20 count_is 4
allowed web8 api1 8080 tcp "after a compaction"
check "it is heard again after a compaction" await 20 heard

# ---- it is wiped: nothing opens or closes by that, and what nodes put there anew is heard ----

stop "$B_PID" KILL # one that cannot put its own there again
store_stop
rm -r "$STORE_DIR/1"
store_start
check "this node puts its own there again" await 40 store_holds node-a/shop/web1
allowed web8 api1 8080 tcp "the store was wiped, and its node is gone"
check "that is told" await 10 status_has 'storewaswiped'
b_start
check "node-b is there again" await 20 store_holds node-b/shop/web8
allowed web8 api1 8080 tcp "after all is there again"
check "nothing is left to tell" await 20 status_has '"source":"etcd","told":true,"since":null,"problem":null,"refused":\[\]'

# ---- what a person sees of it ----

fleet() { on node "$RINGFENCE" fleet --store "$WORK/store.yaml" "$@"; }
store_file
code_of 0 "fleet: all is well" fleet
printed "both nodes are listed" '^node-a .* ok$'
printed "and how many there are" '^2 nodes, 0 of them not heard$'
code_of 2 "a node that is alive is not taken out" fleet --forget node-b
said "that is told" 'the node node-b is alive'
stop "$B_PID"
for lease in $(store lease list | grep -E '^[0-9a-f]{8,}'); do
	store lease timetolive "$lease" --keys | grep -q node-b && store lease revoke "$lease" >/dev/null
done
code_of 1 "fleet: a node is not heard" fleet
printed "which, is listed" '^node-b .* not heard$'
code_of 0 "fleet --forget" fleet --forget node-b
printed "it is taken out" '^node-b is no part of the fleet any more$'
check "workloads of a node that an operator took out are gone" await 5 count_is 3
denied web8 api1 8080 tcp "its node was taken out"

# ---- another store with another authority is not believed ----

daemon_stop
store_authority other
SOURCES=${SOURCES/ca.pem/other.pem}
daemon_config repair
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
check "a store whose certificate is not trusted is not asked" await 10 grep -qE 'certificate|SSL' "$WORK/daemon.log"
allowed web1 api1 8080 tcp "and the table stays as it is"
daemon_stop
finish
