/* The arena: what is taken from it is zeroed, apart from the rest and stays, until it is cleared. */
#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { LARGE = 3 << 20, ROUNDS = 3000 };

static void expect_zero(const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(bytes[i], 0);
}

/* Sizes around every border: one byte, odd ones, a first block's, and ones that have a block of their own. */
static size_t size_of(unsigned round)
{
	static const size_t sizes[] = {1, 7, 8, 24, 100, 4000, 4096, 5000, 70000};
	return round % 500 == 499 ? (size_t)LARGE + round : sizes[round % (sizeof sizes / sizeof *sizes)];
}

static void memory_is_zeroed_aligned_and_apart(void **state)
{
	static unsigned char *taken[ROUNDS];
	static char *texts[ROUNDS];
	struct arena *arena = arena_create();
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		taken[i] = arena_alloc(arena, size_of(i));
		assert_int_equal((uintptr_t)taken[i] % sizeof(uint64_t), 0);
		expect_zero(taken[i], size_of(i));
		memset(taken[i], (int)(i % 255) + 1, size_of(i));
		texts[i] = arena_printf(arena, "%u", i);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		char expected[16];
		snprintf(expected, sizeof expected, "%u", i);
		assert_string_equal(texts[i], expected);
		for (size_t j = 0; j < size_of(i); j += 1 + size_of(i) / 100)
			assert_int_equal(taken[i][j], (i % 255) + 1);
	}
	arena_free(arena);
}

/* Of each size that arena_clear treats in its own way: it keeps a block, a huge one, or none. */
static void cleared_memory_is_zeroed_again(void **state)
{
	static const size_t totals[] = {100, 20000, 1 << 20, 30 << 20};
	(void)state;
	for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
		struct arena *arena = arena_create();
		arena_clear(arena);
		for (unsigned round = 0; round < 3; round++) {
			for (size_t used = 0; used < totals[i]; used += 1000) {
				unsigned char *bytes = arena_alloc(arena, 900);
				expect_zero(bytes, 900);
				memset(bytes, 0xff, 900);
				assert_string_equal(arena_copy(arena, "text, and more", 4), "text");
			}
			memset(arena_alloc(arena, LARGE), 0xff, LARGE);
			arena_clear(arena);
		}
		arena_free(arena);
	}
}

static void an_array_keeps_what_was_pushed_wherever_it_grows(void **state)
{
	struct arena *arena = arena_create();
	struct three {
		unsigned char bytes[3];
	} *alone = NULL, *among = NULL;
	size_t alone_count = 0, among_count = 0;
	(void)state;
	for (unsigned i = 0; i < 100000; i++) { /* the last of its block, as a rule */
		struct three *pushed = arena_push(arena, alone, alone_count);
		expect_zero(pushed->bytes, sizeof pushed->bytes);
		*pushed = (struct three){{(unsigned char)i, (unsigned char)(i >> 8), (unsigned char)(i >> 16)}};
	}
	for (unsigned i = 0; i < 1000; i++) { /* never the last */
		arena_push(arena, among, among_count)->bytes[0] = (unsigned char)i;
		memset(arena_alloc(arena, 9), 0xff, 9);
	}
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(alone[i].bytes[0] | alone[i].bytes[1] << 8 | alone[i].bytes[2] << 16, i);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(among[i].bytes[0], (unsigned char)i);
		assert_int_equal(among[i].bytes[1], 0);
	}
	arena_free(arena);
}

static void a_text_is_printed_whole_however_long(void **state)
{
	struct arena *arena = arena_create();
	(void)state;
	for (int length = 0; length < 600; length++) {
		const char *text = arena_printf(arena, "%*d", length + 1, 7);
		assert_int_equal(strlen(text), length + 1);
		assert_int_equal(text[length], '7');
	}
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
	    cmocka_unit_test(cleared_memory_is_zeroed_again),
	    cmocka_unit_test(an_array_keeps_what_was_pushed_wherever_it_grows),
	    cmocka_unit_test(a_text_is_printed_whole_however_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
