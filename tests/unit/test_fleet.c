/* What nodes tell each other of by a store: records of workloads, their keys, the pointer to a bundle, and the JSON of
 * etcd's gateway. All of it comes from whoever can write there. */
#include "enforcer/etcd/etcd.h"
#include "enforcer/fleet/policy_store.h"
#include "enforcer/fleet/record.h"
#include "enforcer/sources/source.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A thousand nodes that lose the store at one moment are not back at one moment, whichever try it is. */
static void waits_differ_and_grow(void **state)
{
	enum { NODES = 1000, TRIES = 16, PARTS = 10 };
	unsigned waits[NODES] = {0};
	(void)state;
	for (unsigned try = 0; try < TRIES; try++) {
		unsigned least = UINT_MAX, most = 0, parts[PARTS] = {0};
		for (size_t i = 0; i < NODES; i++) {
			waits[i] = source_wait_ms(waits[i]);
			least = waits[i] < least ? waits[i] : least;
			most = waits[i] > most ? waits[i] : most;
		}
		assert_true(least >= SOURCE_WAIT_FIRST_MS / 2 && most <= SOURCE_WAIT_MOST_MS);
		for (size_t i = 0; i < NODES; i++)
			parts[(waits[i] - least) * PARTS / (most - least + 1)]++;
		for (size_t i = 0; i < PARTS; i++)
			assert_true(parts[i] < NODES / 2);
		assert_true(try < TRIES - 1 || least >= SOURCE_WAIT_MOST_MS / 2);
	}
}

static const struct record_key web = {"node-b", "shop", "web"};

#define WEB "\"name\":\"web\",\"namespace\":\"shop\",\"node\":\"node-b\""
#define RECORD(entry) "{\"ringfence\":\"v1\",\"workloads\":[{" entry "}]}"

static const char *read_record(struct arena *arena, const char *text, struct inventory *inventory)
{
	*inventory = (struct inventory){0};
	return record_read(arena, &web, text, strlen(text), inventory);
}

static void what_is_written_is_read(void **state)
{
	struct label labels[] = {{"app", "web"}, {"example.com/quote", "it-is.so"}};
	struct address addresses[2];
	struct named_port ports[] = {{"http", {0}}};
	(void)state;
	assert_null(address_parse(&addresses[0], "10.0.0.1"));
	assert_null(address_parse(&addresses[1], "fd00::1"));
	assert_null(port_range_parse(&ports[0].port, "8080-8090/tcp"));
	const struct workload workload = {.name_space = "shop",
					  .name = "web",
					  .node = "node-b",
					  .labels = {labels, 2},
					  .addresses = addresses,
					  .address_count = 2,
					  .ports = ports,
					  .port_count = 1};
	struct arena *arena = arena_create();
	struct inventory inventory;
	char *text = record_write(&workload);
	assert_null(read_record(arena, text, &inventory));
	const struct workload *read = inventory.workloads[0];
	assert_string_equal(read->name, "web");
	assert_int_equal(read->labels.count, 2);
	assert_string_equal(read->labels.items[1].value, "it-is.so");
	assert_int_equal(read->address_count, 2);
	assert_int_equal(address_compare(&read->addresses[1], &addresses[1]), 0);
	assert_int_equal(read->port_count, 1);
	assert_int_equal(read->ports[0].port.last, 8090);
	free(text);
	arena_free(arena);
}

static void a_host_workload_is_read(void **state)
{
	const struct workload workload = {
	    .name_space = "shop", .name = "web", .node = "node-b", .cgroup = "system.slice/web.service"};
	struct arena *arena = arena_create();
	struct inventory inventory;
	char *text = record_write(&workload);
	(void)state;
	assert_null(read_record(arena, text, &inventory));
	assert_string_equal(inventory.workloads[0]->cgroup, "system.slice/web.service");
	free(text);
	arena_free(arena);
}

