/* What holds of the other nodes, for each order in which a store may tell of them, also one in the wrong hands. */
#include "enforcer/fleet/enrolment.h"
#include "enforcer/fleet/record.h"
#include "enforcer/fleet/statement.h"
#include "enforcer/sources/fleet_nodes.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKLOADS = 8, TEXT = 400 };

/* What is told of holds, by name, as NODE:NAMESPACE:NAME=LABEL. */
struct fixture {
	sd_event *events;
	struct source_setup setup;
	struct key_words keys;
	const char *key_words[2];
	char key_texts[2][PUBLIC_KEY_SIZE];
	struct private_key *authority, *other, *node, *next;
	struct fleet_nodes *nodes;
	char holds[WORKLOADS][100];
	char refused[1000];
	size_t tells, heard;
};

static void on_tell(void *context, const struct told *items, size_t count, bool all)
{
	struct fixture *f = context;
	assert_false(all);
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(items[i].name), at = 0;
		while (at < WORKLOADS &&
		       (strncmp(f->holds[at], items[i].name, length) != 0 || f->holds[at][length] != '='))
			at++;
		for (size_t free = 0; at == WORKLOADS && free < WORKLOADS; free++)
			if (f->holds[free][0] == 0)
				at = free;
		assert_true(at < WORKLOADS);
		f->holds[at][0] = 0;
		f->tells++;
		if (items[i].inventory != NULL)
			snprintf(f->holds[at], sizeof f->holds[at], "%s=%s", items[i].name,
				 items[i].inventory->workloads[0]->labels.items[0].value);
	}
}

static void on_heard(void *context)
{
	((struct fixture *)context)->heard++;
}

static void on_refused(void *context, const char *const *texts, size_t count)
{
	struct fixture *f = context;
	f->refused[0] = 0;
	for (size_t i = 0; i < count; i++)
		strncat(f->refused, texts[i], sizeof f->refused - strlen(f->refused) - 1);
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct private_key **const keys[] = {&f->authority, &f->other, &f->node, &f->next};
	for (size_t i = 0; i < 4; i++)
		assert_null(private_key_create(keys[i]));
	public_key_print(&f->authority->public_key, f->key_texts[0]);
	public_key_print(&f->other->public_key, f->key_texts[1]);
	f->key_words[0] = f->key_texts[0];
	f->key_words[1] = f->key_texts[1];
	f->keys = (struct key_words){f->key_words, 0};
	assert_true(sd_event_new(&f->events) >= 0);
	f->setup = (struct source_setup){.events = f->events,
					 .node = "node-a",
					 .tell = on_tell,
					 .heard = on_heard,
					 .refused = on_refused,
					 .context = f};
	f->nodes = fleet_nodes_create(&f->setup, &f->keys);
	fleet_nodes_load(f->nodes, NULL, 0);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	fleet_nodes_destroy(f->nodes);
	sd_event_unref(f->events);
	private_key_destroy(f->authority);
	private_key_destroy(f->other);
	private_key_destroy(f->node);
	private_key_destroy(f->next);
	free(f);
	return 0;
}

/* A daemon in the place of the one before, with what that one kept. */
static bool restart(struct fixture *f)
{
	size_t length = 0;
	uint8_t *bytes = fleet_nodes_save(f->nodes, &length);
	assert_non_null(bytes);
	fleet_nodes_destroy(f->nodes);
	memset(f->holds, 0, sizeof f->holds);
	f->heard = 0;
	f->nodes = fleet_nodes_create(&f->setup, &f->keys);
	bool good = fleet_nodes_load(f->nodes, bytes, length);
	free(bytes);
	return good;
}

static void holds(struct fixture *f, const char *what)
{
	for (size_t i = 0; i < WORKLOADS; i++)
		if (strcmp(f->holds[i], what) == 0)
			return;
	fail_msg("%s does not hold", what);
}

static void nothing_but(struct fixture *f, size_t count)
{
	size_t held = 0;
	for (size_t i = 0; i < WORKLOADS; i++)
		held += f->holds[i][0] != 0;
	assert_int_equal(held, count);
}

/* ---- what a node says ---- */

