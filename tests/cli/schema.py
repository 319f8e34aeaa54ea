"""What tests/cli/schema.sh asks of the schema, with the validator of python3-jsonschema. YAML is read as editors read it: version
1.2, core schema, every key a text."""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import yaml


class Core(yaml.SafeLoader):
    """The core schema of YAML 1.2: dates, `yes` and octal numbers of 1.1 are none."""

    def construct_mapping(self, node, deep=False):
        pairs = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key that is no text", key.start_mark)
            pairs[key.value] = self.construct_object(value, deep=True)
        return pairs


Core.yaml_implicit_resolvers = {}
Core.yaml_constructors = dict(yaml.SafeLoader.yaml_constructors)
for tag, expression, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+0123456789.")),
):
    Core.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(rf"^(?:{expression})\Z"), first)


def number(loader, node):
    text = node.value
    for prefix, base in (("0x", 16), ("0o", 8)):
        if text.startswith(prefix):
            return int(text[2:], base)
    return int(text) if re.fullmatch(r"[-+]?[0-9]+", text) else float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def mapping(loader, node):
    return loader.construct_mapping(node)


Core.add_constructor("tag:yaml.org,2002:int", number)
Core.add_constructor("tag:yaml.org,2002:float", number)
Core.add_constructor("tag:yaml.org,2002:map", mapping)


