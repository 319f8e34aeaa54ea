/* Signed bundles and releases, as whoever holds the store would like to change them. */
#include "enforcer/fleet/release.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char shop[] = "ringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}}\n";
static const char nodes[] = "ringfence: v1\nnodes:\n  node-a: {addresses: [192.0.2.1]}\n";

struct fixture {
	struct arena *arena;
	struct private_key *key, *other;
	struct source files[2];
	struct bundle bundle; /* what is signed */
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->arena = arena_create();
	assert_null(private_key_create(&f->key));
	assert_null(private_key_create(&f->other));
	f->files[0] = (struct source){.file = "policy/nodes.yaml", .text = nodes, .length = strlen(nodes)};
	f->files[1] = (struct source){.file = "policy/shop.yaml", .text = shop, .length = strlen(shop)};
	f->bundle = (struct bundle){.revision = 20261127081500,
				    .time = 1795767300,
				    .commit = "3f9c",
				    .policy = "6e5d00f54819d1f1",
				    .texts = {0, f->files, 2}};
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	private_key_destroy(f->key);
	private_key_destroy(f->other);
	arena_free(f->arena);
	free(f);
	return 0;
}

static uint8_t *sign(const struct fixture *f, const struct private_key *key, size_t *length)
{
	uint8_t *bytes;
	assert_null(bundle_sign(&f->bundle, key, f->arena, &bytes, length));
	return bytes;
}

/* Opens a copy of the bytes that ends where they end, so that a sanitizer sees who reads on. */
static const char *open_copy(const struct fixture *f, const uint8_t *bytes, size_t length, struct arena *arena,
			     struct bundle *bundle)
{
	const struct trust trust = {&f->key->public_key, 1};
	uint8_t *copy = malloc(length > 0 ? length : 1);
	memcpy(copy, bytes, length);
	const char *wrong = bundle_open(bundle, arena, copy, length, &trust);
	free(copy);
	return wrong;
}

static bool is_refused(const struct fixture *f, const uint8_t *bytes, size_t length)
{
	struct bundle bundle;
	struct arena *arena = arena_create();
	bool refused = open_copy(f, bytes, length, arena, &bundle) != NULL;
	arena_free(arena);
	return refused;
}

static void what_was_signed_is_read(void **state)
{
	const struct fixture *f = *state;
	const struct trust trust = {&f->key->public_key, 1};
	struct bundle read;
	size_t length, again;
	uint8_t *bytes = sign(f, f->key, &length), *same = sign(f, f->key, &again);
	assert_int_equal(length, again);
	assert_memory_equal(bytes, same, length);
	assert_null(bundle_open(&read, f->arena, bytes, length, &trust));
	assert_int_equal(read.revision, 20261127081500);
	assert_int_equal(read.time, 1795767300);
	assert_string_equal(read.commit, "3f9c");
	assert_string_equal(read.policy, "6e5d00f54819d1f1");
	assert_false(read.staged);
	assert_string_equal(read.key, f->key->public_key.id);
	assert_int_equal(read.texts.count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(read.texts.files[i].file, f->files[i].file);
		assert_int_equal(read.texts.files[i].length, f->files[i].length);
		assert_memory_equal(read.texts.files[i].text, f->files[i].text, f->files[i].length);
	}
	free(bytes);
	free(same);
}

static void every_flipped_bit_is_refused(void **state)
{
	const struct fixture *f = *state;
	size_t length;
	uint8_t *bytes = sign(f, f->key, &length);
	for (size_t i = 0; i < length; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1U << bit);
			if (!is_refused(f, bytes, length))
				fail_msg("byte %zu, bit %u", i, bit);
			bytes[i] ^= (uint8_t)(1U << bit);
		}
	assert_false(is_refused(f, bytes, length));
	free(bytes);
}

