/* Which bundles a node takes, and what it remembers of them: floors, releases, and a state directory that fails. */
#include "enforcer/service/bundles.h"

#include "enforcer/fleet/release.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	struct arena *arena;
	char path[64];
	struct state_directory directory;
	struct private_key *key, *other;
	char key_text[PUBLIC_KEY_SIZE];
	const char *keys[1];
	struct label labels[1];
	struct config config;
	struct state *state;
	struct bundles *bundles;
	struct bundle signed_bundle; /* that was signed last */
	uint8_t *bytes;
	size_t length;
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->arena = arena_create();
	strcpy(f->path, "/tmp/ringfence.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	assert_null(state_directory_open(&f->directory, f->path, false));
	assert_null(private_key_create(&f->key));
	assert_null(private_key_create(&f->other));
	public_key_print(&f->key->public_key, f->key_text);
	f->keys[0] = f->key_text;
	f->labels[0] = (struct label){"zone", "a"};
	f->config.bundle = (struct bundle_source){.path = "/store/policy.bundle", .keys = {f->keys, 1}};
	f->config.labels = (struct labels){f->labels, 1};
	f->state = state_create("node-a");
	f->bundles = bundles_create(&f->config, &f->directory, NULL);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	char command[100];
	free(f->bytes);
	bundles_destroy(f->bundles);
	state_destroy(f->state);
	state_directory_close(&f->directory);
	private_key_destroy(f->key);
	private_key_destroy(f->other);
	arena_free(f->arena);
	snprintf(command, sizeof command, "rm -rf %s", f->path);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void restart(struct fixture *f)
{
	bundles_destroy(f->bundles);
	f->bundles = bundles_create(&f->config, &f->directory, NULL);
}

/* Signs a policy whose allow says `why`; of "", one that does not check. */
static void sign(struct fixture *f, const struct private_key *key, uint64_t revision, const char *why, bool staged)
{
	const char *text = arena_printf(f->arena,
					"ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}}\n"
					"allow: [{from: web, to: %s, ports: [80/tcp], why: %s}]\n",
					why[0] != 0 ? "web" : "nobody", why[0] != 0 ? why : "none");
	struct source file = {.file = "policy/shop.yaml", .text = text, .length = strlen(text)};
	struct bundle bundle = {.revision = revision,
				.time = 1795767300,
				.policy = "6e5d00f54819d1f1",
				.staged = staged,
				.texts = {0, &file, 1}};
	struct frontend *read = policy_texts_read(&bundle.texts);
	memcpy(bundle.policy, read->revision, sizeof bundle.policy);
	arena_free(read->arena);
	free(f->bytes);
	assert_null(bundle_sign(&bundle, key, f->arena, &f->bytes, &f->length));
	const struct trust trust = {&key->public_key, 1};
	assert_null(bundle_open(&f->signed_bundle, f->arena, f->bytes, f->length, &trust));
}

static int offer(struct fixture *f, const uint8_t *release, size_t length)
{
	struct changes changes;
	const struct offered offered = {f->bytes, f->length, release, length};
	return bundles_offer(f->bundles, f->state, &offered, &changes);
}

/* What status has under a key, or "". */
static const char *told(const struct fixture *f, const char *key)
{
	json_t *status = bundles_status(f->bundles, state_revision(f->state));
	const json_t *value = json_object_get(status, key);
	const char *text = json_is_string(value)  ? json_string_value(value)
			   : json_is_true(value)  ? "true"
			   : json_is_false(value) ? "false"
						  : "";
	text = arena_copy(f->arena, text, strlen(text));
	json_decref(status);
	return text;
}

static void refused(struct fixture *f, const char *why)
{
	char before[17], revision[32];
	snprintf(before, sizeof before, "%s", state_revision(f->state));
	snprintf(revision, sizeof revision, "%s", told(f, "revision"));
	assert_int_equal(offer(f, NULL, 0), -1);
	if (strstr(state_policy_errors(f->state), why) == NULL)
		fail_msg("%s, and not %s", state_policy_errors(f->state), why);
	assert_string_equal(state_revision(f->state), before);
	assert_string_equal(told(f, "revision"), revision);
}

static void a_newer_one_is_taken_and_an_older_one_is_not(void **state)
{
	struct fixture *f = *state;
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 1);
	assert_string_equal(told(f, "revision"), "5");
	assert_string_equal(told(f, "in_force"), "true");
	assert_string_equal(told(f, "key"), f->key->public_key.id);
	assert_int_equal(offer(f, NULL, 0), 0);
	sign(f, f->key, 4, "older", false);
	refused(f, "revision 4 is older than 5");
	sign(f, f->key, 5, "other", false);
	refused(f, "revision 5 was here already with another content");
	sign(f, f->other, 6, "forged", false);
	refused(f, "not trusted");
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 0);
	assert_string_equal(state_policy_errors(f->state), "");
	sign(f, f->key, UINT64_MAX, "last", false);
	assert_int_equal(offer(f, NULL, 0), 1);
	sign(f, f->key, UINT64_MAX - 1, "before", false);
	refused(f, "is older than 18446744073709551615");
}

