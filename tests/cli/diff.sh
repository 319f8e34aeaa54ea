#!/bin/bash
# `ringfence diff` as people and pipelines meet it: statuses, forms, git revisions, what is refused. TAP.
. "$(dirname "$0")/lib.sh"

BASE='ringfence: v1
namespace: shop
services:
  web: {workloads: {app: web}, ports: {http: 8080/tcp}}
  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}
allow:'
policy() { # NAME LINE...; the lines stand behind `allow:`, which is line 6
	local name=$WORK/$1
	shift
	printf '%s\n' "$BASE" "$@" >"$name"
}
policy old.yaml '- {from: web, to: db}'
policy new.yaml '- {from: web, to: db, ports: [sql, 5433/tcp], why: "a|b <c>"}' '- {from: world, to: web}'
policy wrong.yaml '- {from: wab, to: db}'
printf 'ringfence: v1\nworkloads:\n' >"$WORK/inventory.yaml"
for i in 1 2 3; do
	printf -- '- {name: %s-%d, namespace: shop, labels: {app: %s}}\n' web $i web db $i db >>"$WORK/inventory.yaml"
done
cd "$WORK"

# ---- what is told ----

expect "no difference is a yes" 0 '^no difference$' '' diff old.yaml old.yaml
expect "a difference is a no" 1 '^  \+ shop/web -> shop/db +5433/tcp +added new.yaml:7:3$' '' diff old.yaml new.yaml
holds "with what became wider" grep -q '^  ! an allow from world is new  new.yaml:8:3$' out
holds "and a summary" grep -q '^2 opened, 0 closed$' out
holds "without numbers where there is no inventory" lacks 'pair|workload' out
expect "the other way round it is closed" 1 '^  - shop/web -> shop/db +5433/tcp +removed new.yaml:7:3$' '' diff new.yaml old.yaml
expect "an inventory counts pairs" 1 '5433/tcp .*\(9 pairs: 3 x 3\)$' '' diff -i inventory.yaml old.yaml new.yaml
holds "and workloads where the other end is none" grep -q 'world .*(3 workloads)$' out
holds "and sums them up" grep -q '^2 opened, 0 closed; 9 workload pairs gained, 0 lost$' out
mkdir before after
cp old.yaml inventory.yaml before/
cp new.yaml inventory.yaml after/
expect "inventory beside the policy counts too" 1 '9 workload pairs gained' '' diff before after
sed -e 's/app: web}/app: [web]}/' -e 's/web/www/g' -e 's/\[www\]/[web]/' old.yaml >renamed.yaml
expect "a service of another name is no difference" 0 '^no difference$' '' diff old.yaml renamed.yaml
policy until.yaml '- {from: web, to: db, until: 2027-03-31}'
expect "an expiry is judged at its time: before" 0 '^no difference$' '' diff --at 2027-03-31 old.yaml until.yaml
expect "and behind" 1 '^  - shop/web -> shop/db' '' diff --at 2027-04-01 old.yaml until.yaml
policy never.yaml '- {from: web, to: db}' 'never:' '- {from: web, to: db, ports: [sql]}'
expect "a broken never is told and not fatal" 1 '^  ! a `never` is broken: shop/web -> shop/db 5432/tcp is opened by never.yaml:7  never.yaml:9:3$' '' \
	diff old.yaml never.yaml
expect "colours where they are asked for" 1 $'\x1b\\[32m\\+' '' diff --color always old.yaml new.yaml

# ---- forms ----

expect "JSON" 1 '^\{"version":1,"same":false,"opened":2,"closed":0,"changes":\[\{"change":"opened","from":"shop/web","to":"shop/db","ports":\["5433/tcp"\],"because":\[\{"cause":"added","file":"new.yaml","line":7,"why":"a\|b <c>"\}\]' '' \
	diff --format json old.yaml new.yaml
holds "JSON that parses" parses json out
holds "one line of it" test "$(wc -l <out)" -eq 1
expect "JSON of no difference" 0 '"same":true,"opened":0,"closed":0,"changes":\[\],"widenings":\[\]' '' diff --format json old.yaml old.yaml
expect "Markdown: a table" 1 '^\| \\\+ \| shop/web \| shop/db \| 5433/tcp \| added new.yaml:7:3 \|$' '' diff --format markdown old.yaml new.yaml
holds "Markdown: its head" grep -qF '| | from | to | ports | because |' out
expect "Markdown: with an inventory" 1 '\| 9 pairs: 3 x 3 \|$' '' diff --format markdown -i inventory.yaml old.yaml new.yaml
cp new.yaml 'a|<b>@c`*[x](y).yaml'
expect "Markdown: nothing of the input is markup" 1 'added a\\\|&#60;b\\>&#64;c\\`\\\*\\\[x\\\]\\\(y\\\)\.yaml:7:3 \|$' '' \
	diff --format markdown old.yaml 'a|<b>@c`*[x](y).yaml'