static void what_says_something_else_is_refused(void **state)
{
	static const char *const texts[] = {
	    "",
	    "{",
	    "null",
	    "[]",
	    "{\"ringfence\":\"v1\"}",
	    RECORD("\"name\":\"api\",\"namespace\":\"shop\",\"node\":\"node-b\""),
	    RECORD("\"name\":\"web\",\"namespace\":\"prod\",\"node\":\"node-b\""),
	    RECORD("\"name\":\"web\",\"namespace\":\"shop\",\"node\":\"node-c\""),
	    RECORD("\"name\":\"web\",\"namespace\":\"shop\""),
	    RECORD(WEB ",\"addresses\":[\"nonsense\"]"),
	    RECORD(WEB ",\"addresses\":[\"10.0.0.0/8\"]"),
	    RECORD(WEB ",\"labels\":{\"a b\":\"c\"}"),
	    RECORD(WEB ",\"unknown\":1"),
	    RECORD(WEB "},{\"name\":\"web2\""),
	    "{\"ringfence\":\"v1\",\"workloads\":[{" WEB
	    "}],\"nodes\":{\"node-b\":{\"workload_networks\":[\"0.0.0.0/0\"]}}}",
	    "{\"ringfence\":\"v1\",\"workloads\":[{" WEB "}],\"namespaces\":{\"shop\":{\"labels\":{\"a\":\"b\"}}}}",
	    "{\"ringfence\":\"v1\",\"workloads\":[{" WEB "}],\"unmatched\":\"allow\"}",
	    "ringfence: v1\nservices: {web: {workloads: {app: web}}}\n",
	    "kind: Pod\napiVersion: v1\nmetadata: {name: web, namespace: shop}\n",
	    RECORD(WEB) "\n---\n" RECORD("\"name\":\"web2\""),
	};
	struct inventory inventory;
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct arena *arena = arena_create();
		const char *why = read_record(arena, texts[i], &inventory);
		if (why == NULL)
			fail_msg("%s was taken", texts[i]);
		assert_true(strlen(why) > 0);
		arena_free(arena);
	}
}

/* Each byte of a record changed, and it cut at each place: it is refused, or tells of the same workload. */
static void a_damaged_record_speaks_of_nobody_else(void **state)
{
	const char *whole = RECORD(WEB ",\"labels\":{\"app\":\"web\"},\"addresses\":[\"10.0.0.1\"]");
	size_t length = strlen(whole);
	char *text = strdup(whole);
	struct inventory inventory;
	(void)state;
	for (size_t i = 0; i < length; i++) {
		for (int bit = 0; bit < 9; bit++) {
			struct arena *arena = arena_create();
			size_t size = bit < 8 ? length : i;
			text[i] ^= (char)(bit < 8 ? 1 << bit : 0);
			inventory = (struct inventory){0};
			if (record_read(arena, &web, text, size, &inventory) == NULL) {
				assert_int_equal(inventory.workload_count, 1);
				assert_string_equal(inventory.workloads[0]->name, "web");
				assert_string_equal(inventory.workloads[0]->node, "node-b");
			}
			text[i] = whole[i];
			arena_free(arena);
		}
	}
	free(text);
}

static void keys_name_a_node_or_one_of_its_workloads(void **state)
{
	static const char *const wrong[] = {"",	    "/",      "a/",	 "a/b", "a/b/",	   "/a/b",
					    "a//c", "a/b/c/", "a/b/c/d", "a:b", "a/b:c/d", "a/b/c:d"};
	struct record_key key;
	(void)state;
	assert_true(record_key_parse(&key, "node-b"));
	assert_string_equal(key.node, "node-b");
	assert_string_equal(key.name, "");
	assert_true(record_key_parse(&key, "node-b/shop/web"));
	assert_string_equal(key.name_space, "shop");
	assert_string_equal(key.name, "web");
	assert_true(record_key_parse(&key, "node-b/enrolment"));
	assert_string_equal(key.name_space, "enrolment");
	assert_string_equal(key.name, "");
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (record_key_parse(&key, wrong[i]))
			fail_msg("%s was taken", wrong[i]);
	char *text = calloc(1, 400);
	memset(text, 'a', 300);
	assert_false(record_key_parse(&key, text));
	free(text);
}

