#!/bin/bash
# Workloads come, go, move and collide while the daemon runs.
. "$(dirname "$0")/lib.sh"

shop
daemon_start

# Past failure 16: closed until known.
workload web2 10.0.1.21 fd00:1::21
serve 8080 web2
serve 8080 world
denied web2 api1 8080 tcp "an address for workloads that no source knows"
denied web2 world 8080 tcp "unknown, to the world"
denied world web2 8080 tcp "unknown, from the world"
denied web2 web1 8080 udp "unknown, to a known one"

change workload_file web2 shop 'app: web'
allowed web2 api1 8080 tcp "added"
denied web2 db1 5432 tcp "added"

# Past failure 25: an address that is given on does not carry its old rights.
ip_in "$PREFIX-web2" addr flush dev eth0 scope global
ip_in "$PREFIX-web2" route add 169.254.1.1 dev eth0 2>/dev/null || true
ip_in "$ROUTER" addr replace fe80::1/64 dev veth-web2 nodad
address_add web2 10.0.1.22 fd00:1::22
denied web2 api1 8080 tcp "moved, not announced yet"
change workload_file web2 shop 'app: web'
allowed web2 api1 8080 tcp "moved to another address"
workload web3 10.0.1.21 fd00:1::21
denied web3 api1 8080 tcp "the address it left"

change rm "$WORKLOADS/web2.yaml"
denied web2 api1 8080 tcp "removed"
denied world web2 8080 tcp "removed, from the world"

# A file with a mistake in it leaves the other workloads and its own last state alone.
workload_file web4 shop 'app: [web' 10.0.1.24
sleep 0.5
allowed web1 api1 8080 tcp "another workload's file is broken"
denied web1 db1 5432 tcp "another workload's file is broken"
rm "$WORKLOADS/web4.yaml"

# Two workloads over one address.
workload late1 10.0.1.60 fd00:1::60
sleep 1.1 # file times may have a resolution of a second
workload_file late1 shop 'app: postgres' '10.0.1.11, 10.0.1.60, "fd00:1::60"' ''
check "status reports the conflict" await 5 status_has '"conflicts":\[[^]]'
check "status names the newer" status_has '"conflicts":\["shop/late1"\]'
allowed web1 api1 8080 tcp "conflict: the older keeps its address"
denied api1 web1 5432 tcp "conflict: the newer does not get the address"
serve 5432 late1
denied api1 late1 5432 tcp "conflict: the newer is denied whole"
workload_file web1 shop 'app: web, note: changed' # changes no rule, so no commit tells when it is read
sleep 0.4
allowed web1 api1 8080 tcp "conflict: a change of its file does not make the older younger"
change rm "$WORKLOADS/web1.yaml"
allowed api1 late1 5432 tcp "conflict over: the newer is in"
denied web1 api1 8080 tcp "conflict over: the older is gone"
check "status reports no conflict" await 5 status_has '"conflicts":\[\]'

# A directory that cannot be read now is read when it can, without another event, and takes nobody with it meanwhile.
workload late2 10.0.1.61 fd00:1::61
ln -s nowhere "$WORKLOADS/..turned"
sleep 0.3
chmod 000 "$WORKLOADS"
workload_file late2 shop 'app: web'
rm "$WORKLOADS/..turned" # so that all of it is read
unread() { grep -q "$WORKLOADS cannot be read" "$WORK/daemon.log"; }
check "a directory that cannot be read is told" await 5 unread
allowed api1 late1 5432 tcp "while the directory cannot be read"
chmod 755 "$WORKLOADS"
in_force() { "$RINGFENCE" status "shop/$1" --socket "$SOCKET"; }
check "it is read when it can be" await 5 in_force late2
allowed late2 api1 8080 tcp "found when the directory could be read"
equal "that was told once" 1 "$(grep -c "$WORKLOADS cannot be read" "$WORK/daemon.log")"
daemon_stop
finish