static void what_was_seen_is_known_over_restarts(void **state)
{
	struct fixture *f = *state;
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 1);
	restart(f);
	assert_string_equal(told(f, "revision"), "5");
	sign(f, f->key, 4, "older", false);
	refused(f, "revision 4 is older than 5");
	sign(f, f->key, 5, "other", false);
	refused(f, "another content");
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 0);
	sign(f, f->key, 6, "second", false);
	assert_int_equal(offer(f, NULL, 0), 1);
}

/* One that a trusted key signed, and that does not check, is refused, and counts: what is older does not come back. */
static void a_policy_that_does_not_check_is_refused(void **state)
{
	struct fixture *f = *state;
	char before[17];
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 1);
	snprintf(before, sizeof before, "%s", state_revision(f->state));
	sign(f, f->key, 7, "", false);
	assert_int_equal(offer(f, NULL, 0), -1);
	assert_non_null(strstr(state_policy_errors(f->state), "nobody"));
	assert_string_equal(state_revision(f->state), before);
	assert_string_equal(told(f, "revision"), "7");
	assert_string_equal(told(f, "in_force"), "false");
	sign(f, f->key, 8, "staged", true);
	assert_int_equal(offer(f, NULL, 0), 0); /* one that waits makes nothing of that good */
	assert_non_null(strstr(state_policy_errors(f->state), "nobody"));
	sign(f, f->key, 6, "between", false);
	refused(f, "is older than 7");
}

static void what_is_refused_is_forgotten_when_a_good_one_waits(void **state)
{
	struct fixture *f = *state;
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 1);
	sign(f, f->other, 6, "forged", false);
	refused(f, "not trusted");
	sign(f, f->key, 6, "staged", true);
	assert_int_equal(offer(f, NULL, 0), 0);
	assert_string_equal(state_policy_errors(f->state), "");
}

static void a_staged_bundle_waits_for_its_release(void **state)
{
	struct fixture *f = *state;
	struct release release = {.time = 1795767300};
	uint8_t *bytes;
	size_t length;
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 1);
	sign(f, f->key, 6, "staged", true);
	assert_int_equal(offer(f, NULL, 0), 0);
	assert_non_null(strstr(told(f, "waits"), "revision 6: it is staged, and there is no release"));
	assert_string_equal(told(f, "revision"), "5");

	release.revision = 6;
	memcpy(release.digest, f->signed_bundle.digest, DIGEST_SIZE);
	assert_null(node_labels_parse(&release.nodes, f->arena, "zone=b"));
	bytes = release_sign(&release, f->key, &length);
	assert_int_equal(offer(f, bytes, length), 0);
	assert_non_null(strstr(told(f, "waits"), "not for it on this node"));
	free(bytes);

	assert_null(node_labels_parse(&release.nodes, f->arena, "zone=a"));
	bytes = release_sign(&release, f->other, &length);
	assert_int_equal(offer(f, bytes, length), 0);
	assert_non_null(strstr(told(f, "waits"), "not trusted"));
	free(bytes);

	bytes = release_sign(&release, f->key, &length);
	bytes[length - 1] ^= 1;
	assert_int_equal(offer(f, bytes, length), 0);
	bytes[length - 1] ^= 1;
	assert_int_equal(offer(f, bytes, length), 1);
	assert_string_equal(told(f, "waits"), "");
	assert_string_equal(told(f, "revision"), "6");
	restart(f);
	assert_int_equal(offer(f, NULL, 0), 0); /* it was taken: no release is needed any more */
	assert_string_equal(told(f, "waits"), "");

	sign(f, f->key, 7, "next", true);
	assert_int_equal(offer(f, bytes, length), 0); /* the release of another bundle */
	assert_non_null(strstr(told(f, "waits"), "not for it"));
	free(bytes);
	sign(f, f->key, 6, "again", true);
	refused(f, "another content");
}

