#!/usr/bin/python3
"""A forge's interface for comments, as GitHub and GitLab have it, on a local port: forge.py DIRECTORY

DIRECTORY/comments.json is the list of comments, each with the fields of both; DIRECTORY/port is written when it listens.
A request without the token `secret`, or to change what is not there, is refused."""
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlparse

directory = sys.argv[1]
THREADS = r"/repos/shop/policy/issues/7/comments|/projects/12/merge_requests/7/notes"
COMMENTS = r"(?:/repos/shop/policy/issues/comments|/projects/12/merge_requests/7/notes)/(\d+)"


def load():
    with open(f"{directory}/comments.json", encoding="utf-8") as stream:
        return json.load(stream)


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, item):
        body = json.dumps(item).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_request(self):
        url = urlparse(self.path)
        size = int(self.headers.get("Content-Length", 0))
        sent = json.loads(self.rfile.read(size)) if size else None
        gitlab = self.headers.get("PRIVATE-TOKEN") == "secret"
        if not gitlab and self.headers.get("Authorization") != "Bearer secret":
            return self.answer(403, {})
        if url.path == "/user" and gitlab:
            return self.answer(200, {"username": "robot"})
        comments = load()
        one = re.fullmatch(COMMENTS, url.path)
        if self.command == "GET" and re.fullmatch(THREADS, url.path):
            query = parse_qs(url.query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return self.answer(200, comments[size * (page - 1) : size * page])
        if self.command == "POST" and re.fullmatch(THREADS, url.path):
            who = {"author": {"username": "robot"}} if gitlab else {"user": {"login": "github-actions[bot]"}}
            comments.append({"id": len(comments) + 1, "body": sent["body"], **who})
        elif one and self.command == ("PUT" if gitlab else "PATCH"):
            next(item for item in comments if item["id"] == int(one[1]))["body"] = sent["body"]
        else:
            return self.answer(404, {})
        with open(f"{directory}/comments.json", "w", encoding="utf-8") as stream:
            json.dump(comments, stream)
        return self.answer(201, {})

    do_GET = do_POST = do_PUT = do_PATCH = handle_request

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
with open(f"{directory}/port", "w", encoding="utf-8") as stream:
    stream.write(f"{server.server_port}\n")
server.serve_forever()
