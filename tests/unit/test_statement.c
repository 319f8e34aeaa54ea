/* What a node signs of its workloads, and who says that a key is the node's: no byte of either can be another, no
 * signature stands for another kind of word, and none for another node. */
#include "enforcer/fleet/enrolment.h"
#include "enforcer/fleet/statement.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fixture {
	struct arena *arena;
	struct private_key *node, *authority;
	struct statement_trust trust;
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	f->arena = arena_create();
	assert_null(private_key_create(&f->node));
	assert_null(private_key_create(&f->authority));
	f->trust = (struct statement_trust){&f->node->public_key, {&f->authority->public_key, 1}};
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	private_key_destroy(f->node);
	private_key_destroy(f->authority);
	arena_free(f->arena);
	free(f);
	return 0;
}

/* ---- digests ---- */

static void a_digest_is_of_the_whole_set(void **state)
{
	struct record_digest digests[3], other[3];
	uint8_t one[SET_DIGEST_SIZE], two[SET_DIGEST_SIZE];
	(void)state;
	record_digest(&digests[0], "shop/web", "a", 1);
	record_digest(&digests[1], "shop/api", "a", 1);
	record_digest(&digests[2], "shop/db", "a", 1);
	assert_memory_not_equal(&digests[0], &digests[1], sizeof digests[0]); /* the name counts */
	for (size_t i = 0; i < 3; i++)
		other[i] = digests[2 - i];
	set_digest(one, digests, 3);
	set_digest(two, other, 3);
	assert_memory_equal(one, two, sizeof one); /* the order does not */
	set_digest(two, other, 2);
	assert_memory_not_equal(one, two, sizeof one);
	set_digest(two, other, 0);
	assert_memory_not_equal(one, two, sizeof one);
	record_digest(&other[0], "shop/web", "b", 1);
	assert_memory_not_equal(&other[0], &digests[0], sizeof other[0]);
}

/* What is the end of a name is no begin of a record. */
static void names_and_records_stay_apart(void **state)
{
	struct record_digest one, two;
	(void)state;
	record_digest(&one, "shop/web", "1x", 2);
	record_digest(&two, "shop/web1", "x", 1);
	assert_memory_not_equal(&one, &two, sizeof one);
}

static void sequences_grow(void **state)
{
	(void)state;
	uint64_t first = sequence_after(0), second = sequence_after(first);
	assert_true(second > first);
	assert_true(sequence_after(second + 1000000000) == second + 1000000001); /* a clock that was set back */
	assert_true(sequence_after(UINT64_MAX) == UINT64_MAX);
}

/* ---- statements ---- */

static uint8_t *write(const struct private_key *key, bool gone, size_t *length)
{
	struct statement statement = {.gone = gone, .sequence = 77};
	if (!gone)
		memset(statement.digest, 0xab, sizeof statement.digest);
	return statement_write(&statement, "node-a", key, length);
}

static const char *read(struct fixture *f, const void *bytes, size_t length, bool trusting, struct statement *statement)
{
	return statement_read(statement, f->arena, "node-a", bytes, length, trusting ? NULL : &f->trust);
}

static void a_statement_is_read_as_it_was_written(void **state)
{
	struct fixture *f = *state;
	const struct private_key *const keys[] = {f->node, f->authority, NULL};
	struct statement statement;
	size_t length;
	for (int gone = 0; gone < 2; gone++) {
		for (int i = 0; i < 3; i++) {
			uint8_t *bytes = write(keys[i], gone != 0, &length);
			bool good = i == gone; /* the node says what it has, and an authority that it is gone */
			assert_int_equal(read(f, bytes, length, false, &statement) == NULL, good);
			assert_null(read(f, bytes, length, true, &statement));
			assert_int_equal(statement.gone, gone);
			assert_true(statement.sequence == 77);
			assert_int_equal(statement.digest[31], gone ? 0 : 0xab);
			assert_non_null(
			    statement_read(&statement, f->arena, "node-b", bytes, length, good ? &f->trust : NULL));
			free(bytes);
		}
	}
}

static void a_node_without_a_key_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct statement statement;
	size_t length;
	uint8_t *bytes = write(f->node, false, &length);
	f->trust.node = NULL;
	assert_string_equal(read(f, bytes, length, false, &statement), "the node is not enrolled with a key");
	free(bytes);
}

/* Each bit of it changed, and it cut at each place. */
static void a_damaged_statement_is_none(void **state)
{
	struct fixture *f = *state;
	struct statement statement;
	size_t length;
	uint8_t *bytes = write(f->node, false, &length);
	for (size_t i = 0; i < length; i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			assert_non_null(read(f, bytes, length, false, &statement));
			read(f, bytes, length, true, &statement); /* as it may be; it must only be bounded */
			bytes[i] ^= (uint8_t)(1 << bit);
		}
		uint8_t *cut = malloc(i + 1);
		memcpy(cut, bytes, i);
		uint8_t *exact = realloc(cut, i > 0 ? i : 1);
		assert_non_null(read(f, exact, i, false, &statement));
		read(f, exact, i, true, &statement);
		free(exact);
	}
	free(bytes);
}

