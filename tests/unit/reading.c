/* Reads the policies of unit tests, which are without an error. */
#include "tests/unit/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct world read_policy(struct reading *reading, const char *name, const char *text)
{
	reading->arena = arena_create();
	diagnostics_init(&reading->diagnostics, reading->arena);
	frontend_init(&reading->frontend, reading->arena, &reading->diagnostics);
	frontend_add_text(&reading->frontend, name, arena_copy(reading->arena, text, strlen(text)), strlen(text));
	frontend_finish(&reading->frontend);
	if (reading->diagnostics.errors > 0) {
		diagnostics_print(&reading->diagnostics, stderr, false);
		fputs(text, stderr);
	}
	assert_int_equal(reading->diagnostics.errors, 0);
	reading->world = (struct world){&reading->frontend.policy, &reading->frontend.inventory, NOW};
	return reading->world;
}
