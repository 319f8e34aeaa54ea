/* Numbers as people read them. */
#ifndef COMPILER_REPORT_COUNTS_H
#define COMPILER_REPORT_COUNTS_H

#include <stdint.h>

struct arena;

/* The ending of a noun: "" for one, else "s". */
const char *plural(uint64_t count);

/* 1,204, in `arena`. */
const char *count_text(struct arena *arena, uint64_t count);

#endif
