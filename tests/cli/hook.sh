#!/bin/bash
# deploy/ci/pre-commit in a real repository: what is staged decides, and not what lies on disk. TAP.
. "$(dirname "$0")/lib.sh"

HOOK=$PWD/deploy/ci/pre-commit SOURCE=$PWD
export HOME=$WORK/home GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a \
	GIT_COMMITTER_EMAIL=a@example.com PATH="$(dirname "$RINGFENCE"):$PATH"
mkdir -p "$HOME" "$WORK/repository/policy"
cd "$WORK/repository"
git init -q -b main
ln -s "$HOOK" .git/hooks/pre-commit
cp "$SOURCE/examples/shop/"*.yaml policy/

commit() { # TEXT passes|stops ERR_PATTERN ARGUMENTS...
	local want=$2 status=0 before after
	before=$(git rev-parse --quiet --verify HEAD || true)
	git commit -q -m change "${@:4}" >"$WORK/out" 2>"$WORK/err" || status=$?
	after=$(git rev-parse --quiet --verify HEAD || true)
	case $want in
	passes) holds "$1" test "$status" -eq 0 -a "$before" != "$after" ;;
	stops) holds "$1" test "$status" -ne 0 -a "$before" = "$after" ;;
	esac
	[ -z "$3" ] || holds "and says why" grep -qE -- "$3" "$WORK/err"
}
good() { git checkout -q HEAD -- policy && echo "# $RANDOM$RANDOM" >>policy/policy.yaml; }
bad() { sed -i 's/to: api, ports/to: apu, ports/' policy/policy.yaml; }

git add -A
commit "the first commit" passes ''
good
git add -A
commit "a good change" passes ''
bad
git add -A
commit "a policy that is wrong" stops '^policy/policy.yaml:[0-9]+:[0-9]+: error: .*apu'
holds "with what to do" grep -q 'no-verify' "$WORK/err"
commit "stops again" stops 'apu'
commit "which can be passed over" passes '' --no-verify
git reset -q --hard HEAD~1
sed -i 's/^never:/  - {from: web, to: db, ports: [sql]}\n&/; /web, to: db, ports: \[sql\], expect/d' policy/policy.yaml
git add -A
commit "a broken never" stops '`never` is broken'
git reset -q --hard
sed -i 's|80/tcp\], expect: deny|80/tcp], expect: allow|' policy/policy.yaml
git add -A
commit "a failed test" stops ''
holds "which it shows" grep -q '^FAILED' "$WORK/out" "$WORK/err"
git reset -q --hard

# ---- partly staged ----

good
git add -A
bad
commit "good is staged, bad is on disk" passes ''
holds "where it stays" grep -q apu policy/policy.yaml
git add -A
good_again() { sed -i 's/to: apu, ports/to: api, ports/' policy/policy.yaml; }
good_again
echo "# on disk" >>policy/policy.yaml
commit "bad is staged, good is on disk" stops 'apu'
git reset -q --hard
good
git add -A
echo 'ringfence: v2' >policy/new.yaml
commit "a bad file that git does not have" passes ''
git add -A
commit "and has" stops '^policy/new.yaml:1:'
rm policy/new.yaml
git reset -q --hard
good
bad
commit "git commit FILE: the file on disk is what is committed" stops 'apu' policy/policy.yaml
commit "so it is with -a" stops 'apu' -a
good
commit "and good passes so" passes '' policy/policy.yaml
git rm -q policy/policy.yaml
commit "a policy whose file is gone" stops ''
git reset -q --hard

# ---- other places ----

bad
echo note >notes.txt
git add notes.txt
commit "a commit of other files is not asked about the policy" passes ''
git checkout -q -- .
mkdir -p 'other place/deep'
git mv policy/policy.yaml policy/inventory.yaml 'other place/'
git config ringfence.policy 'other place'
commit "another directory" passes ''
sed -i 's/to: api, ports/to: apu, ports/' 'other place/policy.yaml'
git add -A
cd 'other place/deep'
commit "from below it" stops '^other place/policy.yaml:[0-9]+'
cd ../..
git reset -q --hard
git worktree add -q -b side "$WORK/side"
cd "$WORK/side"
sed -i 's/to: api, ports/to: apu, ports/' 'other place/policy.yaml'
commit "in a second work tree" stops 'apu' -a
git checkout -q -- .
echo '#' >>'other place/policy.yaml'
PATH=$(echo "$PATH" | sed "s|^[^:]*:||")
command -v ringfence >/dev/null || commit "without the command nothing passes" stops 'ringfence is no command' -a
RINGFENCE=$RINGFENCE commit "RINGFENCE names it" passes '' -a
holds "nothing is left behind" test -z "$(git status --porcelain)"

# ---- as the pre-commit framework runs it: the entry in its clone, with the arguments, in the repository ----

MANIFEST=$SOURCE/.pre-commit-hooks.yaml
entry=$(sed -n 's/^  entry: //p' "$MANIFEST")
holds "the manifest names the hook" test -x "$SOURCE/$entry"
holds "and takes no file names" grep -q '^  pass_filenames: false' "$MANIFEST"
sed -i 's/to: api, ports/to: apu, ports/' 'other place/policy.yaml'
git add -A
status=0
RINGFENCE=$RINGFENCE "$SOURCE/$entry" 'other place' >"$WORK/out" 2>"$WORK/err" || status=$?
holds "it stops with its argument's policy" test "$status" -eq 2
finish
