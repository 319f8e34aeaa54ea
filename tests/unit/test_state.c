/* What the daemon believes: workload files that come, go, break and contradict each other. */
#include "enforcer/desired/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOW = 1800000000 };

struct fixture {
	char root[64], workloads[80], policy[80];
	struct state *state;
};

/* Writes `body` to NAME in the directory of workloads, as a program would that starts a container. */
static void put(const struct fixture *f, const char *name, const char *body)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", f->workloads, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(body, file);
	assert_int_equal(fclose(file), 0);
}

static void take(const struct fixture *f, const char *name)
{
	char path[200];
	snprintf(path, sizeof path, "%s/%s", f->workloads, name);
	assert_int_equal(unlink(path), 0);
}

/* The text of a file with one workload. */
static const char *workload(const char *name, const char *addresses)
{
	static char text[400];
	snprintf(text, sizeof text, "ringfence: v1\nworkloads:\n  - {name: %s, labels: {app: web}, addresses: [%s]}\n",
		 name, addresses);
	return text;
}

/* How many workloads are different, and 2 more where it may concern them all. */
static int sum(const struct changes *changes)
{
	return (int)changes->count + 2 * changes->wide;
}

static int scan(const struct fixture *f)
{
	struct changes changes;
	return state_scan_workloads(f->state, f->workloads, &changes) == 0 ? sum(&changes) : -1;
}

/* NAME@NODE for each workload in the order of names, with ! behind those in conflict, all in `text`. */
static const char *seen(const struct fixture *f, char *text, size_t size)
{
	struct world world = state_world(f->state, NOW);
	const char *last = "";
	text[0] = 0;
	for (size_t round = 0; round < world.inventory->workload_count; round++) {
		const struct workload *next = NULL;
		for (size_t i = 0; i < world.inventory->workload_count; i++) {
			const struct workload *one = world.inventory->workloads[i];
			if (strcmp(one->name, last) > 0 && (next == NULL || strcmp(one->name, next->name) < 0))
				next = one;
		}
		if (next == NULL)
			break;
		last = next->name;
		for (size_t i = 0; i < world.inventory->workload_count; i++) {
			const struct workload *one = world.inventory->workloads[i];
			size_t used = strlen(text);
			if (strcmp(one->name, next->name) == 0)
				snprintf(text + used, size - used, "%s%s@%s%s", used > 0 ? " " : "", one->name,
					 one->node != NULL ? one->node : "-", one->conflict ? "!" : "");
		}
	}
	return text;
}

#define EXPECT_SEEN(f, expected)                                           \
	do {                                                               \
		char text[400];                                            \
		assert_string_equal(seen(f, text, sizeof text), expected); \
	} while (0)

static const struct workload *owner_of(const struct world *world, const char *text)
{
	struct address address;
	assert_null(address_parse(&address, text));
	return inventory_at(world->inventory, &address);
}

static void count_error(void *context, const char *path, const char *text)
{
	assert_non_null(strstr(path, ".yaml"));
	assert_true(strlen(text) > 0);
	++*(int *)context;
}

static int error_count(const struct fixture *f)
{
	int count = 0;
	state_file_errors(f->state, count_error, &count);
	assert_int_equal(state_file_error_count(f->state), count);
	return count;
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	char command[200];
	snprintf(f->root, sizeof f->root, "/tmp/ringfence-state-XXXXXX");
	if (f == NULL || mkdtemp(f->root) == NULL)
		return -1;
	snprintf(f->workloads, sizeof f->workloads, "%s/w", f->root);
	snprintf(f->policy, sizeof f->policy, "%s/p", f->root);
	snprintf(command, sizeof command, "mkdir %s %s", f->workloads, f->policy);
	f->state = state_create("here");
	*state = f;
	return system(command);
}

static int end(void **state)
{
	struct fixture *f = *state;
	char command[200];
	snprintf(command, sizeof command, "rm -r %s", f->root);
	state_destroy(f->state);
	free(f);
	return system(command);
}

/* ---- one file, changed once: how many workloads differ, and who is there then ---- */

#define TWO                                                                                     \
	"ringfence: v1\nworkloads:\n  - {name: a, labels: {app: web}, addresses: [10.0.0.1]}\n" \
	"  - {name: b, node: there, addresses: [10.0.0.2], ports: {http: 80/tcp}, interface: veth0}\n"

