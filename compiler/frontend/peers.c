/* Peers: who stands at an end of a statement. Names are resolved when all are known. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <string.h>

/* Suggests a name of the namespace, or says that there is none. */
static void suggest_peer(struct frontend *frontend, const char *name_space, const char *name)
{
	const struct policy *policy = &frontend->policy;
	const char **names = NULL;
	size_t count = 0;
	for (size_t i = 0; i < policy->service_count; i++)
		if (strcmp(policy->services[i]->name_space, name_space) == 0)
			*arena_push(frontend->arena, names, count) = policy->services[i]->name;
	for (size_t i = 0; i < policy->network_count; i++)
		if (strcmp(policy->networks[i]->name_space, name_space) == 0)
			*arena_push(frontend->arena, names, count) = policy->networks[i]->name;
	if (diagnostics_suggest(frontend->diagnostics, name, names, count))
		return;
	for (size_t i = 0; i < policy->service_count; i++) {
		if (strcmp(policy->services[i]->name, name) == 0) {
			diagnostics_help(frontend->diagnostics, "there is `%s/%s`", policy->services[i]->name_space,
					 name);
			return;
		}
	}
	for (size_t i = 0; i < PEER_KINDS; i++)
		if (built_in_names[i] != NULL &&
		    diagnostics_suggest(frontend->diagnostics, name, &built_in_names[i], 1))
			return;
	diagnostics_help(frontend->diagnostics, "define it under `services` or `networks` of namespace %s", name_space);
}

/* NAME or NAMESPACE/NAME, or a built-in peer. Returns false after an error. */
static bool name_peer(struct frontend *frontend, const struct yaml_node *node, struct peer *peer)
{
	peer->name = scalar_read(frontend, node, "a peer");
	if (peer->name == NULL)
		return false;
	if (!built_in(peer->name, &peer->kind))
		peer->kind = PEER_SERVICE; /* to be resolved */
	return true;
}

static const struct named_peer *find_name(const struct frontend *frontend, const char *own, const char *text)
{
	char whole[128]; /* of two labels with 63 characters each */
	size_t length = strlen(text), own_length = strlen(own);
	if (strchr(text, '/') != NULL)
		return named_peer_find(frontend, text);
	if (own_length + 1 + length >= sizeof whole)
		return NULL;
	memcpy(whole, own, own_length);
	whole[own_length] = '/';
	memcpy(whole + own_length + 1, text, length + 1);
	return named_peer_find(frontend, whole);
}

bool peer_resolve(struct frontend *frontend, const char *own, struct peer *peer)
{
	if (peer->kind != PEER_SERVICE || peer->service != NULL)
		return true;
	const char *text = peer->name;
	const struct named_peer *named = find_name(frontend, own, text);
	if (named != NULL) {
		peer->name = named->name;
		peer->service = named->service;
		peer->network = named->network;
		peer->kind = named->service != NULL ? PEER_SERVICE : PEER_NETWORK;
		return true;
	}
	const char *slash = strchr(text, '/');
	const char *name_space = slash != NULL ? arena_copy(frontend->arena, text, (size_t)(slash - text)) : own;
	const char *name = slash != NULL ? slash + 1 : text;
	struct address address;
	if (address_parse(&address, slash != NULL ? name_space : text) == NULL) {
		diagnostics_error(frontend->diagnostics, peer->span, "a peer is a name, and `%s` is an address", text);
		diagnostics_help(frontend->diagnostics, "an address is written {cidr: %s}", text);
		return false;
	}
	diagnostics_error(frontend->diagnostics, peer->span, "no service or network `%s` in namespace `%s`", name,
			  name_space);
	suggest_peer(frontend, name_space, name);
	return false;
}

static void peer_labels_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	peer->kind = PEER_LABELS;
	selector_read(frontend, node, &peer->labels);
}

static void scope_name_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	const char *name = name_read(frontend, node, "a namespace");
	if (name != NULL)
		*arena_push(frontend->arena, peer->namespaces, peer->namespace_count) = name;
}

static void scope_labels_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	peer->scope = NAMESPACES_LABELS;
	selector_read(frontend, node, &peer->namespace_labels);
}

static const struct key scope_keys[] = {
    {"labels", true, scope_labels_read, &selector_type, "The namespaces that carry these labels."}};
static const struct value_type scope_keys_type = {VALUE_BY_KEYS(scope_keys), .title = "namespaces by their labels"};

