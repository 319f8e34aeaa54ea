#!/bin/bash
# --diagnostics: what is wrong as JSON lines, as a SARIF log and as annotations of a GitHub workflow. TAP.
. "$(dirname "$0")/lib.sh"

# Evaluates a Python expression on `d`: the JSON document on standard error, or the list of its lines.
json() { # EXPRESSION [lines]
	/usr/bin/python3 -c '
import json, sys
text = open(sys.argv[1], encoding="ascii").read()
d = [json.loads(line) for line in text.splitlines()] if len(sys.argv) > 3 else json.loads(text)
sys.exit(0 if eval(sys.argv[2]) else 1)' "$WORK/err" "$@" 2>>"$WORK/out"
}

# Valid by the schema of SARIF 2.1.0, and what it does not say: rules and results that agree, fingerprints, regions, URIs.
sarif() {
	/usr/bin/python3 - "$WORK/err" tests/data/sarif-schema-2.1.0.json 2>>"$WORK/out" <<-'END'
		import json, jsonschema, re, sys
		log = json.load(open(sys.argv[1], encoding="ascii"))
		jsonschema.Draft4Validator(json.load(open(sys.argv[2]))).validate(log)
		assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json") and len(log["runs"]) == 1
		run = log["runs"][0]
		assert set(run) == {"tool", "invocations", "columnKind", "results"} and run["columnKind"] == "unicodeCodePoints"
		driver = run["tool"]["driver"]
		assert driver["name"] == "Ringfence" and driver["version"]
		ids = [rule["id"] for rule in driver["rules"]]
		assert len(ids) == len(set(ids)) and all(rule["shortDescription"]["text"] for rule in driver["rules"])
		assert run["invocations"][0]["executionSuccessful"] is True
		assert len(run["results"]) <= 5000
		seen = set()
		for result in run["results"]:
		    assert ids[result["ruleIndex"]] == result["ruleId"] and result["level"] in ("error", "warning")
		    assert result["message"]["text"]
		    print_ = result["partialFingerprints"]["ringfence/v1"]
		    assert re.fullmatch("[0-9a-f]{16}:[0-9]+", print_) and print_ not in seen
		    seen.add(print_)
		    for location in result.get("locations", []):
		        place = location["physicalLocation"]
		        assert re.fullmatch("(file:///)?([A-Za-z0-9._~/-]|%[0-9A-F]{2})+", place["artifactLocation"]["uri"])
		        region = place["region"]
		        assert all(region[key] >= 1 for key in ("startLine", "startColumn", "endLine", "endColumn"))
		        assert (region["endLine"], region["endColumn"]) >= (region["startLine"], region["startColumn"])
	END
}

mkdir "$WORK/p"
printf 'ringfence: v2\n' >"$WORK/p/a.yaml"
printf 'ringfence: v1\nsservices: {}\nallow: 3\n' >"$WORK/p/b.yaml"
sed 's/{from: world, to: \[db/{from: api, to: [db/' "$SHOP/policy.yaml" >"$WORK/never.yaml"
sed 's/^namespace: shop/&\nquarantine: [{workload: shop\/web-7, until: 2030-01-01}]/' "$SHOP/policy.yaml" >"$WORK/warning.yaml"
# as a directory of the working directory, so that names are relative
inside() { (cd "$WORK" && "$RINGFENCE" "$@" >"$WORK/out" 2>"$WORK/err" </dev/null); }

for name in check compile explain reach test apply; do
	expect "$name: a form that is none lists those there are" 2 '' 'text, json, sarif or github, and not .xml.' "$name" --diagnostics xml "$SHOP"
	expect "$name: the option is in its help" 0 '--diagnostics FORM .*text\|json\|sarif\|github' '' help "$name"
	for form in json sarif github; do
		expect "$name: $form" 2 '' '"ringfence|only version v1 is known' "$name" --diagnostics "$form" "$WORK/p" a b 1/tcp
		case $name/$form in */github) ;; */json) holds "$name: JSON and nothing else" json 'len(d) >= 3' lines ;; *) holds "$name: a log and nothing else" sarif ;; esac
	done
