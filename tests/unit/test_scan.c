/* Reading the kernel's table in slices, against the real kernel in a network namespace: that no slice takes long, that
 * nothing is said of a set that was not so, and that signals, small buffers, other writers and broken messages do no
 * harm. */
#include "enforcer/kernel/elements.h"
#include "enforcer/kernel/socket.h"

#include "compiler/ruleset/netlink.h"

#include <ringfence/scan.h>

#include <libnftnl/common.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

enum {
	MILLION = 1000000,
	BUDGET = 1000,	     /* microseconds */
	SLICES_MAX = 100000, /* of one scan */
	FEW = 3000,	     /* elements that a dump tells in several messages */
};

struct fixture {
	struct arena *arena;
	struct kernel *writer, *reader;
	const char *missing; /* why the tests cannot run, or NULL */
};

static int enter(void **state)
{
	static struct fixture fixture;
	fixture.arena = arena_create();
	if (unshare(CLONE_NEWNET) != 0)
		fixture.missing = "no network namespace can be made: not root";
	else if (kernel_open(&fixture.writer) != 0 || kernel_open(&fixture.reader) != 0)
		fixture.missing = "no netlink socket";
	*state = &fixture;
	return 0;
}

static int leave(void **state)
{
	struct fixture *fixture = *state;
	kernel_close(fixture->writer);
	kernel_close(fixture->reader);
	arena_free(fixture->arena);
	return 0;
}

static void nft(const char *command)
{
	char line[512];
	snprintf(line, sizeof line, "nft '%s'", command);
	assert_int_equal(system(line), 0);
}

/* Begins a test: in an empty table, or not at all. */
static struct fixture *begin(void **state)
{
	struct fixture *f = *state;
	if (f->missing != NULL) {
		print_message("skipped: %s\n", f->missing);
		skip();
	}
	nft("add table inet ringfence; delete table inet ringfence");
	return f;
}

/* ---- rulesets ---- */

static struct element make_element(enum key_type key, uint32_t number)
{
	struct element element = {0};
	uint32_t address = htonl(0x0a000000 + number);
	memcpy(element.key, &address, sizeof address);
	if (key == KEY_PORT4) {
		element.key[4] = IPPROTO_TCP;
		element.key[9] = 80;
	}
	memcpy(element.end, element.key, sizeof element.end);
	return element;
}

static struct set *add_set(struct fixture *f, struct ruleset *ruleset, const char *name, bool map, size_t count)
{
	struct set *set = arena_alloc(f->arena, sizeof *set);
	snprintf(set->name, sizeof set->name, "%s", name);
	set->key = map ? KEY_ADDRESS4 : KEY_PORT4;
	set->map = map;
	set->size = (uint32_t)count * 2;
	set->element_count = count;
	set->elements = arena_alloc(f->arena, count * sizeof *set->elements);
	for (size_t i = 0; i < count; i++) {
		set->elements[i] = make_element(set->key, (uint32_t)i);
		set->elements[i].chain = map ? i % 2 == 0 ? "g1_even" : "g1_odd" : NULL;
	}
	*arena_push(f->arena, ruleset->sets, ruleset->set_count) = set;
	return set;
}

static void add_chain(struct fixture *f, struct ruleset *ruleset, const char *name)
{
	struct chain *chain = arena_alloc(f->arena, sizeof *chain);
	snprintf(chain->name, sizeof chain->name, "%s", name);
	*arena_push(f->arena, ruleset->chains, ruleset->chain_count) = chain;
}

