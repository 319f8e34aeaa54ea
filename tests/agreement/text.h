/* Trees of JSON as the files of a case. */
#ifndef TESTS_AGREEMENT_TEXT_H
#define TESTS_AGREEMENT_TEXT_H

#include <jansson.h>

/* Writes `documents` as the text of file `name`: JSON where the name ends so, else YAML. The caller frees it. */
char *documents_text(const char *name, const json_t *documents);

#endif
