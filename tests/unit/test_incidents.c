/* What operators asked for: read back whole or not at all, over in time, and followed by the state as changes of single
 * workloads. */
#include "enforcer/desired/state.h"

#include "tests/unit/random_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOW = 1800000000, STEPS = 4000, NAMES = 8 };

/* ---- the text ---- */

static struct incidents some(void)
{
	struct incidents incidents = {0};
	struct incident *panic = incident_create(NULL, NULL, "p", "root", NOW + 2, NOW + 60);
	incident_except(panic, true, "shop", "api");
	incident_except(panic, false, "shop", "db-1.x");
	incidents_put(&incidents, incident_create("shop", "web-1", "a \"b\"\n\x1b[2J\xc3\xa9", "root", NOW, 0));
	incidents_put(&incidents, incident_create("shop", "api", "x", "uid 7", NOW + 1, NOW + 30));
	incidents_put(&incidents, incident_create("a", "web-1", "y", "ops", NOW, NOW + 90));
	incidents_put(&incidents, panic);
	return incidents;
}

static char *text_of(const struct incidents *incidents)
{
	json_t *json = incidents_json(incidents);
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(json);
	assert_non_null(text);
	return text;
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	struct incidents incidents = some(), read = {0}, none = {0};
	char why[256] = "", *text = text_of(&incidents);
	assert_true(incidents_parse(&read, text, strlen(text), why, sizeof why));
	char *again = text_of(&read);
	assert_string_equal(text, again);
	assert_int_equal(read.count, 3);
	assert_string_equal(incidents_find(&read, "shop", "web-1")->quarantine.why, "a \"b\"\n\x1b[2J\xc3\xa9");
	assert_int_equal(incidents_find(&read, "shop", "api")->quarantine.until, NOW + 30);
	assert_null(incidents_find(&read, "shop", "db"));
	assert_null(incidents_find(&read, "sho", "web-1"));
	assert_int_equal(read.panic->exception_count, 2);
	free(text);
	free(again);
	incidents_finish(&incidents);
	incidents_finish(&read);
	text = text_of(&none);
	assert_true(incidents_parse(&read, text, strlen(text), why, sizeof why));
	assert_int_equal(read.count, 0);
	free(text);
}

static void what_is_cut_short_is_refused(void **state)
{
	(void)state;
	struct incidents incidents = some();
	char why[256], *text = text_of(&incidents);
	for (size_t length = 0; length < strlen(text); length++) {
		struct incidents read = {0};
		char *copy = malloc(length > 0 ? length : 1);
		memcpy(copy, text, length);
		why[0] = 0;
		assert_false(incidents_parse(&read, copy, length, why, sizeof why));
		assert_true(why[0] != 0);
		assert_int_equal(read.count, 0);
		assert_null(read.panic);
		free(copy);
	}
	free(text);
	incidents_finish(&incidents);
}

/* A byte that is another: it is refused, or what is read says no less than how many there were. */
static void what_is_damaged_opens_nobody(void **state)
{
	(void)state;
	struct incidents incidents = some();
	char why[256], *text = text_of(&incidents);
	uint32_t seed = 20261127;
	size_t length = strlen(text);
	for (unsigned i = 0; i < 20000; i++) {
		struct incidents read = {0};
		char *copy = malloc(length);
		memcpy(copy, text, length);
		copy[random_next(&seed) % length] = (char)random_next(&seed);
		if (incidents_parse(&read, copy, length, why, sizeof why)) {
			assert_int_equal(read.count, 3);
			assert_non_null(read.panic);
		}
		incidents_finish(&read);
		free(copy);
	}
	free(text);
	incidents_finish(&incidents);
}

#define ENTRY "\"since\": \"2026-01-01T00:00:00Z\", \"until\": null, \"why\": \"x\", \"by\": \"root\""
#define PANIC "{" ENTRY ", \"except\": "
#define FILE_OF(list, panic) "{\"version\": 1, \"quarantines\": [" list "], \"panic\": " panic "}"

