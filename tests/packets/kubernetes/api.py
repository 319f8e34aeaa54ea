#!/usr/bin/env python3
"""A small Kubernetes API: pods, namespaces and nodes by list and watch over HTTPS, and what can go wrong with it.

Lists come in pages of one moment, watches from a resourceVersion as far as it is remembered, as "Kubernetes API Concepts"
says; the forms of objects and answers are those of tests/data/kubernetes. Objects and faults are set by HTTP over a unix
socket:

    PUT /pods/shop/web-1 {"ips": [...], "labels": {...}, ...}     DELETE /pods/shop/web-1
    POST /do/WHAT [JSON]: see the methods of Cluster that are called do_WHAT
    GET /log: what was asked, a line each

`--state FILE` keeps the objects over a restart; events of before are forgotten then.
"""
import argparse
import base64
import copy
import json
import os
import socket
import socketserver
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "data", "kubernetes")
KINDS = {"pods": "Pod", "namespaces": "Namespace", "nodes": "Node"}


def form(name):
    with open(os.path.join(DATA, name + ".json"), encoding="utf-8") as file:
        return json.load(file)


FORMS = {"pods": form("pod"), "namespaces": form("namespace"), "nodes": form("node")}
ANSWERS = form("answers")


def answer(name, **words):
    text = json.dumps(ANSWERS[name])
    for word, value in words.items():
        text = text.replace(word, str(value))
    return json.loads(text)


def make(plural, space, name, given):
    """An object as the API has it, of what a test says of it; `raw` replaces what stands there."""
    made = copy.deepcopy(FORMS[plural])
    meta = made["metadata"]
    meta["name"], meta["uid"] = name, "uid-%s-%s" % (space, name)
    meta["labels"].update(given.get("labels", {}))
    if plural == "pods":
        meta["namespace"] = space
        meta["labels"] = given.get("labels", {})
        made["spec"]["nodeName"] = given.get("node", "node-a")
        status = made["status"]
        status["phase"] = given.get("phase", "Running")
        status["podIPs"] = [{"ip": ip} for ip in given.get("ips", [])]
        status["podIP"] = given.get("ips", [""])[0]
        if given.get("hostNetwork"):
            made["spec"]["hostNetwork"] = True
        if given.get("deleting"):
            meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"] = "2026-03-01T10:05:00Z", 30
        if not made["spec"]["nodeName"]:
            del made["spec"]["nodeName"]
    if plural == "namespaces":
        meta["labels"]["kubernetes.io/metadata.name"] = name
    if plural == "nodes":
        made["spec"]["podCIDRs"] = given.get("cidrs", [])
        made["spec"]["podCIDR"] = given.get("cidrs", [""])[0]
        made["status"]["addresses"] = [{"type": "InternalIP", "address": ip} for ip in given.get("ips", [])] + [
            {"type": "Hostname", "address": name}]
    for path, value in given.get("raw", {}).items():
        at, *rest = made, *path.split(".")
        for part in rest[:-1]:
            at = at[part]
        at[rest[-1]] = value
    return made


