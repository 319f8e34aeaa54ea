/* The intermediate form of a ruleset as JSON. */
#ifndef COMPILER_REPORT_RULESET_JSON_H
#define COMPILER_REPORT_RULESET_JSON_H

#include <ringfence/ruleset.h>

/* Prints one object: {"version", "generation", "sets": [...], "chains": [...]}. */
void ruleset_print_json(FILE *stream, const struct ruleset *ruleset);

#endif