static void what_is_not_known_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {FILE_OF("{\"workload\": \"a/b\", " ENTRY "}", "null"), NULL},
	    {FILE_OF("", PANIC "[]}"), NULL},
	    {"[]", "version"},
	    {"null", "line 1"},
	    {"{}", "version"},
	    {"{\"version\": 2, \"quarantines\": [], \"panic\": null}", "version"},
	    {"{\"version\": 1, \"quarantines\": []}", "other keys"},
	    {"{\"version\": 1, \"quarantines\": {}, \"panic\": null}", "other keys"},
	    {"{\"version\": 1, \"quarantines\": [], \"panic\": null, \"more\": 1}", "other keys"},
	    {"{\"version\": 1, \"version\": 1, \"quarantines\": [], \"panic\": null}", "duplicate"},
	    {FILE_OF("null", "null"), "no `workload`"},
	    {FILE_OF("\"a/b\"", "null"), "no `workload`"},
	    {FILE_OF("{\"workload\": \"b\", " ENTRY "}", "null"), "no `workload`"},
	    {FILE_OF("{\"workload\": \"A/b\", " ENTRY "}", "null"), "no `workload`"},
	    {FILE_OF("{\"workload\": \"a/b\", \"more\": 1, " ENTRY "}", "null"), "other keys"},
	    {FILE_OF("{\"workload\": \"a/b\", \"since\": 1, \"until\": null, \"why\": \"x\", \"by\": \"y\"}", "null"),
	     "a time"},
	    {FILE_OF("{\"workload\": \"a/b\", " ENTRY "}, {\"workload\": \"a/b\", " ENTRY "}", "null"), "twice"},
	    {FILE_OF("", "{}"), "neither null"},
	    {FILE_OF("", "true"), "neither null"},
	    {FILE_OF("", PANIC "[\"a/b\"]}"), "`except`"},
	    {FILE_OF("", PANIC "[1]}"), "`except`"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct incidents read = {0};
		char why[256] = "";
		bool good = incidents_parse(&read, cases[i].text, strlen(cases[i].text), why, sizeof why);
		if (good != (cases[i].why == NULL) || (!good && strstr(why, cases[i].why) == NULL))
			fail_msg("%s: %s", cases[i].text, why);
		incidents_finish(&read);
	}
}

/* ---- in time ---- */

static void each_is_over_when_it_says(void **state)
{
	(void)state;
	struct incidents incidents = some();
	static const struct {
		int64_t at, next;
		size_t left;
		bool panic;
	} steps[] = {
	    {NOW, NOW + 30, 3, true},	    {NOW + 29, NOW + 30, 3, true}, {NOW + 30, NOW + 60, 2, true},
	    {NOW + 60, NOW + 90, 2, false}, {NOW + 90, 0, 1, false},	   {NOW + (1LL << 40), 0, 1, false},
	};
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		for (struct incident *over = incidents_take_over(&incidents, steps[i].at), *next; over != NULL;
		     over = next) {
			next = over->next;
			assert_true(over->quarantine.until <= steps[i].at);
			incident_free(over);
		}
		assert_int_equal(incidents.count, steps[i].left);
		assert_int_equal(incidents.panic != NULL, steps[i].panic);
		assert_int_equal(incidents_next_expiry(&incidents), steps[i].next);
	}
	incidents_finish(&incidents);
}

static void a_moment_is_a_time_or_how_far_off(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* 0: none */
	} cases[] = {
	    {"30m", NOW + 1800},
	    {"2h", NOW + 7200},
	    {"90s", NOW + 90},
	    {"1d", NOW + 86400},
	    {"999999d", NOW + 999999LL * 86400},
	    {"2027-03-31", 1806537600},
	    {"2027-03-31T06:00:00Z", 1806472800},
	    {"", 0},
	    {"2", 0},
	    {"h", 0},
	    {"2h30m", 0},
	    {"-2h", 0},
	    {"2H", 0},
	    {"1000000h", 0},
	    {"99999999999999999999h", 0},
	    {"tomorrow", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t seconds = 0;
		bool good = moment_parse(&seconds, cases[i].text, NOW) == NULL;
		if (good != (cases[i].seconds != 0) || (good && seconds != cases[i].seconds))
			fail_msg("%s is %lld", cases[i].text, (long long)seconds);
	}
}

/* ---- the state follows ---- */

struct fixture {
	char root[64], policy[80], workloads[80];
	struct state *state;
};

