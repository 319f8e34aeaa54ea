/* Ranges and boxes against brute force over a small space, with random input (past failures, 8): the same addresses and
 * ports are in before and after, and what comes out has the form that the kernel wants.
 *
 * The space is the first 32 and the last 32 addresses of a family, so that both its ends are met. */
#include "compiler/ruleset/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { ROUNDS = 4000, SPACE = 64, HALF = 32, PORTS = 20, ITEMS_MOST = 6 };
#define SEED 20261125u

static uint64_t random_state;

static unsigned roll(unsigned sides)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (unsigned)((z ^ z >> 31) >> 32) % sides;
}

static struct address point(uint8_t family, unsigned number)
{
	struct address address = {.family = family};
	if (number >= HALF)
		memset(address.bytes, 0xff, address_size(family));
	address.bytes[address_size(family) - 1] = (uint8_t)(number < HALF ? number : 256 - SPACE + number);
	return address;
}

static bool in_range(const struct address_range *range, const struct address *address)
{
	return address_compare(&range->first, address) <= 0 && address_compare(address, &range->last) <= 0;
}

static bool in_ranges(const struct ranges *ranges, const struct address *address)
{
	for (size_t i = 0; i < ranges->count; i++)
		if (in_range(&ranges->items[i], address))
			return true;
	return false;
}

/* Sorted, and between two ranges at least one address that is in neither. */
static void expect_apart(const struct ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++) {
		assert_true(address_compare(&ranges->items[i].first, &ranges->items[i].last) <= 0);
		if (i == 0)
			continue;
		struct address behind = ranges->items[i - 1].last;
		assert_true(address_next(&behind));
		assert_true(address_compare(&behind, &ranges->items[i].first) < 0);
	}
}

static struct prefix random_prefix(uint8_t family)
{
	unsigned bits = 8 * (unsigned)address_size(family), kept = roll(8);
	struct prefix prefix = {.address = point(family, roll(SPACE)), .length = (uint8_t)(bits - kept)};
	if (kept > 5)
		prefix = (struct prefix){.address = {.family = family}, .length = (uint8_t)(kept == 6 ? 0 : 1)};
	else
		prefix.address.bytes[address_size(family) - 1] &= (uint8_t)(0xff << kept);
	return prefix;
}

static void prefixes_less_exceptions_are_the_same_addresses(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct arena *arena = arena_create();
		random_state = SEED + round;
		struct prefix prefixes[ITEMS_MOST], except[ITEMS_MOST];
		size_t count = roll(ITEMS_MOST), except_count = roll(ITEMS_MOST);
		for (size_t i = 0; i < count; i++)
			prefixes[i] = random_prefix(roll(2) ? 4 : 6);
		for (size_t i = 0; i < except_count; i++)
			except[i] = random_prefix(roll(2) ? 4 : 6);
		const struct network network = {
		    .cidrs = prefixes, .cidr_count = count, .except = except, .except_count = except_count};
		for (uint8_t family = 4; family <= 6; family += 2) {
			struct ranges ranges = ranges_of(arena, prefixes, count, except, except_count, family);
			struct address hole = point(family, roll(SPACE));
			struct ranges without = ranges_without(arena, ranges, &hole);
			expect_apart(&ranges);
			expect_apart(&without);
			for (unsigned i = 0; i < SPACE; i++) {
				struct address address = point(family, i);
				bool inside = in_ranges(&ranges, &address);
				if (inside != network_contains(&network, &address))
					fail_msg("seed %u, round %u, address %u of IPv%u", SEED, round, i, family);
				assert_int_equal(in_ranges(&without, &address),
						 inside && address_compare(&address, &hole) != 0);
			}
		}
		arena_free(arena);
	}
	print_message("# seed %u, %d rounds\n", SEED, ROUNDS);
}

