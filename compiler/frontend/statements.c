/* Statements of native documents: allow, never, tests and quarantine.
 *
 * The first three share their ends: who, to whom, on which ports. Peers by name and ports, which destinations may
 * declare by name, stay open until every file is read. */
#include "compiler/frontend/native.h"

#include <ringfence/arena.h>

#include <stdlib.h>
#include <string.h>

/* ---- ends and ports of a statement ---- */

/* What a statement says, whichever kind it is: each table of keys below takes what it knows. */
struct reading {
	const char *name_space; /* of the document */
	struct flows flows;
	const struct yaml_node *ports; /* NULL: left out */
	int64_t until;
	bool log, expect_allow;
	struct rate rate;
	const char *why, *owner;
};

static void source_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading *reading = object;
	struct peer peer;
	if (native_peer_read(frontend, node, reading->name_space, &peer))
		*arena_push(frontend->arena, reading->flows.from, reading->flows.from_count) = peer;
}

static void target_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading *reading = object;
	struct target target = {0};
	if (native_peer_read(frontend, node, reading->name_space, &target.peer))
		*arena_push(frontend->arena, reading->flows.to, reading->flows.to_count) = target;
}

static void from_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	one_or_more_read(frontend, node, "`from`", source_read, object);
}

static void to_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	one_or_more_read(frontend, node, "`to`", target_read, object);
}

static void ports_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	(void)frontend;
	((struct reading *)object)->ports = node;
}

/* Gives every destination the ports its service declares, since the statement names none. */
static void declared_ports(struct frontend *frontend, struct flows *flows)
{
	for (size_t i = 0; i < flows->to_count; i++) {
		struct target *target = &flows->to[i];
		const struct service *service = target->peer.kind == PEER_SERVICE ? target->peer.service : NULL;
		if (service == NULL || service->port_count == 0) {
			diagnostics_error(frontend->diagnostics, target->peer.span,
					  "`%s` declares no ports, so this statement must name them",
					  target->peer.name);
			diagnostics_help(frontend->diagnostics,
					 "add `ports: [443/tcp]`, or `ports: [any]` where all are meant");
			continue;
		}
		for (size_t j = 0; j < service->port_count; j++)
			*arena_push(frontend->arena, target->ports, target->port_count) = service->ports[j].port;
	}
}

/* Resolves a port's name at each destination: it counts for those that declare it, and one must. */
static void named_port(struct frontend *frontend, const struct yaml_node *node, struct flows *flows)
{
	const char **names = NULL;
	size_t name_count = 0;
	bool found = false;
	for (size_t i = 0; i < flows->to_count; i++) {
		struct target *target = &flows->to[i];
		if (target->peer.kind == PEER_LABELS || target->peer.kind == PEER_CLUSTER ||
		    target->peer.kind == PEER_ANY) {
			*arena_push(frontend->arena, target->container_ports, target->container_port_count) =
			    (struct port_name){node->text, PROTOCOL_ANY};
			found = true;
		}
		const struct service *service = target->peer.kind == PEER_SERVICE ? target->peer.service : NULL;
		for (size_t j = 0; service != NULL && j < service->port_count; j++) {
			*arena_push(frontend->arena, names, name_count) = service->ports[j].name;
			if (strcmp(service->ports[j].name, node->text) != 0)
				continue;
			*arena_push(frontend->arena, target->ports, target->port_count) = service->ports[j].port;
			found = true;
		}
	}
	if (found || flows->to_count == 0)
		return;
	diagnostics_error(frontend->diagnostics, node->span, "no destination here declares a port `%s`", node->text);
	if (!diagnostics_suggest(frontend->diagnostics, node->text, names, name_count))
		diagnostics_help(frontend->diagnostics,
				 "write PORT/PROTOCOL, such as 8080/tcp, or declare it under the service's `ports`");
}

static void flow_port_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct flows *flows = object;
	struct port_range port;
	const char *text = scalar_read(frontend, node, "a port");
	if (text == NULL)
		return;
	const char *problem = port_range_parse(&port, text);
	if (problem != NULL && port_is_name(text)) {
		named_port(frontend, node, flows);
		return;
	}
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no port: %s", text, problem);
	for (size_t i = 0; problem == NULL && i < flows->to_count; i++)
		*arena_push(frontend->arena, flows->to[i].ports, flows->to[i].port_count) = port;
}

/* What no `ports` means. */
enum default_ports { PORTS_DECLARED, PORTS_ALL };