struct thing {
	const char *name, *label; /* in the namespace shop */
};

static void record_of(char text[TEXT], const char *node, const struct thing *thing)
{
	snprintf(
	    text, TEXT,
	    "{\"ringfence\":\"v1\",\"workloads\":[{\"name\":\"%s\",\"namespace\":\"shop\",\"node\":\"%s\",\"labels\":"
	    "{\"app\":\"%s\"},\"addresses\":[\"10.0.2.9\"]}]}",
	    thing->name, node, thing->label);
}

static void put(struct fixture *f, const char *node, const struct thing *thing)
{
	char key[100], text[TEXT];
	snprintf(key, sizeof key, "%s/shop/%s", node, thing->name);
	record_of(text, node, thing);
	fleet_nodes_put(f->nodes, key, text, strlen(text));
}

static void mark(struct fixture *f, const char *node, uint64_t sequence, const struct private_key *key, size_t count,
		 const struct thing *things)
{
	struct record_digest digests[WORKLOADS];
	char name[100], text[TEXT];
	size_t length;
	for (size_t i = 0; i < count; i++) {
		snprintf(name, sizeof name, "shop/%s", things[i].name);
		record_of(text, node, &things[i]);
		record_digest(&digests[i], name, text, strlen(text));
	}
	struct statement statement = {.sequence = sequence};
	set_digest(statement.digest, digests, count);
	uint8_t *bytes = statement_write(&statement, node, key, &length);
	fleet_nodes_put(f->nodes, node, (const char *)bytes, length);
	free(bytes);
}

/* All at once, as a transaction does. */
static void say(struct fixture *f, const char *node, uint64_t sequence, const struct private_key *key, size_t count,
		const struct thing *things)
{
	for (size_t i = 0; i < count; i++)
		put(f, node, &things[i]);
	mark(f, node, sequence, key, count, things);
	fleet_nodes_settled(f->nodes);
}

static void gone(struct fixture *f, const char *node, uint64_t sequence, const struct private_key *key)
{
	size_t length;
	const struct statement statement = {.gone = true, .sequence = sequence};
	uint8_t *bytes = statement_write(&statement, node, key, &length);
	fleet_nodes_put(f->nodes, node, (const char *)bytes, length);
	free(bytes);
	fleet_nodes_settled(f->nodes);
}

static void enroll(struct fixture *f, const struct private_key *key, const struct private_key *by, int64_t time)
{
	size_t length;
	const struct enrolment enrolment = {.node = "node-b", .key = key->public_key, .time = time};
	uint8_t *bytes = enrolment_sign(&enrolment, by, &length);
	fleet_nodes_put(f->nodes, "node-b/enrolment", (const char *)bytes, length);
	free(bytes);
}

static const struct thing web = {"web", "web"}, admin = {"web", "admin"}, both[] = {{"web", "web"}, {"api", "api"}};

/* ---- whole, and newer ---- */

static void what_is_not_all_waits(void **state)
{
	struct fixture *f = *state;
	fleet_nodes_list(f->nodes, false, "S");
	put(f, "node-b", &both[0]);
	fleet_nodes_settled(f->nodes);
	nothing_but(f, 0);
	assert_int_equal(f->heard, 1);
	say(f, "node-b", 5, NULL, 2, both);
	holds(f, "node-b:shop:web=web");
	holds(f, "node-b:shop:api=api");
	put(f, "node-b", &admin); /* a transaction of more than one, in its middle */
	fleet_nodes_settled(f->nodes);
	holds(f, "node-b:shop:web=web");
	fleet_nodes_removed(f->nodes, "node-b/shop/api");
	fleet_nodes_settled(f->nodes);
	nothing_but(f, 2);
	mark(f, "node-b", 6, NULL, 1, &admin);
	fleet_nodes_settled(f->nodes);
	holds(f, "node-b:shop:web=admin");
	nothing_but(f, 1);
}

