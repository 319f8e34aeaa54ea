/* The parts that all statements are made of: keys by table, names, texts, selectors, ports, prefixes. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

static const char *kind_name(const struct yaml_node *node)
{
	switch (node->kind) {
	case YAML_SCALAR:
		return yaml_is_null(node) ? "nothing" : "a text";
	case YAML_SEQUENCE:
		return "a list";
	case YAML_MAPPING:
		return "a mapping";
	}
	return "";
}

/* The span of a node's first line only: underlining a whole block says little. */
static struct span head(const struct yaml_node *node)
{
	struct span span = node->span;
	if (span.end_line != span.line) {
		span.end_line = span.line;
		span.end_column = span.column + 1;
	}
	return span;
}

static void unknown_key(struct frontend *frontend, const struct yaml_node *key, const struct key *keys, size_t count,
			const char *what)
{
	const char *names[32];
	char list[512] = "";
	for (size_t i = 0; i < count && i < 32; i++) {
		names[i] = keys[i].name;
		size_t used = strlen(list);
		snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", keys[i].name);
	}
	diagnostics_error(frontend->diagnostics, key->span, "unknown key `%s` in %s", key->text, what);
	if (!diagnostics_suggest(frontend->diagnostics, key->text, names, count < 32 ? count : 32))
		diagnostics_help(frontend->diagnostics, "known here: %s", list);
}

static const struct key *key_find(const struct key *keys, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

bool keys_check(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
		const char *what)
{
	if (node->kind != YAML_MAPPING) {
		diagnostics_error(frontend->diagnostics, head(node), "%s must be a mapping, and this is %s", what,
				  kind_name(node));
		return false;
	}
	for (size_t i = 0; i + 1 < node->count; i += 2)
		if (key_find(keys, count, node->items[i]->text) == NULL)
			unknown_key(frontend, node->items[i], keys, count, what);
	for (size_t j = 0; j < count; j++)
		if (keys[j].required && yaml_get(node, keys[j].name) == NULL)
			diagnostics_error(frontend->diagnostics, head(node), "%s needs the key `%s`", what,
					  keys[j].name);
	return true;
}

void keys_read(struct frontend *frontend, const struct yaml_node *node, const struct key *keys, size_t count,
	       const char *what, void *object)
{
	if (!keys_check(frontend, node, keys, count, what))
		return;
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		const struct key *key = key_find(keys, count, node->items[i]->text);
		if (key != NULL && key->read != NULL)
			key->read(frontend, node->items[i + 1], object);
	}
}

const char *scalar_read(struct frontend *frontend, const struct yaml_node *node, const char *what)
{
	if (node->kind != YAML_SCALAR || yaml_is_null(node)) {
		diagnostics_error(frontend->diagnostics, head(node), "%s must be a text, and this is %s", what,
				  kind_name(node));
		return NULL;
	}
	if (strlen(node->text) > 4096) {
		diagnostics_error(frontend->diagnostics, head(node), "%s is longer than 4096 bytes", what);
		return NULL;
	}
	return node->text;
}

bool is_label_name(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	size_t length = strlen(text);
	return length > 0 && length <= 63 && strspn(text, allowed) == length && text[0] != '-' &&
	       text[length - 1] != '-';
}

bool is_domain_name(const char *text)
{
	char part[64];
	size_t length = strlen(text);
	while (length <= 253 && text != NULL) {
		const char *dot = strchr(text, '.');
		size_t end = dot != NULL ? (size_t)(dot - text) : strlen(text);
		if (end >= sizeof part)
			return false;
		memcpy(part, text, end);
		part[end] = 0;
		if (!is_label_name(part))
			return false;
		text = dot != NULL ? dot + 1 : NULL;
	}
	return text == NULL;
}

const char *name_read(struct frontend *frontend, const struct yaml_node *node, const char *what)
{
	const char *text = scalar_read(frontend, node, what);
	if (text == NULL || is_label_name(text))
		return text;
	diagnostics_error(frontend->diagnostics, head(node), "%s must be a name: 1 to 63 of a-z, 0-9 and `-`", what);
	diagnostics_help(frontend->diagnostics, "it starts and ends with a letter or digit (RFC 1123)");
	return NULL;
}

void one_or_more_read(struct frontend *frontend, const struct yaml_node *node, const char *what,
		      void (*read)(struct frontend *, const struct yaml_node *, void *), void *object)
{
	if (yaml_is_null(node) || (node->kind == YAML_SEQUENCE && node->count == 0)) {
		diagnostics_error(frontend->diagnostics, head(node), "%s is empty, which would match nothing", what);
		diagnostics_help(frontend->diagnostics, "name at least one, or remove the statement");
		return;
	}
	if (node->kind != YAML_SEQUENCE) {
		read(frontend, node, object);
		return;
	}
	for (size_t i = 0; i < node->count; i++)
		read(frontend, node->items[i], object);
}

/* Kubernetes' syntax of label keys and values, so that no label can be more than a word in a report or a comment. */
static bool label_text(const char *text, size_t most, bool slash)
{
	for (const char *at = text; *at != 0; at++) {
		bool word = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
		if (!word && strchr(slash ? "._-/" : "._-", *at) == NULL)
			return false;
	}
	return strlen(text) <= most;
}

