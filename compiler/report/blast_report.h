/* A blast radius as text and as JSON. */
#ifndef COMPILER_REPORT_BLAST_REPORT_H
#define COMPILER_REPORT_BLAST_REPORT_H

#include <ringfence/blast.h>

#include <stdio.h>

/* A path on one line, A -> B 8080/tcp -> C 5432/tcp; with `places` also the statements that open each hop. A long one
 * is cut in its middle. In `arena`, not escaped. */
const char *path_text(struct arena *arena, const struct reached *reached, bool places);

/* Prints a line for each end that is reached, and a summary. `name` is what is breached; workloads are counted where
 * there is an inventory. */
void blast_print(FILE *stream, struct arena *arena, const struct blast *blast, const char *name, bool has_inventory);

/* {"version": 1, "from", "services", "workloads", "others", "hops", "reached": [{"to", "kind", "workloads", "hops",
 * "path":
 * [{"from", "to", "ports": [...], "statements": [{"file", "line"}]}]}]} */
void blast_print_json(FILE *stream, const struct blast *blast, const char *name, bool has_inventory);

#endif
