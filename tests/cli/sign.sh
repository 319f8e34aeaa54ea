#!/bin/bash
# Keys, bundles and what is refused, as people and pipelines meet them. TAP.
. "$(dirname "$0")/lib.sh"

SHOP=$PWD/examples/shop
cp -r "$SHOP" "$WORK/policy"
cd "$WORK"
mode() { stat -c %a "$1"; }
field() { jq -r "$1" out; }
AT=2026-11-27T08:15:00Z

# ---- keys ----

expect "keygen makes a pair" 0 '^ringfence-public-1:[0-9a-f]{16}:[A-Za-z0-9_-]{43}$' '' keygen key
holds "the private key is its owner's alone" test "$(mode key)" = 600
holds "the public one is what was told" test "$(sed 1d out)" = "$(cat key.pub)"
cp key before
expect "a private key is never overwritten" 2 '' 'never overwritten' keygen key
rm key.pub
expect "nor is it when only the public one is gone" 2 '' 'key: there is a file already' keygen key
holds "and no public key of another stays" test ! -e key.pub
holds "and it is what it was" cmp -s key before
rm key
expect "as JSON" 0 '"key":"[0-9a-f]{16}","public":"ringfence-public-1:' '' keygen --format json key
umask 0
expect "another pair" 0 . '' keygen other
umask 022
holds "whatever the umask is, others can write to neither" test "$(mode other) $(mode other.pub)" = "600 644"
touch third.pub
expect "a public key is never overwritten" 2 '' 'third.pub: there is a file already' keygen third
holds "and no private one stays without it" test ! -e third
expect "keygen needs a file" 2 '' 'takes one FILE' keygen
expect "into no directory" 2 '' 'nowhere/key.pub: No such file' keygen nowhere/key

# ---- signing ----

expect "signs a policy that checks" 0 '^signed revision 20261127081500 at 2026-11-27T08:15:00Z with the key [0-9a-f]{16}: policy [0-9a-f]{16}, 2 files, [0-9]+ bytes$' '' \
	sign policy -o one --key key --at $AT
expect "and verifies it" 0 'policy/policy.yaml$' '' bundle one --trust key.pub
expect "by the text of the key, too" 0 . '' bundle one --trust "$(cat key.pub)"
expect "the same again" 0 . '' sign policy -o two --key key --at $AT
holds "the same policy, time and key give the same bytes" cmp one two
expect "JSON" 0 '"version":1,"revision":"20261127081500"' '' bundle one --trust key.pub --format json
holds "JSON that parses" parses json out
policy_of_bundle=$(field .policy)
expect "check tells the same policy" 0 . '' check policy --format json
holds "the revision of the policy is the directory's" test "$(field .revision)" = "$policy_of_bundle"
expect "a revision of one's own" 0 'revision 18446744073709551615, staged,' '' sign policy -o two --key key --revision 18446744073709551615 --staged
expect "that is told" 0 '"revision":"18446744073709551615".*"staged":true' '' bundle two --trust key.pub --format json
expect "the time is the revision otherwise" 0 "revision $(date -u +%Y%m%d)[0-9]{6} " '' sign policy -o two --key key
for where in 'policy/' "$WORK/policy/"; do
	expect "the names are those below $where" 0 . '' sign "$where" -o two --key key
	expect "that is told" 0 ' policy.yaml$' '' bundle two --trust key.pub
done
expect "a policy by dots" 0 . '' sign policy/. -o two --key key
expect "is named by what is in it" 0 ' policy.yaml$' '' bundle two --trust key.pub

# ---- an independent verification ----

{
	printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00' # RFC 8410, section 4
	sed 's/.*://' key.pub | tr -- '-_' '+/' | sed 's/$/=/' | base64 -d
} >key.der
head -c -87 one >signed_part
tail -c 87 one | tr -- '-_' '+/' | tr -d '\n' | sed 's/$/==/' | base64 -d >signature
holds "openssl verifies the signature" openssl pkeyutl -verify -pubin -out verified -inkey key.der -keyform DER -rawin -in signed_part -sigfile signature

# ---- git ----

export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_GLOBAL=/dev/null
mkdir -p repository/deep
cp -r policy repository/deep/
mkdir repository/deep/policy/policy # is read before policy.yaml, and sorted behind it by git
printf 'ringfence: v1\nnamespace: other\nlint: {off: [unused-service, no-workload]}\nservices: {one: {workloads: {a: b}}}\n' >repository/deep/policy/policy/one.yaml
(cd repository && git init -q && git add . && git commit -qm one)
cd repository
commit=$(git rev-parse HEAD)
expect "signs what is committed" 0 "commit $commit, 3 files" '' sign git:HEAD:deep/policy -o ../git --key ../key --at $AT
expect "signs the directory" 0 'policy [0-9a-f]{16}, 3 files' '' sign deep/policy -o ../directory --key ../key --at $AT
cd ..
holds "both are the same policy" cmp <(sed -n 2p git | jq -c '.policy, .files') <(sed -n 2p directory | jq -c '.policy, .files')
expect "the commit is told" 0 "\"commit\":\"$commit\"" '' bundle git --trust key.pub --format json
expect "a revision that is not there" 2 '' 'no such revision' sign git:nowhere:policy -o two --key key

# ---- what is not signed ----

