/* Nodes back to text: to compare what they say, and to show them on a line. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <string.h>

/* Text of which as much is kept as there is room for; `length` goes on counting. */
struct bounded_text {
	char *bytes;
	size_t room, length;
};

static void put(struct bounded_text *text, const char *bytes, size_t count)
{
	if (text->length < text->room)
		memcpy(text->bytes + text->length, bytes,
		       count < text->room - text->length ? count : text->room - text->length);
	text->length += count;
}

static void put_scalar(struct bounded_text *text, const char *scalar)
{
	char number[24], *digit = number + sizeof number;
	size_t length = strlen(scalar), rest = length;
	*--digit = ':';
	do
		*--digit = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	put(text, digit, (size_t)(number + sizeof number - digit));
	put(text, scalar, length);
}

static void put_node(struct bounded_text *text, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR) {
		put_scalar(text, node->text);
		return;
	}
	put(text, node->kind == YAML_MAPPING ? "{" : "[", 1);
	for (size_t i = 0; i < node->count; i++)
		put_node(text, &node->items[i]);
	put(text, "}", 1);
}

static void put_nodes(struct bounded_text *text, const char *prefix, const struct yaml_node *const *nodes, size_t count)
{
	put(text, prefix, strlen(prefix));
	for (size_t i = 0; i < count; i++) {
		put(text, " ", 1);
		if (nodes[i] != NULL)
			put_node(text, nodes[i]);
	}
}

const char *node_text(struct arena *arena, const char *prefix, const struct yaml_node *const *nodes, size_t count)
{
	char first[256]; /* as a rule there is room */
	struct bounded_text text = {.bytes = first, .room = sizeof first};
	put_nodes(&text, prefix, nodes, count);
	if (text.length <= text.room)
		return arena_copy(arena, first, text.length);
	text = (struct bounded_text){.bytes = arena_alloc(arena, text.length + 1), .room = text.length};
	put_nodes(&text, prefix, nodes, count);
	return text.bytes;
}

static void put_flow(struct bounded_text *text, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR) {
		put(text, node->text, strlen(node->text));
		return;
	}
	put(text, node->kind == YAML_MAPPING ? "{" : "[", 1);
	for (size_t i = 0; i < node->count && text->length <= text->room; i++) {
		if (i > 0 && node->kind == YAML_MAPPING && i % 2 == 1)
			put(text, ": ", 2);
		else if (i > 0)
			put(text, ", ", 2);
		put_flow(text, &node->items[i]);
	}
	put(text, node->kind == YAML_MAPPING ? "}" : "]", 1);
}

const char *flow_text(struct arena *arena, const struct yaml_node *node)
{
	enum { MOST = 100 };
	char bytes[MOST + 1];
	struct bounded_text text = {.bytes = bytes, .room = sizeof bytes};
	put_flow(&text, node);
	size_t end = text.length;
	if (end > MOST) /* cut before a whole character */
		for (end = MOST; end > 0 && ((unsigned char)bytes[end] & 0xc0) == 0x80;)
			end--;
	return arena_printf(arena, "%.*s%s", (int)end, bytes, text.length > MOST ? "..." : "");
}
