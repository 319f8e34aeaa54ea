/* Policies that were in force: what is kept of one is read again as it was, and which of the directory's are taken. */
#include "enforcer/service/snapshots.h"

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
	char root[64], policy[80], kept[80];
	struct state *state;
	struct state_directory directory;
	struct snapshots snapshots;
};

static void put(const struct fixture *f, const char *name, const char *body)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", f->policy, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(body, file);
	assert_int_equal(fclose(file), 0);
}

/* A policy whose allow says `why`. */
static void put_policy(const struct fixture *f, const char *why)
{
	char text[600];
	snprintf(text, sizeof text,
		 "\xef\xbb\xbfringfence: v1\nnamespace: shop\nservices:\n  web: {workloads: {app: web}}\n"
		 "  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\nallow:\n"
		 "  - {from: web, to: db, ports: [sql], why: \"%s\"}\n",
		 why);
	put(f, "shop.yaml", text);
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	strcpy(f->root, "/tmp/ringfence.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->policy, sizeof f->policy, "%s/policy", f->root);
	snprintf(f->kept, sizeof f->kept, "%s/state", f->root);
	assert_int_equal(mkdir(f->policy, 0700), 0);
	assert_null(state_directory_open(&f->directory, f->kept, true));
	assert_null(snapshots_open(&f->snapshots, &f->directory));
	f->state = state_create("node-a");
	put_policy(f, "first");
	put(f, "nodes.yaml",
	    "ringfence: v1\nnodes:\n  node-a: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}\n"
	    "workloads:\n  - {name: web-1, namespace: shop, labels: {app: web}, addresses: [10.0.1.1]}\n");
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	char command[100];
	snapshots_close(&f->snapshots);
	state_directory_close(&f->directory);
	state_destroy(f->state);
	snprintf(command, sizeof command, "rm -rf %s", f->root);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static int read_directory(const struct fixture *f)
{
	struct changes changes;
	int result = state_read_policy(f->state, f->policy, &changes);
	if (result > 0)
		state_keep_policy(f->state);
	return result;
}

static void keep(struct fixture *f, const char *passed_over)
{
	struct arena *arena = arena_create();
	const struct policy_texts texts = state_policy_texts(f->state, arena);
	struct snapshot snapshot = {.since = 1800000000, .cause = BY_DIRECTORY};
	strcpy(snapshot.revision, state_revision(f->state));
	strcpy(snapshot.passed_over, passed_over);
	assert_null(snapshots_add(&f->snapshots, &snapshot, &texts));
	arena_free(arena);
}

static int take(const struct fixture *f, struct state *state, const struct snapshot *snapshot)
{
	struct arena *arena = arena_create();
	struct policy_texts texts;
	struct changes changes;
	char *errors;
	assert_null(snapshot_read(&f->snapshots, snapshot, arena, &texts));
	int result = state_take_policy(state, &texts, &changes, &errors);
	arena_free(arena);
	assert_null(errors);
	return result;
}

static void reopen(struct fixture *f)
{
	snapshots_close(&f->snapshots);
	assert_null(snapshots_open(&f->snapshots, &f->directory));
}

static void comes_back_with_its_places(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_directory(f), 1);
	keep(f, "");
	reopen(f);
	const struct snapshot *newest = snapshots_newest(&f->snapshots);
	assert_int_equal(f->snapshots.count, 1);
	assert_int_equal(newest->since, 1800000000);
	assert_int_equal(newest->cause, BY_DIRECTORY);
	struct state *other = state_create("node-a");
	assert_int_equal(take(f, other, newest), 1);
	assert_string_equal(state_revision(other), state_revision(f->state));
	struct world was = state_world(f->state, 0), is = state_world(other, 0);
	assert_int_equal(is.policy->allow_count, was.policy->allow_count);
	const struct span a = was.policy->allows[0]->span, b = is.policy->allows[0]->span;
	assert_string_equal(a.file, b.file);
	assert_int_equal(a.line, b.line);
	assert_int_equal(a.column, b.column);
	assert_int_equal(is.inventory->workload_count, 1);
	struct changes changes;
	assert_int_equal(state_read_policy(other, f->policy, &changes), 0); /* it is the same */
	state_destroy(other);
}

static void only_the_last_ten_and_each_once(void **state)
{
	struct fixture *f = *state;
	char why[20], revisions[13][17];
	for (int i = 0; i < 13; i++) {
		snprintf(why, sizeof why, "%d", i);
		put_policy(f, why);
		assert_int_equal(read_directory(f), 1);
		keep(f, "");
		strcpy(revisions[i], state_revision(f->state));
	}
	for (int round = 0; round < 2; round++) {
		assert_int_equal(f->snapshots.count, SNAPSHOTS_MOST);
		for (int i = 0; i < SNAPSHOTS_MOST; i++)
			assert_string_equal(f->snapshots.items[i].revision, revisions[i + 3]);
		reopen(f);
	}
	assert_int_equal(take(f, f->state, &f->snapshots.items[4]), 1);
	keep(f, "");
	for (int round = 0; round < 2; round++) {
		assert_int_equal(f->snapshots.count, SNAPSHOTS_MOST);
		assert_string_equal(snapshots_newest(&f->snapshots)->revision, revisions[7]);
		assert_string_equal(f->snapshots.items[4].revision, revisions[8]);
		reopen(f);
	}
}

static void a_damaged_one_keeps_its_place(void **state)
{
	struct fixture *f = *state;
	char path[200];
	for (int i = 0; i < 3; i++) {
		put_policy(f, i == 0 ? "a" : i == 1 ? "b" : "c");
		assert_int_equal(read_directory(f), 1);
		keep(f, "");
	}
	snprintf(path, sizeof path, "%s/policy-%010u", f->kept, f->snapshots.items[1].number);
	assert_int_equal(truncate(path, 100), 0);
	reopen(f);
	assert_int_equal(f->snapshots.count, 3);
	assert_null(f->snapshots.items[0].problem);
	assert_non_null(strstr(f->snapshots.items[1].problem, path));
	assert_null(f->snapshots.items[2].problem);
	put_policy(f, "d");
	assert_int_equal(read_directory(f), 1);
	keep(f, "");
	assert_int_equal(f->snapshots.items[3].number, f->snapshots.items[2].number + 1);
}

/* What was rolled back stays so while the directory is as it was, also over a restart. */
static void the_directory_is_passed_over_until_it_changes(void **state)
{
	struct fixture *f = *state;
	char first[17], second[17];
	assert_int_equal(read_directory(f), 1);
	keep(f, "");
	strcpy(first, state_revision(f->state));
	put_policy(f, "second");
	assert_int_equal(read_directory(f), 1);
	keep(f, "");
	strcpy(second, state_revision(f->state));
	assert_string_equal(state_directory_revision(f->state), second);
	assert_int_equal(take(f, f->state, &f->snapshots.items[0]), 1);
	state_pass_over(f->state, second);
	state_keep_policy(f->state);
	keep(f, second);
	assert_int_equal(read_directory(f), 0);
	assert_string_equal(state_revision(f->state), first);
	assert_string_equal(state_policy_errors(f->state), "");

	struct state *restarted = state_create("node-a");
	struct changes changes;
	reopen(f);
	state_pass_over(restarted, snapshots_newest(&f->snapshots)->passed_over);
	assert_int_equal(take(f, restarted, snapshots_newest(&f->snapshots)), 1);
	assert_int_equal(state_read_policy(restarted, f->policy, &changes), 0);
	assert_string_equal(state_revision(restarted), first);
	state_destroy(restarted);

	put(f, "broken.yaml", "ringfence: v1 {");
	assert_int_equal(read_directory(f), -1);
	assert_string_equal(state_passed_over(f->state), second); /* and it would not be taken when this is gone */
	put(f, "broken.yaml", "ringfence: v1\n");
	put_policy(f, "third");
	assert_int_equal(read_directory(f), 1);
	assert_string_equal(state_passed_over(f->state), "");
	put_policy(f, "second");
	put(f, "broken.yaml", "");
	assert_int_equal(read_directory(f), 1);
}

/* A directory that says what is in force by a rollback is what holds from then on. */
static void a_directory_that_agrees_ends_the_rollback(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(read_directory(f), 1);
	keep(f, "");
	put_policy(f, "second");
	assert_int_equal(read_directory(f), 1);
	assert_int_equal(take(f, f->state, &f->snapshots.items[0]), 1);
	state_pass_over(f->state, state_directory_revision(f->state));
	state_keep_policy(f->state);
	assert_string_not_equal(state_passed_over(f->state), "");
	put_policy(f, "first");
	assert_int_equal(read_directory(f), 0);
	assert_string_equal(state_passed_over(f->state), "");
	put_policy(f, "second");
	assert_int_equal(read_directory(f), 1);
}

/* A policy that checked once may not check now. */
static void what_does_not_check_is_refused(void **state)
{
	struct fixture *f = *state;
	struct source file = {.file = "policy/shop.yaml", .text = "ringfence: v1\nallow: [", .length = 22};
	const struct policy_texts texts = {7, &file, 1}, none = {0};
	struct changes changes;
	char *errors;
	assert_int_equal(read_directory(f), 1);
	assert_int_equal(state_take_policy(f->state, &texts, &changes, &errors), -1);
	assert_non_null(strstr(errors, "policy/shop.yaml:"));
	free(errors);
	assert_int_equal(state_take_policy(f->state, &none, &changes, &errors), -1);
	assert_non_null(strstr(errors, "no policy there"));
	free(errors);
	assert_string_equal(state_policy_errors(f->state), "");
	assert_int_equal(state_world(f->state, 0).policy->allow_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(comes_back_with_its_places, begin, end),
	    cmocka_unit_test_setup_teardown(only_the_last_ten_and_each_once, begin, end),
	    cmocka_unit_test_setup_teardown(a_damaged_one_keeps_its_place, begin, end),
	    cmocka_unit_test_setup_teardown(the_directory_is_passed_over_until_it_changes, begin, end),
	    cmocka_unit_test_setup_teardown(a_directory_that_agrees_ends_the_rollback, begin, end),
	    cmocka_unit_test_setup_teardown(what_does_not_check_is_refused, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