static void a_pointer_is_read_as_it_was_written(void **state)
{
	struct policy_pointer pointer, read;
	struct bundle bundle = {.revision = UINT64_MAX};
	(void)state;
	memset(bundle.digest, 0xab, sizeof bundle.digest);
	policy_pointer_of(&pointer, &bundle, POLICY_PIECE + 1);
	assert_int_equal(pointer.pieces, 2);
	char *text = policy_pointer_write(&pointer);
	assert_true(policy_pointer_read(&read, text, strlen(text)));
	assert_true(read.revision == UINT64_MAX);
	assert_int_equal(read.bytes, POLICY_PIECE + 1);
	assert_string_equal(read.digest, pointer.digest);
	free(text);
}

#define DIGEST "abababababababababababababababababababababababababababababababab"

static void a_pointer_that_makes_no_sense_is_refused(void **state)
{
	static const char *const texts[] = {
	    "",
	    "{}",
	    "{\"revision\":1,\"bytes\":1,\"pieces\":1,\"digest\":\"" DIGEST "\"}",
	    "{\"revision\":\"0\",\"bytes\":1,\"pieces\":1,\"digest\":\"" DIGEST "\"}",
	    "{\"revision\":\"-1\",\"bytes\":1,\"pieces\":1,\"digest\":\"" DIGEST "\"}",
	    "{\"revision\":\"99999999999999999999\",\"bytes\":1,\"pieces\":1,\"digest\":\"" DIGEST "\"}",
	    "{\"revision\":\"1\",\"bytes\":0,\"pieces\":0,\"digest\":\"" DIGEST "\"}",
	    "{\"revision\":\"1\",\"bytes\":-5,\"pieces\":1,\"digest\":\"" DIGEST "\"}",
	    "{\"revision\":\"1\",\"bytes\":1,\"pieces\":2,\"digest\":\"" DIGEST "\"}",
	    "{\"revision\":\"1\",\"bytes\":16777217,\"pieces\":33,\"digest\":\"" DIGEST "\"}",
	    "{\"revision\":\"1\",\"bytes\":1,\"pieces\":1,\"digest\":\"ab\"}",
	    "{\"revision\":\"1\",\"bytes\":1,\"pieces\":1,\"digest\":"
	    "\"ABABABABababababababababababababababababababababababababababababab\"}",
	    "{\"revision\":\"1\",\"revision\":\"2\",\"bytes\":1,\"pieces\":1,\"digest\":\"" DIGEST "\"}",
	};
	struct policy_pointer pointer;
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (policy_pointer_read(&pointer, texts[i], strlen(texts[i])))
			fail_msg("%s was taken", texts[i]);
}

static void bytes_go_through_base64(void **state)
{
	char bytes[300];
	size_t length;
	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)i;
	for (size_t size = 0; size <= sizeof bytes; size++) {
		json_t *text = etcd_encode(bytes, size);
		char *read = etcd_decode(text, &length);
		assert_int_equal(length, size);
		assert_memory_equal(read, bytes, size);
		assert_int_equal(read[size], 0);
		free(read);
		json_decref(text);
	}
	static const char *const wrong[] = {"a", "ab", "ab=", "a===", "ab==ab==", "a b=", "\xc3\xa4\xc3\xa4", "abc=d"};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		json_t *text = json_string(wrong[i]);
		assert_null(etcd_decode(text, &length));
		json_decref(text);
	}
	json_t *number = json_integer(5);
	assert_null(etcd_decode(number, &length));
	json_decref(number);
	char *nothing = etcd_decode(NULL, &length); /* a value that is empty is left out */
	assert_int_equal(length, 0);
	free(nothing);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_differ_and_grow),
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(a_host_workload_is_read),
	    cmocka_unit_test(what_says_something_else_is_refused),
	    cmocka_unit_test(a_damaged_record_speaks_of_nobody_else),
	    cmocka_unit_test(keys_name_a_node_or_one_of_its_workloads),
	    cmocka_unit_test(a_pointer_is_read_as_it_was_written),
	    cmocka_unit_test(a_pointer_that_makes_no_sense_is_refused),
	    cmocka_unit_test(bytes_go_through_base64),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