#define DIGEST "abababababababababababababababababababababababababababababababab"
#define SAID(body) "ringfence-workloads 1\n" body "\n"

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const texts[] = {
	    "",
	    "1",
	    "gone",
	    "ringfence-workloads 1\n",
	    "ringfence-workloads 2\n{\"node\":\"node-a\",\"sequence\":\"1\",\"digest\":\"" DIGEST "\"}\n",
	    SAID("{}"),
	    SAID("[]"),
	    SAID("{\"node\":\"node-b\",\"sequence\":\"1\",\"digest\":\"" DIGEST "\"}"),
	    SAID("{\"node\":\"node-a\",\"sequence\":1,\"digest\":\"" DIGEST "\"}"),
	    SAID("{\"node\":\"node-a\",\"sequence\":\"0\",\"digest\":\"" DIGEST "\"}"),
	    SAID("{\"node\":\"node-a\",\"sequence\":\"-1\",\"digest\":\"" DIGEST "\"}"),
	    SAID("{\"node\":\"node-a\",\"sequence\":\"18446744073709551616\",\"digest\":\"" DIGEST "\"}"),
	    SAID("{\"node\":\"node-a\",\"sequence\":\"1\",\"digest\":\"abab\"}"),
	    SAID("{\"node\":\"node-a\",\"sequence\":\"1\",\"digest\":\"" DIGEST "ab\"}"),
	    SAID("{\"node\":\"node-a\",\"sequence\":\"1\",\"digest\":\"" DIGEST "\",\"more\":1}"),
	    SAID("{\"node\":\"node-a\",\"node\":\"node-a\",\"sequence\":\"1\",\"digest\":\"" DIGEST "\"}"),
	    "ringfence-gone 1\n{\"node\":\"node-a\",\"sequence\":\"1\",\"digest\":\"" DIGEST "\"}\n",
	    "ringfence-gone 1\n{\"node\":\"node-b\",\"sequence\":\"1\"}\n",
	};
	struct fixture *f = *state;
	struct statement statement;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (read(f, texts[i], strlen(texts[i]), true, &statement) == NULL)
			fail_msg("%s was taken", texts[i]);
	const char *good = SAID("{\"node\":\"node-a\",\"sequence\":\"1\",\"digest\":\"" DIGEST "\"}");
	assert_null(read(f, good, strlen(good), true, &statement));
	assert_non_null(read(f, good, strlen(good), false, &statement));
	char *large = calloc(1, STATEMENT_MOST + 2);
	memset(large, ' ', STATEMENT_MOST + 1);
	memcpy(large, good, strlen(good));
	assert_non_null(read(f, large, STATEMENT_MOST + 1, true, &statement));
	free(large);
}

/* ---- enrolments ---- */

static uint8_t *enroll(struct fixture *f, const struct private_key *by, size_t *length)
{
	struct enrolment enrolment = {.node = "node-a", .key = f->node->public_key, .time = 1764240000};
	return enrolment_sign(&enrolment, by, length);
}

static void an_enrolment_is_read_as_it_was_written(void **state)
{
	struct fixture *f = *state;
	struct enrolment enrolment;
	size_t length;
	uint8_t *bytes = enroll(f, f->authority, &length);
	assert_null(enrolment_open(&enrolment, f->arena, bytes, length, &f->trust.enrolling));
	assert_string_equal(enrolment.node, "node-a");
	assert_memory_equal(enrolment.key.bytes, f->node->public_key.bytes, KEY_SIZE);
	assert_true(enrolment.time == 1764240000);
	assert_string_equal(enrolment.by, f->authority->public_key.id);
	free(bytes);
}

static void only_who_is_trusted_enrols(void **state)
{
	struct fixture *f = *state;
	struct enrolment enrolment;
	size_t length;
	uint8_t *bytes = enroll(f, f->node, &length);
	assert_non_null(enrolment_open(&enrolment, f->arena, bytes, length, &f->trust.enrolling));
	free(bytes);
	bytes = write(f->authority, true, &length); /* what a trusted key signed, and is of another kind */
	assert_non_null(enrolment_open(&enrolment, f->arena, bytes, length, &f->trust.enrolling));
	free(bytes);
}

static void a_damaged_enrolment_is_none(void **state)
{
	struct fixture *f = *state;
	struct enrolment enrolment;
	size_t length;
	uint8_t *bytes = enroll(f, f->authority, &length);
	for (size_t i = 0; i < length; i++) {
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			assert_non_null(enrolment_open(&enrolment, f->arena, bytes, length, &f->trust.enrolling));
			bytes[i] ^= (uint8_t)(1 << bit);
		}
		assert_non_null(enrolment_open(&enrolment, f->arena, bytes, i, &f->trust.enrolling));
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_digest_is_of_the_whole_set),
	    cmocka_unit_test(names_and_records_stay_apart),
	    cmocka_unit_test(sequences_grow),
	    cmocka_unit_test_setup_teardown(a_statement_is_read_as_it_was_written, begin, end),
	    cmocka_unit_test_setup_teardown(a_node_without_a_key_says_nothing, begin, end),
	    cmocka_unit_test_setup_teardown(a_damaged_statement_is_none, begin, end),
	    cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(an_enrolment_is_read_as_it_was_written, begin, end),
	    cmocka_unit_test_setup_teardown(only_who_is_trusted_enrols, begin, end),
	    cmocka_unit_test_setup_teardown(a_damaged_enrolment_is_none, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
