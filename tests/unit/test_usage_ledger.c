/* The ledger of the use of allows: sums, gaps, and what it says of a window of time. */
#include "enforcer/service/usage_ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { DAY = 86400 };
#define BOOT "0f0e0d0c-0000-4000-8000-000000000001"
#define ANOTHER_BOOT "0f0e0d0c-0000-4000-8000-000000000002"
#define NAME "a0123456789ab"

struct fixture {
	struct usage_ledger ledger;
	int64_t now;
};

/* One reading, in which there is the counter, or none where `handle` is 0. */
static void reading(struct fixture *f, int64_t seconds, uint64_t table, uint64_t handle, uint64_t packets)
{
	struct allow_counter counter = {NAME, table, handle, packets, COUNTER_BYTES_FIRST + packets * 100};
	f->now += seconds;
	usage_begin(&f->ledger);
	if (handle != 0)
		usage_take(&f->ledger, &counter, f->now);
	usage_end(&f->ledger, true, f->now);
}

static const struct usage *row(const struct fixture *f)
{
	const struct usage *usage = NULL;
	HASH_FIND_STR(f->ledger.rows, NAME, usage);
	assert_non_null(usage);
	return usage;
}

static enum usage_judgement judge(const struct fixture *f, int64_t window)
{
	return usage_judge(row(f), window, f->now);
}

static struct fixture begun(void)
{
	struct fixture f = {.now = 1800000000};
	memcpy(f.ledger.boot, BOOT, sizeof BOOT);
	reading(&f, 0, 7, 3, 0);
	return f;
}

static void what_counts_is_used(void **state)
{
	(void)state;
	struct fixture f = begun();
	assert_int_equal(judge(&f, DAY), USAGE_YOUNG);
	reading(&f, 2 * DAY, 7, 3, 0);
	assert_int_equal(judge(&f, DAY), USAGE_UNUSED);
	assert_int_equal(judge(&f, 2 * DAY), USAGE_UNUSED);
	assert_int_equal(judge(&f, 2 * DAY + 1), USAGE_YOUNG);
	reading(&f, 60, 7, 3, 5);
	assert_int_equal(judge(&f, DAY), USAGE_USED);
	assert_int_equal(judge(&f, 10 * DAY), USAGE_USED);
	reading(&f, DAY, 7, 3, 5);
	assert_int_equal(judge(&f, DAY), USAGE_UNUSED);
	assert_int_equal(judge(&f, DAY + 1), USAGE_USED);
	reading(&f, 60, 7, 3, 6);
	assert_int_equal(row(&f)->packets, 6);
	assert_int_equal(row(&f)->bytes, 600);
	assert_int_equal(row(&f)->lost, 0);
	usage_finish(&f.ledger);
}

/* Whatever makes a counter begin anew: another table, another counter of the name, one that was set back, even where it
 * has counted on as far as it was since. */
static void what_begins_anew_may_have_been_used(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct fixture f = begun();
		reading(&f, 2 * DAY, 7, 3, i == 4 ? 3 : 0);
		reading(&f, 2 * DAY, 7, 3, i == 4 ? 3 : 0);
		assert_int_equal(judge(&f, DAY), USAGE_UNUSED);
		if (i < 3) {
			reading(&f, 60, i == 0 ? 8 : 7, i == 1 ? 4 : i == 2 ? 0 : 3, 0);
		} else { /* set back */
			struct allow_counter counter = {NAME, 7, 3, i == 4 ? 3 : 0, i == 4 ? 300 : 0};
			f.now += 60;
			usage_begin(&f.ledger);
			usage_take(&f.ledger, &counter, f.now);
			usage_end(&f.ledger, true, f.now);
		}
		assert_int_equal(judge(&f, DAY), i == 4 ? USAGE_USED : USAGE_UNSEEN);
		assert_int_equal(row(&f)->lost, 60);
		reading(&f, DAY, 7, 9, 0);
		reading(&f, DAY, 7, 9, 0);
		assert_int_equal(judge(&f, DAY), USAGE_UNUSED);
		assert_int_equal(row(&f)->packets, i == 4 ? 6 : 0);
		usage_finish(&f.ledger);
	}
}

static void one_that_was_read_to_its_end_leaves_no_gap(void **state)
{
	(void)state;
	struct fixture f = begun();
	reading(&f, 60, 7, 3, 2);
	usage_close(&f.ledger, NAME);
	reading(&f, 3 * DAY, 7, 0, 0);
	assert_int_equal(judge(&f, DAY), USAGE_UNUSED);
	reading(&f, 60, 7, 12, 0);
	assert_int_equal(judge(&f, 2 * DAY), USAGE_UNUSED);
	assert_int_equal(row(&f)->lost, 0);
	reading(&f, 60, 7, 12, 1);
	assert_int_equal(judge(&f, DAY), USAGE_USED);
	assert_int_equal(row(&f)->packets, 3);
	usage_finish(&f.ledger);
}

