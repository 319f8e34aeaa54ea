#!/bin/bash
# A fleet whose nodes sign what they say of their workloads, and a store in the wrong hands: whoever may write anything
# there can keep news from the nodes, and neither opens nor closes anything. With real packets.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/store.sh"

shop
command -v etcd >/dev/null || skip_all "etcd is not installed"
store_start
for name in enrol other forger node-a node-b node-c; do "$RINGFENCE" keygen "$WORK/$name.key" >/dev/null; done
enroll() { # NODE KEYNAME ENROLLING FILE
	"$RINGFENCE" enroll "$WORK/$2.key.pub" --node "$1" --key "$WORK/$3.key" -o "$WORK/$4"
}
for node in node-a node-b node-c; do enroll "$node" "$node" enrol "$node.enrolment" >/dev/null; done
chown "$DAEMON_USER" "$WORK"/node-*.key
identity() { # NODE [KEYNAME [ENROLMENT [TRUSTED]]]
	STORE_USER=", keys: [$WORK/${4:-enrol}.key.pub], signing_key: $WORK/${2:-$1}.key, enrolment: $WORK/${3:-$1.enrolment}"
}
status_of() { "$RINGFENCE" status --socket "$WORK/$1/control.sock" --format json; }
node_has() { grep -qE "$2" <<<"$(status_of "$1" 2>/dev/null | tr -d ' \n\t')"; }
node_config() { # NAME NODE ADDRESS; beside the identity that was set
	mkdir -p "$WORK/$1/workloads"
	chown -R "$DAEMON_USER" "$WORK/$1"
	cat >"$WORK/$1/ringfenced.yaml" <<-END
		node: $2
		policy: {directory: $POLICY}
		workloads:
		  - {source: files, directory: $WORK/$1/workloads}
		$(store_source 169.254.1.1)
		user: $DAEMON_USER
		control: {socket: $WORK/$1/control.sock}
	END
}
node_start() { # NAME; sets NODE_PID
	become "$1" "$RINGFENCED" --config "$WORK/$1/ringfenced.yaml" >>"$WORK/$1/daemon.log" 2>&1 &
	NODE_PID=$!
	STARTED+=("$NODE_PID")
	await 10 node_has "$1" '"ready":true' || {
		not_ok "$1 becomes ready"
		note "$(tail -n 20 "$WORK/$1/daemon.log")"
	}
}
node_workload() { # NAME WORKLOAD NUMBER LABELS
	printf 'ringfence: v1\nworkloads:\n  - {name: %s, namespace: shop, labels: {%s}, addresses: [10.0.2.%d, "fd00:2::%x"]}\n' \
		"$2" "$4" "$3" "$3" >"$WORK/$1/.new"
	mv "$WORK/$1/.new" "$WORK/$1/workloads/$2.yaml"
}
key() { echo "/ringfence/workloads/$1"; }
# All that the store has of a node, to bring it back later: a directory of files by numbers.
save() { # NODE DIRECTORY
	local k n=0
	mkdir "$WORK/$2"
	while read -r k; do
		echo "$k" >"$WORK/$2/$n.key"
		store get --print-value-only "$k" | head -c -1 >"$WORK/$2/$n.value"
		n=$((n + 1))
	done < <(store get --prefix --keys-only "$(key "$1")" | grep .)
}
bring_back() { # DIRECTORY [FROM TO]; under another node's keys
	local file k
	for file in "$WORK/$1"/*.key; do
		k=$(<"$file")
		store put "${k/${2:-none}/${3:-}}" <"${file%.key}.value" >/dev/null
	done
}
record() { # NODE NAME NUMBER LABEL
	store put "$(key "$1")/shop/$2" "{\"ringfence\":\"v1\",\"workloads\":[{\"name\":\"$2\",\"namespace\":\"shop\",\"node\":\"$1\",\"labels\":{\"app\":\"$4\"},\"addresses\":[\"10.0.2.$3\"]}]}" >/dev/null
}
refuses() { status_has "\"refused\":\[[^]]*$1"; }
well() { status_has '"source":"etcd","told":true,"since":null,"problem":null,"refused":\[\]'; }
count_is() { [ "$(status | jq .workloads)" = "$1" ]; }

# ---- what a person can get wrong ----

code_of 2 "enroll without a node" "$RINGFENCE" enroll "$WORK/node-b.key.pub" --key "$WORK/enrol.key" -o "$WORK/x"
said "that is told" 'name the node: --node NAME'
code_of 2 "enroll with the public key in the place of the private one" "$RINGFENCE" enroll "$WORK/node-b.key.pub" --node node-b --key "$WORK/enrol.key.pub" -o "$WORK/x"
code_of 2 "a private key is not enrolled" "$RINGFENCE" enroll "$WORK/node-b.key" --node node-b --key "$WORK/enrol.key" -o "$WORK/x"
check "and nothing is written" test ! -e "$WORK/x"
refuses_to_start() { # WORDS TEXT; with the identity that was set
	SOURCES=$(store_source localhost)
	daemon_config repair
	: >"$WORK/start.log"
	(become node timeout 10 "$RINGFENCED" --config "$WORK/ringfenced.yaml") >"$WORK/start.log" 2>&1 || true
	check "$2: the daemon does not start" grep -qE "$1" "$WORK/start.log"
}
identity node-a node-a node-b.enrolment
refuses_to_start 'it is the enrolment of the node node-b, and this one is node-a' "another node's enrolment"
identity node-a node-b
refuses_to_start "it enrols the key [0-9a-f]*, and .*node-b.key is" "another node's key"
identity node-a node-a node-a.enrolment other
refuses_to_start 'signed by the key [0-9a-f]*, which is not trusted' "an enrolment by somebody else"
STORE_USER=", keys: [$WORK/enrol.key.pub]"
refuses_to_start '`signing_key` and `enrolment` go together' "keys without an own one"

# ---- nodes that sign ----

identity node-a
SOURCES=$(store_source localhost)
STATE=$WORK/state
mkdir "$STATE" && chmod 700 "$STATE" && chown "$DAEMON_USER" "$STATE"
daemon_start
serve 8080 api1
for n in 7 8 9; do workload "web$n" "10.0.2.$n" "fd00:2::$n"; done
workload nodeb 10.9.0.2 fd09::2
workload nodec 10.9.0.3 fd09::3
identity node-b
node_config nodeb node-b
node_workload nodeb web9 9 'app: web'
node_start nodeb
B_PID=$NODE_PID
check "what an enrolled node says is taken" await 10 count_is 4
allowed web9 api1 8080 tcp "its node, which is enrolled, says so"
denied web8 api1 8080 tcp "nobody has told of it"
save node-b first
change node_workload nodeb web8 8 'app: web'
allowed web8 api1 8080 tcp "a change is taken"
change node_workload nodeb web9 9 'app: postgres'
denied web9 api1 8080 tcp "another change"
check "and nothing is refused" await 10 well

# ---- whoever holds the store ----

store del "$(key node-b)/shop/web8" >/dev/null
record node-b web7 7 web
check "what was changed under its name is not taken" await 10 refuses 'nodenode-b:whatitsaysisnottaken'
check "and its node puts it right" await 90 well
allowed web8 api1 8080 tcp "its node put it right"
denied web7 api1 8080 tcp "its node put it right"
store del "$(key node-b)/enrolment" >/dev/null
enrolled() { store get "$(key node-b)/enrolment" | grep -q ringfence-node; }
check "its enrolment, too" await 90 enrolled
kill -STOP "$B_PID" # else it puts its own there again
holds() { # TEXT
	allowed web8 api1 8080 tcp "$1: what its node said holds"
	denied web9 api1 8080 tcp "$1: what its node said holds"
	denied web7 api1 8080 tcp "$1: nobody's"
}
record node-b web7 7 web
check "another record of the node is refused" await 10 refuses 'nodenode-b:whatitsaysisnottaken,[^"]*:itsworkloadsinthestorearenot'
holds "one more record"
store_mark node-b
check "with a mark without a signature, too" await 10 refuses 'nodenode-b:whatitsays[^"]*doesnotendwithasignature'
holds "an unsigned mark"
store del --prefix "$(key node-b)" >/dev/null
bring_back first
check "what the node said once is refused" await 10 refuses 'nodenode-b:whatitsays[^"]*olderthanwhatthenodesaidbefore'
holds "an older state"
store del "$(key node-b)" >/dev/null
check "without the mark nothing is taken" await 10 refuses 'nodenode-bisnotheard'
holds "a mark that is missing"
store put "$(key node-b)" nonsense >/dev/null
check "a mark that makes no sense" await 10 refuses 'nodenode-b:whatitsays[^"]*doesnotbeginwith'
store del --prefix "$(key node-b)" >/dev/null
check "all deleted: the node is not heard" await 10 refuses 'nodenode-bisnotheard'
holds "all deleted"

# Another daemon, with a key that is enrolled by somebody else, in the node's name.
enroll node-b forger other forged.enrolment >/dev/null
chown "$DAEMON_USER" "$WORK/forger.key"
identity node-b forger forged.enrolment other
node_config nodec node-b
node_workload nodec web7 7 'app: web'
node_start nodec
check "an enrolment by somebody else is refused" await 10 refuses 'nodenode-b:itsenrolmentisnottaken:signedbythekey[0-9a-f]*,whichisnottrusted'
check "and so is what its key signs" await 10 refuses 'nodenode-b:whatitsays[^"]*signedbythekey'
holds "another daemon in the node's name"
stop "$NODE_PID"

# Another node, which is enrolled, in the place of this one.
store del --prefix "$(key node-b)" >/dev/null
identity node-c
node_config nodec node-c
node_start nodec
check "a node without harm" await 10 count_is 6
allowed web7 api1 8080 tcp "it is a workload of node-c now"
save node-c third
rm "$WORK/nodec/workloads/web7.yaml"
check "and is none any more" await 10 count_is 5
kill -STOP "$NODE_PID"
bring_back third node-c node-b
check "what another node signed says nothing of this one" await 10 refuses 'nodenode-b:[^"]*(isofanothernode|whichisnottrusted)'
holds "another node's word"
kill -CONT "$NODE_PID"

# A node that is gone says an operator, with a key.
store del --prefix "$(key node-b)" >/dev/null
store put "$(key node-b)" "ringfence-gone 1
{\"node\":\"node-b\",\"sequence\":\"$(($(date +%s) * 1000000 + 5000000))\"}
" >/dev/null
check "that a node is gone needs a signature" await 10 refuses 'nodenode-b:whatitsays[^"]*doesnotendwithasignature'
holds "gone without a signature"
kill -CONT "$B_PID"
check "the node puts all there again" await 100 well
holds "all is there again"

# ---- an operator ----

fleet() { on node "$RINGFENCE" fleet --store "$WORK/store.yaml" "$@"; }
store_file
stop "$B_PID" KILL
for lease in $(store lease list | grep -E '^[0-9a-f]{8,}'); do
	store lease timetolive "$lease" --keys | grep -q workloads/node-b && store lease revoke "$lease" >/dev/null
done
check "its lease has run out" await 10 refuses 'nodenode-bisnotheard'
code_of 2 "fleet --forget without a key" fleet --forget node-b
said "says what is missing" 'the nodes sign what they say: name the private key'
code_of 0 "fleet --forget with the key" fleet --forget node-b --key "$WORK/enrol.key"
check "its workloads are gone" await 10 count_is 3
denied web8 api1 8080 tcp "its node was taken out"
bring_back first
check "what it said before does not come back" await 10 refuses 'nodenode-b:whatitsays[^"]*olderthan'
denied web9 api1 8080 tcp "what it said before does not come back"
identity node-b
node_start nodeb
check "but the node does" await 10 count_is 5
allowed web8 api1 8080 tcp "its node is back"

# ---- another key of the node ----

stop "$NODE_PID"
sleep 1 # an enrolment has a time in seconds
enroll node-b node-c enrol renewed.enrolment >/dev/null
identity node-b node-c renewed.enrolment
node_config nodeb node-b
node_workload nodeb web9 9 'app: web'
node_start nodeb
check "its new key is taken" await 10 well
allowed web9 api1 8080 tcp "by its new key"
store put "$(key node-b)/enrolment" <"$WORK/node-b.enrolment" >/dev/null
check "and the old one not any more" await 10 refuses 'nodenode-b:itsenrolmentisnottaken:itisolder'
allowed web9 api1 8080 tcp "the old enrolment is put back"

# ---- a daemon that starts while the store is away, or has what was said before ----

store put "$(key node-b)/enrolment" <"$WORK/renewed.enrolment" >/dev/null
save node-b second
change node_workload nodeb web8 8 'app: postgres'
denied web8 api1 8080 tcp "its node says that it is another"
stop "$NODE_PID" KILL
daemon_stop
store_stop KILL
daemon_start
check "what is not heard is told" await 10 status_has '"source":"etcd","told":true,"since":"'
denied web8 api1 8080 tcp "the daemon began while the store was away"
allowed web9 api1 8080 tcp "the daemon began while the store was away"
denied web7 api1 8080 tcp "the daemon began while the store was away"
workload web6 10.0.1.16 fd00:1::16
change workload_file web6 shop 'app: web'
allowed web6 api1 8080 tcp "a workload of this node that came meanwhile"
store_start
check "it is heard again" await 20 status_has '"source":"etcd","told":true,"since":null'
store del --prefix "$(key node-b)" >/dev/null
bring_back second
check "what the node said before is refused over a restart, too" await 20 refuses 'nodenode-b:whatitsays[^"]*olderthan'
denied web8 api1 8080 tcp "an older state after a restart"
daemon_stop
store_stop
printf x | dd of="$STATE/fleet" bs=1 seek=200 conv=notrunc 2>/dev/null
: >"$WORK/daemon.log"
daemon_config repair
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
check "what was kept and is damaged is not used" await 10 grep -q 'what was kept is not used: .*/fleet: damaged' "$WORK/daemon.log"
denied web8 api1 8080 tcp "and the table stays as it is"
denied web7 api1 8080 tcp "and the table stays as it is"
daemon_stop
finish
