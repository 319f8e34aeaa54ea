/* Statements in words: peers and ports as the language writes them. All texts live in `arena`. */
#ifndef COMPILER_ANALYSIS_WORDS_H
#define COMPILER_ANALYSIS_WORDS_H

#include <ringfence/policy.h>

/* Puts `piece` behind `text`, with `separator` between them where `text` is not empty. */
const char *text_append(struct arena *arena, const char *text, const char *separator, const char *piece);

/* Values or names, each between `quote`; of a long list only the first, and how many more there are. */
const char *text_list(struct arena *arena, const char *const *items, size_t count, const char *separator,
		      const char *quote);

/* shop/web, or {labels: {app: web}, namespaces: shop}. */
const char *peer_text(struct arena *arena, const struct peer *peer);

/* 8080/tcp, metrics */
const char *ports_text(struct arena *arena, const struct target *target);

/* shop/web -> shop/api, shop/db on 8080/tcp */
const char *flows_text(struct arena *arena, const struct flows *flows);

#endif