/* Sets of `count` elements: one without values and one with, and a small one; intervals and expiring ones as well. */
static struct ruleset *make_ruleset(struct fixture *f, size_t count)
{
	struct ruleset *ruleset = arena_alloc(f->arena, sizeof *ruleset);
	ruleset->generation = 1;
	ruleset->at = time(NULL);
	add_chain(f, ruleset, "g1_even");
	add_chain(f, ruleset, "g1_odd");
	add_set(f, ruleset, "g1_large", false, count);
	add_set(f, ruleset, "g1_map", true, count < MILLION ? count : count / 10);
	add_set(f, ruleset, "g1_small", false, 100);
	struct set *nets = add_set(f, ruleset, "g1_nets", false, 1), *late = add_set(f, ruleset, "g1_late", false, 2);
	nets->key = KEY_ADDRESS4;
	nets->interval = true;
	nets->size = 0;
	nets->elements[0] = make_element(KEY_ADDRESS4, 256);
	memcpy(nets->elements[0].end, make_element(KEY_ADDRESS4, 511).key, sizeof nets->elements[0].end);
	late->timeout = true;
	late->size = 0;
	late->elements[0].expires = late->elements[1].expires = ruleset->at + 1000;
	return ruleset;
}

static void change(struct fixture *f, enum operation_kind kind, const struct set *set, const struct element *elements,
		   size_t count)
{
	struct operation operation = {.kind = kind, .set = set, .elements = elements, .element_count = count};
	struct transaction transaction = {&operation, 1, false};
	struct plan plan = {.transactions = {transaction}, .count = 1};
	snprintf(operation.name, sizeof operation.name, "%s", set->name);
	struct answer answer = kernel_apply(f->writer, &plan, time(NULL));
	if (answer.error != 0)
		fail_msg("refused: %s: %s", answer.object, strerror(-answer.error));
}

static struct ruleset *load(struct fixture *f, size_t count)
{
	struct ruleset *ruleset = make_ruleset(f, count);
	struct answer answer = kernel_apply(f->writer, plan_make(f->arena, NULL, ruleset), ruleset->at);
	if (answer.error != 0)
		fail_msg("refused: %s: %s", answer.object, strerror(-answer.error));
	return ruleset;
}

/* ---- a scan that is written down ---- */

/* What is desired, what was said of each of its sets, and the slices it took. */
struct record {
	const struct ruleset *desired;
	struct scanned scanned[16];
	size_t sets, objects;
	struct element missing[16];
	size_t missing_count;
	uint32_t slices[SLICES_MAX]; /* microseconds of CPU each took */
	size_t slice_count;
	bool blind; /* is not told what is wanted */
};

static size_t wanted(void *context, const struct set *set, uint64_t *cursor, struct element *elements, size_t room)
{
	const struct record *record = context;
	const struct set *desired = ruleset_set(record->desired, set->name);
	size_t count = 0;
	for (; desired != NULL && !record->blind && count < room && *cursor < desired->element_count; count++)
		elements[count] = desired->elements[(*cursor)++];
	return count;
}

static void note_missing(void *context, const struct set *set, const struct element *element)
{
	struct record *record = context;
	(void)set;
	if (record->missing_count < sizeof record->missing / sizeof *record->missing)
		record->missing[record->missing_count] = *element;
	record->missing_count++;
}

static void note_objects(void *context, const struct ruleset *ruleset)
{
	struct record *record = context;
	assert_int_equal(ruleset->chain_count, record->desired->chain_count);
	record->objects++;
}

static size_t place_of(const struct record *record, const char *name)
{
	for (size_t i = 0; i < record->desired->set_count; i++)
		if (strcmp(record->desired->sets[i]->name, name) == 0)
			return i;
	fail_msg("set %s is not among the desired", name);
	return 0;
}

static void note_set(void *context, const struct set *set, const struct scanned *scanned)
{
	struct record *record = context;
	record->scanned[place_of(record, set->name)] = *scanned;
	record->sets++;
}

static const struct scanned *said_of(const struct record *record, const char *name)
{
	return &record->scanned[place_of(record, name)];
}

static struct record *make_record(struct fixture *f, const struct ruleset *desired)
{
	struct record *record = arena_alloc(f->arena, sizeof *record);
	record->desired = desired;
	return record;
}

static const char *const nothing[] = {NULL};

static struct scan_reader reader_of(struct record *record)
{
	return (struct scan_reader){record, nothing, wanted, note_missing, note_objects, note_set};
}

