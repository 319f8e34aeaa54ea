/* A narrowed world gives each flow between its ends the verdict of the whole one, by the same statements. */
#include "compiler/analysis/narrow.h"
#include "tests/unit/universe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { SETS = 12, ENDS_MOST = 3 };

/* Ends drawn from the universe: one, two or three of them. */
static struct endpoints draw(struct arena *arena, const struct world *world, uint32_t *seed)
{
	struct endpoints ends = {0};
	for (uint32_t left = 1 + universe_next(seed) % ENDS_MOST; left > 0; left--)
		*arena_push(arena, ends.items, ends.count) = universe_end(world, universe_next(seed) % UNIVERSE_ENDS);
	return ends;
}

static bool same_side(const struct side *a, const struct side *b)
{
	return a->allowed == b->allowed && a->reason == b->reason && a->allow == b->allow &&
	       a->quarantine == b->quarantine && a->isolated_by == b->isolated_by;
}

/* Asks each flow between two sets of ends of both worlds; returns how many were denied or allowed by a statement. */
static size_t compare(const struct world *whole, const struct narrow *narrow, const struct endpoints *from,
		      const struct endpoints *to, const char *text)
{
	size_t told = 0;
	for (size_t i = 0; i < from->count * to->count * UNIVERSE_PORTS; i++) {
		const struct port_range *port = &universe_ports[i % UNIVERSE_PORTS];
		const struct flow flow = {from->items[i / UNIVERSE_PORTS % from->count],
					  to->items[i / UNIVERSE_PORTS / from->count], port->protocol, port->first};
		const struct verdict expected = verdict_of(whole, &flow), got = verdict_of(&narrow->world, &flow);
		if (got.allowed != expected.allowed || !same_side(&got.egress, &expected.egress) ||
		    !same_side(&got.ingress, &expected.ingress))
			fail_msg("end %zu to end %zu:\n%s", i / UNIVERSE_PORTS % from->count,
				 i / UNIVERSE_PORTS / from->count, text);
		told += expected.egress.allow != NULL || expected.ingress.allow != NULL;
	}
	return told;
}

static void verdicts_stay(void **state)
{
	enum { POLICIES = 500 };
	size_t told = 0, left_out = 0;
	(void)state;
	for (uint32_t round = 1; round <= POLICIES; round++) {
		uint32_t seed = round * 104729, parts[UNIVERSE_PARTS];
		for (size_t i = 0; i < UNIVERSE_PARTS; i++)
			parts[i] = universe_next(&seed);
		char *text = universe_policy(parts);
		struct reading reading;
		const struct world world = universe_read(&reading, "policy", text);
		const struct narrowing *narrowing = narrowing_create(reading.arena, &world);
		struct narrow *narrow = narrow_create(reading.arena, narrowing);
		for (size_t i = 0; i < SETS; i++) {
			const struct endpoints from = draw(reading.arena, &world, &seed);
			const struct endpoints to = draw(reading.arena, &world, &seed);
			const struct involved sources = narrowing_involve(narrowing, reading.arena, &from, EGRESS);
			const struct involved destinations = narrowing_involve(narrowing, reading.arena, &to, INGRESS);
			narrow_to(narrow, narrowing, &sources, &destinations);
			left_out += world.policy->allow_count - narrow->policy.allow_count;
			told += compare(&world, narrow, &from, &to, text);
		}
		arena_free(reading.arena);
		free(text);
	}
	assert_true(told > POLICIES && left_out > POLICIES);
	print_message("# %d policies, %zu flows decided by an allow, %zu allows left out\n", POLICIES, told, left_out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts_stay)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
