/* Statements in words: peers and ports as the language writes them, long lists cut short. */
#include "compiler/analysis/words.h"

#include <ringfence/arena.h>

#include <string.h>

enum { LIST_MOST = 8 };

const char *text_append(struct arena *arena, const char *text, const char *separator, const char *piece)
{
	return *text == 0 ? piece : arena_printf(arena, "%s%s%s", text, separator, piece);
}

const char *text_list(struct arena *arena, const char *const *items, size_t count, const char *separator,
		      const char *quote)
{
	const char *text = "";
	for (size_t i = 0; i < count && i < LIST_MOST; i++)
		text = text_append(arena, text, separator, arena_printf(arena, "%s%s%s", quote, items[i], quote));
	return count <= LIST_MOST ? text : arena_printf(arena, "%s%s%zu more", text, separator, count - LIST_MOST);
}

/* A selector as the language writes it. */
static const char *selector_text(struct arena *arena, const struct selector *selector)
{
	static const struct {
		const char *before, *behind;
	} forms[] = {[REQUIRE_IN] = {": [", "]"},
		     [REQUIRE_NOT_IN] = {": {not: [", "]}"},
		     [REQUIRE_EXISTS] = {": {exists: true", "}"},
		     [REQUIRE_ABSENT] = {": {exists: false", "}"}};
	const char *text = "";
	for (size_t i = 0; i < selector->count; i++) {
		const struct requirement *item = &selector->items[i];
		bool one = item->kind == REQUIRE_IN && item->value_count == 1;
		text = text_append(arena, text, ", ",
				   arena_printf(arena, "%s%s%s%s", item->key, one ? ": " : forms[item->kind].before,
						text_list(arena, item->values, item->value_count, ", ", ""),
						one ? "" : forms[item->kind].behind));
	}
	return arena_printf(arena, "{%s}", text);
}

const char *peer_text(struct arena *arena, const struct peer *peer)
{
	const char *spaces = "any";
	if (peer->kind != PEER_LABELS)
		return peer->name;
	if (peer->scope == NAMESPACES_LISTED)
		spaces = text_list(arena, peer->namespaces, peer->namespace_count, ", ", "");
	else if (peer->scope == NAMESPACES_LABELS)
		spaces = arena_printf(arena, "{labels: %s}", selector_text(arena, &peer->namespace_labels));
	bool list = peer->scope == NAMESPACES_LISTED && peer->namespace_count > 1;
	return arena_printf(arena, "{labels: %s, namespaces: %s%s%s}", selector_text(arena, &peer->labels),
			    list ? "[" : "", spaces, list ? "]" : "");
}

const char *ports_text(struct arena *arena, const struct target *target)
{
	const char **names = NULL;
	size_t count = 0;
	char port[48];
	for (size_t i = 0; i < target->port_count; i++)
		*arena_push(arena, names, count) =
		    arena_printf(arena, "%s", port_range_format(&target->ports[i], port));
	for (size_t i = 0; i < target->container_port_count; i++)
		*arena_push(arena, names, count) = target->container_ports[i].name;
	return text_list(arena, names, count, ", ", "");
}

const char *flows_text(struct arena *arena, const struct flows *flows)
{
	const char *from = "", *to = "", *ports = NULL;
	for (size_t i = 0; i < flows->from_count && i < LIST_MOST; i++)
		from = text_append(arena, from, ", ", peer_text(arena, &flows->from[i]));
	if (flows->from_count > LIST_MOST)
		from = arena_printf(arena, "%s, %zu more", from, flows->from_count - LIST_MOST);
	for (size_t i = 0; i < flows->to_count && i < LIST_MOST; i++) {
		const char *next = ports_text(arena, &flows->to[i]);
		if (ports != NULL && strcmp(ports, next) != 0)
			to = arena_printf(arena, "%s on %s", to, ports);
		to = text_append(arena, to, ", ", peer_text(arena, &flows->to[i].peer));
		ports = next;
	}
	if (ports != NULL)
		to = arena_printf(arena, "%s on %s", to, ports);
	if (flows->to_count > LIST_MOST)
		to = arena_printf(arena, "%s, %zu more", to, flows->to_count - LIST_MOST);
	return arena_printf(arena, "%s -> %s", from, to);
}
