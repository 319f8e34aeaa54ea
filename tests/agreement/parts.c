/* The parts that native documents and manifests are made of: requirements of labels, networks, ports. All alphabets are
 * small, so that everything overlaps everything. */
#include "tests/agreement/parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *const space_names[SPACES] = {"one", "two", "three"};
const char *const port_names[2] = {"http", "dns"};

bool has(const struct generator *g, enum feature feature)
{
	return (g->features >> feature & 1) != 0;
}

json_t *made(json_t *value)
{
	if (value == NULL)
		abort();
	return value;
}

json_t *made_text(const char *format, ...)
{
	char text[128];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return made(json_string(text));
}

/* ---- labels ---- */

struct alphabet {
	const char *key, *values[3];
	unsigned count;
};
static const struct alphabet workload_labels[] = {
    {"app", {"a", "b", "c"}, 3}, {"tier", {"x", "y"}, 2}, {"env", {"p"}, 1}};
static const struct alphabet space_labels[] = {{"team", {"red", "blue"}, 2},
					       {"kubernetes.io/metadata.name", {"one", "two", "three"}, 3}};

static struct made_requirement make_requirement(struct generator *g, const struct alphabet *alphabet)
{
	struct made_requirement requirement = {.key = alphabet->key};
	unsigned kind = roll(&g->random, 8);
	requirement.kind = kind < 4 ? MADE_IN : kind < 6 ? MADE_NOT_IN : kind < 7 ? MADE_EXISTS : MADE_ABSENT;
	if (requirement.kind == MADE_EXISTS || requirement.kind == MADE_ABSENT)
		return requirement;
	unsigned first = roll(&g->random, alphabet->count);
	requirement.values[requirement.value_count++] = alphabet->values[first];
	if (alphabet->count > 1 && one_in(&g->random, 2))
		requirement.values[requirement.value_count++] = alphabet->values[(first + 1) % alphabet->count];
	return requirement;
}

size_t make_requirements(struct generator *g, struct made_requirement *items, size_t most, bool of_spaces)
{
	const struct alphabet *alphabets = of_spaces ? space_labels : workload_labels;
	unsigned alphabet_count = of_spaces ? 2 : 3;
	size_t count = PICK(&g->random, ((const size_t[]){0, 1, 1, 1, 2}));
	unsigned first = one_in(&g->random, 3) ? roll(&g->random, alphabet_count) : 0;
	for (size_t i = 0; i < count && i < most; i++)
		items[i] = make_requirement(g, &alphabets[(first + i) % alphabet_count]);
	return count < most ? count : most;
}

/* ---- networks ---- */

enum { NUMBER_BITS = 4 };

struct made_prefix make_prefix(struct generator *g)
{
	static const char *const far[] = {"192.0.2.0/24",  "192.0.2.1/32",    "198.51.100.0/24", "0.0.0.0/0",
					  "2001:db8::/32", "2001:db8::1/128", "2001:db8:1::/48", "::/0"};
	struct made_prefix prefix = {.family = one_in(&g->random, 2) ? 4 : 6};
	if (one_in(&g->random, 4)) {
		unsigned one = roll(&g->random, 8);
		prefix.family = one < 4 ? 4 : 6;
		prefix.far = far[one];
		return prefix;
	}
	prefix.length = roll(&g->random, NUMBER_BITS + 1);
	prefix.number = roll(&g->random, NUMBERS) >> (NUMBER_BITS - prefix.length) << (NUMBER_BITS - prefix.length);
	return prefix;
}

bool make_part(struct generator *g, const struct made_prefix *whole, struct made_prefix *part)
{
	bool all = whole->far != NULL && (whole->far[0] == '0' || whole->far[0] == ':');
	if ((whole->far != NULL && !all) || (!all && whole->length == NUMBER_BITS))
		return false;
	unsigned least = all ? 0 : whole->length + 1;
	*part =
	    (struct made_prefix){.family = whole->family, .length = least + roll(&g->random, NUMBER_BITS + 1 - least)};
	unsigned number = roll(&g->random, NUMBERS);
	if (!all)
		number = whole->number | (number & ((1U << (NUMBER_BITS - whole->length)) - 1));
	part->number = number >> (NUMBER_BITS - part->length) << (NUMBER_BITS - part->length);
	return true;
}

json_t *prefix_text(const struct made_prefix *prefix)
{
	if (prefix->far != NULL)
		return made_text("%s", prefix->far);
	return prefix->family == 4 ? made_text("10.77.0.%u/%u", prefix->number, 32 - NUMBER_BITS + prefix->length)
				   : made_text("fd77::%x/%u", prefix->number, 128 - NUMBER_BITS + prefix->length);
}

/* ---- ports ---- */

const char *make_protocol(struct generator *g)
{
	unsigned one = roll(&g->random, 6);
	if (one == 5 && has(g, FEATURE_SCTP))
		return "sctp";
	return one < 3 ? "tcp" : "udp";
}

unsigned make_port(struct generator *g)
{
	return PORT_FIRST + roll(&g->random, PORT_COUNT);
}