/* Of this thread: what others do on the machine does not count. */
static uint64_t microseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Scans to the end, with a call between the slices; returns what the last step did. */
static int scan_all(struct fixture *f, struct record *record, const struct scan_reader *reader,
		    void (*between)(struct fixture *f, const struct ruleset *desired))
{
	struct scan *scan = kernel_scan_start(f->reader, f->arena, time(NULL), reader);
	int result = 0;
	assert_non_null(scan);
	while (result == 0) {
		uint64_t start = microseconds();
		result = kernel_scan_step(scan, BUDGET);
		assert_true(record->slice_count < SLICES_MAX);
		record->slices[record->slice_count++] = (uint32_t)(microseconds() - start);
		if (between != NULL)
			between(f, record->desired);
	}
	kernel_scan_finish(scan);
	return result;
}

static void scan(struct fixture *f, struct record *record)
{
	struct scan_reader reader = reader_of(record);
	assert_int_equal(scan_all(f, record, &reader, NULL), 1);
	assert_int_equal(record->sets, record->desired->set_count);
}

static struct digest digest_of(const struct set *set)
{
	struct digest digest = {0};
	for (size_t i = 0; i < set->element_count; i++)
		digest_add(&digest, set, &set->elements[i]);
	return digest;
}

static bool is_as_desired(const struct record *record, size_t place)
{
	const struct scanned *scanned = &record->scanned[place];
	const struct set *set = record->desired->sets[place];
	struct digest digest;
	switch (scanned->how) {
	case SCANNED_DIGEST:
		digest = digest_of(set);
		return digest_equal(&scanned->digest, &digest);
	case SCANNED_ELEMENTS:
	case SCANNED_ASKED:
		return scanned->missing == 0 && scanned->count == set->element_count;
	case SCANNED_NOTHING:
		break;
	}
	return false;
}

static void expect_as_desired(const struct record *record)
{
	for (size_t i = 0; i < record->desired->set_count; i++)
		if (record->scanned[i].changing || !is_as_desired(record, i))
			fail_msg("set %s is told as another", record->desired->sets[i]->name);
}

/* ---- what is true ---- */

static void a_digest_forgets_order_and_what_was_removed(void **state)
{
	struct set set = {.key = KEY_PORT4}, map = {.key = KEY_ADDRESS4, .map = true};
	struct element a = make_element(KEY_PORT4, 1), b = make_element(KEY_PORT4, 2);
	struct digest one = {0}, other = {0}, none = {0};
	(void)state;
	digest_add(&one, &set, &a);
	digest_add(&one, &set, &b);
	digest_add(&other, &set, &b);
	assert_false(digest_equal(&one, &other));
	digest_add(&other, &set, &a);
	assert_true(digest_equal(&one, &other));
	digest_remove(&one, &set, &a);
	digest_remove(&one, &set, &b);
	assert_true(digest_equal(&one, &none));
	/* The same key with another chain, or with none, is another element. */
	a = make_element(KEY_ADDRESS4, 1);
	b = a;
	a.chain = "in";
	b.chain = "out";
	one = other = none;
	digest_add(&one, &map, &a);
	digest_add(&other, &map, &b);
	assert_false(digest_equal(&one, &other));
	b.chain = NULL;
	other = none;
	digest_add(&other, &map, &b);
	assert_false(digest_equal(&one, &other));
}

static void digests_and_elements_are_those_that_were_loaded(void **state)
{
	struct fixture *f = begin(state);
	struct ruleset *desired = load(f, FEW);
	struct record *record = make_record(f, desired);
	scan(f, record);
	expect_as_desired(record);
	assert_int_equal(record->objects, 1);
	assert_int_equal(said_of(record, "g1_large")->how, SCANNED_DIGEST);
	assert_int_equal(said_of(record, "g1_map")->how, SCANNED_DIGEST);
	assert_int_equal(said_of(record, "g1_nets")->how, SCANNED_ELEMENTS);
	assert_int_equal(said_of(record, "g1_late")->how, SCANNED_ELEMENTS);
	/* And those of a set that is to be looked at. */
	const char *const names[] = {"g1_map", NULL};
	struct scan_reader reader = reader_of(record);
	reader.keep = names;
	struct scan *scan = kernel_scan_start(f->reader, f->arena, time(NULL), &reader);
	assert_int_equal(kernel_scan_step(scan, UINT64_MAX), 1);
	const struct set *kept = ruleset_set(kernel_scan_ruleset(scan), "g1_map"), *map = desired->sets[1];
	assert_int_equal(said_of(record, "g1_map")->how, SCANNED_ELEMENTS);
	assert_int_equal(kept->element_count, map->element_count);
	for (size_t i = 0; i < kept->element_count; i++) {
		assert_memory_equal(kept->elements[i].key, map->elements[i].key, sizeof kept->elements[i].key);
		assert_string_equal(kept->elements[i].chain, map->elements[i].chain);
	}
	kernel_scan_finish(scan);
}