/* What is to be resolved of a statement when every name is known. */
struct open_statement {
	struct open_statement *next;
	struct flows *flows;
	const char *name_space; /* of the document */
	enum default_ports default_ports;
	const struct yaml_node *ports; /* NULL: it names none */
};

/* A copy of a text or a list of texts that outlives the file's nodes. Entries that are no text are read no further. */
static const struct yaml_node *keep_texts(struct arena *arena, const struct yaml_node *node)
{
	struct yaml_node *kept = arena_alloc(arena, sizeof *kept);
	*kept = *node;
	if (node->kind == YAML_SCALAR)
		return kept;
	kept->items = arena_alloc(arena, node->count * sizeof *kept->items);
	for (size_t i = 0; i < node->count; i++) {
		kept->items[i] = node->items[i];
		if (kept->items[i].kind != YAML_SCALAR)
			kept->items[i].items = NULL, kept->items[i].count = 0;
	}
	return kept;
}

/* Leaves the flows of a statement to resolve. */
static void leave_open(struct frontend *frontend, const struct reading *reading, struct flows *flows,
		       enum default_ports default_ports)
{
	struct open_statement *open = arena_alloc(frontend->waiting, sizeof *open);
	if (frontend->last_open != NULL)
		frontend->last_open->next = open;
	else
		frontend->first_open = open;
	frontend->last_open = open;
	open->flows = flows;
	open->name_space = reading->name_space;
	open->default_ports = default_ports;
	if (reading->ports != NULL)
		open->ports = keep_texts(frontend->waiting, reading->ports);
}

static void resolve(struct frontend *frontend, const struct open_statement *open)
{
	struct flows *flows = open->flows;
	size_t from_count = 0, to_count = 0;
	for (size_t i = 0; i < flows->from_count; i++)
		if (peer_resolve(frontend, open->name_space, &flows->from[i]))
			flows->from[from_count++] = flows->from[i];
	for (size_t i = 0; i < flows->to_count; i++)
		if (peer_resolve(frontend, open->name_space, &flows->to[i].peer))
			flows->to[to_count++] = flows->to[i];
	flows->from_count = from_count;
	flows->to_count = to_count;
	if (open->ports != NULL) {
		one_or_more_read(frontend, open->ports, "`ports`", flow_port_read, flows);
		return;
	}
	switch (open->default_ports) {
	case PORTS_DECLARED:
		declared_ports(frontend, flows);
		return;
	case PORTS_ALL:
		for (size_t i = 0; i < to_count; i++)
			*arena_push(frontend->arena, flows->to[i].ports, flows->to[i].port_count) =
			    (struct port_range){PROTOCOL_ANY, 0, 65535};
		return;
	}
}

/* ---- the other keys ---- */

/* A time from which something is gone; 0 means never, so long past is 1. */
static void until_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	int64_t *until = &((struct reading *)object)->until;
	const char *text = scalar_read(frontend, node, "`until`");
	const char *problem = text != NULL ? time_parse(until, text) : NULL;
	if (text != NULL && *until < 1)
		*until = 1;
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no time: %s", text, problem);
}

static void why_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct reading *)object)->why = scalar_read(frontend, node, "`why`");
}

static void owner_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct reading *)object)->owner = scalar_read(frontend, node, "`owner`");
}

static void log_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct reading *)object)->log = truth_read(frontend, node, "`log`");
}

static void rate_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	const char *text = scalar_read(frontend, node, "`rate`");
	const char *problem = text != NULL ? rate_parse(&((struct reading *)object)->rate, text) : NULL;
	if (problem != NULL)
		diagnostics_error(frontend->diagnostics, node->span, "`%s` is no rate: %s", text, problem);
}

static const char *const expectations[] = {"allow", "deny"};
static const struct value_type expect_type = {VALUE_BY_CHOICE(expectations)};

static void expect_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	((struct reading *)object)->expect_allow = choice_read(frontend, node, "expect", &expect_type) == 0;
}

/* ---- statements ---- */

/* Ports of a statement. The name of a port need be no name of the language: Kubernetes' are taken as they are. */
static const struct value_type port_word_type = {.kind = VALUE_CHOICE,
						 .choices = &port_words[0].text,
						 .choice_count = PORT_WORDS,
						 .stride = sizeof *port_words,
						 .title = "any port, or ICMP"};
static const struct value_type port_name_type = {.kind = VALUE_TEXT,
						 .title = "the name of a port that the destination declares",
						 .pattern = "(?=.*[a-z])[a-z0-9-]+",
						 .plain = PLAIN_TRUTH};