static void every_other_length_is_refused(void **state)
{
	const struct fixture *f = *state;
	size_t length;
	uint8_t *bytes = sign(f, f->key, &length);
	for (size_t i = 0; i < length; i++)
		if (!is_refused(f, bytes, i))
			fail_msg("cut at %zu", i);
	uint8_t *longer = realloc(bytes, length + 2);
	assert_non_null(longer);
	longer[length] = '\n';
	assert_true(is_refused(f, longer, length + 1));
	memmove(longer + 1, longer, length);
	assert_true(is_refused(f, longer, length + 1));
	free(longer);
}

/* Also one that a key signed which is trusted, with the id of another in its place. */
static void the_key_of_another_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct bundle bundle;
	size_t length;
	uint8_t *bytes = sign(f, f->other, &length);
	const char *wrong = open_copy(f, bytes, length, f->arena, &bundle);
	assert_non_null(strstr(wrong, f->other->public_key.id));
	assert_non_null(strstr(wrong, "not trusted"));
	memcpy(bytes + length - 87 - 17, f->key->public_key.id, 16);
	assert_non_null(strstr(open_copy(f, bytes, length, f->arena, &bundle), "not one of the key"));
	const struct trust none = {NULL, 0};
	assert_non_null(bundle_open(&bundle, f->arena, bytes, length, &none));
	free(bytes);
}

static void two_keys_are_trusted_during_a_rotation(void **state)
{
	const struct fixture *f = *state;
	const struct public_key keys[] = {f->key->public_key, f->other->public_key};
	const struct trust both = {keys, 2}, new = {keys + 1, 1};
	const struct private_key *signers[] = {f->key, f->other};
	struct bundle bundle;
	for (size_t i = 0; i < 2; i++) {
		size_t length;
		uint8_t *bytes = sign(f, signers[i], &length);
		assert_null(bundle_open(&bundle, f->arena, bytes, length, &both));
		assert_string_equal(bundle.key, signers[i]->public_key.id);
		assert_int_equal(bundle_open(&bundle, f->arena, bytes, length, &new) == NULL, i == 1);
		free(bytes);
	}
}

