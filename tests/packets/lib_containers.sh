# shellcheck shell=bash
# Real containers on the node of lib.sh: Podman with an image of busybox, and its Docker-compatible API. Sourced in place of
# lib.sh by the scenarios that start some.
#
# Podman needs root, and a mount namespace of its own: in it /sys/fs/cgroup is a plain cgroup2 (crun refuses a hybrid one), and
# /run and /dev/shm are empty, so that no engine of this machine is met; and a namespace of processes, so that none outlives the
# script. Images and containers live in $WORK, and go with it.

if [ "$(id -u)" -eq 0 ] && [ -z "${RINGFENCE_OWN_MOUNTS:-}" ]; then
	exec unshare --mount --pid --fork --kill-child --mount-proc env RINGFENCE_OWN_MOUNTS=1 "$0" "$@"
fi
if [ -n "${RINGFENCE_OWN_MOUNTS:-}" ]; then
	mount --make-rprivate /
	umount -l /sys/fs/cgroup/* 2>/dev/null || true
	umount -l /sys/fs/cgroup 2>/dev/null || true
	mount -t cgroup2 none /sys/fs/cgroup
	mount -t tmpfs none /run
	mount -t tmpfs none /dev/shm
	mkdir -p /run/netns
fi

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

ENGINE_SOCKET=
ENGINE_PID=
IMAGE=localhost/busybox
RUN_FLAGS=(--cgroups=disabled --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024)

engine() { on node podman "$@" 2>>"$WORK/engine.log"; } # ARGUMENTS... of podman

# Makes the place for containers on the node, which `node` has made, and starts the engine's API.
engine_make() {
	local program
	for program in podman crun busybox; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
	mkdir -p "$WORK/engine/"{root,run,networks,image/bin}
	export CONTAINERS_STORAGE_CONF=$WORK/engine/storage.conf CONTAINERS_CONF=$WORK/engine/containers.conf
	cat >"$CONTAINERS_STORAGE_CONF" <<-END
		[storage]
		driver = "vfs"
		graphroot = "$WORK/engine/root"
		runroot = "$WORK/engine/run"
	END
	cat >"$CONTAINERS_CONF" <<-END
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		[network]
		network_backend = "netavark"
		network_config_dir = "$WORK/engine/networks"
	END
	cp "$(command -v busybox)" "$WORK/engine/image/bin/busybox"
	ln -s busybox "$WORK/engine/image/bin/sleep"
	engine_image "$IMAGE"
	ENGINE_SOCKET=$WORK/engine/podman.sock
	# What a bridge carries has to meet the hooks of IP.
	on node sh -c 'echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables; echo 1 >/proc/sys/net/bridge/bridge-nf-call-ip6tables'
	engine_start
}

engine_image() { # NAME [CHANGE...]; such as "LABEL app=web"
	local name=$1 changes=() change
	shift
	for change in "$@"; do changes+=(--change "$change"); done
	tar -C "$WORK/engine/image" -c . | engine import -q ${changes[@]+"${changes[@]}"} - "$name:latest" >/dev/null
}

engine_start() {
	rm -f "$ENGINE_SOCKET"
	become node podman system service --time=0 "unix://$ENGINE_SOCKET" >>"$WORK/engine.log" 2>&1 &
	ENGINE_PID=$!
	STARTED+=("$ENGINE_PID")
	await 10 test -S "$ENGINE_SOCKET"
	chgrp "${ENGINE_GROUP:-$DAEMON_USER}" "$ENGINE_SOCKET"
	chmod 660 "$ENGINE_SOCKET"
}

engine_network() { # NAME SUBNET4 SUBNET6 [ARGUMENTS...]
	engine network create --ipv6 --subnet "$2" --subnet "$3" "${@:4}" "$1" >/dev/null
}

# Gives a namespace of lib.sh the network of a container, under a name and with the addresses that it has there.
enter() { # NAME CONTAINER ADDRESS4 ADDRESS6
	enter_process "$1" "$(engine inspect -f '{{.State.Pid}}' "$2")" "$3" "$4"
}

enter_process() { # NAME PID ADDRESS4 ADDRESS6
	ip netns del "$PREFIX-$1" 2>/dev/null || true
	ip netns attach "$PREFIX-$1" "$2"
	NAMESPACES+=("$PREFIX-$1")
	ADDRESS4[$1]=$3 ADDRESS6[$1]=$4
}

# Starts a container on one network, and enters it.
container() { # NAME NETWORK ADDRESS4 ADDRESS6 [ARGUMENTS...]; as --label app=web
	engine run -d "${RUN_FLAGS[@]}" --pidfile "$WORK/engine/$1.pid" --name "$1" --network "$2:ip=$3,ip6=$4" "${@:5}" \
		"${FROM_IMAGE:-$IMAGE}" sleep 100000 >/dev/null
	enter_process "$1" "$(<"$WORK/engine/$1.pid")" "$3" "$4"
}

eval "without_engine_$(declare -f cleanup)"
cleanup() {
	set +e
	[ -z "$ENGINE_SOCKET" ] || engine rm -af -t 0 >/dev/null 2>&1
	umount -l "$WORK"/engine/root/* 2>/dev/null
	without_engine_cleanup
}