static void what_is_not_as_desired_shows(void **state)
{
	static const struct {
		const char *command, *set;
	} tampering[] = {
	    {"delete element inet ringfence g1_large { 10.0.0.7 . tcp . 80 }", "g1_large"},
	    {"add element inet ringfence g1_large { 10.0.0.7 . udp . 80 }", "g1_large"},
	    {"add element inet ringfence g1_large { * }", "g1_large"},
	    {"add element inet ringfence g1_nets { 10.9.0.0/16 }", "g1_nets"},
	    {"delete element inet ringfence g1_map { 10.0.0.8 }; "
	     "add element inet ringfence g1_map { 10.0.0.8 : goto g1_odd }",
	     "g1_map"},
	    {"delete element inet ringfence g1_map { 10.0.0.8 }; "
	     "add element inet ringfence g1_map { 10.0.0.8 : jump g1_even }",
	     "g1_map"},
	};
	struct fixture *f = begin(state);
	for (size_t i = 0; i < 2 * sizeof tampering / sizeof *tampering; i++) {
		size_t count = i % 2 == 0 ? FEW : SCAN_ASK_LEAST + 1000; /* dumped, and asked about */
		nft("add table inet ringfence; delete table inet ringfence");
		struct record *record = make_record(f, load(f, count));
		nft(tampering[i / 2].command);
		scan(f, record);
		for (size_t j = 0; j < record->desired->set_count; j++)
			if (is_as_desired(record, j) ==
			    (strcmp(record->desired->sets[j]->name, tampering[i / 2].set) == 0))
				fail_msg("%s of %zu: set %s", tampering[i / 2].command, count,
					 record->desired->sets[j]->name);
	}
}