/* A revision that cannot be kept could be followed by an older one after a restart. */
static void nothing_is_taken_that_cannot_be_remembered(void **state)
{
	struct fixture *f = *state;
	char name[100];
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 1);
	snprintf(name, sizeof name, "%s/.bundle.new", f->path);
	assert_int_equal(mkdir(name, 0700), 0);
	sign(f, f->key, 6, "second", false);
	refused(f, "its revision cannot be kept");
	assert_int_equal(rmdir(name), 0);
	assert_int_equal(offer(f, NULL, 0), 1);

	snprintf(name, sizeof name, "%s/" BUNDLE_FILE, f->path);
	FILE *file = fopen(name, "r+");
	assert_non_null(file);
	fseek(file, 70, SEEK_SET);
	fputc('x', file);
	assert_int_equal(fclose(file), 0);
	restart(f);
	sign(f, f->key, 8, "third", false);
	refused(f, "it cannot be known whether it is an older one");
	static const char wrong[] = "{\"revision\":\"0\"}";
	assert_null(state_file_write(&f->directory, BUNDLE_FILE, STATE_BUNDLE, wrong, strlen(wrong)));
	restart(f);
	refused(f, "damaged");
	assert_int_equal(unlink(name), 0);
	struct state_directory closed = {.fd = -1};
	bundles_destroy(f->bundles);
	f->bundles = bundles_create(&f->config, &closed, "it burnt");
	refused(f, "it burnt");
	restart(f);
	assert_int_equal(offer(f, NULL, 0), 1);
}

static void a_key_that_cannot_be_read_trusts_nobody(void **state)
{
	struct fixture *f = *state;
	const char *keys[] = {f->key_text, "/nonexistent/key.pub"};
	f->config.bundle.keys = (struct key_words){keys, 2};
	sign(f, f->key, 5, "first", false);
	refused(f, "/nonexistent/key.pub: No such file");
	f->config.bundle.keys.count = 1;
	assert_int_equal(offer(f, NULL, 0), 1);
}

static void a_rolled_back_policy_is_passed_over(void **state)
{
	struct fixture *f = *state;
	sign(f, f->key, 5, "first", false);
	assert_int_equal(offer(f, NULL, 0), 1);
	state_keep_policy(f->state);
	sign(f, f->key, 6, "second", false);
	state_pass_over(f->state, f->signed_bundle.policy);
	assert_int_equal(offer(f, NULL, 0), 0);
	assert_string_equal(told(f, "in_force"), "false");
	assert_string_equal(told(f, "revision"), "6");
	sign(f, f->key, 7, "third", false);
	assert_int_equal(offer(f, NULL, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_newer_one_is_taken_and_an_older_one_is_not, begin, end),
	    cmocka_unit_test_setup_teardown(what_was_seen_is_known_over_restarts, begin, end),
	    cmocka_unit_test_setup_teardown(a_policy_that_does_not_check_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_refused_is_forgotten_when_a_good_one_waits, begin, end),
	    cmocka_unit_test_setup_teardown(a_staged_bundle_waits_for_its_release, begin, end),
	    cmocka_unit_test_setup_teardown(nothing_is_taken_that_cannot_be_remembered, begin, end),
	    cmocka_unit_test_setup_teardown(a_key_that_cannot_be_read_trusts_nobody, begin, end),
	    cmocka_unit_test_setup_teardown(a_rolled_back_policy_is_passed_over, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
