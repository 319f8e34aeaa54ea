/* The parts that all statements are made of: keys by table, names, texts, selectors, ports, prefixes. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

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
		if (keys[i].name[0] == name[0] && strcmp(keys[i].name, name) == 0)
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
		if (key_find(keys, count, node->items[i].text) == NULL)
			unknown_key(frontend, &node->items[i], keys, count, what);
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
		const struct key *key = key_find(keys, count, node->items[i].text);
		if (key != NULL && key->read != NULL)
			key->read(frontend, &node->items[i + 1], object);
	}
}

const char *choice_name(const struct value_type *type, size_t index)
{
	return index < type->choice_count
		   ? *(const char *const *)(const void *)((const char *)type->choices + index * type->stride)
		   : NULL;
}

int choice_read(struct frontend *frontend, const struct yaml_node *node, const char *what,
		const struct value_type *type)
{
	char known[512] = "";
	const char *text = scalar_read(frontend, node, arena_printf(frontend->arena, "`%s`", what));
	if (text == NULL)
		return -1;
	for (size_t i = 0; i < type->choice_count; i++) {
		const char *name = choice_name(type, i);
		if (name != NULL && strcmp(name, text) == 0)
			return (int)i;
		size_t used = strlen(known);
		if (name != NULL)
			snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? " or " : "", name);
	}
	diagnostics_error(frontend->diagnostics, node->span, "`%s` must be %s", what, known);
	return -1;
}

const struct value_type any_text_type = {
    .kind = VALUE_TEXT, .title = "a text", .plain = PLAIN_NUMBER | PLAIN_NEGATIVE | PLAIN_TRUTH};

const struct value_type truth_type = {.kind = VALUE_TRUTH, .title = "true or false"};

const char *scalar_read(struct frontend *frontend, const struct yaml_node *node, const char *what)
{
	if (node->kind != YAML_SCALAR || yaml_is_null(node)) {
		diagnostics_error(frontend->diagnostics, head(node), "%s must be a text, and this is %s", what,
				  kind_name(node));
		return NULL;
	}
	if (strlen(node->text) > TEXT_MAX) {
		diagnostics_error(frontend->diagnostics, head(node), "%s is longer than %d bytes", what, TEXT_MAX);
		return NULL;
	}
	return node->text;
}

const struct value_type name_type = {.kind = VALUE_TEXT,
				     .name = "name",
				     .title = "a name: 1 to 63 of a-z, 0-9 and `-`",
				     .pattern = NAME_PATTERN,
				     .plain = PLAIN_WHOLE | PLAIN_TRUTH};

bool is_label_name(const char *text)
{
	size_t length = 0;
	while ((text[length] >= 'a' && text[length] <= 'z') || (text[length] >= '0' && text[length] <= '9') ||
	       text[length] == '-')
		length++;
	return text[length] == 0 && length > 0 && length <= 63 && text[0] != '-' && text[length - 1] != '-';
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
		read(frontend, &node->items[i], object);
}

bool is_word(const char *text, const char *marks, size_t most)
{
	size_t length = 0;
	for (; text[length] != 0; length++) {
		char at = text[length];
		bool plain = (at >= 'a' && at <= 'z') || (at >= 'A' && at <= 'Z') || (at >= '0' && at <= '9');
		if (!plain && strchr(marks, at) == NULL)
			return false;
	}
	return length <= most;
}

/* Labels have Kubernetes' syntax, so that none can be more than a word in a report or a comment. */
static const struct value_type label_key_type = {
    .kind = VALUE_TEXT, .name = "label_key", .title = "the key of a label", .pattern = "[A-Za-z0-9._/-]{1,317}"};

const char *label_key_read(struct frontend *frontend, const struct yaml_node *node)
{
	if (node->kind == YAML_SCALAR && node->text[0] != 0 && is_word(node->text, "._-/", 317))
		return node->text;
	diagnostics_error(frontend->diagnostics, head(node), "a label key has letters, digits and `._-/` only");
	return NULL;
}