static int compare_slices(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* One element of the small set comes and goes: another set than the one that is being read, mostly. */
static void change_small(struct fixture *f, const struct ruleset *desired)
{
	const struct set *set = ruleset_set(desired, "g1_small");
	change(f, OPERATION_DELETE_ELEMENTS, set, set->elements, 1);
	change(f, OPERATION_ADD_ELEMENTS, set, set->elements, 1);
}

static void a_million_elements_are_read_without_a_long_slice(void **state)
{
	struct fixture *f = begin(state);
	struct record *record = make_record(f, load(f, MILLION));
	struct scan_reader reader = reader_of(record);
	assert_int_equal(scan_all(f, record, &reader, change_small), 1);
	expect_as_desired(record);
	assert_int_equal(said_of(record, "g1_large")->how, SCANNED_ASKED);
	assert_int_equal(said_of(record, "g1_map")->how, SCANNED_ASKED);
	assert_int_equal(said_of(record, "g1_large")->count, MILLION);
	uint64_t total = 0;
	for (size_t i = 0; i < record->slice_count; i++)
		total += record->slices[i];
	qsort(record->slices, record->slice_count, sizeof *record->slices, compare_slices);
	uint32_t middle = record->slices[record->slice_count / 2],
		 most = record->slices[record->slice_count * 99 / 100];
	print_message("# %zu slices of 1000 us in %.2f s: p50 %u us, p99 %u us, max %u us\n", record->slice_count,
		      (double)total / 1e6, middle, most, record->slices[record->slice_count - 1]);
	/* The budget and one question; most pieces of a dump would take 5 to 30 ms. A few slices may lose time to a
	 * hypervisor that counts as theirs, so the longest says nothing. */
	assert_in_range(most, 0, 3 * BUDGET);
	/* What is missing is named. */
	const struct set *large = record->desired->sets[0];
	const struct element lost[] = {large->elements[5], large->elements[MILLION / 2], large->elements[MILLION - 1]};
	change(f, OPERATION_DELETE_ELEMENTS, large, lost, 3);
	struct record *again = make_record(f, record->desired);
	scan(f, again);
	assert_int_equal(said_of(again, "g1_large")->missing, 3);
	assert_int_equal(said_of(again, "g1_large")->count, MILLION - 3);
	assert_int_equal(again->missing_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_memory_equal(again->missing[i].key, lost[i].key, sizeof lost[i].key);
}

static void a_set_of_which_nothing_is_wanted_is_dumped(void **state)
{
	struct fixture *f = begin(state);
	struct record *record = make_record(f, load(f, 2 * SCAN_ASK_LEAST));
	record->blind = true;
	scan(f, record);
	expect_as_desired(record);
	assert_int_equal(said_of(record, "g1_large")->how, SCANNED_DIGEST);
}

/* A scan that is given up in the middle of a dump: the next one finds a socket without the rest of it. */
static void a_scan_may_be_given_up(void **state)
{
	struct fixture *f = begin(state);
	struct record *record = make_record(f, load(f, FEW * 10));
	struct scan_reader reader = reader_of(record);
	for (uint64_t steps = 1; steps < 30; steps++) {
		struct scan *scan = kernel_scan_start(f->reader, f->arena, time(NULL), &reader);
		for (uint64_t i = 0; i < steps; i++)
			assert_true(kernel_scan_step(scan, 0) >= 0);
		kernel_scan_finish(scan);
	}
	record->sets = 0;
	scan(f, record);
	expect_as_desired(record);
}

/* ---- others at work ---- */

/* A thread that makes transactions as fast as it can. */
struct rival {
	pthread_t thread;
	const struct set *set; /* of which the first half comes and goes; NULL: another table changes */
	atomic_bool stop;
	atomic_uint transactions;
};

static void *be_a_rival(void *context)
{
	struct rival *rival = context;
	struct kernel *kernel;
	struct operation operations[2] = {0};
	struct transaction transaction = {operations, 1, false};
	struct plan plan = {.transactions = {transaction}, .count = 1};
	if (kernel_open(&kernel) != 0)
		return NULL;
	for (unsigned i = 0; !atomic_load(&rival->stop); i++) {
		struct set stranger = {.name = "stranger", .key = KEY_ADDRESS4};
		operations[0] = (struct operation){.kind = i % 2 == 0 ? OPERATION_ADD_SET : OPERATION_DELETE_SET,
						   .name = "stranger",
						   .set = &stranger};
		if (rival->set != NULL) {
			operations[0] =
			    (struct operation){.kind = i % 2 == 0 ? OPERATION_DELETE_ELEMENTS : OPERATION_ADD_ELEMENTS,
					       .set = rival->set,
					       .elements = rival->set->elements,
					       .element_count = rival->set->element_count / 2};
			snprintf(operations[0].name, sizeof operations[0].name, "%s", rival->set->name);
		}
		if (kernel_apply(kernel, &plan, time(NULL)).error == 0)
			atomic_fetch_add(&rival->transactions, 1);
		struct timespec pause = {.tv_nsec = 300000};
		nanosleep(&pause, NULL);
	}
	kernel_close(kernel);
	return NULL;
}

static void begin_rival(struct rival *rival, const struct set *set)
{
	*rival = (struct rival){.set = set};
	assert_int_equal(pthread_create(&rival->thread, NULL, be_a_rival, rival), 0);
	while (atomic_load(&rival->transactions) == 0)
		sched_yield();
}

static void end_rival(struct rival *rival)
{
	atomic_store(&rival->stop, true);
	pthread_join(rival->thread, NULL);
}

/* Half of a set comes and goes: it is told whole, or by half, or not at all, and never as a mixture. */
static void a_set_that_changes_meanwhile_is_not_told_as_it_never_was(void **state)
{
	struct fixture *f = begin(state);
	struct ruleset *desired = load(f, FEW);
	const struct set *large = ruleset_set(desired, "g1_large");
	struct set half = *large;
	half.element_count -= large->element_count / 2;
	half.elements += large->element_count / 2;
	struct digest whole = digest_of(large), rest = digest_of(&half);
	struct rival rival;
	size_t told = 0, changing = 0;
	begin_rival(&rival, large);
	for (int i = 0; i < 300; i++) {
		struct record *record = make_record(f, desired);
		struct scan_reader reader = reader_of(record);
		record->blind = true;
		int result = scan_all(f, record, &reader, NULL);
		if (result != 1 && result != -EAGAIN)
			fail_msg("the scan failed: %s", strerror(-result));
		const struct scanned *scanned = said_of(record, "g1_large");
		changing += result != 1 || scanned->changing;
		if (result != 1 || scanned->changing)
			continue;
		told++;
		assert_true(digest_equal(&scanned->digest, &whole) || digest_equal(&scanned->digest, &rest));
		assert_true(is_as_desired(record, place_of(record, "g1_late")) || said_of(record, "g1_late")->changing);
	}
	end_rival(&rival);
	print_message("# %zu told, %zu changing, %u transactions meanwhile\n", told, changing,
		      atomic_load(&rival.transactions));
	assert_true(told > 0);
}

/* What others change elsewhere does not keep a large set from being read. */
static void a_large_set_is_read_while_the_ruleset_changes(void **state)
{
	struct fixture *f = begin(state);
	struct record *record = make_record(f, load(f, 2 * SCAN_ASK_LEAST));
	struct scan_reader reader = reader_of(record);
	struct rival rival;
	begin_rival(&rival, ruleset_set(record->desired, "g1_small"));
	int result = scan_all(f, record, &reader, NULL);
	end_rival(&rival);
	assert_int_equal(result, 1);
	assert_int_equal(said_of(record, "g1_large")->how, SCANNED_ASKED);
	assert_true(is_as_desired(record, place_of(record, "g1_large")));
	assert_true(atomic_load(&rival.transactions) > 2);
}

/* kernel_read tells the table of one moment, or nothing. */
static void reading_all_at_once_is_reading_one_moment(void **state)
{
	struct fixture *f = begin(state);
	struct ruleset *desired = load(f, FEW), *actual = NULL;
	const struct set *large = ruleset_set(desired, "g1_large");
	struct rival rival;
	begin_rival(&rival, large);
	size_t told = 0;
	for (int i = 0; i < 100; i++) {
		int error = kernel_read(f->reader, f->arena, time(NULL), &actual);
		if (error == -EAGAIN)
			continue;
		assert_int_equal(error, 0);
		told++;
		size_t count = ruleset_set(actual, "g1_large")->element_count;
		assert_true(count == large->element_count || count == large->element_count - large->element_count / 2);
	}
	end_rival(&rival);
	assert_true(told > 0);
}

/* ---- signals, small buffers, broken messages ---- */

static atomic_uint signals;

static void count_signal(int number)
{
	(void)number;
	atomic_fetch_add(&signals, 1);
}

static void signals_interrupt_nothing(void **state)
{
	struct fixture *f = begin(state);
	struct sigaction action = {.sa_handler = count_signal}, before;
	struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0); /* without SA_RESTART */
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	struct record *record = make_record(f, load(f, 3 * SCAN_ASK_LEAST)), *blind = make_record(f, record->desired);
	blind->blind = true;
	scan(f, record);
	scan(f, blind);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	expect_as_desired(record);
	expect_as_desired(blind);
	assert_true(atomic_load(&signals) > 100);
}

/* Room for an answer or two: others are lost, and asked for again. */
static void a_small_buffer_loses_nothing(void **state)
{
	struct fixture *f = begin(state);
	struct ruleset *desired = load(f, SCAN_ASK_LEAST + 1000);
	int least = 1;
	struct kernel *usual = f->reader;
	assert_int_equal(kernel_open(&f->reader), 0);
	assert_int_equal(setsockopt(mnl_socket_get_fd(f->reader->socket), SOL_SOCKET, SO_RCVBUF, &least, sizeof least),
			 0);
	struct record *record = make_record(f, desired), *blind = make_record(f, desired);
	blind->blind = true;
	scan(f, record);
	scan(f, blind);
	expect_as_desired(record);
	expect_as_desired(blind);
	assert_int_equal(said_of(record, "g1_large")->how, SCANNED_ASKED);
	kernel_close(f->reader);
	f->reader = usual;
}

/* What the buffer has no room for is not taken for the whole. */
static void a_message_that_was_cut_is_an_error(void **state)
{
	struct fixture *f = begin(state);
	load(f, FEW);
	_Alignas(struct nlmsghdr) char room[256], answer[64];
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(room, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, 1);
	struct iovec whole = {message, 0};
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, RULESET_TABLE);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, "g1_large");
	whole.iov_len = message->nlmsg_len;
	assert_int_equal(kernel_send(f->reader, &whole, 1), 0);
	assert_int_equal(kernel_receive(f->reader, answer, sizeof answer), -EMSGSIZE);
	assert_int_equal(kernel_reopen(f->reader), 0);
}

