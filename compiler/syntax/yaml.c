/* Text to nodes with positions, by libyaml's events.
 *
 * libyaml itself neither refuses duplicate keys nor bounds depth (it is quadratic in it) nor the growth by aliases:
 * all three are counted here, event by event. An alias shares the items of its anchor; its size is charged again.
 * The entries of a list wait on a stack until it ends, when their number is known. */
#include <ringfence/arena.h>
#include <ringfence/yaml.h>

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct anchor {
	const char *name;
	struct yaml_node node;
	size_t size; /* nodes in it, itself included; 0 while it is still being read */
};

/* Texts of at most SHARED_MOST bytes that were read lately, by their hash: keys and names stand there many times. */
enum { SHARED_TEXTS = 256, SHARED_MOST = 32 };

struct reader {
	struct arena *arena; /* of the nodes; texts are in the one of the diagnostics */
	const char *file;
	const struct source *source;
	struct diagnostics *diagnostics;
	yaml_parser_t parser;
	struct anchor *anchors;
	size_t anchor_count;
	struct yaml_node *stack;
	size_t stack_count, stack_room;
	size_t nodes;
	const char *shared[SHARED_TEXTS];
	bool failed;
};

static struct span span_of(const struct reader *reader, yaml_mark_t start, yaml_mark_t end)
{
	return (struct span){reader->file, (unsigned)start.line + 1, (unsigned)start.column + 1, (unsigned)end.line + 1,
			     (unsigned)end.column + 1};
}

static bool text_equals(const char *a, const char *b)
{
	return a == b || (a[0] == b[0] && strcmp(a, b) == 0);
}

/* Reports once that the file cannot be read further. */
static void fail(struct reader *reader, struct span span, const char *message)
{
	if (!reader->failed)
		diagnostics_error(reader->diagnostics, span, "%s", message);
	reader->failed = true;
}

