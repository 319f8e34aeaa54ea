/* Nodes back to text: to compare what they say, and to show them on a line. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

static void write_node(FILE *stream, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR)
		fprintf(stream, "%zu:%s", strlen(node->text), node->text);
	else
		fputs(node->kind == YAML_MAPPING ? "{" : "[", stream);
	for (size_t i = 0; i < node->count; i++)
		write_node(stream, &node->items[i]);
	if (node->kind != YAML_SCALAR)
		fputs("}", stream);
}

const char *node_text(struct arena *arena, const char *prefix, const struct yaml_node *const *nodes, size_t count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	fputs(prefix, stream);
	for (size_t i = 0; i < count; i++) {
		fputc(' ', stream);
		if (nodes[i] != NULL)
			write_node(stream, nodes[i]);
	}
	fclose(stream);
	const char *copy = arena_copy(arena, text, size);
	free(text);
	return copy;
}

static void write_flow(FILE *stream, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR)
		fputs(node->text, stream);
	else
		fputs(node->kind == YAML_MAPPING ? "{" : "[", stream);
	for (size_t i = 0; i < node->count; i++) {
		bool value = node->kind == YAML_MAPPING && i % 2 == 1;
		fputs(i == 0 ? "" : value ? ": " : ", ", stream);
		write_flow(stream, &node->items[i]);
	}
	if (node->kind != YAML_SCALAR)
		fputs(node->kind == YAML_MAPPING ? "}" : "]", stream);
}

const char *flow_text(struct arena *arena, const struct yaml_node *node)
{
	enum { MOST = 100 };
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	write_flow(stream, node);
	fclose(stream);
	size_t end = size;
	if (size > MOST) /* cut before a whole character */
		for (end = MOST; end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80;)
			end--;
	const char *copy = arena_printf(arena, "%.*s%s", (int)end, text, size > MOST ? "..." : "");
	free(text);
	return copy;
}