awk 'BEGIN { print "ringfence: v1\nservices:"; for (i = 0; i < 1500; i++) print "  s" i ": {workloads: {app: s" i "}, ports: {http: 80/tcp}}" }' >few.yaml
{ cat few.yaml && awk 'BEGIN { print "allow:"; for (i = 1; i < 1500; i++) print "  - {from: s0, to: s" i "}" }'; } >many.yaml
expect "Markdown: no longer than a comment may be" 1 '^[0-9]+ more changes are not shown: ' '' diff --format markdown few.yaml many.yaml
holds "Markdown: what is not shown is counted" \
	test "$(($(grep -c '^| \\+ ' out) + $(sed -n 's/ more changes are not shown.*//p' out)))" -eq 1499
holds "Markdown: what is shown fits" test "$(wc -c <out)" -lt 65536 -a "$(wc -c <out)" -gt 50000
cp new.yaml $'a\x1b[31m.yaml'
expect "text: control characters are escaped" 1 'a\\x1b\[31m.yaml' '' diff old.yaml $'a\x1b[31m.yaml'
expect "a format that is none" 2 '' 'text, json or markdown' diff --format html old.yaml new.yaml

# ---- what is refused ----

expect "one policy" 2 '' 'OLD and NEW' diff old.yaml
expect "three policies" 2 '' 'OLD and NEW' diff old.yaml new.yaml new.yaml
expect "a wrong NEW" 2 '' '^wrong.yaml:7:10: error' diff old.yaml wrong.yaml
cp wrong.yaml wrong-too.yaml
expect "both wrong: the problems of OLD" 2 '' '^wrong.yaml:7:10: error' diff wrong.yaml wrong-too.yaml
holds "and of NEW" grep -q '^wrong-too.yaml:7:10: error' err
expect "a path that is not there" 2 '' 'nothing.yaml' diff old.yaml nothing.yaml

# ---- git ----

if ! command -v git >/dev/null; then
	echo "ok $((COUNT + 1)) - git: # skip git is not installed"
	COUNT=$((COUNT + 1))
	finish
	exit
fi
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com \
	GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
commit() { # TEXT
	git -C repository add -A && git -C repository commit -q -m "$1"
}
mkdir -p repository/policy/.hidden repository/other
git -C repository init -q -b main
cp old.yaml repository/policy/p.yaml
cp wrong.yaml repository/policy/.hidden/p.yaml
cp wrong.yaml repository/policy/notes.txt
cp wrong.yaml repository/other/p.yaml
ln -s ../other/p.yaml repository/policy/link.yaml
commit one
git -C repository tag v1
rm repository/policy/link.yaml
cp new.yaml repository/policy/p.yaml
commit two
cd repository
expect "git: a revision and the tree on disk" 1 '^  \+ shop/web -> shop/db +5433/tcp +added policy/p.yaml:7:3$' '' diff git:v1:policy policy
expect "git: two revisions" 1 'added main:policy/p.yaml:7:3' '' diff git:v1:policy git:main:policy
expect "git: a file of one" 1 'removed HEAD:policy/p.yaml:7:3' '' diff git:HEAD:policy/p.yaml git:HEAD~1:policy/p.yaml
expect "git: with a slash behind" 0 'no difference' '' diff git:HEAD:policy/ policy/
expect "git: an inventory" 1 '9 workload pairs gained' '' diff -i ../inventory.yaml git:v1:policy git:main:policy
expect "git: a diagnostic shows where" 2 '' '^main:other/p.yaml:7:10: error' diff git:main:other policy
cp ../wrong.yaml policy/p.yaml
expect "git: what is not committed does not count" 1 '5433/tcp' '' diff git:v1:policy git:HEAD:policy
cp ../new.yaml policy/p.yaml
expect "git: no such revision" 2 '' 'git:nothing:policy: there is no such revision' diff git:nothing:policy policy
expect "git: no such path" 2 '' 'git:main:nothing: there is no .yaml' diff git:main:nothing policy
expect "git: no revision" 2 '' 'write git:REV' diff git::policy policy
expect "git: an option is no revision" 2 '' 'write git:REV' diff "git:--output=$WORK/owned" policy
expect "git: nor an option behind it" 2 '' 'there is no such revision' diff 'git:main --help' policy
expect "git: a path is no option" 2 '' 'there is no .yaml' diff git:main:--name-only policy
expect "git: a path is no pattern" 2 '' 'there is no .yaml' diff 'git:main:pol*' policy
expect "git: nor magic" 2 '' 'there is no .yaml' diff 'git:main::(top)policy' policy
expect "git: nor a command" 2 '' 'no such revision' diff "git:\$(touch $WORK/owned):policy" policy
holds "git: nothing ran or was written" test ! -e "$WORK/owned"
expect "git: a tree is no commit" 2 '' 'no such revision' diff "git:$(git rev-parse 'HEAD^{tree}'):policy" policy
cd "$WORK"
expect "git: outside of a repository" 2 '' 'no git repository' diff git:main:policy old.yaml
expect "other subcommands take no git:" 2 '' 'git:main' check git:main

finish
