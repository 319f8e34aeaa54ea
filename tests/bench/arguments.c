/* What a bench is asked to measure. */
#include "tests/bench/arguments.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool arguments_read(struct arguments *arguments, int count, char **words, unsigned unit, const unsigned *full,
		    const unsigned *quick)
{
	*arguments = (struct arguments){.quick = false};
	bool sound = true;
	for (int i = 1; i < count; i++) {
		unsigned size = (unsigned)atoi(words[i]);
		if (strcmp(words[i], "--quick") == 0)
			arguments->quick = true;
		else if (isalpha((unsigned char)words[i][0]))
			arguments->only = words[i];
		else if (size > 0 && size % unit == 0 && arguments->size_count < ARGUMENTS_SIZES)
			arguments->sizes[arguments->size_count++] = size;
		else
			sound = false;
	}
	if (!sound)
		fprintf(stderr, "usage: %s [--quick] [VARIANT] [ENTRIES...], each a multiple of %u\n", words[0], unit);
	const unsigned *sizes = arguments->quick ? quick : full;
	for (size_t i = 0, given = arguments->size_count; given == 0 && sizes[i] > 0; i++)
		arguments->sizes[arguments->size_count++] = sizes[i];
	return sound;
}

bool arguments_want(const struct arguments *arguments, const char *variant)
{
	return arguments->only == NULL || strcmp(arguments->only, variant) == 0;
}

const struct scenario node_and_fleet[] = {{"node", fleet_on_one_node}, {"fleet", fleet_of_nodes}, {NULL, NULL}};

int arguments_each_fleet(const char *directory, int count, char **words, const struct scenario *scenarios,
			 const unsigned *full,
			 bool (*run)(const char *directory, const char *scenario, struct fleet fleet, bool quick))
{
	static const unsigned quick[] = {1000, 0};
	struct arguments arguments;
	if (!arguments_read(&arguments, count, words, 1000, full, quick))
		return 2;
	bool any = false;
	for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++) {
		bool goes_on = arguments_want(&arguments, scenario->name);
		for (size_t i = 0; goes_on && i < arguments.size_count; i++) {
			goes_on = run(directory, scenario->name, scenario->fleet(arguments.sizes[i]), arguments.quick);
			any = any || goes_on;
		}
	}
	return any ? 0 : 1;
}
