"""What deploy/kubernetes/ringfence.yaml says, held against itself and the daemon: `kubernetes.py QUESTION [ARGUMENT]`.
Ends with 1 and a line for each thing that does not fit."""
import re
import subprocess
import sys

import yaml

with open("deploy/kubernetes/ringfence.yaml", encoding="utf-8") as file:
    OBJECTS = [document for document in yaml.safe_load_all(file)]
BY_KIND = {}
for document in OBJECTS:
    BY_KIND.setdefault(document["kind"], []).append(document)
MAPS = {document["metadata"]["name"]: document["data"] for document in BY_KIND["ConfigMap"]}
SET = BY_KIND["DaemonSet"][0]
POD = SET["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]
CONFIG = yaml.safe_load(MAPS["ringfence-config"]["ringfenced.yaml"])
MOUNTS = {mount["mountPath"]: mount["name"] for mount in CONTAINER["volumeMounts"]}
VOLUMES = {volume["name"]: volume for volume in POD["volumes"]}
wrong = []


def holds(text, truth):
    if not truth:
        wrong.append(text)


def volume_of(path):
    """The volume that a path lies in, and the path in it."""
    for mount, name in MOUNTS.items():
        if path == mount or path.startswith(mount + "/"):
            return VOLUMES[name], path[len(mount):].lstrip("/")
    return None, None


def objects(_):
    holds("each kind once", {kind: len(found) for kind, found in BY_KIND.items()} == {
        "Namespace": 1, "ServiceAccount": 1, "ClusterRole": 1, "ClusterRoleBinding": 1, "ConfigMap": 2, "DaemonSet": 1})
    space = BY_KIND["Namespace"][0]["metadata"]["name"]
    for kind in ("ServiceAccount", "ConfigMap", "DaemonSet"):
        for found in BY_KIND[kind]:
            holds(kind + " in the namespace", found["metadata"]["namespace"] == space)
    account = {"kind": "ServiceAccount", "name": POD["serviceAccountName"], "namespace": space}
    binding = BY_KIND["ClusterRoleBinding"][0]
    holds("the role is bound to the account", binding["subjects"] == [account])
    holds("it is that role", binding["roleRef"]["name"] == BY_KIND["ClusterRole"][0]["metadata"]["name"])
    holds("the account exists", BY_KIND["ServiceAccount"][0]["metadata"]["name"] == account["name"])
    holds("the pods are the set's", SET["spec"]["selector"]["matchLabels"] ==
          SET["spec"]["template"]["metadata"]["labels"])


def rights(_):
    holds("the role reads what the source asks for, and no more", BY_KIND["ClusterRole"][0]["rules"] == [
        {"apiGroups": [""], "resources": ["pods", "namespaces", "nodes"], "verbs": ["get", "list", "watch"]}])
    context = CONTAINER["securityContext"]
    holds("not privileged", "privileged" not in context and not context["allowPrivilegeEscalation"])
    holds("no right but these", context["capabilities"] == {
        "drop": ["ALL"], "add": ["NET_ADMIN", "SETPCAP", "SETUID", "SETGID", "CHOWN"]})
    holds("a root that cannot be written", context["readOnlyRootFilesystem"])
    holds("seccomp", context["seccompProfile"] == {"type": "RuntimeDefault"})
    holds("the host's network, and nothing else of it", POD["hostNetwork"] and "hostPID" not in POD)


def every_node(_):
    holds("on each node", POD["tolerations"] == [{"operator": "Exists"}])
    holds("before others", POD["priorityClassName"] == "system-node-critical")
    holds("nothing is taken away at the end", "lifecycle" not in CONTAINER)


def configuration(_):
    command = CONTAINER["command"]
    volume, key = volume_of(command[command.index("--config") + 1])
    holds("the configuration is where it is looked for", volume["configMap"]["name"] == "ringfence-config" and
          key in MAPS["ringfence-config"])
    holds("the name of the node", command[command.index("--node") + 1] == "$(NODE_NAME)" and CONTAINER["env"] == [
        {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}])
    volume, _ = volume_of(CONFIG["policy"]["directory"])
    holds("the policy", volume["configMap"]["name"] == "ringfence-policy")
    volume, _ = volume_of(CONFIG["control"]["socket"])
    holds("the socket's directory can be written", "emptyDir" in volume)
    volume, below = volume_of(CONFIG["state"])
    holds("the state stays on the node, in a directory that is made for it", "hostPath" in volume and below)
    holds("pods are followed", CONFIG["workloads"] == [{"source": "kubernetes"}])
    host, port = CONFIG["metrics"]["listen"].split(":")
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        holds(probe, CONTAINER[probe]["httpGet"] == {"host": host, "port": int(port), "path": path})


def flags(program):
    known = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    for word in CONTAINER["command"]:
        holds("a flag of the daemon: " + word, not word.startswith("--") or word in known.split())
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    holds("the image's version", CONTAINER["image"] == "ringfence:" + version)
    with open("deploy/kubernetes/Containerfile", encoding="utf-8") as file:
        text = file.read()
    holds("the Containerfile's version", "ringfence:%s " % version in text)
    holds("the Containerfile's program", CONTAINER["command"][0] in text)


def libraries(program):
    """Each library that the program names is of a package that the image has."""
    with open("deploy/kubernetes/Containerfile", encoding="utf-8") as file:
        installed = set(re.findall(r"\blib[a-z0-9.-]+", file.read()))
    needed = re.findall(r"NEEDED +(\S+)", subprocess.run(["objdump", "-p", program], capture_output=True, text=True,
                                                        check=True).stdout)
    holds("it needs libraries", len(needed) > 5)
    for name in needed:
        if re.match(r"lib(c|m|pthread|gcc_s|asan|ubsan)\.so|ld-linux", name):  # of libc6 and what it depends on
            continue
        owner = subprocess.run(["dpkg", "-S", "*/" + name], capture_output=True, text=True, check=True).stdout
        holds("%s is in the image" % name, installed & {line.split(":")[0] for line in owner.splitlines()})


def write(directory):
    for name, data in MAPS.items():
        for key, text in data.items():
            with open("%s/%s.%s" % (directory, name, key), "w", encoding="utf-8") as file:
                file.write(text)


def capabilities(_):
    print(",".join("+" + name.lower() for name in CONTAINER["securityContext"]["capabilities"]["add"]))


globals()[sys.argv[1]](sys.argv[2] if len(sys.argv) > 2 else None)
for line in wrong:
    print("not so: " + line)
sys.exit(1 if wrong else 0)
