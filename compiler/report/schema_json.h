/* The language as a JSON Schema, for editors. */
#ifndef COMPILER_REPORT_SCHEMA_JSON_H
#define COMPILER_REPORT_SCHEMA_JSON_H

#include <stdio.h>

/* Prints the JSON Schema (draft-07, which editors' YAML support knows) of native documents: the same bytes each time.
 * It accepts every document that the readers accept, but for a port whose name YAML takes for a number, such as a plain
 * 1e3. */
void schema_print_json(FILE *stream);

#endif
