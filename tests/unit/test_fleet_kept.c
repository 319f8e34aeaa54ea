/* What a daemon keeps of the other nodes: what was written is read, and what is damaged is read no further. */
#include "enforcer/sources/fleet_kept.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

/* A node of two workloads, one of which was not taken yet, and a node that was not heard in whole. */
static void fill(struct remotes *all)
{
	const struct record_key web = {"node-b", "shop", "web"}, api = {"node-b", "shop", "api"},
				db = {"node-c", "shop", "db"};
	struct remote *b = remote_find(all, "node-b", true), *c = remote_find(all, "node-c", true);
	bytes_set(&b->said, "mark", 4);
	bytes_set(&b->enrolling, "who", 3);
	thing_put(all, b, &web, "one\0two", 7);
	thing_taken(thing_find(all, "node-b:shop:web"));
	thing_put(all, b, &api, "three", 5);
	thing_put(all, c, &db, "four", 4);
}

static void empty(struct remotes *all)
{
	while (all->remotes != NULL)
		remote_free(all, all->remotes);
}

struct seen {
	size_t count, bytes;
	char text[400];
};

static void note(void *context, const char *key, const char *value, size_t length)
{
	struct seen *seen = context;
	seen->count++;
	seen->bytes += length;
	for (size_t i = 0; i < length; i++)
		seen->bytes += value[i] == 'Z'; /* reads each */
	strncat(seen->text, key, 50);
	strcat(seen->text, ";");
}

static void what_was_taken_is_written(void **state)
{
	struct remotes all = {0};
	struct seen seen = {0};
	size_t length;
	(void)state;
	fill(&all);
	uint8_t *bytes = fleet_kept_write(&all, "5eed of 1", &length);
	assert_true(fleet_kept_read(bytes, length, note, &seen));
	assert_string_equal(seen.text, ";node-b;node-b/enrolment;node-b/shop/web;");
	assert_int_equal(seen.bytes, 9 + 4 + 3 + 7);
	free(bytes);
	empty(&all);
}

static void what_is_cut_or_changed_stays_in_its_bounds(void **state)
{
	struct remotes all = {0};
	size_t length;
	(void)state;
	fill(&all);
	uint8_t *bytes = fleet_kept_write(&all, "5eed of 1", &length);
	for (size_t i = 0; i < length; i++) {
		struct seen seen = {0};
		uint8_t *cut = malloc(i + 1), *exact;
		memcpy(cut, bytes, i);
		exact = realloc(cut, i > 0 ? i : 1);
		bool whole = fleet_kept_read(exact, i, note, &seen);
		assert_true(!whole || seen.count < 4); /* it may end between two keys */
		free(exact);
		for (int bit = 0; bit < 8; bit++) {
			struct seen other = {0};
			bytes[i] ^= (uint8_t)(1 << bit);
			fleet_kept_read(bytes, length, note, &other);
			bytes[i] ^= (uint8_t)(1 << bit);
		}
	}
	free(bytes);
	empty(&all);
}

static void too_long_a_record_is_cut_where_it_is_refused(void **state)
{
	const struct record_key key = {"node-b", "shop", "web"};
	struct remotes all = {0};
	char *large = calloc(1, RECORD_MOST + 100);
	(void)state;
	thing_put(&all, remote_find(&all, "node-b", true), &key, large, RECORD_MOST + 100);
	assert_int_equal(remote_find(&all, "node-b", false)->bytes, RECORD_MOST + 1);
	thing_removed(&all, thing_find(&all, "node-b:shop:web"));
	assert_null(thing_find(&all, "node-b:shop:web"));
	assert_int_equal(remote_find(&all, "node-b", false)->bytes, 0);
	free(large);
	empty(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_taken_is_written),
	    cmocka_unit_test(what_is_cut_or_changed_stays_in_its_bounds),
	    cmocka_unit_test(too_long_a_record_is_cut_where_it_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