static const struct value_type *const flow_ports[] = {&port_name_type, &numbered_port_type, &port_word_type, NULL};
static const struct value_type flow_port_type = {.kind = VALUE_EITHER,
						 .name = "flow_port",
						 .title = "a port such as http, 8080/tcp, 8000-8100/udp, icmp or any",
						 .either = flow_ports};
static const struct value_type flow_ports_type = {.kind = VALUE_ONE_OR_MORE, .of = &flow_port_type};

static const struct value_type until_type = {
    .kind = VALUE_TEXT,
    .title = "a date or a time of RFC 3339",
    .example = "2027-03-31",
    .pattern =
	"(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
	"([Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?",
};

static const struct value_type rate_type = {.kind = VALUE_TEXT,
					    .title = "COUNT/UNIT per source",
					    .example = "50/second per source",
					    .write_pattern = rate_pattern};

#define WHY                                                                             \
	{                                                                               \
		"why", false, why_read, &any_text_type, "The reason, kept for reports." \
	}
#define OWNER                                                                                         \
	{                                                                                             \
		"owner", false, owner_read, &any_text_type, "Whom to ask about it, kept for reports." \
	}

static const struct key allow_keys[] = {
    {"from", true, from_read, &peers_type, "Who opens the connection: one peer or a list."},
    {"to", true, to_read, &peers_type, "Whom it reaches: one peer or a list."},
    {"ports", false, ports_read, &flow_ports_type,
     "On which ports. Left out: those that the destination declares; one that declares none needs them."},
    {"until", false, until_read, &until_type,
     "When it ends: a date, valid to its end (UTC), or a time. The kernel ends it then."},
    WHY,
    OWNER,
    {"log", false, log_read, &truth_type, "true: the first packet of each such connection is logged, as denials are."},
    {"rate", false, rate_read, &rate_type,
     "New connections of one source over this are denied and logged, on each node by itself."},
};
static const struct value_type allow_type = {VALUE_BY_KEYS(allow_keys), .name = "allow", .title = "an allow"};
const struct value_type allows_type = {.kind = VALUE_LIST, .of = &allow_type};

static void allow_read(struct frontend *frontend, const struct yaml_node *node, const struct document *document)
{
	struct reading reading = {.name_space = document->name_space};
	KEYS_READ(frontend, node, allow_keys, "an allow", &reading);
	const struct yaml_node *const says[] = {
	    yaml_get(node, "from"),  yaml_get(node, "to"),  yaml_get(node, "ports"),
	    yaml_get(node, "until"), yaml_get(node, "log"), yaml_get(node, "rate"),
	};
	struct allow *allow = arena_alloc(frontend->arena, sizeof *allow);
	*allow = (struct allow){
	    .flows = reading.flows,
	    .counts = {true, true},
	    .until = reading.until,
	    .log = reading.log,
	    .rate = reading.rate,
	    .why = reading.why,
	    .owner = reading.owner,
	    .key = node_text(frontend->arena, document->name_space, says, sizeof says / sizeof *says),
	    .span = node->span,
	};
	*arena_push(frontend->arena, frontend->policy.allows, frontend->policy.allow_count) = allow;
	leave_open(frontend, &reading, &allow->flows, PORTS_DECLARED);
}

static const struct key never_keys[] = {
    {"from", true, from_read, &peers_type, "Who must never reach it: one peer or a list."},
    {"to", true, to_read, &peers_type, "What must never be reached: one peer or a list."},
    {"ports", false, ports_read, &flow_ports_type, "On which ports. Left out: on any."},
    WHY,
    OWNER,
};
static const struct value_type never_type = {VALUE_BY_KEYS(never_keys), .name = "never", .title = "a never"};
const struct value_type nevers_type = {.kind = VALUE_LIST, .of = &never_type};

/* Ports left out are all ports: what must never be open is not less when less is said. */
static void never_read(struct frontend *frontend, const struct yaml_node *node, const struct document *document)
{
	struct reading reading = {.name_space = document->name_space};
	KEYS_READ(frontend, node, never_keys, "a never", &reading);
	struct never *never = arena_alloc(frontend->arena, sizeof *never);
	*never = (struct never){reading.flows, reading.why, reading.owner, node->span};
	*arena_push(frontend->arena, frontend->policy.nevers, frontend->policy.never_count) = never;
	leave_open(frontend, &reading, &never->flows, PORTS_ALL);
}