static const struct change_case {
	const char *true_is, *before, *after; /* NULL: no file */
	int changes;
	const char *seen;
	int errors;
} changes[] = {
    {"a_new_file_counts_its_workloads", NULL, TWO, 2, "a@here b@there", 0},
    {"the_same_again_is_no_change", TWO, TWO, 0, "a@here b@there", 0},
    {"a_comment_is_no_change", TWO, "# note\n" TWO, 0, "a@here b@there", 0},
    {"a_removed_file_takes_its_workloads", TWO, NULL, 2, "", 0},
    {"a_file_cut_in_the_middle_keeps_the_last_good", TWO, "ringfence: v1\nworkloads:\n  - {name: a, addre", 0,
     "a@here b@there", 1},
    {"an_empty_file_is_an_empty_list", TWO, "ringfence: v1\nworkloads: []\n", 2, "", 0},
    {"an_unknown_key_keeps_the_last_good", TWO, "ringfence: v1\nworkloads: [{name: a, adresses: [10.0.0.9]}]\n", 0,
     "a@here b@there", 1},
    {"policy_in_a_workload_file_keeps_the_last_good", TWO,
     "ringfence: v1\nallow: [{from: any, to: any, ports: [any]}]\n", 0, "a@here b@there", 1},
    {"settings_in_a_workload_file_are_refused", NULL, "ringfence: v1\nsettings: {unmatched: allow}\n", 0, "", 1},
    {"a_file_that_was_never_good_says_nothing", NULL, "ringfence: v2\n", 0, "", 1},
    {"another_address_is_one_change", TWO,
     "ringfence: v1\nworkloads:\n  - {name: a, labels: {app: web}, addresses: [10.0.0.3]}\n"
     "  - {name: b, node: there, addresses: [10.0.0.2], ports: {http: 80/tcp}, interface: veth0}\n",
     1, "a@here b@there", 0},
    {"another_label_is_one_change", TWO,
     "ringfence: v1\nworkloads:\n  - {name: a, labels: {app: db}, addresses: [10.0.0.1]}\n"
     "  - {name: b, node: there, addresses: [10.0.0.2], ports: {http: 80/tcp}, interface: veth0}\n",
     1, "a@here b@there", 0},
    {"another_port_is_one_change", TWO,
     "ringfence: v1\nworkloads:\n  - {name: a, labels: {app: web}, addresses: [10.0.0.1]}\n"
     "  - {name: b, node: there, addresses: [10.0.0.2], ports: {http: 81/tcp}, interface: veth0}\n",
     1, "a@here b@there", 0},
    {"another_interface_is_one_change", TWO,
     "ringfence: v1\nworkloads:\n  - {name: a, labels: {app: web}, addresses: [10.0.0.1]}\n"
     "  - {name: b, node: there, addresses: [10.0.0.2], ports: {http: 80/tcp}, interface: veth1}\n",
     1, "a@here b@there", 0},
    {"another_name_is_one_gone_and_one_new", TWO,
     "ringfence: v1\nworkloads:\n  - {name: c, labels: {app: web}, addresses: [10.0.0.1]}\n"
     "  - {name: b, node: there, addresses: [10.0.0.2], ports: {http: 80/tcp}, interface: veth0}\n",
     2, "b@there c@here", 0},
    {"a_node_concerns_more_than_one", NULL, "ringfence: v1\nnodes: {n: {addresses: [192.0.2.1]}}\n", 2, "", 0},
};

static void one_change(void **state)
{
	const struct change_case *tested = *state;
	void *made = NULL;
	assert_int_equal(begin(&made), 0);
	struct fixture *f = made;
	if (tested->before != NULL)
		put(f, "a.yaml", tested->before);
	scan(f);
	if (tested->after != NULL)
		put(f, "a.yaml", tested->after);
	else
		take(f, "a.yaml");
	int count = scan(f);
	char text[400];
	seen(f, text, sizeof text);
	int errors = error_count(f);
	assert_int_equal(end(&made), 0);
	assert_string_equal(text, tested->seen);
	assert_int_equal(count, tested->changes);
	assert_int_equal(errors, tested->errors);
}

/* ---- conflicts ---- */

static void the_older_keeps_an_address_and_the_newer_is_in_conflict(void **state)
{
	struct fixture *f = *state;
	put(f, "z.yaml", workload("old", "10.0.0.1"));
	assert_int_equal(scan(f), 1);
	put(f, "a.yaml", workload("new", "10.0.0.1, 10.0.0.2")); /* its file comes first by name */
	assert_int_equal(scan(f), 1);
	EXPECT_SEEN(f, "new@here! old@here");
	struct world world = state_world(f->state, NOW);
	const char *owner = owner_of(&world, "10.0.0.1")->name;
	assert_string_equal(owner, "old");
	/* Reading the older again makes it no newer, as long as it claims nothing more. */
	put(f, "z.yaml", "# read again\nringfence: v1\nworkloads: [{name: old, addresses: [10.0.0.1]}]\n");
	assert_int_equal(scan(f), 2); /* who is in conflict with it is told, too */
	EXPECT_SEEN(f, "new@here! old@here");
}