static const char *const scope_words[] = {"any"};
static const struct value_type scope_word_type = {VALUE_BY_CHOICE(scope_words)};
static const struct value_type scope_names_type = {.kind = VALUE_ONE_OR_MORE, .of = &name_type};
static const struct value_type *const scopes[] = {&scope_word_type, &scope_names_type, &scope_keys_type, NULL};
static const struct value_type scope_type = {.kind = VALUE_EITHER, .either = scopes};

static void peer_namespaces_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	if (node->kind == YAML_MAPPING)
		KEYS_READ(frontend, node, scope_keys, "`namespaces`", peer);
	else if (node->kind == YAML_SCALAR && strcmp(node->text, scope_words[0]) == 0)
		peer->scope = NAMESPACES_ANY;
	else
		one_or_more_read(frontend, node, "`namespaces`", scope_name_read, peer);
}

static void peer_cidr_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	network_cidrs_read(frontend, node, (struct network *)peer->network);
}

static void peer_except_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct peer *peer = object;
	network_except_read(frontend, node, (struct network *)peer->network);
}

static const struct key label_peer_keys[] = {
    {"labels", true, peer_labels_read, &selector_type, "The workloads that carry these labels."},
    {"namespaces", false, peer_namespaces_read, &scope_type,
     "Where they are: any, names, or {labels: ...} of namespaces. Left out: the document's own namespace."},
};

static const struct key cidr_peer_keys[] = {
    {"cidr", true, peer_cidr_read, &prefixes_type, "These addresses: one prefix or a list."},
    {"except", false, peer_except_read, &prefixes_type, "But not these."},
};

static const struct value_type label_peer_type = {VALUE_BY_KEYS(label_peer_keys), .title = "a peer by labels"};
static const struct value_type cidr_peer_type = {VALUE_BY_KEYS(cidr_peer_keys), .title = "a peer by address"};
static const struct value_type named_peer_type = {.kind = VALUE_TEXT,
						  .title = "a service or network: NAME or NAMESPACE/NAME",
						  .pattern = NAME_PATTERN "(/" NAME_PATTERN ")?",
						  .plain = PLAIN_WHOLE | PLAIN_TRUTH};
static const struct value_type *const peer_types[] = {&built_in_type, &named_peer_type, &label_peer_type,
						      &cidr_peer_type, NULL};
static const struct value_type peer_type = {.kind = VALUE_EITHER,
					    .name = "peer",
					    .title = "a peer: a name, {labels: ...} or {cidr: ...}",
					    .either = peer_types};
const struct value_type peers_type = {.kind = VALUE_ONE_OR_MORE, .of = &peer_type};

/* cidr 10.0.0.0/8, 192.0.2.0/24 except 10.1.0.0/16, as far as there is room */
static const char *network_text(struct arena *arena, const struct network *network)
{
	enum { SHOWN = 4 };
	char text[ADDRESS_TEXT_SIZE];
	const char *name = "cidr ";
	for (size_t i = 0; i < network->cidr_count && i <= SHOWN; i++)
		name = arena_printf(arena, "%s%s%s", name, i > 0 ? ", " : "",
				    i < SHOWN ? prefix_format(&network->cidrs[i], text) : "...");
	for (size_t i = 0; i < network->except_count && i <= SHOWN; i++)
		name = arena_printf(arena, "%s%s%s", name, i > 0 ? ", " : " except ",
				    i < SHOWN ? prefix_format(&network->except[i], text) : "...");
	return name;
}

static void mapping_peer(struct frontend *frontend, const struct yaml_node *node, const char *own, struct peer *peer)
{
	if (yaml_get(node, "cidr") != NULL) {
		struct network *network = arena_alloc(frontend->arena, sizeof *network);
		network->span = node->span;
		peer->kind = PEER_NETWORK;
		peer->network = network;
		KEYS_READ(frontend, node, cidr_peer_keys, "a peer by address", peer);
		peer->name = network_text(frontend->arena, network);
		return;
	}
	peer->kind = PEER_LABELS;
	peer->name = flow_text(frontend->arena, node);
	KEYS_READ(frontend, node, label_peer_keys, "a peer by labels", peer);
	if (yaml_get(node, "namespaces") == NULL)
		*arena_push(frontend->arena, peer->namespaces, peer->namespace_count) = own;
}

bool native_peer_read(struct frontend *frontend, const struct yaml_node *node, const char *own, struct peer *peer)
{
	*peer = (struct peer){.span = node->span};
	if (node->kind != YAML_MAPPING)
		return name_peer(frontend, node, peer);
	mapping_peer(frontend, node, own, peer);
	return true;
}