static int count_told(void *context, const struct told *told)
{
	size_t *count = context;
	*count += told->element.chain == NULL || strlen(told->element.chain) < RULESET_NAME_SIZE;
	return 0;
}

/* Every byte of a message that may be missing or different, one after another: what comes out is an error or elements,
 * and nothing outside the message is read. */
static void a_broken_message_is_an_error(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	struct set map = {.name = "m", .key = KEY_ADDRESS4, .map = true};
	struct element elements[3];
	_Alignas(struct nlmsghdr) char room[1 << 17];
	size_t count = 0, errors = 0;
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		elements[i] = make_element(KEY_ADDRESS4, i);
		elements[i].chain = "g1_even";
		elements[i].expires = 10;
	}
	struct nlmsghdr *message = nftnl_nlmsg_build_hdr(room, NFT_MSG_NEWSETELEM, NFPROTO_INET, 0, 1);
	assert_int_equal(netlink_elements(message, &map, elements, 3, 0, false), 3);
	assert_int_equal(elements_read(message, &map, 0, count_told, &count), 0);
	assert_int_equal(count, 3);
	uint32_t whole = message->nlmsg_len, head = NLMSG_HDRLEN + sizeof(struct nfgenmsg);
	for (uint32_t length = head + 1; length < whole; length++) {
		struct nlmsghdr *cut = malloc(length); /* so that a sanitizer sees the first byte behind */
		memcpy(cut, message, length);
		cut->nlmsg_len = length;
		assert_int_equal(elements_read(cut, &map, 0, count_told, &count), -EBADMSG);
		free(cut);
	}
	for (uint32_t at = head; at < whole; at++)
		for (size_t i = 0; i < sizeof bytes; i++) {
			struct nlmsghdr *bent = malloc(whole);
			memcpy(bent, message, whole);
			((uint8_t *)bent)[at] = bytes[i];
			errors += elements_read(bent, &map, 0, count_told, &count) != 0;
			free(bent);
		}
	assert_true(errors > 100);
}

