#!/bin/bash
# A store of three members, with user and password: members go and come, passwords are wrong and right again, and what was
# in force stays.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/store.sh"

shop
command -v etcd >/dev/null || skip_all "etcd is not installed"
STORE_MEMBERS=3
store_start
workload web9 10.0.1.19 fd00:1::19
heard() { status_has '"source":"etcd","told":true,"since":null'; }
unheard() { status_has '"source":"etcd","told":true,"since":"'; }

# ---- users: a node may read all, and write below its own keys ----

printf 'secret\n' >"$WORK/password"
chown "$DAEMON_USER" "$WORK/password"
STORE_USER=", user: node-a, password_file: $WORK/password"
store role add node-a >/dev/null
store role grant-permission node-a read --prefix=true /ringfence/ >/dev/null
store role grant-permission node-a readwrite --prefix=true /ringfence/workloads/node-a >/dev/null
store role grant-permission node-a readwrite --prefix=true /ringfence/nodes/node-a/ >/dev/null
store put /ringfence/identity 5eed >/dev/null # the nodes need not be able to name it then
for user in root node-a; do store user add "$user:secret" >/dev/null; done
store user grant-role root root >/dev/null
store user grant-role node-a node-a >/dev/null
store auth enable >/dev/null
as_root() { store --user root:secret "$@"; }

SOURCES=$(store_source 127.0.0.1)
daemon_start
record() { # NAME NUMBER LABEL
	as_root put "/ringfence/workloads/node-b/shop/$1" "{\"ringfence\":\"v1\",\"workloads\":[{\"name\":\"$1\",\"namespace\":\"shop\",\"node\":\"node-b\",\"labels\":{\"app\":\"$3\"},\"addresses\":[\"10.0.1.$2\",\"fd00:1::$2\"]}]}" >/dev/null
	STORE_AS=(--user root:secret)
	store_mark node-b
	STORE_AS=()
}
own() { as_root get --keys-only /ringfence/workloads/node-a/shop/web1 | grep -q web1; }
check "the node publishes its own, as its user may" await 10 own
denied web9 api1 8080 tcp "nobody has told of it"
change record web9 19 web
allowed web9 api1 8080 tcp "its record was read with the password"

# ---- members go ----

used() { # NUMBER: whether the daemon is connected to it
	on node ss -Htnp state established "( dport = :2${1}79 )" | grep -q "pid=$DAEMON_PID,"
}
for first in 1 2 3; do used $first && break; done
stop "${STORE_PIDS[first]}" KILL
change record web9 19 postgres
denied web9 api1 8080 tcp "a member is gone, and another one is heard"
change record web9 19 web
allowed web9 api1 8080 tcp "a member is gone, and another one is heard"
check "that is not worth a word for long" await 20 heard

others=$((first % 3 + 1))
stop "${STORE_PIDS[others]}" KILL
check "a store without a majority is told" await 30 unheard
allowed web9 api1 8080 tcp "the store has no majority"
store_member "$first"
check "with a majority it is heard again" await 40 heard
change record web9 19 postgres
denied web9 api1 8080 tcp "with a majority again"
store_member "$others"

# ---- passwords ----

as_root user passwd node-a --interactive=false <<<changed >/dev/null
stop "${STORE_PIDS[first]}" KILL # old logins end with it at the latest
store_member "$first"
change record web9 19 web
sleep 1
daemon_stop
daemon_config repair
become node "$RINGFENCED" --config "$WORK/ringfenced.yaml" >>"$WORK/daemon.log" 2>&1 &
DAEMON_PID=$!
STARTED+=("$DAEMON_PID")
check "a wrong password is told" await 10 grep -q 'login as node-a.*authentication failed' "$WORK/daemon.log"
allowed web1 api1 8080 tcp "and the table stays as it is"
printf 'changed\n' >"$WORK/password"
check "the password is read anew" await 30 ready
allowed web9 api1 8080 tcp "after that"
daemon_stop
finish