done
expect "status reads no input" 2 '' 'does not take' status --diagnostics json
expect "text is the default" 2 '' '^ringfence: 3 errors in 2 files$' check --diagnostics text "$WORK/p"

# ---- JSON ----

expect "JSON: nothing is wrong" 0 '^ok' '' check --diagnostics json "$SHOP"
expect "JSON" 2 '' 'b.yaml' check --diagnostics json "$WORK/p"
holds "JSON: a line for each, in order" json '[(x["file"][-6:], x["line"], x["column"]) for x in d] == [("a.yaml", 1, 12), ("b.yaml", 2, 1), ("b.yaml", 3, 8)]' lines
holds "JSON: its fields" json 'all(list(x) == ["version", "severity", "rule", "file", "line", "column", "end_line", "end_column", "message", "help"] for x in d)' lines
holds "JSON: what they say" json 'd[0]["version"] == 1 and d[0]["severity"] == "error" and d[0]["end_column"] == 14 and d[0]["help"] is None and "services" in d[1]["help"]' lines
expect "JSON: no place" 2 '' '"file":null,"line":null' check --diagnostics json "$WORK/none"
holds "JSON: a rule for what cannot be read" json 'd[0]["rule"] == "file"' lines
expect "JSON: a broken never is 1" 1 '' '"rule":"never"' check --diagnostics json "$WORK/never.yaml"
expect "JSON: a warning" 0 '^ok' '"severity":"warning","rule":"quarantine-of-nobody"' check --diagnostics json "$WORK/warning.yaml" "$SHOP/inventory.yaml"
expect "JSON: what the command cannot do" 2 '' '"rule":"command".*no node .nowhere' compile --diagnostics json --node nowhere "$SHOP"
expect "JSON: a question without an answer" 2 '' '"rule":"command".*no workload' explain --diagnostics json "$SHOP" shop/nobody shop/db sql

# ---- SARIF ----

expect "SARIF: nothing is wrong" 0 '^ok' '"results": \[\]' check --diagnostics sarif "$SHOP"
holds "SARIF: still a log" sarif
expect "SARIF" 2 '' '"uri": ".*b.yaml"' check --diagnostics sarif "$WORK/p"
holds "SARIF: valid" sarif
holds "SARIF: where" json '[r["locations"][0]["physicalLocation"]["region"] for r in d["runs"][0]["results"]][0] == {"startLine": 1, "startColumn": 12, "endLine": 1, "endColumn": 14}'
cp "$WORK/err" "$WORK/first"
expect "SARIF: an absolute path elsewhere" 2 '' "\"uri\": \"file://$WORK/p/a.yaml\"" check --diagnostics sarif "$WORK/p"
inside check --diagnostics sarif p || true
holds "SARIF: relative" json '[r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in d["runs"][0]["results"]] == ["p/a.yaml", "p/b.yaml", "p/b.yaml"]'
cp "$WORK/err" "$WORK/relative"
inside check --diagnostics sarif "$WORK/p" || true
holds "SARIF: an absolute path below the working directory is relative" cmp -s "$WORK/err" "$WORK/relative"
inside check --diagnostics sarif ./p || true
holds "SARIF: so is ./" cmp -s "$WORK/err" "$WORK/relative"
prints() { grep -oE '"ringfence/v1": "[^"]*"' "$1" | tr '\n' ' '; }
sed -i '1a # a comment' "$WORK/p/b.yaml"
inside check --diagnostics sarif p || true
holds "SARIF: a line before changes no fingerprint" test "$(prints "$WORK/err")" = "$(prints "$WORK/relative")"
mkdir "$WORK/odd"
odd="$WORK/odd/$(printf 'a b:%%é\033\377.yaml')"
cp "$WORK/p/a.yaml" "$odd"
inside check --diagnostics sarif odd || true
holds "SARIF: a file's name is percent-encoded" grep -qF '"uri": "odd/a%20b%3A%25%C3%A9%1B%FF.yaml"' "$WORK/err"
holds "SARIF: and valid" sarif
{
	echo 'ringfence: v1'
	seq -f 'k%g: 1' 5003
} >"$WORK/many.yaml"
expect "SARIF: of very many errors" 2 '' '"text": "3 more results are left out: a log holds 5000"' check --diagnostics sarif "$WORK/many.yaml"
holds "SARIF: 5,000" json 'len(d["runs"][0]["results"]) == 5000'
holds "SARIF: and valid all the same" sarif
expect "SARIF: a broken never is in the one log" 1 '' '"ruleId": "never"' check --diagnostics sarif "$WORK/never.yaml"
holds "SARIF: one log" sarif
holds "SARIF: braces are no placeholders" grep -qF 'with labels {{app: api, tier: gold}} -> ' "$WORK/err"
sed 's/{from: world, to: \[db/{from: api, to: [db/' "$WORK/warning.yaml" >"$WORK/both.yaml"
expect "SARIF: errors before warnings" 1 '' '"level": "warning"' check --diagnostics sarif "$WORK/both.yaml" "$SHOP/inventory.yaml"
holds "SARIF: errors first" json '[r["level"] for r in d["runs"][0]["results"]] == sorted(r["level"] for r in d["runs"][0]["results"])'
holds "SARIF: one log of both" sarif
expect "SARIF: -v adds nothing to it" 0 '^ok' '"results": \[\]' check -v --diagnostics sarif "$SHOP"
holds "SARIF: -v: valid" sarif

