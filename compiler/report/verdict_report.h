/* A verdict and its reasons, as text and as JSON: the same wherever one is shown. */
#ifndef COMPILER_REPORT_VERDICT_REPORT_H
#define COMPILER_REPORT_VERDICT_REPORT_H

#include <ringfence/explain.h>

#include <jansson.h>
#include <stdio.h>

struct arena;

/* A text as JSON. Bytes that are no UTF-8, which the name of a file may have, become \xNN. */
json_t *text_json(const char *text);

/* Input that is to stand in a line, with control characters as \xNN. In `arena`. */
const char *text_escaped(struct arena *arena, const char *input);

/* Prints ALLOW or DENY with the flow, and a line for each side; every line begins with `indent`. `port` is the port as
 * it was asked for. */
void verdict_print(FILE *stream, struct arena *arena, const struct flow *flow, const struct verdict *verdict,
		   const char *port, const char *indent, bool color);

/* Prints the line of one side. */
void side_print(FILE *stream, const char *name, const struct side *side, const char *indent);

/* What becomes of what is denied, in one word: drop, reject or audit. */
const char *denied_word(enum denied denied);

/* The reasons of both sides: [{"side", "verdict", "how", "file", "line", "rule", "why", "owner", "rate"}, ...], the
 * last three where the statement says them, and how it is denied where it is (verdict_tell_denied). */
json_t *verdict_because_json(const struct verdict *verdict);

/* Prints a line for each near allow with what misses, and one for each end that no allow speaks of. */
void nearest_print(FILE *stream, const struct nearest *nearest, const char *indent);

/* Adds "nearest": [{"file", "line", "rule", "misses": [{"what", "text"}]}], and "unnamed": [text, ...]. */
void nearest_add_json(json_t *object, const struct nearest *nearest);

#endif