static yaml_mark_t mark_at(const struct source *source, size_t offset)
{
	yaml_mark_t mark = {.index = offset};
	for (size_t i = 0; i < offset && i < source->length; i++) {
		mark.column += ((unsigned char)source->text[i] & 0xc0) != 0x80; /* characters, as libyaml counts */
		if (source->text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

static bool next(struct reader *reader, yaml_event_t *event)
{
	if (reader->failed)
		return false;
	if (yaml_parser_parse(&reader->parser, event))
		return true;
	yaml_mark_t mark = reader->parser.problem_mark;
	if (reader->parser.error == YAML_READER_ERROR) /* bytes that are no UTF-8: libyaml tells their offset only */
		mark = mark_at(reader->source, reader->parser.problem_offset);
	const char *problem = reader->parser.problem != NULL ? reader->parser.problem : "not readable as YAML";
	fail(reader, span_of(reader, mark, mark), arena_printf(reader->arena, "not valid YAML: %s", problem));
	return false;
}

static bool charge(struct reader *reader, size_t nodes, struct span span)
{
	if (nodes <= YAML_NODES_MAX - reader->nodes) {
		reader->nodes += nodes;
		return true;
	}
	fail(reader, span,
	     arena_printf(reader->arena, "more than %d values in one file, aliases expanded", YAML_NODES_MAX));
	return false;
}

/* Reads an alias as the node of its anchor. Returns false after a failure. */
static bool resolve_alias(struct reader *reader, const yaml_event_t *event, struct yaml_node *node)
{
	const char *name = (const char *)event->data.alias.anchor;
	struct span span = span_of(reader, event->start_mark, event->end_mark);
	for (size_t i = reader->anchor_count; i > 0; i--) {
		const struct anchor *anchor = &reader->anchors[i - 1];
		if (strcmp(anchor->name, name) != 0)
			continue;
		if (anchor->size == 0) {
			fail(reader, span,
			     arena_printf(reader->arena, "alias `*%s` stands inside its own anchor", name));
			return false;
		}
		*node = anchor->node;
		return charge(reader, anchor->size, span);
	}
	fail(reader, span, arena_printf(reader->arena, "alias `*%s` has no anchor before it", name));
	return false;
}

static void duplicate_key(struct reader *reader, const struct yaml_node *first, const struct yaml_node *key)
{
	diagnostics_error(reader->diagnostics, key->span, "duplicate key `%s`", key->text);
	diagnostics_help(reader->diagnostics, "it stands in line %u already", first->span.line);
}

static int compare_keys(const void *left, const void *right)
{
	const struct yaml_node *a = *(const struct yaml_node *const *)left,
			       *b = *(const struct yaml_node *const *)right;
	int order = strcmp(a->text, b->text);
	if (order != 0)
		return order;
	if (a->span.line != b->span.line)
		return a->span.line < b->span.line ? -1 : 1;
	return a->span.column < b->span.column ? -1 : a->span.column > b->span.column;
}

static void check_many_keys(struct reader *reader, const struct yaml_node *mapping)
{
	size_t count = mapping->count / 2;
	const struct yaml_node **keys = malloc(count * sizeof(struct yaml_node *));
	if (keys == NULL)
		abort();
	for (size_t i = 0; i < count; i++)
		keys[i] = &mapping->items[2 * i];
	qsort(keys, count, sizeof(struct yaml_node *), compare_keys);
	for (size_t i = 1; i < count; i++)
		if (strcmp(keys[i - 1]->text, keys[i]->text) == 0)
			duplicate_key(reader, keys[i - 1], keys[i]);
	free(keys);
}

static void check_keys(struct reader *reader, const struct yaml_node *mapping)
{
	enum { FEW = 16 };
	if (mapping->count / 2 > FEW) {
		check_many_keys(reader, mapping);
		return;
	}
	for (size_t i = 2; i < mapping->count; i += 2)
		for (size_t j = i; j > 0; j -= 2)
			if (text_equals(mapping->items[j - 2].text, mapping->items[i].text)) {
				duplicate_key(reader, &mapping->items[j - 2], &mapping->items[i]);
				break;
			}
}

/* A copy of a text, or the one that was made of it before. */
static const char *share(struct reader *reader, const char *text, size_t length)
{
	if (length > SHARED_MOST)
		return arena_copy(reader->diagnostics->arena, text, length);
	uint32_t hash = 0x811c9dc5; /* FNV-1a */
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x01000193;
	const char **shared = &reader->shared[(hash ^ hash >> 16) % SHARED_TEXTS];
	if (*shared == NULL || strcmp(*shared, text) != 0)
		*shared = arena_copy(reader->diagnostics->arena, text, length);
	return *shared;
}

static void push(struct reader *reader, const struct yaml_node *node)
{
	if (reader->stack_count == reader->stack_room) {
		reader->stack_room = reader->stack_room > 0 ? 2 * reader->stack_room : 64;
		reader->stack = realloc(reader->stack, reader->stack_room * sizeof *reader->stack);
		if (reader->stack == NULL)
			abort();
	}
	reader->stack[reader->stack_count++] = *node;
}

/* Makes what was pushed above `base` the items of `node`. */
static void pop_items(struct reader *reader, struct yaml_node *node, size_t base)
{
	size_t count = reader->stack_count - base;
	reader->stack_count = base;
	node->count = (uint32_t)count;
	if (count == 0)
		return;
	node->items = arena_alloc(reader->arena, count * sizeof *node->items);
	memcpy(node->items, reader->stack + base, count * sizeof *node->items);
}

static bool read_node(struct reader *reader, const yaml_event_t *event, unsigned depth, struct yaml_node *node);

/* Reads the entries of a sequence or mapping up to `end`. */
static void read_items(struct reader *reader, struct yaml_node *node, yaml_event_type_t end, unsigned depth)
{
	yaml_event_t event;
	size_t base = reader->stack_count;
	while (next(reader, &event)) {
		struct yaml_node item;
		if (event.type == end) {
			node->span.end_line = (unsigned)event.end_mark.line + 1;
			node->span.end_column = (unsigned)event.end_mark.column + 1;
			yaml_event_delete(&event);
			break;
		}
		bool read = read_node(reader, &event, depth + 1, &item);
		yaml_event_delete(&event);
		if (!read)
			return;
		bool key = node->kind == YAML_MAPPING && (reader->stack_count - base) % 2 == 0;
		if (key && item.kind != YAML_SCALAR) {
			fail(reader, item.span, "a key must be a plain text");
			return;
		}
		if (key && item.plain && strcmp(item.text, "<<") == 0) {
			fail(reader, item.span, "a merge key (`<<`), which is not read; write the keys out");
			return;
		}
		push(reader, &item);
	}
	if (reader->failed)
		return;
	pop_items(reader, node, base);
	if (node->kind == YAML_MAPPING)
		check_keys(reader, node);
}

static const char *anchor_of(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return (const char *)event->data.scalar.anchor;
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return (const char *)event->data.sequence_start.anchor;
	return (const char *)event->data.mapping_start.anchor;
}

static const char *tag_of(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return (const char *)event->data.scalar.tag;
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return (const char *)event->data.sequence_start.tag;
	return (const char *)event->data.mapping_start.tag;
}

/* Reads the node that starts with `event`. Returns false after a failure. */
static bool read_node(struct reader *reader, const yaml_event_t *event, unsigned depth, struct yaml_node *node)
{
	struct span span = span_of(reader, event->start_mark, event->end_mark);
	if (event->type == YAML_ALIAS_EVENT)
		return resolve_alias(reader, event, node);
	if (depth > YAML_DEPTH_MAX) {
		fail(reader, span, arena_printf(reader->arena, "nested more than %d levels deep", YAML_DEPTH_MAX));
		return false;
	}
	if (tag_of(event) != NULL) { /* it could make a number a text, or the other way round */
		fail(reader, span, "a tag (`!`), which is not read; quote a text, and write a number plainly");
		return false;
	}
	size_t before = reader->nodes;
	if (!charge(reader, 1, span))
		return false;
	*node = (struct yaml_node){.span = span};
	size_t anchor = reader->anchor_count;
	const char *name = anchor_of(event);
	if (name != NULL)
		*arena_push(reader->arena, reader->anchors, reader->anchor_count) =
		    (struct anchor){.name = arena_copy(reader->arena, name, strlen(name))};
	if (event->type == YAML_SCALAR_EVENT) {
		node->kind = YAML_SCALAR;
		const char *value = (const char *)event->data.scalar.value;
		size_t length = event->data.scalar.length;
		if (memchr(value, 0, length) != NULL) {
			fail(reader, span, "a text with a NUL character");
			return false;
		}
		node->text = share(reader, value, length);
		node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		node->kind = YAML_SEQUENCE;
		read_items(reader, node, YAML_SEQUENCE_END_EVENT, depth);
	} else {
		node->kind = YAML_MAPPING;
		read_items(reader, node, YAML_MAPPING_END_EVENT, depth);
	}
	if (name != NULL) {
		reader->anchors[anchor].node = *node;
		reader->anchors[anchor].size = reader->nodes - before;
	}
	return !reader->failed;
}

struct yaml_node **yaml_read(struct arena *arena, const struct source *source, struct diagnostics *diagnostics,
			     size_t *count)
{
	struct reader reader = {.arena = arena, .file = source->file, .source = source, .diagnostics = diagnostics};
	struct yaml_node **roots = NULL;
	*count = 0;
	if (source->length > YAML_BYTES_MAX) {
		fail(&reader, (struct span){source->file, 1, 1, 1, 1},
		     arena_printf(arena, "larger than %d MiB", YAML_BYTES_MAX >> 20));
		return NULL;
	}
	if (!yaml_parser_initialize(&reader.parser))
		abort();
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)source->text, source->length);
	yaml_event_t event;
	bool end = false;
	while (!end && next(&reader, &event)) {
		struct yaml_node root;
		bool read = false;
		if (event.type == YAML_STREAM_END_EVENT)
			end = true;
		else if (event.type == YAML_DOCUMENT_START_EVENT)
			reader.anchor_count = 0, reader.anchors = NULL;
		else if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_END_EVENT)
			read = read_node(&reader, &event, 1, &root);
		yaml_event_delete(&event);
		if (!read || yaml_is_null(&root))
			continue;
		struct yaml_node *kept = arena_alloc(arena, sizeof *kept);
		*kept = root;
		*arena_push(arena, roots, *count) = kept;
	}
	yaml_parser_delete(&reader.parser);
	free(reader.stack);
	return roots;
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
	for (size_t i = 0; mapping->kind == YAML_MAPPING && i + 1 < mapping->count; i += 2)
		if (text_equals(mapping->items[i].text, key))
			return &mapping->items[i + 1];
	return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
	if (node->kind != YAML_SCALAR || !node->plain || strchr("~nN", node->text[0]) == NULL)
		return false;
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
		if (strcmp(node->text, nulls[i]) == 0)
			return true;
	return false;
}