static const struct key test_keys[] = {
    {"from", true, from_read, &peers_type, "Who opens the connections: one peer or a list."},
    {"to", true, to_read, &peers_type, "Whom they reach: one peer or a list."},
    {"ports", false, ports_read, &flow_ports_type,
     "On which ports. Left out: those that the destination declares; one that declares none needs them."},
    {"expect", true, expect_read, &expect_type, "allow: every such flow is allowed. deny: every one is denied."},
    WHY,
};
static const struct value_type test_type = {VALUE_BY_KEYS(test_keys), .name = "test", .title = "a test"};
const struct value_type tests_type = {.kind = VALUE_LIST, .of = &test_type};

static void test_read(struct frontend *frontend, const struct yaml_node *node, const struct document *document)
{
	struct reading reading = {.name_space = document->name_space};
	KEYS_READ(frontend, node, test_keys, "a test", &reading);
	struct policy_test *test = arena_alloc(frontend->arena, sizeof *test);
	*test =
	    (struct policy_test){reading.flows, reading.expect_allow, reading.why, document->name_space, node->span};
	*arena_push(frontend->arena, frontend->policy.tests, frontend->policy.test_count) = test;
	leave_open(frontend, &reading, &test->flows, PORTS_DECLARED);
}

struct reading_quarantine {
	struct reading common; /* first: the readers of `until` and `why` see it */
	const char *workload_space, *workload;
};

static void workload_read(struct frontend *frontend, const struct yaml_node *node, void *object)
{
	struct reading_quarantine *reading = object;
	const char *text = scalar_read(frontend, node, "`workload`");
	const char *slash = text != NULL ? strchr(text, '/') : NULL;
	if (text == NULL)
		return;
	if (slash != NULL)
		reading->workload_space = arena_copy(frontend->arena, text, (size_t)(slash - text));
	reading->workload = slash != NULL ? slash + 1 : text;
	if (!is_label_name(reading->workload_space) || !is_domain_name(reading->workload)) {
		diagnostics_error(frontend->diagnostics, node->span, "`workload` must be NAMESPACE/NAME or NAME");
		reading->workload = NULL;
	}
}

static const struct value_type workload_type = {.kind = VALUE_TEXT,
						.title = "a workload: NAMESPACE/NAME, or NAME in this namespace",
						.example = "shop/web-7",
						.pattern = "(" NAME_PATTERN "/)?" NAME_PATTERN "(\\." NAME_PATTERN ")*",
						.plain = PLAIN_NUMBER | PLAIN_TRUTH};

static const struct key quarantine_keys[] = {
    {"workload", true, workload_read, &workload_type, "Who has no allowed flow: NAMESPACE/NAME, or NAME here."},
    {"until", false, until_read, &until_type, "When it ends: a date, valid to its end (UTC), or a time."},
    WHY,
};
static const struct value_type quarantine_type = {VALUE_BY_KEYS(quarantine_keys), .name = "quarantine",
						  .title = "a quarantine"};
const struct value_type quarantines_type = {.kind = VALUE_LIST, .of = &quarantine_type};

static void quarantine_read(struct frontend *frontend, const struct yaml_node *node, const struct document *document)
{
	struct reading_quarantine reading = {.workload_space = document->name_space};
	KEYS_READ(frontend, node, quarantine_keys, "a quarantine", &reading);
	if (reading.workload == NULL)
		return;
	struct quarantine *quarantine = arena_alloc(frontend->arena, sizeof *quarantine);
	*quarantine = (struct quarantine){reading.workload_space, reading.workload, reading.common.until,
					  reading.common.why, node->span};
	*arena_push(frontend->arena, frontend->policy.quarantines, frontend->policy.quarantine_count) = quarantine;
}

/* ---- the lists of a document ---- */

static void statements_read(struct frontend *frontend, const struct yaml_node *list, const char *key,
			    const struct document *document,
			    void (*read)(struct frontend *, const struct yaml_node *, const struct document *))
{
	if (frontend->inventory_only)
		return; /* an error already */
	if (list->kind != YAML_SEQUENCE)
		diagnostics_error(frontend->diagnostics, list->span, "`%s` must be a list of statements", key);
	for (size_t i = 0; list->kind == YAML_SEQUENCE && i < list->count; i++)
		read(frontend, &list->items[i], document);
}

void allows_read(struct frontend *frontend, const struct yaml_node *list, void *document)
{
	statements_read(frontend, list, "allow", document, allow_read);
}

void nevers_read(struct frontend *frontend, const struct yaml_node *list, void *document)
{
	statements_read(frontend, list, "never", document, never_read);
}