/* Whoever has the key can sign what bundle_sign would not: nothing of it may get further than an error. */
static void what_is_signed_is_checked_all_the_same(void **state)
{
#define HEAD                                                                                                      \
	"{\"revision\":\"1\",\"time\":\"2026-11-27T08:15:00Z\",\"policy\":\"6e5d00f54819d1f1\",\"staged\":false," \
	"\"files\":"
#define FILES(paths) HEAD "[" paths "]}\n"
	static const char *const bodies[] = {
	    "",
	    "\n",
	    "{}\n",
	    "[]\n",
	    "null\n",
	    FILES(""),
	    FILES("{\"path\":\"a\",\"size\":2}") "x",
	    FILES("{\"path\":\"a\",\"size\":1}") "xy",
	    FILES("{\"path\":\"a\",\"size\":-1}"),
	    FILES("{\"path\":\"a\",\"size\":9223372036854775807}"),
	    FILES("{\"path\":\"a\",\"size\":1.5}") "x",
	    FILES("{\"path\":\"a\",\"size\":1},{\"path\":\"a\",\"size\":1}") "xy",
	    FILES("{\"path\":\"../a\",\"size\":1}") "x",
	    FILES("{\"path\":\"a/../b\",\"size\":1}") "x",
	    FILES("{\"path\":\"a/..\",\"size\":1}") "x",
	    FILES("{\"path\":\"./a\",\"size\":1}") "x",
	    FILES("{\"path\":\"/a\",\"size\":1}") "x",
	    FILES("{\"path\":\"a//b\",\"size\":1}") "x",
	    FILES("{\"path\":\"a/\",\"size\":1}") "x",
	    FILES("{\"path\":\"\",\"size\":1}") "x",
	    FILES("{\"path\":\"a\\nb\",\"size\":1}") "x",
	    FILES("{\"path\":\"a\\u0000b\",\"size\":1}") "x",
	    FILES("{\"path\":\"a\\u001b[2J\",\"size\":1}") "x",
	    FILES("{\"path\":\"a\xff\",\"size\":1}") "x",
	    FILES("{\"path\":\"a\",\"size\":1,\"more\":1}") "x",
	    FILES("{\"path\":\"a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a\",\"size\":1}") "x",
	    HEAD "{}}\n",
	    HEAD "[{\"path\":\"a\",\"size\":1}],\"more\":1}\nx",
	    HEAD "[{\"path\":\"a\",\"size\":1}],\"staged\":true}\nx",
	    HEAD "[{\"path\":\"a\",\"size\":1}],\"commit\":\"main; rm\"}\nx",
	    HEAD "[{\"path\":\"a\",\"size\":1}]}",
	    "{\"revision\":1,\"time\":\"2026-11-27T08:15:00Z\",\"policy\":\"6e5d00f54819d1f1\",\"staged\":false,"
	    "\"files\":[{\"path\":\"a\",\"size\":1}]}\nx",
	    "{\"revision\":\"0\",\"time\":\"2026-11-27T08:15:00Z\",\"policy\":\"6e5d00f54819d1f1\",\"staged\":false,"
	    "\"files\":[{\"path\":\"a\",\"size\":1}]}\nx",
	    "{\"revision\":\"1\",\"time\":\"tomorrow\",\"policy\":\"6e5d00f54819d1f1\",\"staged\":false,"
	    "\"files\":[{\"path\":\"a\",\"size\":1}]}\nx",
	    "{\"revision\":\"1\",\"time\":\"2026-11-27T08:15:00Z\",\"policy\":\"6E5d00f54819d1f1\",\"staged\":false,"
	    "\"files\":[{\"path\":\"a\",\"size\":1}]}\nx",
	};
	static const char good[] = FILES("{\"path\":\"a\",\"size\":1}") "x";
	const struct fixture *f = *state;
	struct bundle bundle;
	size_t length;
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		uint8_t *bytes = document_sign("ringfence-bundle 1", bodies[i], strlen(bodies[i]), f->key, &length);
		const char *wrong = open_copy(f, bytes, length, f->arena, &bundle);
		if (wrong == NULL)
			fail_msg("taken: %s", bodies[i]);
		for (const char *at = wrong; *at != 0; at++)
			if ((unsigned char)*at < ' ')
				fail_msg("not escaped: %s", wrong);
		free(bytes);
	}
	uint8_t *bytes = document_sign("ringfence-bundle 1", good, strlen(good), f->key, &length);
	assert_null(open_copy(f, bytes, length, f->arena, &bundle));
	free(bytes);
}

static void what_cannot_be_a_bundle_is_not_signed(void **state)
{
	static char long_path[BUNDLE_PATH_MOST + 2];
	static const char *const paths[] = {"../a", "/a", "a//b", "", "a\nb", "a\xff", "policy/nodes.yaml", long_path};
	struct fixture *f = *state;
	uint8_t *bytes;
	size_t length;
	memset(long_path, 'a', sizeof long_path - 1);
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		f->files[1].file = paths[i];
		assert_non_null(bundle_sign(&f->bundle, f->key, f->arena, &bytes, &length));
		assert_null(bytes);
	}
	long_path[BUNDLE_PATH_MOST] = 0;
	assert_null(bundle_sign(&f->bundle, f->key, f->arena, &bytes, &length));
	assert_false(is_refused(f, bytes, length));
	free(bytes);
	f->bundle.texts.count = 0;
	assert_non_null(bundle_sign(&f->bundle, f->key, f->arena, &bytes, &length));
}