rm -f none
printf 'ringfence: v1\nnamespace: shop\nservices: {a: {workloads: {x: y}}}\nallow: [{from: any, to: a, ports: [any]}]\nnever: [{from: any, to: a}]\n' >broken.yaml
printf 'ringfence: v1\nallow: [{from: nobody, to: a}]\n' >wrong.yaml
printf 'ringfence: v1\nnodes: {a: {addresses: [192.0.2.1]}}\n' >nothing.yaml
expect "a broken never" 1 '' 'never' sign broken.yaml -o none --key key
expect "a policy that does not check" 2 '' 'nobody' sign wrong.yaml -o none --key key
expect "as diagnostics" 2 '' '"severity":"error"' sign wrong.yaml -o none --key key --diagnostics json
expect "a policy that says nothing" 2 '' 'a daemon would refuse this policy: .*no policy there' sign nothing.yaml -o none --key key
expect "no policy" 2 '' 'name the policy' sign -o none --key key
expect "no key" 2 '' '--key KEYFILE' sign policy -o none
expect "no file" 2 '' '-o FILE' sign policy --key key
expect "a key that is not there" 2 '' 'nowhere: No such file' sign policy -o none --key nowhere
expect "a public key" 2 '' 'this is a public key' sign policy -o none --key key.pub
for bits in 640 604 660 644; do
	chmod "$bits" key
	expect "a private key of mode $bits" 2 '' "owner's alone, and its mode is 0$bits" sign policy -o none --key key
done
chmod 600 key
for revision in 0 -1 01 1x 18446744073709551616 ''; do
	expect "revision '$revision'" 2 '' '--revision is a number' sign policy -o none --key key "--revision=$revision"
done
mkdir twice
printf 'ringfence: v1\nnamespace: twice\nservices: {one: {workloads: {a: b}}}\n' >twice/policy.yaml
expect "two files of one name" 2 '' 'the path "policy.yaml" stands for two files' sign policy/policy.yaml twice/policy.yaml -o none --key key
mkdir "$(printf 'a\nb')"
cp broken.yaml "$(printf 'a\nb')/one.yaml"
sed -i '/never/d' "$(printf 'a\nb')/one.yaml"
expect "a name that is none for a bundle" 2 '' 'the path "a.nb/one.yaml" has a control character' sign "$(printf 'a\nb')" -o none --key key
holds "nothing was written" test ! -e none

# ---- what is not taken ----

expect "another key" 1 '' 'signed by the key [0-9a-f]{16}, which is not trusted' bundle one --trust other.pub
expect "one of two keys" 0 . '' bundle one --trust other.pub --trust key.pub
sed 's/api/apj/' one >changed
expect "a changed file" 1 '' 'its signature is not one of the key' bundle changed --trust key.pub -o unpacked
head -c 500 one >cut
expect "a cut file" 1 '' 'does not end with a signature' bundle cut --trust key.pub -o unpacked
expect "no bundle" 1 '' 'does not begin with `ringfence-bundle 1`' bundle key.pub --trust key.pub -o unpacked
sed '1s/1/2/' one >newer
expect "another version" 1 '' 'of another version' bundle newer --trust key.pub -o unpacked
truncate -s 17M large
expect "a large file" 2 '' 'larger than 16 MiB' bundle large --trust key.pub
expect "no file" 2 '' 'nowhere: No such file' bundle nowhere --trust key.pub
expect "a directory" 2 '' 'not a regular file' bundle policy --trust key.pub
expect "no key" 2 '' 'name a key that is trusted' bundle one
expect "a private key is nobody to trust" 2 '' 'this is a private key' bundle one --trust key
expect "and is not told" 2 '' 'this is a private key' bundle one --trust "$(cat key)"
holds "and is not told" lacks "$(cut -d: -f3 key)" err
chmod 666 key.pub
expect "a key that everybody can change" 2 '' 'others, can write to it' bundle one --trust key.pub
chmod 644 key.pub
holds "nothing was unpacked" test ! -e unpacked

# ---- unpacking ----

expect "unpacks" 0 . '' bundle one --trust key.pub -o unpacked
holds "what was signed" diff -r policy unpacked/policy
expect "not over what is there" 2 '' 'unpacked: File exists' bundle one --trust key.pub -o unpacked/
holds "nothing is left beside it" test -z "$(find . -name '*.new')"

# ---- the program ----

mkdir -p alone/bin installed/bin installed/libexec/ringfence
ln "$RINGFENCE" alone/bin/ringfence 2>/dev/null || cp "$RINGFENCE" alone/bin/ringfence
cp "$RINGFENCE" installed/bin/ringfence
cp "$(dirname "$RINGFENCE")/ringfence-fleet" installed/libexec/ringfence/
built=$RINGFENCE
RINGFENCE=$WORK/alone/bin/ringfence
expect "without its program, sign says what is missing" 2 '' 'of the program ringfence-fleet, which is neither .*alone/bin/ringfence-fleet nor ' sign policy
expect "help works without it" 0 '--key KEYFILE' '' help sign
expect "so does --help" 0 '--key KEYFILE' '' sign --help
expect "and the list" 0 '^  sign +makes a signed bundle' '' help
RINGFENCE=$WORK/installed/bin/ringfence
expect "as it is installed" 0 'revision' '' bundle one --trust key.pub
RINGFENCE=$built
expect "an option that it does not take" 2 '' 'does not take `--nodes`' sign policy --nodes
expect "a word that is near" 2 '' 'did you mean `sign`' sing
for name in $("$RINGFENCE" help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	status=0
	"$RINGFENCE" "$name" --no-such-option >out 2>err </dev/null || status=$?
	holds "$name is there" grep -q "\`ringfence $name\` does not take" err
done
finish