static void a_conflict_ends_when_the_older_is_gone(void **state)
{
	struct fixture *f = *state;
	put(f, "old.yaml", workload("old", "10.0.0.1"));
	scan(f);
	put(f, "new.yaml", workload("new", "10.0.0.1"));
	scan(f);
	EXPECT_SEEN(f, "new@here! old@here");
	take(f, "old.yaml");
	assert_int_equal(scan(f), 2); /* the one that is gone, and the one that is in conflict no more */
	EXPECT_SEEN(f, "new@here");
}

static void a_file_that_gains_an_address_is_as_new_as_that(void **state)
{
	struct fixture *f = *state;
	put(f, "a.yaml", workload("first", "10.0.0.1"));
	scan(f);
	put(f, "b.yaml", workload("second", "10.0.0.2"));
	scan(f);
	put(f, "a.yaml", workload("first", "10.0.0.1, 10.0.0.2"));
	assert_int_equal(scan(f), 1);
	EXPECT_SEEN(f, "first@here! second@here");
}

static void one_name_in_two_files_is_a_conflict_of_the_newer(void **state)
{
	struct fixture *f = *state;
	put(f, "b.yaml", workload("same", "10.0.0.1"));
	scan(f);
	put(f, "a.yaml", workload("same", "10.0.0.2"));
	scan(f);
	struct world world = state_world(f->state, NOW);
	bool old = owner_of(&world, "10.0.0.1")->conflict, new = owner_of(&world, "10.0.0.2")->conflict;
	assert_false(old);
	assert_true(new);
}

static void one_name_in_two_namespaces_is_no_conflict(void **state)
{
	struct fixture *f = *state;
	put(f, "a.yaml", workload("same", "10.0.0.1"));
	put(f, "b.yaml", "ringfence: v1\nnamespace: other\nworkloads: [{name: same, addresses: [10.0.0.2]}]\n");
	assert_int_equal(scan(f), 2);
	EXPECT_SEEN(f, "same@here same@here");
}

static void a_workload_at_the_address_of_a_node_is_in_conflict(void **state)
{
	struct fixture *f = *state;
	put(f, "a.yaml", "ringfence: v1\nnodes: {here: {addresses: [192.0.2.1]}}\n");
	put(f, "b.yaml", workload("rogue", "192.0.2.1"));
	scan(f);
	EXPECT_SEEN(f, "rogue@here!");
}

/* ---- nodes, of which every pod tells ---- */

/* The text of a file with one pod of node n0. */
static const char *pod(const char *name, const char *address, const char *host)
{
	static char text[400];
	snprintf(text, sizeof text,
		 "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {nodeName: n0}\n"
		 "status: {podIP: %s, hostIP: %s}\n",
		 name, address, host);
	return text;
}

static void a_nodes_entry_holds_whichever_file_came_first(void **state)
{
	static const char native[] =
	    "ringfence: v1\nnodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}}\n";
	struct fixture *f = *state;
	for (int native_first = 0; native_first < 2; native_first++) {
		struct address stray, machine;
		put(f, native_first ? "a.yaml" : "b.yaml", native);
		put(f, native_first ? "b.yaml" : "a.yaml", pod("one", "10.0.1.1", "192.0.2.9"));
		scan(f);
		struct world world = state_world(f->state, NOW);
		assert_null(address_parse(&stray, "10.0.1.77"));
		assert_null(address_parse(&machine, "192.0.2.9"));
		assert_int_equal(world.inventory->node_count, 1);
		assert_true(inventory_in_pool(world.inventory, &stray));
		assert_null(inventory_node_at(world.inventory, &machine));
		take(f, "a.yaml");
		take(f, "b.yaml");
		scan(f);
	}
}

static void what_two_files_say_of_a_node_holds_together(void **state)
{
	struct fixture *f = *state;
	struct address one, two;
	put(f, "a.yaml", "ringfence: v1\nnodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}}\n");
	put(f, "b.yaml", "ringfence: v1\nnodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.2.0/24]}}\n");
	scan(f);
	struct world world = state_world(f->state, NOW);
	assert_null(address_parse(&one, "10.0.1.77"));
	assert_null(address_parse(&two, "10.0.2.77"));
	assert_true(inventory_in_pool(world.inventory, &one) && inventory_in_pool(world.inventory, &two));
	assert_int_equal(world.inventory->node_count, 1);
	assert_int_equal(world.inventory->nodes[0]->address_count, 1);
}

