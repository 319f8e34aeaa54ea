/* The language as a JSON Schema, for editors. */
#ifndef COMPILER_REPORT_SCHEMA_JSON_H
#define COMPILER_REPORT_SCHEMA_JSON_H

#include <stdio.h>

/* Prints the JSON Schema (draft-07, which editors' YAML support knows) of native documents: the same bytes each time.
 * It accepts every document that the readers accept, but for names that YAML takes for a number and nobody would write:
 * a port called 1e3, a service called 1e-3. In quotes they are accepted. */
void schema_print_json(FILE *stream);

#endif