# ---- GitHub ----

expect "GitHub: nothing is wrong" 0 '^ok' '' check --diagnostics github "$SHOP"
expect "GitHub" 2 '' '^::error file=.*/a.yaml,line=1,col=12,endLine=1,endColumn=14,title=Ringfence \(input\)::only version v1 is known' check --diagnostics github "$WORK/p"
holds "GitHub: help is a line of its own" grep -qE '^::error file=.*::unknown key .*%0Ahelp: did you mean' "$WORK/err"
holds "GitHub: nothing else" test "$(grep -vc '^::error ' "$WORK/err")" -eq 0
expect "GitHub: a warning" 0 '^ok' '^::warning file=.*title=Ringfence \(quarantine-of-nobody\)::' check --diagnostics github "$WORK/warning.yaml" "$SHOP/inventory.yaml"
expect "GitHub: no place" 2 '' '^::error title=Ringfence \(file\)::' check --diagnostics github "$WORK/none"
newline="$WORK/odd/$(printf 'x,y:%%\r\n::error::z.yaml')"
cp "$WORK/p/a.yaml" "$newline"
inside check --diagnostics github odd || true
holds "GitHub: a file's name is escaped" grep -qF 'file=odd/x%2Cy%3A%25%0D%0A%3A%3Aerror%3A%3Az.yaml,line=1' "$WORK/err"
holds "GitHub: other control characters are text" grep -qF 'file=odd/a b%3A%25é\x1b\xff.yaml,line=1' "$WORK/err"
holds "GitHub: a line for each" test "$(wc -l <"$WORK/err")/$(grep -c '^::error file=' "$WORK/err")" = 2/2
printf 'ringfence: v1\n"a%%b\\n::error::c, d": 1\n' >"$WORK/message.yaml"
expect "GitHub: a message is escaped" 2 '' '::unknown key .a%25b%0A::error::c, d. in' check --diagnostics github "$WORK/message.yaml"
"$RINGFENCE" check --diagnostics github "$WORK/many.yaml" 2>"$WORK/err" >"$WORK/out" || true
holds "GitHub: ten" test "$(wc -l <"$WORK/err")" -eq 10
holds "GitHub: the last says how many more" grep -qE '%0Aand 4993 more errors; --diagnostics text shows all$' <(tail -1 "$WORK/err")

finish