/* A reading that broke off says nothing of who was not in it. */
static void a_part_is_not_the_whole(void **state)
{
	(void)state;
	struct fixture f = begun();
	f.now += 2 * DAY;
	usage_begin(&f.ledger);
	usage_end(&f.ledger, false, f.now);
	assert_true(row(&f)->there);
	assert_int_equal(row(&f)->lost, 0);
	usage_finish(&f.ledger);
}

static void it_comes_back(void **state)
{
	(void)state;
	for (unsigned same = 0; same < 2; same++) {
		struct fixture f = begun(), g = {0};
		struct encoded bytes;
		reading(&f, 2 * DAY, 7, 3, 4);
		usage_encode(&bytes, &f.ledger);
		usage_finish(&f.ledger);
		assert_null(usage_decode(&g.ledger, bytes.bytes, bytes.length, same ? BOOT : ANOTHER_BOOT));
		g.now = f.now;
		assert_int_equal(g.ledger.read, f.now);
		reading(&g, 2 * DAY, 7, 3, 4); /* the table of another boot may have the same number */
		assert_int_equal(judge(&g, DAY), same ? USAGE_UNUSED : USAGE_USED);
		assert_int_equal(row(&g)->packets, same ? 4 : 8);
		assert_int_equal(row(&g)->lost, same ? 0 : 2 * DAY);
		for (size_t i = 0; i < bytes.length; i++) {
			struct usage_ledger cut = {0};
			size_t head = BOOT_SIZE + 8;
			const char *wrong = usage_decode(&cut, bytes.bytes, i, BOOT);
			assert_true((wrong == NULL) == (i == head));
			usage_finish(&cut);
		}
		encoded_finish(&bytes);
		usage_finish(&g.ledger);
	}
}

static void the_policy_says_what_is_kept(void **state)
{
	(void)state;
	struct fixture f = {.now = 1800000000};
	struct allow one = {.key = "one"}, two = {.key = "two"}, *allows[] = {&one, &two};
	struct policy policy = {.allows = allows, .allow_count = 2};
	usage_begin(&f.ledger);
	for (size_t i = 0; i < 2; i++) {
		struct allow_counter counter = {.table = 1, .handle = i + 1, .bytes = COUNTER_BYTES_FIRST};
		counter_name(counter.name, allows[i]);
		usage_take(&f.ledger, &counter, f.now);
	}
	usage_end(&f.ledger, true, f.now);
	usage_keep(&f.ledger, &policy);
	assert_non_null(usage_of(&f.ledger, &one));
	assert_non_null(usage_of(&f.ledger, &two));
	policy.allow_count = 1;
	usage_keep(&f.ledger, &policy);
	assert_non_null(usage_of(&f.ledger, &one));
	assert_null(usage_of(&f.ledger, &two));
	usage_finish(&f.ledger);
}

/* What is denied has no allow, and stays whatever the policy says; a part of a reading takes it alone. */
static void what_is_denied_stays(void **state)
{
	(void)state;
	struct fixture f = {.now = 1800000000}, g = {0};
	struct policy policy = {0};
	struct encoded bytes;
	for (uint64_t i = 0; i < DENIAL_COUNTS; i++)
		for (uint64_t packets = 10; packets > 0; packets -= 5) { /* the second time it was set back */
			struct allow_counter counter = {.table = 1, .handle = i + 1, .packets = packets + i};
			memcpy(counter.name, denial_counters[i], strlen(denial_counters[i]));
			usage_take(&f.ledger, &counter, f.now);
		}
	usage_keep(&f.ledger, &policy);
	usage_encode(&bytes, &f.ledger);
	assert_null(usage_decode(&g.ledger, bytes.bytes, bytes.length, BOOT));
	for (size_t i = 0; i < DENIAL_COUNTS; i++) {
		const struct usage *usage = usage_called(&g.ledger, denial_counters[i]);
		assert_non_null(usage);
		assert_int_equal(usage->packets, 15 + 2 * i);
	}
	assert_null(usage_called(&g.ledger, NAME));
	encoded_finish(&bytes);
	usage_finish(&f.ledger);
	usage_finish(&g.ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_counts_is_used),
	    cmocka_unit_test(what_begins_anew_may_have_been_used),
	    cmocka_unit_test(one_that_was_read_to_its_end_leaves_no_gap),
	    cmocka_unit_test(a_part_is_not_the_whole),
	    cmocka_unit_test(it_comes_back),
	    cmocka_unit_test(the_policy_says_what_is_kept),
	    cmocka_unit_test(what_is_denied_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