def pattern(validator, expression, instance, schema):
    """As ECMA-262 means it: `$` is the end of the text, and not also before its last newline."""
    if validator.is_type(instance, "string") and not re.search(expression.replace("$", r"\Z"), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {expression!r}")


Validator = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": pattern})
SCHEMA = json.loads(Path(sys.argv[1]).read_text())
VALIDATOR = Validator(SCHEMA)
RINGFENCE = sys.argv[2]


def documents(text):
    """The documents of a file that are not empty and no Kubernetes objects."""
    roots = [root for root in yaml.load_all(text, Core) if root is not None]
    return [r for r in roots if not (isinstance(r, dict) and "ringfence" not in r and "apiVersion" in r and "kind" in r)]


def accepted(text):
    return all(VALIDATOR.is_valid(root) for root in documents(text))


# What a schema cannot see, by the reader's message: what a name refers to, what stands twice, what keys need or exclude,
# and what needs arithmetic.
MEANING = re.compile(
    "|".join(
        (
            "no service or network `",
            "declares no ports, so this statement must name them",
            "no destination here declares a port",
            "is defined twice",
            "stands twice",
            "may be given once",
            "duplicate key `",
            "kubernetes.io/metadata.name of a namespace is its name",
            "bits behind the prefix are set",
            "the range ends before it starts",
            "there is no such day",
            "a workload with a `cgroup` ",
        )
    )
)


def check(text):
    """What `check` says is wrong, as (line, message)."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        run = subprocess.run([RINGFENCE, "check", "--diagnostics", "json", file.name], text=True, capture_output=True)
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    errors = [(d.get("line"), d["message"]) for d in lines if d["severity"] == "error" and d.get("rule") != "never"]
    if (run.returncode == 2) != bool(errors):
        raise SystemExit(f"status {run.returncode} with {run.stderr} for {text}")
    return errors


def fail(problems):
    print("\n".join(problem[:1000] for problem in problems[:20]))
    raise SystemExit(1 if problems else 0)


def schemas(node, path="#"):
    """Every schema within, with its place."""
    yield path, node
    for word in ("properties", "definitions"):
        for name, below in node.get(word, {}).items():
            yield from schemas(below, f"{path}/{word}/{name}")
    for word in ("items", "propertyNames", "additionalProperties"):
        if isinstance(node.get(word), dict):
            yield from schemas(node[word], f"{path}/{word}")
    for word in ("anyOf", "allOf"):
        for i, below in enumerate(node.get(word, [])):
            yield from schemas(below, f"{path}/{word}/{i}")


def whole():
    """The schema is one, says something of each key, and refuses other keys."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    problems, used = [], set()
    for path, node in schemas(SCHEMA):
        if "$ref" in node:
            used.add(node["$ref"])
            if len(node) > 1:
                problems.append(f"{path}: what stands beside a $ref is ignored")
        for name, value in node.get("properties", {}).items():
            if not re.fullmatch(r".{10,}\.", value.get("description", "")):
                problems.append(f"{path}: `{name}` has no description")
        if "properties" in node and node.get("additionalProperties") is not False:
            problems.append(f"{path}: takes unknown keys")
    defined = {f"#/definitions/{name}" for name in SCHEMA["definitions"]}
    problems += [f"{name}: not both defined and used" for name in defined ^ used]
    fail(problems)


def covers(name):
    """A document uses every key, so that a new one is tried by the tests of whole documents too."""
    keys = {key for _, node in schemas(SCHEMA) for key in node.get("properties", {})}
    used = {key for root in documents(Path(name).read_text()) for path in places(root) for key in path}
    fail([f"{name} does not use the key `{key}`" for key in sorted(keys - used)])


def editor(directory):
    """The settings of VS Code (yaml.schemas: path to patterns of files, from the workspace) reach each native document."""
    root = Path(directory)
    settings = json.loads((root / ".vscode/settings.json").read_text())["yaml.schemas"]
    (schema, patterns), = settings.items()
    reached = {path for pattern in patterns for path in root.glob(pattern)}
    native = {path for path in root.rglob("*.yaml") if any("ringfence" in document for document in documents(path.read_text()))}
    problems = [f"{path}: only one of native and reached by the settings" for path in sorted(native ^ reached)]
    fail(problems if (root / schema).is_file() else problems + [f"no {schema}"])


def accepts(files):
    """Every native document of the files is accepted; blocks of Markdown too, where they are of the language."""
    problems, count = [], 0
    for name in files:
        text = Path(name).read_text()
        texts = [text]
        if name.endswith(".md"):
            texts = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
            texts = [t if "ringfence: v1" in t else "ringfence: v1\n" + t for t in texts
                     if "/etc/ringfence" not in t and "ringfence-budget" not in t]
        for document in (document for text in texts for document in documents(text)):
            count += 1
            problems += [f"{name}: {e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(document)]
    print(f"{count} documents")
    fail(problems if count >= len(files) else [f"only {count} documents"])


def refuses(files, least):
    """Of wrong files each is refused, but for those that are wrong in meaning only; at least so many are."""
    problems, refused, seen_later, other = [], 0, 0, 0
    for name in files:
        try:
            roots = documents(Path(name).read_bytes().decode())
        except (yaml.YAMLError, ValueError):
            roots = []
        if not roots:  # no YAML, or Kubernetes' manifests
            other += 1
            continue
        wrong = not all(VALIDATOR.is_valid(root) for root in roots)
        messages = Path(name).with_suffix(".expect").read_text().splitlines()
        meaning = all(MEANING.search(message) for message in messages)
        refused += wrong
        seen_later += not wrong
        if not wrong and not meaning:
            problems.append(f"{name}: accepted: {messages[0]}")
    print(f"{refused} refused, {seen_later} wrong in meaning, {other} no native document")
    fail(problems if refused >= least else problems + [f"only {refused} refused"])


VALUES = [None, True, 0, 5, -1, 1.5, 8080, "", "x y", "5", "any", "web", "-", "a/b", "icmp/echo-request", "8080/tcp", "10.0.0.0/8", "10.0.0.1",
          "2027-03-31", "deny", "allow", [], {}, [[]], ["any"], [None], {"a": "b"}, {"not": ["a"]}, {"exists": True}, {"labels": {}}, {"cidr": "::/0"}]


def places(node, path=()):
    yield path
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield from places(node[key], path + (key,))


def mutated(random, document):
    """The document with one to three places changed."""
    document = json.loads(json.dumps(document))
    for _ in range(random.randint(1, 3)):
        path = random.choice([p for p in places(document) if p])
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        value, how = holder[path[-1]], random.choice(("drop", "value", "value", "key", "wrap", "unwrap", "twice", "other"))
        if how == "drop":
            del holder[path[-1]]
        elif how == "value":
            holder[path[-1]] = random.choice(VALUES)
        elif how == "key" and isinstance(holder, dict):
            holder[random.choice((path[-1] + "x", path[-1].upper(), "labels", "ports", "from", "5", "-"))] = holder.pop(path[-1])
        elif how == "wrap":
            holder[path[-1]] = [value]
        elif how == "unwrap" and isinstance(value, list) and value:
            holder[path[-1]] = value[0]
        elif how == "twice" and isinstance(holder, list):
            holder.append(value)
        elif how == "other":
            other = document
            for key in random.choice([p for p in places(document) if p]):
                other = other[key]
            holder[path[-1]] = json.loads(json.dumps(other))
        if not document:
            document["ringfence"] = "v1"
    return document


def disagree(valid, errors):
    """Whether the schema refuses what the reader accepts, or accepts what has a wrong form."""
    return not errors if not valid else any(not MEANING.search(message) for message in errors)


def agrees(files, count, seed):
    """Documents changed at random: what the reader accepts the schema accepts, and what has a wrong form it refuses."""
    from random import Random

    random = Random(seed)
    seeds = [d for name in files for d in documents(Path(name).read_text())]
    problems, both, neither = [], 0, 0
    for _ in range(count):
        document = mutated(random, random.choice(seeds))
        if "apiVersion" in document and "ringfence" not in document:
            continue
        text = json.dumps(document)
        errors = [message for _, message in check(text)]
        good = VALIDATOR.is_valid(document)
        both += good and not errors
        neither += bool(errors) and not good
        if disagree(good, errors):
            problems.append(f"schema {'accepts' if good else 'refuses'}, reader says {errors}: {text}")
    print(f"{both} accepted by both, {neither} refused by both, {len(problems)} otherwise")
    fail(problems if min(both, neither) * 4 >= count / 2 else problems + ["one side is hardly tried"])


# A text of each form: where it stands (on one line), and texts near which others are tried.
ANY = '"from": "any", "to": "any"'
FORMS = {
    "name": ("workloads", '[{{"name": {}}}]', ["web-1", "a", "a" * 63, "0x", "-a"]),
    "label": ("workloads", '[{{"name": "w", "labels": {{"k": {}}}}}]', ["Gold_1.x-", "", "v" * 63, "a/b"]),
    "label key": ("workloads", '[{{"name": "w", "labels": {{{}: "v"}}}}]', ["app", "example.com/name", "k" * 317]),
    "host": ("workloads", '[{{"name": "w", "node": {}}}]', ["node-a.example", "_x", "n" * 253, "."]),
    "interface": ("workloads", '[{{"name": "w", "interface": {}}}]', ["veth-1", "..", ".", "i" * 15, "a:b", "eth0.1@x"]),
    "address": ("workloads", '[{{"name": "w", "addresses": [{}]}}]', ["10.0.0.1", "255.255.255.255", "2001:db8::1", "::", "::1", "1:2:3:4:5:6:7:8", "64:ff9b::1.2.3.4", "::ffff:1.2.3.4", "::0:ffff:1:2", "0:0::0.0.0.1", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:1.2.3.4"]),
    "prefix": ("allow", '[{{"from": {{"cidr": {}}}, "to": "any", "ports": ["any"]}}]', ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1", "2001:db8::/32", "::/0", "1::/16", "fe80::/10"]),
    "port": ("workloads", '[{{"name": "w", "ports": {{"p": {}}}}}]', ["8080/tcp", "1-65535/udp", "icmp", "icmpv6/echo-request", "00080/sctp", "65536/tcp", "any"]),
    "port name": ("workloads", '[{{"name": "w", "ports": {{{}: "1/tcp"}}}}]', ["http", "any", "icmp", "icmpv6", "a-1", "80", "1a"]),
    "flow port": ("allow", '[{{' + ANY + ', "ports": [{}]}}]', ["http", "8080/tcp", "any", "icmp/echo-request", "-a-", "443", "1-9/udp"]),
    "until": ("allow", '[{{' + ANY + ', "ports": ["any"], "until": {}}}]', ["2027-03-31", "2027-03-31T06:00:00Z", "1970-01-01t00:00:60.5+23:59", "2027-12-01 00:00:00z"]),
    "rate": ("allow", '[{{' + ANY + ', "ports": ["any"], "rate": {}}}]', ["50/second per source", "1000000/hour per source", "0000001/minute per source"]),
    "workload": ("quarantine", '[{{"workload": {}}}]', ["web-7", "shop/web.example", "a/b/c", "n" * 63 + "." + "n" * 63]),
    "why": ("quarantine", '[{{"workload": "w", "why": {}}}]', ["", "x" * 4095]),
}


def spells(count, seed):
    """Texts changed at random, many of one form in one document: a pattern is as strict as the reader."""
    from random import Random

    random = Random(seed)
    problems, good = [], 0
    for form, (key, frame, seeds) in FORMS.items():
        texts = list(dict.fromkeys(seeds))
        while len(texts) < count:
            text = list(random.choice(seeds))
            for _ in range(random.randint(1, 3)):
                at, letter = random.randint(0, len(text)), random.choice("".join(seeds) + "0123456789aZ.:/-_\n é")
                text[at : at + random.randint(0, 1)] = random.choice((letter, letter, ""))
            texts.append("".join(text))
        entries = [frame.format(json.dumps(text)) for text in texts]
        wrong = {}
        for line, message in check('{"ringfence": "v1", "' + key + '": [\n' + ",\n".join(entry[1:-1] for entry in entries) + "]}"):
            wrong.setdefault(line - 2, []).append(message)
        for i, entry in enumerate(entries):
            valid = VALIDATOR.is_valid({"ringfence": "v1", key: json.loads(entry)})
            good += valid
            if disagree(valid, wrong.get(i, [])):
                problems.append(f"{form} {texts[i]!r}: schema {'accepts' if valid else 'refuses'}, reader says {wrong.get(i)}")
    print(f"{count * len(FORMS)} texts, {good} accepted")
    fail(problems)


if __name__ == "__main__":
    what, rest = sys.argv[3], sys.argv[4:]
    {
        "whole": whole,
        "covers": lambda: covers(rest[0]),
        "editor": lambda: editor(rest[0]),
        "accepts": lambda: accepts(rest),
        "refuses": lambda: refuses(rest[1:], int(rest[0])),
        "spells": lambda: spells(int(rest[0]), int(rest[1])),
        "agrees": lambda: agrees(rest[2:], int(rest[0]), int(rest[1])),
    }[what]()