static void a_pod_takes_no_address_from_a_workload_by_its_host(void **state)
{
	struct fixture *f = *state;
	put(f, "a.yaml", pod("one", "10.0.1.1", "10.0.1.2"));
	put(f, "b.yaml", workload("two", "10.0.1.2"));
	scan(f);
	EXPECT_SEEN(f, "one@n0 two@here");
}

static void each_pod_may_tell_another_address_of_its_node(void **state)
{
	struct fixture *f = *state;
	put(f, "a.yaml", pod("one", "10.0.1.1", "192.0.2.1"));
	put(f, "b.yaml", pod("two", "10.0.1.2", "192.0.2.1"));
	put(f, "c.yaml", pod("three", "10.0.1.3", "\"2001:db8::1\""));
	scan(f);
	struct world world = state_world(f->state, NOW);
	assert_int_equal(world.inventory->node_count, 1);
	assert_int_equal(world.inventory->nodes[0]->address_count, 2);
}

/* ---- files and the directory ---- */

static void a_directory_that_cannot_be_read_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char command[300];
	put(f, "a.yaml", TWO);
	scan(f);
	snprintf(command, sizeof command, "mv %s %s/away", f->workloads, f->root);
	assert_int_equal(system(command), 0);
	assert_int_equal(scan(f), -1);
	EXPECT_SEEN(f, "a@here b@there");
}

static void hidden_files_and_other_endings_are_no_workloads(void **state)
{
	struct fixture *f = *state;
	put(f, ".a.yaml", workload("hidden", "10.0.0.1"));
	put(f, "a.yaml.tmp", workload("half", "10.0.0.2"));
	put(f, "a.json", "{\"ringfence\": \"v1\", \"workloads\": [{\"name\": \"json\"}]}");
	put(f, "a.yml", workload("yml", "10.0.0.3"));
	assert_int_equal(scan(f), 2);
	EXPECT_SEEN(f, "json@here yml@here");
}

static void a_file_is_forgotten_by_its_path_and_once(void **state)
{
	struct fixture *f = *state;
	struct changes found;
	char path[200];
	put(f, "a.yaml", TWO);
	snprintf(path, sizeof path, "%s/a.yaml", f->workloads);
	assert_int_equal(state_read_workloads(f->state, path, &found), 0);
	assert_int_equal(sum(&found), 2);
	state_forget_workloads(f->state, path, &found);
	assert_int_equal(sum(&found), 2);
	state_forget_workloads(f->state, path, &found);
	assert_int_equal(sum(&found), 0);
	EXPECT_SEEN(f, "");
	assert_int_equal(state_read_workloads(f->state, "/nonexistent.yaml", &found), -1);
	assert_int_equal(error_count(f), 1);
}

/* ---- sources that are no files ---- */

/* Tells of workloads a, b, c ... by their addresses, each a thing of its own; an empty text: it is gone. */
static int tell(struct fixture *f, const char *source, const char *const addresses[], size_t count, bool all)
{
	struct told items[4];
	struct workload workloads[4];
	struct workload *lists[4];
	struct address parsed[4];
	struct inventory inventories[4];
	static const char *const names[] = {"a", "b", "c", "d"};
	struct changes found;
	for (size_t i = 0; i < count; i++) {
		workloads[i] = (struct workload){
		    .name_space = "default", .name = names[i], .addresses = &parsed[i], .address_count = 1};
		lists[i] = &workloads[i];
		inventories[i] = (struct inventory){.workloads = &lists[i], .workload_count = 1};
		bool gone = addresses[i][0] == 0;
		if (!gone)
			assert_null(address_parse(&parsed[i], addresses[i]));
		items[i] = (struct told){names[i], gone ? NULL : &inventories[i]};
	}
	state_tell(f->state, source, items, count, all, &found);
	return sum(&found);
}
#define TELL(f, source, all, ...)                               \
	tell((f), (source), (const char *const[]){__VA_ARGS__}, \
	     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (all))

static void a_source_tells_of_things_that_come_and_go(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(TELL(f, "docker", true, "10.0.0.1", "10.0.0.2", "10.0.0.3"), 3);
	assert_int_equal(TELL(f, "docker", true, "10.0.0.1", "10.0.0.2", "10.0.0.3"), 0);
	assert_int_equal(TELL(f, "docker", false, "10.0.0.1", "10.0.0.4"), 1);
	EXPECT_SEEN(f, "a@here b@here c@here");
	assert_int_equal(TELL(f, "docker", false, "", "10.0.0.4"), 1);
	assert_int_equal(TELL(f, "docker", false, "", "10.0.0.4"), 0);
	EXPECT_SEEN(f, "b@here c@here");
	assert_int_equal(TELL(f, "docker", true, "10.0.0.1"), 3);
	EXPECT_SEEN(f, "a@here");
	assert_int_equal(error_count(f), 0);
}

