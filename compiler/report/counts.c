/* Numbers as people read them. */
#include "compiler/report/counts.h"

#include <ringfence/arena.h>

const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

const char *count_text(struct arena *arena, uint64_t count)
{
	return count < 1000 ? arena_printf(arena, "%llu", (unsigned long long)count)
			    : arena_printf(arena, "%s,%03llu", count_text(arena, count / 1000),
					   (unsigned long long)(count % 1000));
}