static const struct value_type label_value_type = {.kind = VALUE_TEXT,
						   .name = "label_value",
						   .title = "the value of a label",
						   .pattern = "[A-Za-z0-9._-]{0,63}",
						   .plain = PLAIN_NUMBER | PLAIN_NEGATIVE | PLAIN_TRUTH};
static const struct value_type label_values_type = {.kind = VALUE_ONE_OR_MORE, .of = &label_value_type};

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
	if (is_word(node->text, "._-", 63))
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
    {"not", false, not_read, &label_values_type, "None of these values. A workload without the label passes."},
    {"exists", false, exists_read, &truth_type,
     "true: the label is there, whatever its value. false: it is not there."},
};

static const struct value_type requirement_type = {VALUE_BY_KEYS(requirement_keys),
						   .title = "{not: [...]} or {exists: true}", .one_key = true};
static const struct value_type *const selector_values[] = {&label_values_type, &requirement_type, NULL};
static const struct value_type selector_value_type = {.kind = VALUE_EITHER, .either = selector_values};
const struct value_type selector_type = {
    .kind = VALUE_MAP,
    .name = "selector",
    .title = "a label selector: every entry must hold, and {} is the whole namespace",
    .names = &label_key_type,
    .of = &selector_value_type,
};

/* Inventory's labels are read as a selector, and so a list of one value is one. */
static const struct value_type single_value_type = {.kind = VALUE_LIST, .of = &label_value_type, .least = 1, .most = 1};
static const struct value_type *const labels_values[] = {&label_value_type, &single_value_type, NULL};
static const struct value_type labels_value_type = {.kind = VALUE_EITHER, .either = labels_values};
const struct value_type labels_type = {.kind = VALUE_MAP,
				       .name = "labels",
				       .title = "labels, each with one value",
				       .names = &label_key_type,
				       .of = &labels_value_type};

static bool is_selector(struct frontend *frontend, const struct yaml_node *node)
{
	if (node->kind == YAML_MAPPING)
		return true;
	diagnostics_error(frontend->diagnostics, head(node),
			  "a label selector must be a mapping such as {app: web}, and this is %s", kind_name(node));
	if (yaml_is_null(node))
		diagnostics_help(frontend->diagnostics, "{} matches every workload of the namespace");
	return false;
}

/* Its key is NULL after an error there. */
static struct requirement requirement_read(struct frontend *frontend, const struct yaml_node *key,
					   const struct yaml_node *value)
{
	struct requirement requirement = {.kind = REQUIRE_IN, .key = label_key_read(frontend, key)};
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
	return requirement;
}

void selector_read(struct frontend *frontend, const struct yaml_node *node, struct selector *selector)
{
	size_t count = is_selector(frontend, node) ? node->count : 0;
	for (size_t i = 0; i + 1 < count; i += 2) {
		struct requirement requirement = requirement_read(frontend, &node->items[i], &node->items[i + 1]);
		if (requirement.key != NULL)
			*arena_push(frontend->arena, selector->items, selector->count) = requirement;
	}
}

/* By the selector's readers, which check keys and values. */
void labels_read(struct frontend *frontend, const struct yaml_node *node, struct labels *labels)
{
	size_t count = is_selector(frontend, node) ? node->count : 0;
	for (size_t i = 0; i + 1 < count; i += 2) {
		struct requirement item = requirement_read(frontend, &node->items[i], &node->items[i + 1]);
		if (item.key == NULL)
			continue;
		if (item.kind != REQUIRE_IN || item.value_count > 1)
			diagnostics_error(frontend->diagnostics, node->items[i + 1].span,
					  "label `%s` must have one value", item.key);
		else if (item.value_count == 1) /* none: its value was refused already */
			*arena_push(frontend->arena, labels->items, labels->count) =
			    (struct label){item.key, item.values[0]};
	}
}

const struct value_type numbered_port_type = {.kind = VALUE_TEXT,
					      .title = "PORT/PROTOCOL or FIRST-LAST/PROTOCOL",
					      .example = "8080/tcp",
					      .write_pattern = port_pattern};

void port_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "a port");
	if (text == NULL)
		return;
	const char *problem = port_range_parse(object, text);
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no port: %s", text, problem);
}