static struct address_range random_range(uint8_t family)
{
	unsigned first = roll(SPACE), last = first + roll(roll(2) ? 4 : SPACE);
	return (struct address_range){point(family, first), point(family, last < SPACE ? last : SPACE - 1)};
}

static void merging_keeps_the_addresses_and_leaves_gaps_between(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		random_state = SEED + round;
		uint8_t family = roll(2) ? 4 : 6;
		struct address_range before[ITEMS_MOST], items[ITEMS_MOST];
		struct ranges ranges = {items, roll(ITEMS_MOST)};
		const struct ranges old = {before, ranges.count};
		for (size_t i = 0; i < ranges.count; i++)
			before[i] = items[i] = random_range(family);
		ranges_merge(&ranges);
		expect_apart(&ranges);
		for (unsigned i = 0; i < SPACE; i++) {
			struct address address = point(family, i);
			if (in_ranges(&ranges, &address) != in_ranges(&old, &address))
				fail_msg("seed %u, round %u, address %u", SEED, round, i);
		}
	}
}

/* Ports 0 to 9 and 65526 to 65535. */
static uint16_t port_at(unsigned number)
{
	return (uint16_t)(number < PORTS / 2 ? number : 65536 - PORTS + number);
}

/* How many boxes hold it, and the first allow that one of them is of. */
static size_t count_holding(const struct boxes *boxes, const struct address *address, uint16_t protocol, uint16_t port,
			    uint32_t *allow)
{
	size_t count = 0;
	*allow = UINT32_MAX;
	for (size_t i = 0; i < boxes->count; i++) {
		const struct port_range *ports = &boxes->items[i].ports;
		bool holds = ports->protocol == protocol && ports->first <= port && port <= ports->last &&
			     in_range(&boxes->items[i].addresses, address);
		count += holds;
		if (holds && boxes->items[i].allow < *allow)
			*allow = boxes->items[i].allow;
	}
	return count;
}

static void disjoint_boxes_hold_the_same_and_each_point_once(void **state)
{
	static const uint16_t protocols[] = {PROTOCOL_TCP, PROTOCOL_UDP};
	(void)state;
	for (unsigned round = 0; round < ROUNDS / 2; round++) {
		struct arena *arena = arena_create();
		random_state = SEED + round;
		uint8_t family = roll(2) ? 4 : 6;
		struct box items[ITEMS_MOST];
		const struct boxes boxes = {items, roll(ITEMS_MOST + 1)};
		for (size_t i = 0; i < boxes.count; i++) {
			unsigned first = roll(PORTS), last = first + roll(roll(2) ? 3 : PORTS);
			items[i] =
			    (struct box){random_range(family),
					 {protocols[roll(2)], port_at(first), port_at(last < PORTS ? last : PORTS - 1)},
					 roll(3)};
		}
		struct boxes disjoint = boxes_disjoint(arena, &boxes, 1000000);
		for (size_t i = 0; i < disjoint.count; i++)
			assert_true(address_compare(&disjoint.items[i].addresses.first,
						    &disjoint.items[i].addresses.last) <= 0 &&
				    disjoint.items[i].ports.first <= disjoint.items[i].ports.last);
		for (unsigned i = 0; i < SPACE * PORTS * 2; i++) {
			struct address address = point(family, i / 2 / PORTS);
			uint16_t protocol = protocols[i % 2], port = port_at(i / 2 % PORTS);
			uint32_t allow, first;
			size_t want = count_holding(&boxes, &address, protocol, port, &first) > 0,
			       held = count_holding(&disjoint, &address, protocol, port, &allow);
			if (held != want || allow != first)
				fail_msg("seed %u, round %u: address %u, protocol %u, port %u is held %zu times, by "
					 "allow %u and not %u",
					 SEED, round, i / 2 / PORTS, protocol, port, held, allow, first);
		}
		arena_free(arena);
	}
}

