/* The intermediate form of a ruleset as JSON. */
#ifndef COMPILER_REPORT_RULESET_JSON_H
#define COMPILER_REPORT_RULESET_JSON_H

#include <ringfence/lowering.h>

/* Prints one object: {"version", "generation", "choices": [...], "sets": [...], "chains": [...]}. */
void ruleset_print_json(FILE *stream, const struct ruleset *ruleset, const struct choice *choices, size_t choice_count);

#endif