/* What address.c reads: IPv6 has eight groups, or fewer and `::`; the last two may be an IPv4 address, but what only
 * wraps one (mapped and compatible addresses, but for :: and ::1) is refused. */
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4 OCTET "(\\." OCTET "){3}"
#define GROUP "[0-9A-Fa-f]{1,4}"
#define WRAPS_IPV4 "[0:]*:((" GROUP ":)?" GROUP "|([Ff]{4}:)?" IPV4 "|[Ff]{4}:" GROUP ":" GROUP ")(/|$)"
#define ONE_OR_NONE "[0:]*(1|0\\.0\\.0\\.[01])?(/|$)"
#define EIGHT "(:?:?(" GROUP "::?){7}" GROUP "|:?:?(" GROUP "::?){6}[0-9]+\\.)"
#define IPV6                                             \
	"(?=" ONE_OR_NONE "|(?!" WRAPS_IPV4 "))"         \
	"((" GROUP ":){6}(" GROUP ":" GROUP "|" IPV4 ")" \
	"|(?!" EIGHT ")(" GROUP "(:" GROUP ")*)?::((" GROUP ":)*(" GROUP "|" IPV4 "))?)"

static const struct value_type prefix_type = {
    .kind = VALUE_TEXT,
    .name = "prefix",
    .title = "a network such as 192.0.2.0/24 or 2001:db8::/32",
    .example = "192.0.2.0/24",
    .pattern = "(" IPV4 "(/([12]?[0-9]|3[0-2]))?|" IPV6 "(/([1-9]?[0-9]|1[01][0-9]|12[0-8]))?)",
};
const struct value_type prefixes_type = {.kind = VALUE_ONE_OR_MORE, .of = &prefix_type};
static const struct value_type address_type = {.kind = VALUE_TEXT,
					       .name = "address",
					       .title = "an address such as 192.0.2.1 or 2001:db8::1",
					       .pattern = "(" IPV4 "|" IPV6 ")"};
const struct value_type addresses_type = {.kind = VALUE_LIST, .of = &address_type};

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

static const struct value_type port_name_type = {.kind = VALUE_TEXT,
						 .name = "port_name",
						 .title = "a port's name, with a letter in it",
						 .pattern = "(?!(any|icmp|icmpv6)$)(?=.*[a-z])" NAME_PATTERN};
static const struct value_type port_word_type = {.kind = VALUE_CHOICE,
						 .title = "ICMP",
						 .choices = &port_words[1].text, /* but for `any` */
						 .choice_count = PORT_WORDS - 1,
						 .stride = sizeof *port_words};
static const struct value_type *const port_types[] = {&numbered_port_type, &port_word_type, NULL};
static const struct value_type port_type = {.kind = VALUE_EITHER,
					    .name = "port",
					    .title = "a port such as 8080/tcp, 8000-8100/udp or icmp",
					    .either = port_types};
const struct value_type named_ports_type = {
    .kind = VALUE_MAP, .name = "named_ports", .title = "ports by name", .names = &port_name_type, .of = &port_type};

void named_ports_read(struct frontend *frontend, const struct yaml_node *node, struct named_port **ports, size_t *count)
{
	if (node->kind != YAML_MAPPING) {
		diagnostics_error(frontend->diagnostics, head(node),
				  "`ports` must be a mapping such as {http: 8080/tcp}, and this is %s",
				  kind_name(node));
		return;
	}
	for (size_t i = 0; i + 1 < node->count; i += 2) {
		struct named_port port = {.name = name_read(frontend, &node->items[i], "a port's name")};
		port_read(frontend, &node->items[i + 1], &port.port);
		if (port.name != NULL && !port_is_name(port.name))
			diagnostics_error(frontend->diagnostics, node->items[i].span, "`%s` cannot be a port's name",
					  port.name);
		if (port.port.protocol == PROTOCOL_ANY)
			diagnostics_error(frontend->diagnostics, node->items[i + 1].span,
					  "a named port is one port or one range");
		if (port.name != NULL)
			*arena_push(frontend->arena, *ports, *count) = port;
	}
}