void tests_read(struct frontend *frontend, const struct yaml_node *list, void *document)
{
	statements_read(frontend, list, "tests", document, test_read);
}

void quarantines_read(struct frontend *frontend, const struct yaml_node *list, void *document)
{
	statements_read(frontend, list, "quarantine", document, quarantine_read);
}

/* ---- when every file is read ---- */

/* A quarantine may name a workload that is not there now; with an inventory at hand that is worth a word. */
static void check_quarantines(struct frontend *frontend)
{
	const struct inventory *inventory = &frontend->inventory;
	for (size_t i = 0; inventory->workload_count > 0 && i < frontend->policy.quarantine_count; i++) {
		const struct quarantine *quarantine = frontend->policy.quarantines[i];
		const char **names = NULL;
		size_t count = 0;
		if (inventory_workload(inventory, quarantine->name_space, quarantine->name) != NULL)
			continue;
		for (size_t j = 0; j < inventory->workload_count; j++)
			if (strcmp(inventory->workloads[j]->name_space, quarantine->name_space) == 0)
				*arena_push(frontend->waiting, names, count) = inventory->workloads[j]->name;
		diagnostics_warning(frontend->diagnostics, quarantine->span,
				    "the inventory has no workload `%s` in namespace `%s` to quarantine",
				    quarantine->name, quarantine->name_space);
		diagnostics_rule(frontend->diagnostics, DIAGNOSTIC_QUARANTINE);
		diagnostics_suggest(frontend->diagnostics, quarantine->name, names, count);
	}
}

/* Whether the peer asks for labels of a namespace that nobody but the inventory can tell. */
static bool asks_namespace_labels(const struct peer *peer)
{
	for (size_t i = 0; peer->scope == NAMESPACES_LABELS && i < peer->namespace_labels.count; i++)
		if (strcmp(peer->namespace_labels.items[i].key, "kubernetes.io/metadata.name") != 0)
			return true;
	return false;
}

static const struct peer *find_namespace_question(const struct policy *policy)
{
	for (size_t i = 0; i < policy->allow_count; i++) {
		const struct flows *flows = &policy->allows[i]->flows;
		for (size_t j = 0; j < flows->from_count; j++)
			if (asks_namespace_labels(&flows->from[j]))
				return &flows->from[j];
		for (size_t j = 0; j < flows->to_count; j++)
			if (asks_namespace_labels(&flows->to[j].peer))
				return &flows->to[j].peer;
	}
	return NULL;
}

/* A namespace of which only the name is known matches what asks for the absence of a label: the answer may be wrong for
 * want of input, as with `kubectl get pods,networkpolicies`. The inventory is sorted by namespace. */
static void check_namespaces(struct frontend *frontend)
{
	const struct inventory *inventory = &frontend->inventory;
	const struct peer *peer = find_namespace_question(&frontend->policy);
	for (size_t i = 0; peer != NULL && i < inventory->workload_count; i++) {
		const struct workload *workload = inventory->workloads[i];
		if ((i > 0 && strcmp(inventory->workloads[i - 1]->name_space, workload->name_space) == 0) ||
		    inventory_namespace(inventory, workload->name_space) != NULL)
			continue;
		diagnostics_warning(
		    frontend->diagnostics, workload->span,
		    "the labels of namespace `%s` are not known, and %s:%u asks for labels of namespaces",
		    workload->name_space, peer->span.file, peer->span.line);
		diagnostics_help(
		    frontend->diagnostics,
		    "name it under `namespaces`, or read its Namespace manifest too; until then it has none "
		    "but its name");
	}
}

static void allow_texts(const void *item, const char **texts)
{
	texts[0] = ((const struct allow *)item)->key;
}

static int compare_allows(const void *left, const void *right)
{
	const struct allow *a = left, *b = right;
	int order = strcmp(a->key, b->key);
	return order != 0 ? order : compare_spans(&a->span, &b->span);
}

static const struct order allow_order = {allow_texts, compare_allows};

void native_resolve_statements(struct frontend *frontend)
{
	for (const struct open_statement *open = frontend->first_open; open != NULL; open = open->next)
		resolve(frontend, open);
	frontend->first_open = frontend->last_open = NULL;
	table_finish(&frontend->names);
	order_sort(frontend->policy.allows, frontend->policy.allow_count, &allow_order);
	for (size_t i = 0; i < frontend->policy.allow_count; i++)
		frontend->policy.allows[i]->place = (uint32_t)i;
	check_quarantines(frontend);
	check_namespaces(frontend);
}
