#!/bin/bash
# The JSON Schema of native documents, judged by a validator: it accepts what the readers accept and refuses what is wrong in
# form. schema.py says how.
. "$(dirname "$0")/lib.sh"

: >"$WORK/out" 2>"$WORK/err"

judge() { # SUBCOMMAND ARGUMENTS...
	/usr/bin/python3 -W ignore tests/cli/schema.py "$WORK/schema.json" "$RINGFENCE" "$@" >"$WORK/out" 2>"$WORK/err"
}

describes_itself() {
	"$RINGFENCE" schema >"$WORK/schema.json" && cmp "$WORK/schema.json" examples/ringfence.schema.json >"$WORK/out" 2>&1
}

# The settings of the editor name the schema and each native document of the examples; a document that names one names
# this one.
examples_name_it() {
	local file schema named=0
	while IFS=: read -r file schema; do
		named=$((named + 1))
		[ "$(realpath "$(dirname "$file")/${schema#*=}")" = "$PWD/examples/ringfence.schema.json" ] || {
			echo "$file names $schema" >"$WORK/out"
			return 1
		}
	done < <(grep -rH --include='*.yaml' '^# yaml-language-server: ' examples | sed 's/:# [^:]*: /:/')
	[ "$named" -gt 0 ] && judge editor examples
}

holds "examples/ringfence.schema.json is what \`ringfence schema\` prints; renew it with -o" describes_itself
holds "it is a schema of draft-07, which says something of every key" judge whole
holds "it knows every key of the documents here, and these every key of it" judge covers tests/cli/schema/every.yaml
mapfile -t natives < <(grep -rl --include='*.yaml' '^ringfence: v1' examples)
holds "it accepts the examples and README's documents" judge accepts "${natives[@]}" README.md tests/cli/schema/every.yaml
holds "it refuses each wrong document that is not wrong in meaning only" judge refuses 150 tests/malformed/*.yaml
holds "of texts near every form it accepts what the reader accepts, and no others" judge spells 200 1
holds "of documents changed at random it accepts what the reader accepts, and no other form" \
	judge agrees 200 1 "${natives[@]}" tests/cli/schema/every.yaml
holds "the documents and the editor's settings of the examples name it" examples_name_it

expect "-o writes a file" 0 '' '' schema -o "$WORK/written.json"
holds "which holds the same" cmp -s "$WORK/schema.json" "$WORK/written.json"
expect "and again" 0 '' '' schema --output "$WORK/written.json"
expect "a directory that is not there is told" 2 '' 'No such file or directory' schema -o "$WORK/nowhere/schema.json"
expect "it takes no policy" 2 '' 'takes no `examples/shop`' schema examples/shop
expect "and has one format" 2 '' 'does not take' schema --format json
expect "help says how to use it" 0 'yaml-language-server' '' help schema
finish