static void what_is_too_large_is_refused(void **state)
{
	struct fixture *f = *state;
	struct bundle bundle;
	uint8_t *bytes;
	size_t length;
	char *large = calloc(1, BUNDLE_BYTES_MOST);
	f->files[1].text = large;
	f->files[1].length = BUNDLE_BYTES_MOST;
	assert_non_null(strstr(bundle_sign(&f->bundle, f->key, f->arena, &bytes, &length), "16 MiB"));
	f->files[1].length = BUNDLE_BYTES_MOST - 1000;
	assert_null(bundle_sign(&f->bundle, f->key, f->arena, &bytes, &length));
	assert_false(is_refused(f, bytes, length));
	free(bytes);
	bytes = document_sign("ringfence-bundle 1", large, BUNDLE_BYTES_MOST, f->key, &length);
	assert_non_null(strstr(open_copy(f, bytes, length, f->arena, &bundle), "16 MiB"));
	free(bytes);
	free(large);
	struct source *many = calloc(BUNDLE_FILES_MOST + 1, sizeof *many);
	for (size_t i = 0; i <= BUNDLE_FILES_MOST; i++)
		many[i] = (struct source){.file = arena_printf(f->arena, "%zu.yaml", i), .text = "", .length = 0};
	f->bundle.texts = (struct policy_texts){0, many, BUNDLE_FILES_MOST + 1};
	assert_non_null(strstr(bundle_sign(&f->bundle, f->key, f->arena, &bytes, &length), "10000"));
	f->bundle.texts.count--;
	assert_null(bundle_sign(&f->bundle, f->key, f->arena, &bytes, &length));
	assert_false(is_refused(f, bytes, length));
	free(bytes);
	free(many);
}

/* Bytes changed, doubled, moved and left out at random; and bodies so, which are signed then. */
static void random_damage_is_refused(void **state)
{
	const struct fixture *f = *state;
	struct bundle bundle;
	size_t length, taken = 0;
	uint8_t *bytes = sign(f, f->key, &length);
	const size_t head = strlen("ringfence-bundle 1\n"), body = length - head - 112;
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		size_t size = length;
		uint8_t *damaged = malloc(2 * length);
		memcpy(damaged, bytes, length);
		for (int n = 1 + (int)(random() % 4); n > 0; n--) {
			size_t at = (size_t)random() % size, from = (size_t)random() % size,
			       count = (size_t)random() % 16;
			if (at + count > size || from + count > size || size + count > 2 * length)
				continue;
			switch (random() % 4) {
			case 0:
				damaged[at] = (uint8_t)random();
				break;
			case 1:
				memmove(damaged + at, damaged + from, count);
				break;
			case 2:
				memmove(damaged + at, damaged + at + count, size - at - count);
				size -= count;
				break;
			default:
				memmove(damaged + at + count, damaged + at, size - at);
				size += count;
				break;
			}
		}
		if (size == length && memcmp(damaged, bytes, length) == 0)
			taken++;
		else if (!is_refused(f, damaged, size))
			fail_msg("taken after %d", i);
		if (i % 4 == 0 && size > head) { /* by the key, whatever it is */
			size_t again, most = size - head < body ? size - head : body;
			uint8_t *signed_bytes =
			    document_sign("ringfence-bundle 1", damaged + head, most, f->key, &again);
			struct arena *arena = arena_create();
			open_copy(f, signed_bytes, again, arena, &bundle);
			arena_free(arena);
			free(signed_bytes);
		}
		free(damaged);
	}
	assert_true(taken < 20000);
	free(bytes);
}

static void a_document_is_none_of_another_kind(void **state)
{
	const struct fixture *f = *state;
	const struct trust trust = {&f->key->public_key, 1};
	const struct release release = {.revision = 7, .time = 1795767300};
	struct bundle bundle;
	struct release read;
	size_t length;
	uint8_t *bytes = release_sign(&release, f->key, &length);
	assert_null(release_open(&read, f->arena, bytes, length, &trust));
	assert_non_null(bundle_open(&bundle, f->arena, bytes, length, &trust));
	memcpy(bytes, "ringfence-bundle ", 17);
	assert_non_null(bundle_open(&bundle, f->arena, bytes, length, &trust));
	free(bytes);
	bytes = sign(f, f->key, &length);
	assert_non_null(release_open(&read, f->arena, bytes, length, &trust));
	free(bytes);
	bytes = document_sign("ringfence-bundle 2", "{}\n", 3, f->key, &length);
	assert_non_null(strstr(bundle_open(&bundle, f->arena, bytes, length, &trust), "another version"));
	free(bytes);
}