static void what_was_said_before_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	fleet_nodes_list(f->nodes, false, "S");
	say(f, "node-b", 5, NULL, 1, &admin);
	say(f, "node-b", 6, NULL, 1, &web);
	say(f, "node-b", 5, NULL, 1, &admin);
	holds(f, "node-b:shop:web=web");
	say(f, "node-b", 6, NULL, 1, &admin); /* nor another of the same number */
	holds(f, "node-b:shop:web=web");
	assert_true(restart(f));
	holds(f, "node-b:shop:web=web");
	assert_int_equal(f->heard, 1);
	fleet_nodes_list(f->nodes, false, "S");
	say(f, "node-b", 5, NULL, 1, &admin);
	holds(f, "node-b:shop:web=web");
	nothing_but(f, 1);
}

/* A node of which some, or nothing, holds any more is still known by its number. */
static void a_lost_node_is_known_over_a_restart(void **state)
{
	const struct thing api = {"api", "api"};
	struct fixture *f = *state;
	fleet_nodes_list(f->nodes, false, "S");
	say(f, "node-b", 5, NULL, 1, &admin);
	say(f, "node-b", 6, NULL, 2, both);
	fleet_nodes_removed(f->nodes, "node-b/shop/web");
	fleet_nodes_removed(f->nodes, "node-b/shop/api");
	fleet_nodes_removed(f->nodes, "node-b");
	fleet_nodes_settled(f->nodes);
	nothing_but(f, 2); /* its lease ran out */
	say(f, "node-c", 9, NULL, 1, &api);
	holds(f, "node-c:shop:api=api"); /* taken over */
	holds(f, "node-b:shop:web=web");
	nothing_but(f, 2);
	assert_true(restart(f));
	assert_int_equal(f->heard, 1);
	holds(f, "node-b:shop:web=web");
	holds(f, "node-c:shop:api=api");
	nothing_but(f, 2);
	fleet_nodes_list(f->nodes, false, "S");
	say(f, "node-b", 5, NULL, 1, &admin);
	holds(f, "node-b:shop:web=web");
}

static void a_record_that_makes_no_sense_holds_nothing_up(void **state)
{
	const struct thing wrong[] = {{"web", "web"}, {"api", "a label with spaces"}};
	struct fixture *f = *state;
	fleet_nodes_list(f->nodes, false, "S");
	say(f, "node-b", 5, NULL, 2, wrong);
	holds(f, "node-b:shop:web=web");
	nothing_but(f, 1);
	assert_true(restart(f));
	assert_int_equal(f->heard, 1);
	holds(f, "node-b:shop:web=web");
}

/* A store that was put back has its old name, and what is missing there says nothing. */
static void a_store_that_was_put_back_forgets_nobody(void **state)
{
	struct fixture *f = *state;
	fleet_nodes_list(f->nodes, false, "S");
	say(f, "node-b", 5, NULL, 1, &web);
	fleet_nodes_list(f->nodes, false, "S");
	fleet_nodes_settled(f->nodes);
	holds(f, "node-b:shop:web=web");
	assert_non_null(strstr(f->refused, "wiped or put back"));
}

static void too_many_of_a_node_are_not_taken(void **state)
{
	struct fixture *f = *state;
	fleet_nodes_list(f->nodes, false, "S");
	say(f, "node-b", 5, NULL, 1, &web);
	for (size_t i = 0; i < 20000; i++) {
		char key[50];
		snprintf(key, sizeof key, "node-b/shop/w%zu", i);
		fleet_nodes_put(f->nodes, key, "{}", 2);
	}
	say(f, "node-c", 5, NULL, 1, &web);
	holds(f, "node-b:shop:web=web");
	holds(f, "node-c:shop:web=web"); /* and no other node's hang on it */
	nothing_but(f, 2);
}

/* ---- keys ---- */

static void with_keys(struct fixture *f, size_t first, size_t count)
{
	f->keys = (struct key_words){f->key_words + first, count};
	fleet_nodes_reread(f->nodes);
	fleet_nodes_list(f->nodes, false, "S");
}