static struct box box(unsigned first, unsigned last, uint16_t first_port, uint16_t last_port)
{
	return (struct box){{point(4, first), point(4, last)}, {PROTOCOL_TCP, first_port, last_port}, 0};
}

/* How few boxes come out: an element is memory in the kernel. */
static void neighbours_with_the_same_ports_are_one_box(void **state)
{
	static const struct {
		unsigned a[4], b[4];
		size_t count;
	} cases[] = {
	    {{0, 3, 1, 9}, {4, 7, 1, 9}, 1},		 /* side by side */
	    {{0, 3, 1, 9}, {2, 7, 1, 9}, 1},		 /* overlapping */
	    {{0, 7, 1, 9}, {2, 3, 5, 6}, 1},		 /* one inside the other */
	    {{0, 3, 1, 5}, {0, 3, 6, 9}, 1},		 /* ports that touch */
	    {{0, 3, 1, 4}, {0, 3, 6, 9}, 2},		 /* ports that do not */
	    {{0, 3, 1, 9}, {5, 7, 1, 9}, 2},		 /* an address between */
	    {{0, 3, 1, 9}, {2, 7, 5, 12}, 3},		 /* crossing */
	    {{0, 3, 0, 65535}, {2, 3, 65535, 65535}, 1}, /* up to the last port */
	    {{60, 63, 1, 9}, {62, 63, 1, 9}, 1},	 /* up to the last address */
	};
	struct arena *arena = arena_create();
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const unsigned *a = cases[i].a, *b = cases[i].b;
		struct box items[] = {box(b[0], b[1], (uint16_t)b[2], (uint16_t)b[3]),
				      box(a[0], a[1], (uint16_t)a[2], (uint16_t)a[3])};
		size_t count = boxes_disjoint(arena, &(struct boxes){items, 2}, 1000000).count;
		if (count != cases[i].count)
			fail_msg("case %zu: %zu boxes and not %zu", i, count, cases[i].count);
	}
	arena_free(arena);
}

/* What an allow opens beside another's is no part of that one's box. */
static void neighbours_of_two_allows_stay_two(void **state)
{
	struct arena *arena = arena_create();
	(void)state;
	struct box items[] = {box(0, 7, 1, 9), box(2, 3, 5, 6)};
	items[0].allow = 1;
	struct boxes disjoint = boxes_disjoint(arena, &(struct boxes){items, 2}, 1000000);
	assert_int_equal(disjoint.count, 5); /* around the inner one, whose allow is the first */
	items[0].allow = 0;
	items[1].allow = 1;
	assert_int_equal(boxes_disjoint(arena, &(struct boxes){items, 2}, 1000000).count, 1);
	arena_free(arena);
}

static void nothing_in_is_nothing_out(void **state)
{
	struct arena *arena = arena_create();
	struct prefix all = {.address = {.family = 6}}, other = {.address = {.family = 4}};
	struct ranges none = {0};
	(void)state;
	ranges_merge(&none);
	assert_int_equal(none.count, 0);
	assert_int_equal(ranges_of(arena, NULL, 0, NULL, 0, 4).count, 0);
	assert_int_equal(ranges_of(arena, &all, 1, &all, 1, 6).count, 0);
	assert_int_equal(ranges_of(arena, &all, 1, NULL, 0, 4).count, 0);
	assert_int_equal(ranges_of(arena, &all, 1, &other, 1, 6).count, 1);
	assert_int_equal(boxes_disjoint(arena, &(struct boxes){0}, 1000000).count, 0);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prefixes_less_exceptions_are_the_same_addresses),
	    cmocka_unit_test(merging_keeps_the_addresses_and_leaves_gaps_between),
	    cmocka_unit_test(disjoint_boxes_hold_the_same_and_each_point_once),
	    cmocka_unit_test(neighbours_with_the_same_ports_are_one_box),
	    cmocka_unit_test(neighbours_of_two_allows_stay_two),
	    cmocka_unit_test(nothing_in_is_nothing_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