static void a_release_selects_by_labels(void **state)
{
	static const struct {
		const char *nodes, *node;
		bool selected;
	} cases[] = {
	    {"all", "zone=a", true},
	    {"zone=a", "zone=a,tier=web", true},
	    {"zone=a", "zone=b", false},
	    {"zone=a,tier=web", "zone=a", false},
	    {"zone=a,tier=web", "tier=web,zone=a", true},
	    {"zone=a", "all", false},
	    {"zone=", "zone=", true},
	};
	const struct fixture *f = *state;
	const struct trust trust = {&f->key->public_key, 1}, other = {&f->other->public_key, 1};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct bundle bundle = {.revision = 7, .digest = {1, 2, 3}};
		struct release release = {.revision = 7, .digest = {1, 2, 3}, .time = 1795767300}, read;
		struct labels node;
		size_t length;
		assert_null(node_labels_parse(&release.nodes, f->arena, cases[i].nodes));
		assert_null(node_labels_parse(&node, f->arena, cases[i].node));
		uint8_t *bytes = release_sign(&release, f->key, &length);
		assert_null(release_open(&read, f->arena, bytes, length, &trust));
		assert_non_null(release_open(&release, f->arena, bytes, length, &other));
		assert_int_equal(release_selects(&read, &bundle, &node), cases[i].selected);
		bundle.digest[31] = 1;
		assert_false(release_selects(&read, &bundle, &node));
		bundle.digest[31] = 0;
		bundle.revision = 8;
		assert_false(release_selects(&read, &bundle, &node));
		for (size_t j = 0; j < length; j++) {
			bytes[j] ^= 1;
			assert_non_null(release_open(&read, f->arena, bytes, length, &trust));
			bytes[j] ^= 1;
			assert_non_null(release_open(&read, f->arena, bytes, j, &trust));
		}
		free(bytes);
	}
}

static void labels_that_are_none_are_refused(void **state)
{
	static const char *const texts[] = {"",		"zone",		 "=a",	      "zone=a,",
					    ",zone=a",	"zone=a,zone=b", "zone=a b",  "zo ne=a",
					    "zone=a=b", "zone=\x1b",	 "everything"};
	const struct fixture *f = *state;
	struct labels labels;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (node_labels_parse(&labels, f->arena, texts[i]) == NULL)
			fail_msg("taken: %s", texts[i]);
}

static void revisions_are_64_bits(void **state)
{
	static const char *const wrong[] = {
	    "", "0", "01", "-1", "+1", " 1", "1 ", "18446744073709551616", "99999999999999999999", "1e3", "0x1"};
	uint64_t revision;
	(void)state;
	assert_true(revision_parse(&revision, "18446744073709551615"));
	assert_true(revision == UINT64_MAX);
	assert_true(revision_parse(&revision, "1"));
	assert_int_equal(revision, 1);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_false(revision_parse(&revision, wrong[i]));
}

/* ---- keys ---- */