/* ---- refusals ---- */

static struct answer apply_list(struct fixture *f, struct operation *operations, size_t count)
{
	struct transaction transaction = {operations, count, false};
	struct plan plan = {.transactions = {transaction}, .count = 1};
	return kernel_apply(f->writer, &plan, time(NULL));
}

static void expect_refused(struct answer answer, int error, const char *object)
{
	if (answer.error != error || strstr(answer.object, object) == NULL)
		fail_msg("\"%s\": %s, and not %s of %s", answer.object, strerror(-answer.error), strerror(-error),
			 object);
}

static void a_large_batch_that_is_refused_names_the_element(void **state)
{
	struct fixture *f = begin(state);
	struct ruleset *desired = load(f, FEW);
	struct set large = {.name = "g1_new", .key = KEY_PORT4},
		   map = {.name = "g1_new", .key = KEY_ADDRESS4, .map = true};
	struct element *elements = calloc(MILLION, sizeof *elements);
	struct operation operations[] = {{.kind = OPERATION_ADD_SET, .name = "g1_new", .set = &large},
					 {.kind = OPERATION_ADD_ELEMENTS,
					  .name = "g1_new",
					  .set = &large,
					  .elements = elements,
					  .element_count = MILLION}};
	assert_non_null(elements);
	for (uint32_t i = 0; i < MILLION; i++)
		elements[i] = make_element(KEY_PORT4, i);
	large.size = 700000;
	expect_refused(apply_list(f, operations, 2), -ENFILE, "element 10.10.174.96 . tcp . 80 of set g1_new");
	/* In a map: a chain that is not there, and a key that is there twice, with another chain. */
	operations[0].set = operations[1].set = &map;
	map.size = 2 * MILLION;
	for (uint32_t i = 0; i < MILLION; i++) {
		elements[i] = make_element(KEY_ADDRESS4, i);
		elements[i].chain = i == 700000 ? "nowhere" : "g1_even";
	}
	expect_refused(apply_list(f, operations, 2), -ENOENT, "element 10.10.174.96 of set g1_new");
	elements[700000] = make_element(KEY_ADDRESS4, 3);
	elements[700000].chain = "g1_odd";
	expect_refused(apply_list(f, operations, 2), -EEXIST, "element 10.0.0.3 of set g1_new");
	free(elements);
	struct record *record = make_record(f, desired);
	scan(f, record);
	expect_as_desired(record);
}