static void put(const char *directory, const char *name, const char *text)
{
	char path[160];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* `api` is selected by the label app, whose value the policy says. */
static void put_policy(const struct fixture *f, const char *value)
{
	char text[400];
	snprintf(text, sizeof text,
		 "ringfence: v1\nnamespace: shop\nservices: {api: {workloads: {app: %s}, ports: {http: 80/tcp}}}\n"
		 "allow: [{from: any, to: api}]\n",
		 value);
	put(f->policy, "policy.yaml", text);
}

static void put_workload(const struct fixture *f, unsigned number, const char *label, unsigned address,
			 const char *node)
{
	char name[32], text[300];
	snprintf(name, sizeof name, "w%u.yaml", number);
	snprintf(text, sizeof text,
		 "ringfence: v1\nworkloads:\n  - {name: w%u, namespace: shop, node: %s, labels: {app: %s}, addresses: "
		 "[10.0.0.%u]}\n",
		 number, node, label, address);
	put(f->workloads, name, text);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	strcpy(f->root, "/tmp/ringfence-incidents-XXXXXX");
	if (f == NULL || mkdtemp(f->root) == NULL)
		return -1;
	snprintf(f->policy, sizeof f->policy, "%s/policy", f->root);
	snprintf(f->workloads, sizeof f->workloads, "%s/workloads", f->root);
	mkdir(f->policy, 0700);
	mkdir(f->workloads, 0700);
	f->state = state_create("here");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[160];
	state_destroy(f->state);
	for (unsigned i = 0; i < NAMES; i++) {
		snprintf(path, sizeof path, "%s/w%u.yaml", f->workloads, i);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/policy.yaml", f->policy);
	unlink(path);
	rmdir(f->policy);
	rmdir(f->workloads);
	int error = rmdir(f->root);
	free(f);
	return error;
}

static const struct workload *found(const struct fixture *f, unsigned number)
{
	char name[16];
	snprintf(name, sizeof name, "w%u", number);
	return inventory_workload(state_world(f->state, NOW).inventory, "shop", name);
}

static size_t follow_all(const struct fixture *f)
{
	struct changes changes;
	size_t at = 0, count = 0;
	while (state_follow_incidents(f->state, &at, &changes)) {
		assert_int_equal(changes.count, 1);
		assert_ptr_not_equal(changes.items[0].before->quarantine, changes.items[0].after->quarantine);
		assert_string_equal(changes.items[0].before->name, changes.items[0].after->name);
		count++;
	}
	return count;
}

static void a_workload_is_isolated_now_or_when_it_comes(void **state)
{
	struct fixture *f = *state;
	struct changes changes;
	struct incidents *incidents = state_incidents(f->state);
	put_policy(f, "x");
	assert_int_equal(state_read_policy(f->state, f->policy, &changes), 1);
	put_workload(f, 0, "x", 1, "here");
	state_scan_workloads(f->state, f->workloads, &changes);
	struct incident *first = incident_create("shop", "w0", "x", "root", NOW, 0),
			*later = incident_create("shop", "w1", "x", "root", NOW, 0);
	assert_null(incidents_put(incidents, first));
	assert_null(incidents_put(incidents, later));
	assert_null(found(f, 0)->quarantine);
	assert_true(state_follow_incident(f->state, "shop", "w0", &changes));
	assert_ptr_equal(found(f, 0)->quarantine, &first->quarantine);
	assert_int_equal(changes.count, 1);
	assert_null(changes.items[0].before->quarantine);
	assert_false(state_follow_incident(f->state, "shop", "w0", &changes));
	assert_false(state_follow_incident(f->state, "shop", "w1", &changes));
	put_workload(f, 1, "x", 2, "here");
	state_scan_workloads(f->state, f->workloads, &changes);
	assert_ptr_equal(found(f, 1)->quarantine, &later->quarantine);
	put_workload(f, 0, "y", 1, "here"); /* another workload of that name */
	state_scan_workloads(f->state, f->workloads, &changes);
	assert_ptr_equal(found(f, 0)->quarantine, &first->quarantine);
	incidents_take(incidents, first);
	assert_int_equal(follow_all(f), 1);
	incident_free(first);
	assert_null(found(f, 0)->quarantine);
}

static void the_panic_spares_whom_a_service_selects_at_the_moment(void **state)
{
	struct fixture *f = *state;
	struct changes changes;
	put_policy(f, "x");
	assert_int_equal(state_read_policy(f->state, f->policy, &changes), 1);
	put_workload(f, 0, "x", 1, "here");
	put_workload(f, 1, "y", 2, "here");
	put_workload(f, 2, "z", 3, "here");
	put_workload(f, 3, "z", 4, "there");
	state_scan_workloads(f->state, f->workloads, &changes);
	struct incident *panic = incident_create(NULL, NULL, "x", "root", NOW, 0);
	incident_except(panic, true, "shop", "api");
	incident_except(panic, false, "shop", "w2");
	incidents_put(state_incidents(f->state), panic);
	assert_int_equal(follow_all(f), 1); /* w1 */
	assert_null(found(f, 0)->quarantine);
	assert_ptr_equal(found(f, 1)->quarantine, &panic->quarantine);
	assert_null(found(f, 2)->quarantine);
	assert_null(found(f, 3)->quarantine);
	put_policy(f, "y");
	assert_int_equal(state_read_policy(f->state, f->policy, &changes), 1);
	assert_int_equal(changes.count, 2);
	assert_ptr_equal(found(f, 0)->quarantine, &panic->quarantine);
	assert_null(found(f, 1)->quarantine);
	assert_int_equal(follow_all(f), 0);
	incidents_take(state_incidents(f->state), panic);
	assert_int_equal(follow_all(f), 1);
	incident_free(panic);
}

/* Whatever comes, goes, clashes and is quarantined: each workload points to what isolates it now, so that nothing that
 * was taken out is pointed to (the sanitizer would tell), and each change leads from what was to what is. */
static void random_incidents_are_followed(void **state)
{
	struct fixture *f = *state;
	struct incidents *incidents = state_incidents(f->state);
	struct changes changes;
	uint32_t seed = 20261127;
	size_t isolated = 0;
	put_policy(f, "x");
	assert_int_equal(state_read_policy(f->state, f->policy, &changes), 1);
	for (unsigned i = 0; i < STEPS; i++) {
		static const char *const labels[] = {"x", "y"}, *const nodes[] = {"here", "there"};
		unsigned number = random_next(&seed) % NAMES;
		char name[16], path[160];
		struct incident *gone = NULL;
		snprintf(name, sizeof name, "w%u", number);
		snprintf(path, sizeof path, "%s/%s.yaml", f->workloads, name);
		switch (random_next(&seed) % 6) {
		case 0:
		case 1: /* few addresses: conflicts come and go */
			put_workload(f, number, labels[random_next(&seed) % 2], random_next(&seed) % 6 + 1,
				     nodes[random_next(&seed) % 4 == 0]);
			state_read_workloads(f->state, path, &changes);
			break;
		case 2:
			unlink(path);
			state_forget_workloads(f->state, path, &changes);
			break;
		case 3:
			gone = incidents_put(incidents, incident_create("shop", name, "x", "root", NOW, 0));
			break;
		case 4:
			gone = random_next(&seed) % 4 == 0 ? incidents->panic : incidents_find(incidents, "shop", name);
			if (gone != NULL)
				incidents_take(incidents, gone);
			break;
		case 5: {
			struct incident *panic = incident_create(NULL, NULL, "x", "root", NOW, 0);
			if (random_next(&seed) % 2 == 0)
				incident_except(panic, random_next(&seed) % 2 == 0, "shop",
						random_next(&seed) % 2 == 0 ? "api" : name);
			gone = incidents_put(incidents, panic);
			break;
		}
		}
		follow_all(f);
		incident_free(gone);
		const struct world world = state_world(f->state, NOW);
		for (size_t j = 0; j < world.inventory->workload_count; j++) {
			const struct workload *workload = world.inventory->workloads[j];
			assert_ptr_equal(workload->quarantine, incidents_of(incidents, world.policy, "here", workload));
			isolated += workload->quarantine != NULL && workload->quarantine->why[0] == 'x';
		}
	}
	assert_in_range(isolated, STEPS / 2, STEPS * NAMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read_back),
	    cmocka_unit_test(what_is_cut_short_is_refused),
	    cmocka_unit_test(what_is_damaged_opens_nobody),
	    cmocka_unit_test(what_is_not_known_is_refused),
	    cmocka_unit_test(each_is_over_when_it_says),
	    cmocka_unit_test(a_moment_is_a_time_or_how_far_off),
	    cmocka_unit_test_setup_teardown(a_workload_is_isolated_now_or_when_it_comes, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_panic_spares_whom_a_service_selects_at_the_moment, setup, teardown),
	    cmocka_unit_test_setup_teardown(random_incidents_are_followed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