const char *label_key_read(struct frontend *frontend, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR && node->text[0] != 0 && label_text(node->text, 317, true))
		return node->text;
	diagnostics_error(frontend->diagnostics, head(node), "a label key has letters, digits and `._-/` only");
	return NULL;
}

const char *label_value_read(struct frontend *frontend, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR && node->plain && node->text[0] == 0) {
		diagnostics_error(frontend->diagnostics, node->span,
				  "a label without a value; write \"\" for the empty one");
		return NULL;
	}
	if (node->kind != YAML_SCALAR || yaml_is_null(node)) {
		diagnostics_error(frontend->diagnostics, head(node), "a label value must be a text, and this is %s",
				  kind_name(node));
		return NULL;
	}
	if (label_text(node->text, 63, false))
		return node->text;
	diagnostics_error(frontend->diagnostics, node->span, "a label value has at most 63 letters, digits and `._-`");
	return NULL;
}

static void value_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct requirement *requirement = object;
	const char *value = label_value_read(frontend, node);
	if (value != NULL)
		*arena_push(frontend->arena, requirement->values, requirement->value_count) = value;
}

static void not_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct requirement *requirement = object;
	requirement->kind = REQUIRE_NOT_IN;
	one_or_more_read(frontend, node, "`not`", value_read, requirement);
}

bool truth_read(struct frontend *frontend, const struct yaml_node *node, const char *what)
{
	bool truth = node->kind == YAML_SCALAR && node->plain && strcmp(node->text, "true") == 0;
	bool falsehood = node->kind == YAML_SCALAR && node->plain && strcmp(node->text, "false") == 0;
	if (!truth && !falsehood)
		diagnostics_error(frontend->diagnostics, head(node), "%s must be true or false", what);
	return truth;
}

static void exists_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct requirement *requirement = object;
	requirement->kind = truth_read(frontend, node, "`exists`") ? REQUIRE_EXISTS : REQUIRE_ABSENT;
}

static const struct key requirement_keys[] = {
    {"not", false, not_read},
    {"exists", false, exists_read},
};

void selector_read(struct frontend *frontend, const struct yaml_node *node, struct selector *selector)
{
	if (node->kind != YAML_MAPPING) {
		diagnostics_error(frontend->diagnostics, head(node),
				  "a label selector must be a mapping such as {app: web}, and this is %s",
				  kind_name(node));
		if (yaml_is_null(node))
			diagnostics_help(frontend->diagnostics, "{} matches every workload of the namespace");
		return;
	}
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		struct requirement requirement = {.kind = REQUIRE_IN, .key = label_key_read(frontend, node->items[i])};
		const struct yaml_node *value = node->items[i + 1];
		if (value->kind == YAML_MAPPING) {
			if (value->count != 2)
				diagnostics_error(frontend->diagnostics, head(value),
						  "expected one of {not: [...]} and {exists: true}");
			KEYS_READ(frontend, value, requirement_keys, "a label requirement", &requirement);
		} else if (value->kind == YAML_SEQUENCE) {
			one_or_more_read(frontend, value, "the list of values", value_read, &requirement);
		} else {
			value_read(frontend, value, &requirement);
		}
		if (requirement.key != NULL)
			*arena_push(frontend->arena, selector->items, selector->count) = requirement;
	}
}

void port_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "a port");
	if (text == NULL)
		return;
	const char *problem = port_range_parse(object, text);
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no port: %s", text, problem);
}

static void prefix_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct prefix_list *list = object;
	struct prefix prefix;
	const char *text = scalar_read(frontend, node, "a network"), *problem;
	if (text == NULL)
		return;
	if ((problem = prefix_parse(&prefix, text)) != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no network: %s", text, problem);
	else
		*arena_push(frontend->arena, list->items, list->count) = prefix;
}

void prefixes_read(struct frontend *frontend, const struct yaml_node *node, struct prefix_list *prefixes)
{
	one_or_more_read(frontend, node, "the list of networks", prefix_read, prefixes);
}

void named_ports_read(struct frontend *frontend, const struct yaml_node *node, struct named_port **ports, size_t *count)
{
	if (node->kind != YAML_MAPPING) {
		diagnostics_error(frontend->diagnostics, head(node),
				  "`ports` must be a mapping such as {http: 8080/tcp}, and this is %s",
				  kind_name(node));
		return;
	}
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		struct named_port port = {.name = name_read(frontend, node->items[i], "a port's name")};
		port_read(frontend, node->items[i + 1], &port.port);
		if (port.name != NULL && !port_is_name(port.name))
			diagnostics_error(frontend->diagnostics, node->items[i]->span, "`%s` cannot be a port's name",
					  port.name);
		if (port.port.protocol == PROTOCOL_ANY)
			diagnostics_error(frontend->diagnostics, node->items[i + 1]->span,
					  "a named port is one port or one range");
		if (port.name != NULL)
			*arena_push(frontend->arena, *ports, *count) = port;
	}
}

static void write_node(FILE *stream, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR)
		fprintf(stream, "%zu:%s", strlen(node->text), node->text);
	else
		fputs(node->kind == YAML_MAPPING ? "{" : "[", stream);
	for (size_t i = 0; i < node->count; i++)
		write_node(stream, node->items[i]);
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
		write_flow(stream, node->items[i]);
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