/* Each of them is an error, and there are many more than the socket holds: the first one still counts. */
static void a_batch_of_nothing_but_errors_has_an_answer(void **state)
{
	enum { ERRORS = 50000 };
	struct fixture *f = begin(state);
	struct record *record = make_record(f, load(f, FEW));
	struct operation *operations = calloc(ERRORS, sizeof *operations);
	assert_non_null(operations);
	for (size_t i = 0; i < ERRORS; i++) {
		operations[i].kind = OPERATION_DELETE_SET;
		snprintf(operations[i].name, sizeof operations[i].name, "g1_absent%zu", i);
	}
	expect_refused(apply_list(f, operations, ERRORS), -ENOENT, "the deletion of set g1_absent0");
	/* The same where one valid change comes first, and where the socket holds next to nothing. */
	snprintf(operations[0].name, sizeof operations[0].name, "g1_large");
	expect_refused(apply_list(f, operations, ERRORS), -ENOENT, "the deletion of set g1_absent1");
	int least = 1;
	struct kernel *usual = f->writer;
	assert_int_equal(kernel_open(&f->writer), 0);
	setsockopt(mnl_socket_get_fd(f->writer->socket), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
	expect_refused(apply_list(f, operations, ERRORS), -ENOENT, "the deletion of set g1_absent1");
	/* And then it goes on as if nothing had been. */
	change_small(f, record->desired);
	kernel_close(f->writer);
	f->writer = usual;
	free(operations);
	scan(f, record);
	expect_as_desired(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_digest_forgets_order_and_what_was_removed),
	    cmocka_unit_test(digests_and_elements_are_those_that_were_loaded),
	    cmocka_unit_test(what_is_not_as_desired_shows),
	    cmocka_unit_test(a_million_elements_are_read_without_a_long_slice),
	    cmocka_unit_test(a_set_of_which_nothing_is_wanted_is_dumped),
	    cmocka_unit_test(a_scan_may_be_given_up),
	    cmocka_unit_test(a_set_that_changes_meanwhile_is_not_told_as_it_never_was),
	    cmocka_unit_test(a_large_set_is_read_while_the_ruleset_changes),
	    cmocka_unit_test(reading_all_at_once_is_reading_one_moment),
	    cmocka_unit_test(signals_interrupt_nothing),
	    cmocka_unit_test(a_small_buffer_loses_nothing),
	    cmocka_unit_test(a_message_that_was_cut_is_an_error),
	    cmocka_unit_test(a_broken_message_is_an_error),
	    cmocka_unit_test(a_large_batch_that_is_refused_names_the_element),
	    cmocka_unit_test(a_batch_of_nothing_but_errors_has_an_answer),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}