class Cluster:
    def __init__(self, state, tokens):
        self.changed = threading.Condition()
        self.state, self.tokens = state, tokens
        self.objects, self.events = {}, []
        self.version, self.first = 1000, 1000  # of the store, and from which on events are remembered
        self.snapshots = {}
        self.faults = []  # one for each request to come
        self.watches = 0  # a number that changes ends all watches, in the way of `ending`
        self.ending = "end"
        self.log = []
        if state and os.path.exists(state):
            with open(state, encoding="utf-8") as file:
                kept = json.load(file)
            self.objects = {tuple(key): value for key, value in kept["objects"]}
            self.version = self.first = kept["version"]

    def keep(self):
        if self.state:
            with open(self.state + ".new", "w", encoding="utf-8") as file:
                json.dump({"version": self.version, "objects": [[list(k), v] for k, v in self.objects.items()]}, file)
            os.replace(self.state + ".new", self.state)

    def note(self, type_, plural, value):
        self.version += 1
        value = copy.deepcopy(value)
        value["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((self.version, plural, type_, value))
        self.keep()
        self.changed.notify_all()
        return value

    def put(self, key, given):
        plural, space, name = key
        with self.changed:
            type_ = "MODIFIED" if key in self.objects else "ADDED"
            self.objects[key] = self.note(type_, plural, make(plural, space, name, given))
            self.keep()

    def delete(self, key):
        with self.changed:
            self.note("DELETED", key[0], self.objects.pop(key))

    # ---- what can go wrong ----

    def do_faults(self, given):
        """The next requests whose path holds `match` get these: a status by its name in answers.json, or `hang`,
        `reset`, `text:...` or `html`; `always`: one for all that come."""
        with self.changed:
            self.faults = list(given.get("faults", []))
            self.always = given.get("always")
            self.match = given.get("match", "")

    def do_compact(self, _):
        """Forgets what happened, and the lists of which pages are still to come."""
        with self.changed:
            self.version += 2
            self.events, self.first, self.snapshots = [], self.version, {}
            self.keep()

    def do_forget(self, _):
        """A store that was lost: nothing is there, and it begins to count anew."""
        with self.changed:
            self.objects, self.events, self.snapshots = {}, [], {}
            self.version = self.first = 1
            self.keep()

    def do_remove(self, given):
        """Objects that go without an event, as while a watch is behind."""
        with self.changed:
            for key in given["keys"]:
                del self.objects[tuple(key)]
            self.keep()

    def do_fill(self, given):
        """Many pods at once, at addresses of 10.0.64.0/18, without an event."""
        with self.changed:
            for i in range(given["count"]):
                ip = "10.0.%d.%d" % (64 + i // 250, 1 + i % 250)
                value = make("pods", "shop", "many-%d" % i, {"ips": [ip], "labels": {"app": "many"}, "node": "node-b"})
                value["metadata"]["resourceVersion"] = str(self.version)
                self.objects["pods", "shop", "many-%d" % i] = value
            self.keep()

    def do_bookmark(self, _):
        with self.changed:
            self.version += 1
            for plural in KINDS:
                value = copy.deepcopy(ANSWERS["bookmark"][plural])
                value["metadata"]["resourceVersion"] = str(self.version)
                self.events.append((self.version, plural, "BOOKMARK", value))
            self.keep()
            self.changed.notify_all()

    def do_line(self, given):
        """What all watches of a kind send next: any text."""
        with self.changed:
            self.version += 1
            self.events.append((self.version, given["plural"], "LINE", given["text"] * given.get("times", 1)))
            self.changed.notify_all()
            if given.get("once"):
                self.once = self.version

    def do_end(self, given):
        """Ends all watches: `end` well, `cut` in a line, `error` by an ERROR of 410, `silent`: says nothing more."""
        with self.changed:
            self.ending = given.get("how", "end")
            self.watches += 1
            self.changed.notify_all()

    once = None
    always = None
    match = ""


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = None

    def log_message(self, *_):
        pass

    def send(self, status, body, kind="application/json"):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def is_known(self):
        with open(self.cluster.tokens, encoding="utf-8") as file:
            return self.headers.get("Authorization", "") in ["Bearer " + line.strip() for line in file if line.strip()]

    def is_faulty(self, plural):
        with self.cluster.changed:
            if self.cluster.match not in self.path or not (self.cluster.faults or self.cluster.always):
                return False
            fault = self.cluster.always or self.cluster.faults.pop(0)
        if fault in ANSWERS:
            body = answer(fault, PLURAL=plural, TOKEN="t", ASKED=1, FIRST=2)
            self.send(body["code"], body)
        elif fault == "hang":
            time.sleep(600)
        elif fault == "reset":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault == "slow":
            time.sleep(3)
            return False
        elif fault == "html":
            self.send(200, b"<html><body>Welcome</body></html>", "text/html")
        else:
            self.send(200, fault.removeprefix("text:").encode())
        return True

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        plural = url.path.removeprefix("/api/v1/")
        self.cluster.log.append(self.path)
        if not self.is_known():
            self.send(401, ANSWERS["unauthorized"])
        elif plural not in KINDS:
            self.send(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})
        elif self.is_faulty(plural):
            pass
        elif "watch" in query:
            self.watch(plural, query)
        else:
            self.list(plural, query)

    def list(self, plural, query):
        cluster = self.cluster
        with cluster.changed:
            if "continue" in query:
                version, at = json.loads(base64.urlsafe_b64decode(query["continue"]))
                items = cluster.snapshots.get((plural, version))
                if items is None:
                    body = answer("continue-expired", TOKEN="later")
                    self.send(body["code"], body)
                    return
            else:
                version, at = cluster.version, 0
                items = [value for key, value in sorted(cluster.objects.items()) if key[0] == plural]
                cluster.snapshots[plural, version] = items
        limit = int(query.get("limit", 0)) or len(items)
        meta = {"resourceVersion": str(version)}
        if at + limit < len(items):
            meta["continue"] = base64.urlsafe_b64encode(json.dumps([version, at + limit]).encode()).decode()
            meta["remainingItemCount"] = len(items) - at - limit
        self.send(200, {"kind": KINDS[plural] + "List", "apiVersion": "v1", "metadata": meta, "items": items[at:at + limit]})

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def watch(self, plural, query):
        cluster, at = self.cluster, int(query["resourceVersion"])
        with cluster.changed:
            if at + 1 < cluster.first or at > cluster.version:
                body = answer("version-expired", ASKED=at, FIRST=cluster.first)
                late = True
            else:
                late, number = False, cluster.watches
        if late:
            self.send(body["code"], body)
            return
        end = time.monotonic() + float(query.get("timeoutSeconds", 60))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while time.monotonic() < end:
                with cluster.changed:
                    news = [event for event in cluster.events if event[0] > at and event[1] == plural]
                    if not news and cluster.watches == number:
                        cluster.changed.wait(0.5)
                        continue
                    ended = cluster.ending if cluster.watches != number else None
                for version, _, type_, value in news:
                    if type_ == "LINE":
                        self.chunk(value + "\n")
                        if cluster.once == version:
                            cluster.events = [event for event in cluster.events if event[0] != version]
                    elif type_ == "BOOKMARK":
                        if query.get("allowWatchBookmarks") == "true":
                            self.chunk(json.dumps({"type": type_, "object": value}) + "\n")
                    else:
                        value = dict(value, kind=KINDS[plural], apiVersion="v1")
                        line = json.dumps({"type": type_, "object": value}, ensure_ascii=False) + "\n"
                        self.chunk(line[:len(line) // 2])  # events end where they end, and not with a chunk
                        self.chunk(line[len(line) // 2:])
                    at = version
                if ended == "silent":
                    time.sleep(600)
                elif ended == "cut":
                    self.chunk('{"type":"DELETED","object":{"kind":"Pod","metadata":{"na')
                    self.connection.shutdown(socket.SHUT_RDWR)
                    break
                elif ended == "error":
                    self.chunk(json.dumps({"type": "ERROR", "object": answer("version-expired", ASKED=at, FIRST=at)}) + "\n")
                    break
                elif ended:
                    break
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass
        self.close_connection = True


class Control(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = None

    def log_message(self, *_):
        pass

    def address_string(self):
        return "control"

    def reply(self, text=""):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def given(self):
        length = int(self.headers.get("Content-Length") or 0)
        return json.loads(self.rfile.read(length) or b"{}")

    def key(self):
        parts = self.path.strip("/").split("/")
        return (parts[0], parts[1] if len(parts) == 3 else "", parts[-1])

    def do_PUT(self):
        self.cluster.put(self.key(), self.given())
        self.reply()

    def do_DELETE(self):
        self.cluster.delete(self.key())
        self.reply()

    def do_POST(self):
        getattr(self.cluster, self.path.strip("/").replace("/", "_"))(self.given())
        self.reply()

    def do_GET(self):
        self.reply("".join(line + "\n" for line in self.cluster.log))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that went away


class ControlServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser()
    for name in ("address", "port", "certificate", "key", "control", "tokens"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--state")
    arguments = parser.parse_args()
    Api.cluster = Control.cluster = Cluster(arguments.state, arguments.tokens)
    if ":" in arguments.address:
        Server.address_family = socket.AF_INET6
    server = Server((arguments.address, int(arguments.port)), Api)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.certificate, arguments.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    if os.path.exists(arguments.control):
        os.unlink(arguments.control)
    control = ControlServer(arguments.control, Control)
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