/* A thing is as old as its newest address, and one source's word says nothing about another's. */
static void sources_and_files_stand_side_by_side(void **state)
{
	struct fixture *f = *state;
	put(f, "a.yaml", "ringfence: v1\nworkloads:\n  - {name: file, addresses: [10.0.0.1]}\n");
	assert_int_equal(scan(f), 1);
	TELL(f, "docker", true, "10.0.0.1", "10.0.0.2");
	TELL(f, "kubernetes", true, "10.0.0.9");
	EXPECT_SEEN(f, "a@here! a@here! b@here file@here"); /* by its address, and by its name */
	;
	TELL(f, "kubernetes", true, "");
	take(f, "a.yaml");
	scan(f);
	EXPECT_SEEN(f, "a@here b@here");
}

/* ---- the policy ---- */

static void put_policy(const struct fixture *f, const char *body)
{
	char path[200];
	snprintf(path, sizeof path, "%s/policy.yaml", f->policy);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(body, file);
	assert_int_equal(fclose(file), 0);
}

static void the_last_good_policy_stays(void **state)
{
	static const struct {
		const char *policy;
		int answer;
		size_t services;
	} steps[] = {
	    {"ringfence: v1\n", -1, 0}, /* says nothing: a directory that was emptied by mistake */
	    {"ringfence: v1\nservices: {web: {workloads: {app: web}}}\n", 1, 1},
	    {"ringfence: v1\nservices: {web: {workloads: {app: web}}}\n", 0, 1},
	    {"ringfence: v1\nservices: {web: {workloads: {app: web}}, db: {wor", -1, 1},
	    {"ringfence: v1\n", -1, 1},
	    {"ringfence: v1\nservices: {web: {workloads: {app: web}}, db: {workloads: {app: db}}}\n"
	     "allow: [{from: web, to: db, ports: [1/tcp]}]\nnever: [{from: web, to: db}]\n",
	     -1, 1},
	    {"ringfence: v1\nservices: {web: {workloads: {app: web}}, db: {workloads: {app: db}}}\n", 1, 2},
	};
	struct fixture *f = *state;
	assert_false(state_has_policy(f->state));
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct changes told;
		put_policy(f, steps[i].policy);
		assert_int_equal(state_read_policy(f->state, f->policy, &told), steps[i].answer);
		assert_int_equal(sum(&told), 0);
		assert_int_equal(strlen(state_policy_errors(f->state)) > 0, steps[i].answer < 0);
		assert_int_equal(state_has_policy(f->state), steps[i].services > 0);
		size_t services = state_world(f->state, NOW).policy->service_count;
		assert_int_equal(services, steps[i].services);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	enum { CHANGES = sizeof changes / sizeof *changes };
	struct CMUnitTest table[CHANGES];
	const struct CMUnitTest tests[] = {
	    TEST(the_older_keeps_an_address_and_the_newer_is_in_conflict),
	    TEST(a_conflict_ends_when_the_older_is_gone),
	    TEST(a_file_that_gains_an_address_is_as_new_as_that),
	    TEST(one_name_in_two_files_is_a_conflict_of_the_newer),
	    TEST(one_name_in_two_namespaces_is_no_conflict),
	    TEST(a_workload_at_the_address_of_a_node_is_in_conflict),
	    TEST(a_nodes_entry_holds_whichever_file_came_first),
	    TEST(what_two_files_say_of_a_node_holds_together),
	    TEST(a_pod_takes_no_address_from_a_workload_by_its_host),
	    TEST(each_pod_may_tell_another_address_of_its_node),
	    TEST(a_directory_that_cannot_be_read_changes_nothing),
	    TEST(hidden_files_and_other_endings_are_no_workloads),
	    TEST(a_file_is_forgotten_by_its_path_and_once),
	    TEST(a_source_tells_of_things_that_come_and_go),
	    TEST(sources_and_files_stand_side_by_side),
	    TEST(the_last_good_policy_stays),
	};
	for (size_t i = 0; i < CHANGES; i++)
		table[i] =
		    (struct CMUnitTest){changes[i].true_is, one_change, NULL, NULL, (void *)(uintptr_t)&changes[i]};
	int failed = cmocka_run_group_tests(table, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, NULL, NULL) > 0;
}