static void only_the_key_of_the_node_speaks_for_it(void **state)
{
	struct fixture *f = *state;
	with_keys(f, 0, 1);
	say(f, "node-b", 5, f->node, 1, &web);
	nothing_but(f, 0); /* not enrolled */
	enroll(f, f->node, f->other, 100);
	say(f, "node-b", 5, f->node, 1, &web);
	nothing_but(f, 0); /* by nobody who may */
	enroll(f, f->node, f->authority, 100);
	say(f, "node-b", 5, f->node, 1, &web);
	holds(f, "node-b:shop:web=web");
	say(f, "node-b", 6, NULL, 1, &admin);
	say(f, "node-b", 6, f->next, 1, &admin);
	say(f, "node-b", 6, f->authority, 1, &admin);
	holds(f, "node-b:shop:web=web");
	gone(f, "node-b", 7, NULL);
	gone(f, "node-b", 7, f->node);
	holds(f, "node-b:shop:web=web");
	gone(f, "node-b", 7, f->authority);
	nothing_but(f, 0);
	say(f, "node-b", 6, f->node, 1, &web);
	nothing_but(f, 0);
	say(f, "node-b", 8, f->node, 1, &web);
	holds(f, "node-b:shop:web=web");
}

static void an_older_key_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	with_keys(f, 0, 1);
	enroll(f, f->node, f->authority, 100);
	enroll(f, f->next, f->authority, 101);
	say(f, "node-b", 5, f->next, 1, &web);
	enroll(f, f->node, f->authority, 100);
	say(f, "node-b", 6, f->node, 1, &admin);
	holds(f, "node-b:shop:web=web");
	fleet_nodes_reread(f->nodes); /* at SIGHUP, while the old one stands there */
	say(f, "node-b", 6, f->node, 1, &admin);
	holds(f, "node-b:shop:web=web");
	assert_true(restart(f));
	fleet_nodes_list(f->nodes, false, "S");
	enroll(f, f->node, f->authority, 100);
	say(f, "node-b", 6, f->node, 1, &admin);
	holds(f, "node-b:shop:web=web");
	say(f, "node-b", 6, f->next, 1, &admin);
	holds(f, "node-b:shop:web=admin");
}

static void a_key_that_is_taken_away_enrols_nobody(void **state)
{
	struct fixture *f = *state;
	with_keys(f, 0, 2);
	enroll(f, f->node, f->other, 100);
	say(f, "node-b", 5, f->node, 1, &web);
	holds(f, "node-b:shop:web=web");
	f->keys.count = 1;
	fleet_nodes_reread(f->nodes);
	say(f, "node-b", 6, f->node, 1, &admin);
	holds(f, "node-b:shop:web=web");
	assert_true(restart(f));
	assert_int_equal(f->heard, 0); /* the store is heard first: nobody vouches for it any more */
	nothing_but(f, 0);
}

/* With a mark that is not taken and nothing else, a node is as lost as without. */
static void a_wrong_mark_keeps_no_node_alive(void **state)
{
	struct fixture *f = *state;
	with_keys(f, 0, 1);
	enroll(f, f->node, f->authority, 100);
	say(f, "node-b", 5, f->node, 1, &web);
	fleet_nodes_removed(f->nodes, "node-b/shop/web");
	gone(f, "node-b", 7, NULL);
	holds(f, "node-b:shop:web=web");
	assert_non_null(strstr(f->refused, "node-b is not heard"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_is_not_all_waits, begin, end),
	    cmocka_unit_test_setup_teardown(what_was_said_before_does_not_come_back, begin, end),
	    cmocka_unit_test_setup_teardown(a_lost_node_is_known_over_a_restart, begin, end),
	    cmocka_unit_test_setup_teardown(a_record_that_makes_no_sense_holds_nothing_up, begin, end),
	    cmocka_unit_test_setup_teardown(a_store_that_was_put_back_forgets_nobody, begin, end),
	    cmocka_unit_test_setup_teardown(too_many_of_a_node_are_not_taken, begin, end),
	    cmocka_unit_test_setup_teardown(only_the_key_of_the_node_speaks_for_it, begin, end),
	    cmocka_unit_test_setup_teardown(an_older_key_does_not_come_back, begin, end),
	    cmocka_unit_test_setup_teardown(a_key_that_is_taken_away_enrols_nobody, begin, end),
	    cmocka_unit_test_setup_teardown(a_wrong_mark_keeps_no_node_alive, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