static void write_text(const char *path, const char *text, mode_t mode)
{
	FILE *stream = fopen(path, "w");
	assert_non_null(stream);
	fputs(text, stream);
	assert_int_equal(fclose(stream), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void a_private_key_is_its_owners_alone(void **state)
{
	const struct fixture *f = *state;
	char directory[] = "/tmp/ringfence.XXXXXX", path[64], text[200] = "";
	struct private_key *key;
	struct stat status;
	umask(0);
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/key", directory);
	assert_null(private_key_write(f->key, f->arena, path));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_non_null(strstr(private_key_write(f->other, f->arena, path), "never overwritten"));
	assert_null(private_key_read(&key, f->arena, path));
	assert_memory_equal(key->bytes, f->key->bytes, sizeof key->bytes);
	assert_string_equal(key->public_key.id, f->key->public_key.id);
	private_key_destroy(key);
	for (unsigned bit = 0; bit < 6; bit++) {
		chmod(path, 0600 | 1U << bit);
		assert_non_null(strstr(private_key_read(&key, f->arena, path), "owner's alone"));
		assert_null(key);
	}
	chmod(path, 0440);
	setenv("CREDENTIALS_DIRECTORY", directory, 1); /* systemd shows its access list as the group's */
	assert_null(private_key_read(&key, f->arena, path));
	private_key_destroy(key);
	chmod(path, 0444);
	assert_non_null(private_key_read(&key, f->arena, path));
	setenv("CREDENTIALS_DIRECTORY", "/tmp/ringfence", 1);
	chmod(path, 0440);
	assert_non_null(private_key_read(&key, f->arena, path));
	unsetenv("CREDENTIALS_DIRECTORY");
	chmod(path, 0600);
	int fd = open(path, O_RDONLY);
	ssize_t got = read(fd, text, sizeof text - 1);
	assert_true(got > 0);
	size_t length = (size_t)got;
	close(fd);
	for (size_t i = 0; i + 1 < length; i++) { /* every character counts */
		text[i] ^= 1;
		write_text(path, text, 0600);
		assert_non_null(private_key_read(&key, f->arena, path));
		text[i] ^= 1;
	}
	unlink(path);
	assert_non_null(private_key_read(&key, f->arena, path));
	rmdir(directory);
}

static void a_public_key_is_a_line(void **state)
{
	const struct fixture *f = *state;
	char directory[] = "/tmp/ringfence.XXXXXX", path[64], text[PUBLIC_KEY_SIZE + 2];
	struct public_key key;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/key.pub", directory);
	public_key_print(&f->key->public_key, text);
	assert_null(public_key_read(&key, f->arena, text));
	assert_memory_equal(key.bytes, f->key->public_key.bytes, KEY_SIZE);
	strcat(text, "\n");
	write_text(path, text, 0644);
	assert_null(public_key_read(&key, f->arena, path));
	assert_string_equal(key.id, f->key->public_key.id);
	chmod(path, 0664);
	assert_non_null(strstr(public_key_read(&key, f->arena, path), "can write to it"));
	for (size_t i = 0; text[i + 1] != 0; i++) {
		text[i] ^= 1;
		assert_non_null(public_key_parse(&key, text));
		text[i] ^= 1;
	}
	strcat(text, "\n");
	assert_non_null(public_key_parse(&key, text));
	assert_non_null(public_key_read(&key, f->arena, directory));
	unlink(path);
	assert_non_null(private_key_write(f->key, f->arena, "/nonexistent/key"));
	assert_null(private_key_write(f->key, f->arena, path));
	assert_non_null(strstr(public_key_read(&key, f->arena, path), "private key"));
	unlink(path);
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_was_signed_is_read, begin, end),
	    cmocka_unit_test_setup_teardown(every_flipped_bit_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(every_other_length_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(the_key_of_another_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(two_keys_are_trusted_during_a_rotation, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_signed_is_checked_all_the_same, begin, end),
	    cmocka_unit_test_setup_teardown(what_cannot_be_a_bundle_is_not_signed, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_too_large_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(random_damage_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(a_document_is_none_of_another_kind, begin, end),
	    cmocka_unit_test_setup_teardown(a_release_selects_by_labels, begin, end),
	    cmocka_unit_test_setup_teardown(labels_that_are_none_are_refused, begin, end),
	    cmocka_unit_test_setup_teardown(revisions_are_64_bits, begin, end),
	    cmocka_unit_test_setup_teardown(a_private_key_is_its_owners_alone, begin, end),
	    cmocka_unit_test_setup_teardown(a_public_key_is_a_line, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
