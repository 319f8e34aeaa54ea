/* A plan in the policy's terms.
 *
 * Everything is read from the ruleset that is wanted, so that what a lowering of another moment made can be told, too:
 * the maps say which workloads have a class's chain, and the chain's rules which sets are asked for which ports. The
 * names of sets and chains are those of compiler/ruleset, without their generation. */
#include <ringfence/damage.h>

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const damage_words[DAMAGE_KINDS] = {[DAMAGE_OPENED] = "opened",
						[DAMAGE_CLOSED] = "closed",
						[DAMAGE_UNGUARDED] = "unguarded",
						[DAMAGE_CHANGED] = "changed",
						[DAMAGE_FOREIGN] = "foreign"};

enum {
	NAMES_MOST = 3,	   /* workloads that are named one by one */
	ADDED_MOST = 3,	   /* rules of somebody else that are quoted */
	RULE_TEXT = 160,   /* bytes of one of them */
	DEDUPE_MOST = 200, /* things that are compared with a new one */
	LOOKED_MOST = 2000 /* elements that are looked at: many may say the same */
};

/* Who has a chain by a map: a workload by its address or its cgroup; `workload` NULL: nobody that is known. */
struct holder {
	const char *chain;
	struct address address; /* of a host workload: none */
	const struct workload *workload;
};

struct telling {
	struct arena *arena;
	const struct plan *plan;
	const struct ruleset *actual, *wanted;
	const struct world *world;
	const char *node;
	size_t most;
	struct holder *holders; /* by chain, then address */
	size_t holder_count;
	char class_chain[RULESET_NAME_SIZE]; /* that was named last, and how */
	const char *class_name;
	size_t looked; /* elements */
	struct damages damages;
};

/* ---- names ---- */

/* The name behind its generation: g12_egress4 is egress4, g12 is nothing, dispatch is itself. */
static const char *own_part(const char *name)
{
	const char *at = name + (name[0] == 'g');
	while (at > name && isdigit((unsigned char)*at))
		at++;
	if (at == name || at == name + 1 || (*at != 0 && *at != '_'))
		return name;
	return *at == '_' ? at + 1 : at;
}

static bool is_class(const char *chain, enum direction *direction)
{
	const char *own = own_part(chain);
	bool out = strncmp(own, "out_", 4) == 0, in = strncmp(own, "in_", 3) == 0;
	*direction = out ? EGRESS : INGRESS;
	return own != chain && (out || in);
}

static const char *side_word(enum direction direction)
{
	return direction == EGRESS ? "egress" : "ingress";
}

static const char *name_address(struct telling *t, const struct address *address)
{
	const struct workload *workload = inventory_at(t->world->inventory, address);
	const struct node *node = workload == NULL ? inventory_node_at(t->world->inventory, address) : NULL;
	const struct endpoint end = {.workload = workload, .has_address = true, .address = *address};
	if (node == NULL)
		return endpoint_name(t->arena, &end);
	char text[ADDRESS_TEXT_SIZE];
	return arena_printf(t->arena, "node %s (%s)", node->name, address_format(address, text));
}

static uint64_t key_cgroup(const uint8_t *key)
{
	uint64_t id;
	memcpy(&id, key, sizeof id);
	return id;
}

static const struct workload *find_host(const struct telling *t, uint64_t id)
{
	const struct inventory *inventory = t->world->inventory;
	for (size_t i = 0; i < inventory->workload_count; i++)
		if (inventory->workloads[i]->cgroup != NULL && inventory->workloads[i]->cgroup_id == id)
			return inventory->workloads[i];
	return NULL;
}

static const char *name_host(struct telling *t, const uint8_t *key)
{
	const uint64_t id = key_cgroup(key);
	const struct workload *workload = find_host(t, id);
	return workload != NULL ? arena_printf(t->arena, "%s/%s", workload->name_space, workload->name)
				: arena_printf(t->arena, "cgroup %" PRIu64, id);
}

static bool is_prefix(const struct address_range *range, struct prefix *prefix)
{
	size_t bits = 8 * address_size(range->first.family);
	for (size_t length = 0; length <= bits; length++) {
		*prefix = (struct prefix){range->first, (uint8_t)length};
		for (size_t i = length; i < bits; i++)
			prefix->address.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
		const struct address_range whole = prefix_range(prefix);
		if (address_compare(&whole.first, &range->first) == 0 &&
		    address_compare(&whole.last, &range->last) == 0)
			return true;
	}
	return false;
}

static const char *name_range(struct telling *t, const struct address_range *range)
{
	char first[ADDRESS_TEXT_SIZE], last[ADDRESS_TEXT_SIZE];
	struct prefix prefix;
	if (address_compare(&range->first, &range->last) == 0)
		return name_address(t, &range->first);
	if (is_prefix(range, &prefix))
		return arena_printf(t->arena, "%s", prefix_format(&prefix, first));
	return arena_printf(t->arena, "%s-%s", address_format(&range->first, first),
			    address_format(&range->last, last));
}

/* ---- who has the rules of a class ---- */

static int compare_holders(const void *left, const void *right)
{
	const struct holder *a = left, *b = right;
	int order = strcmp(a->chain, b->chain);
	return order != 0 ? order : address_compare(&a->address, &b->address);
}

static struct address key_address(const uint8_t *key, uint8_t family)
{
	struct address address = {.family = family};
	memcpy(address.bytes, key, address_size(family));
	return address;
}

static uint8_t family_of(enum key_type key)
{
	return key == KEY_ADDRESS6 || key == KEY_PAIR6 || key == KEY_PORT6 || key == KEY_GUARD6 ? 6 : 4;
}

static void list_holders(struct telling *t)
{
	size_t count = 0;
	for (size_t i = 0; i < t->wanted->set_count; i++)
		count += t->wanted->sets[i]->map ? t->wanted->sets[i]->element_count : 0;
	t->holders = arena_alloc(t->arena, (count + 1) * sizeof *t->holders);
	for (size_t i = 0; i < t->wanted->set_count; i++) {
		const struct set *set = t->wanted->sets[i];
		for (size_t j = 0; set->map && j < set->element_count; j++) {
			struct holder *holder = &t->holders[t->holder_count++];
			const struct element *element = &set->elements[j];
			holder->chain = element->chain;
			if (set->key != KEY_CGROUP)
				holder->address = key_address(element->key, family_of(set->key));
			holder->workload = set->key == KEY_CGROUP ? find_host(t, key_cgroup(element->key))
								  : inventory_at(t->world->inventory, &holder->address);
		}
	}
	if (t->holder_count > 1)
		qsort(t->holders, t->holder_count, sizeof *t->holders, compare_holders);
}

static const struct holder *first_holder(const struct telling *t, const char *chain)
{
	size_t low = 0, high = t->holder_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(t->holders[middle].chain, chain) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->holder_count && strcmp(t->holders[low].chain, chain) == 0 ? &t->holders[low] : NULL;
}

static bool is_held(const struct telling *t, const struct holder *holder, const char *chain)
{
	return holder < t->holders + t->holder_count && strcmp(holder->chain, chain) == 0;
}

static bool is_local(const struct telling *t, const struct workload *workload)
{
	return t->node == NULL || (workload->node != NULL && strcmp(workload->node, t->node) == 0);
}

/* How many workloads of this node a service has. */
static size_t service_size(const struct telling *t, const struct service *service)
{
	const struct inventory *inventory = t->world->inventory;
	size_t count = 0;
	for (size_t i = 0; i < inventory->workload_count; i++)
		count += is_local(t, inventory->workloads[i]) && !inventory->workloads[i]->conflict &&
			 strcmp(inventory->workloads[i]->name_space, service->name_space) == 0 &&
			 selector_matches(&service->workloads, &inventory->workloads[i]->labels);
	return count;
}

/* The service whose workloads here are those of the class, or NULL. */
static const struct service *class_service(const struct telling *t, const struct workload *workload, size_t members,
					   enum direction direction)
{
	const struct isolation *by = NULL;
	if (!workload_isolated(t->world, workload, direction, &by) || by == NULL || by->service == NULL)
		return NULL;
	return service_size(t, by->service) == members ? by->service : NULL;
}

/* Those who have the rules of a class: by their service where these are all of it, else by their names. */
static const char *find_class_name(struct telling *t, const char *chain, enum direction direction)
{
	const struct workload *first = NULL, *last = NULL;
	const char *names = "";
	size_t count = 0;
	for (const struct holder *at = first_holder(t, chain); at != NULL && is_held(t, at, chain); at++) {
		const struct workload *workload = at->workload;
		if (workload == NULL || workload == last || workload == first) /* its other addresses */
			continue;
		if (count++ < NAMES_MOST)
			names = arena_printf(t->arena, "%s%s%s/%s", names, count > 1 ? ", " : "", workload->name_space,
					     workload->name);
		first = first != NULL ? first : workload;
		last = workload;
	}
	const struct service *service = first != NULL ? class_service(t, first, count, direction) : NULL;
	if (service != NULL)
		return arena_printf(t->arena, "%s/%s", service->name_space, service->name);
	if (first == NULL)
		return arena_printf(t->arena, "workloads that are not here now (%s)", chain);
	return count <= NAMES_MOST ? names : arena_printf(t->arena, "%s and %zu more", names, count - NAMES_MOST);
}

/* The same; the elements of a set come one behind the other. */
static const char *name_class(struct telling *t, const char *chain, enum direction direction)
{
	if (t->class_name != NULL && strcmp(t->class_chain, chain) == 0)
		return t->class_name;
	t->class_name = find_class_name(t, chain, direction);
	snprintf(t->class_chain, sizeof t->class_chain, "%s", chain);
	return t->class_name;
}

/* ---- telling ---- */

static bool is_told(const struct telling *t, const char *text)
{
	for (size_t i = 0; i < t->damages.count && i < DEDUPE_MOST; i++)
		if (strcmp(t->damages.items[i].text, text) == 0)
			return true;
	return false;
}

/* Names of somebody's chains and sets may be any bytes. */
static const char *printable(struct telling *t, const char *text)
{
	char *copy = arena_copy(t->arena, text, strlen(text));
	for (char *at = copy; *at != 0; at++)
		*at = isprint((unsigned char)*at) ? *at : '?';
	return copy;
}

static void add(struct telling *t, const struct damage *damage)
{
	if (is_told(t, damage->text))
		return;
	if (t->damages.count >= t->most) {
		t->damages.left_out++;
		return;
	}
	struct damage *added = arena_push(t->arena, t->damages.items, t->damages.count);
	*added = *damage;
	added->object = printable(t, damage->object);
	added->text = printable(t, damage->text);
}

static void tell_flow(struct telling *t, enum damage_kind kind, const char *from, const char *to, const char *ports,
		      const char *side, const char *object)
{
	const char *text = arena_printf(t->arena, "%s: %s -> %s %s%s%s%s", damage_words[kind], from, to, ports,
					side != NULL ? " (" : "", side != NULL ? side : "", side != NULL ? ")" : "");
	add(t, &(struct damage){kind, from, to, ports, side, object, text});
}

__attribute__((format(printf, 4, 5))) static void tell(struct telling *t, enum damage_kind kind, const char *object,
						       const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const char *what = arena_vprintf(t->arena, format, args);
	va_end(args);
	add(t, &(struct damage){
		   .kind = kind, .object = object, .text = arena_printf(t->arena, "%s: %s", damage_words[kind], what)});
}

static bool is_full(const struct telling *t)
{
	return t->damages.count >= t->most;
}

/* ---- elements ---- */

/* An element that is there and should not be, or the other way about. */
struct oddity {
	const struct set *set;
	const struct element *element;
	bool extra;
};

static struct address_range key_range(const struct oddity *o)
{
	uint8_t family = family_of(o->set->key);
	return (struct address_range){key_address(o->element->key, family), key_address(o->element->end, family)};
}

static const char *key_ports(struct telling *t, const struct oddity *o)
{
	char text[48];
	size_t at = o->set->key == KEY_PORT4 ? 4 : 16;
	const uint8_t *key = o->element->key + at, *end = o->element->end + at;
	struct port_range ports = {key[0], (uint16_t)(key[4] << 8 | key[5]), (uint16_t)(end[4] << 8 | end[5])};
	return arena_printf(t->arena, "%s", port_range_format(&ports, text));
}

/* Somebody across from the class may, or may not, on these ports. */
static void tell_peer(struct telling *t, const struct oddity *o, const char *chain, const char *ports)
{
	enum direction direction;
	if (!is_class(chain, &direction))
		return;
	const struct address_range range = key_range(o);
	const char *own = name_class(t, chain, direction), *other = name_range(t, &range);
	tell_flow(t, o->extra ? DAMAGE_OPENED : DAMAGE_CLOSED, direction == EGRESS ? own : other,
		  direction == EGRESS ? other : own, ports, side_word(direction), o->set->name);
}

/* The ports that a rule which asks for the set is about, in words; NULL where it does not ask. */
static const char *rule_ports(struct telling *t, const struct rule *rule, const char *set)
{
	struct port_range ports = {PROTOCOL_ANY, 0, 65535};
	bool asks = false;
	char text[48];
	for (size_t i = 0; i < rule->statement_count; i++) {
		const struct statement *s = &rule->statements[i];
		bool range = s->kind == STATEMENT_RANGE;
		if ((s->kind == STATEMENT_IN || s->kind == STATEMENT_COUNTED) && strcmp(s->set, set) == 0)
			asks = true;
		if (s->kind == STATEMENT_EQUAL && (s->fields[0] == FIELD_L4PROTO || s->fields[0] == FIELD_CT_PROTOCOL))
			ports.protocol = s->value[0];
		if ((s->kind == STATEMENT_EQUAL || range) && s->fields[0] == FIELD_CT_PORT) {
			ports.first = (uint16_t)(s->value[0] << 8 | s->value[1]);
			ports.last = range ? (uint16_t)(s->last[0] << 8 | s->last[1]) : ports.first;
		}
	}
	return asks ? arena_printf(t->arena, "%s", port_range_format(&ports, text)) : NULL;
}

/* A set of peers that classes share: what it means stands in the rules that ask for it. */
static void tell_shared(struct telling *t, const struct oddity *o)
{
	enum direction direction;
	for (size_t i = 0; i < t->wanted->chain_count; i++) {
		const struct chain *chain = t->wanted->chains[i];
		if (!is_class(chain->name, &direction))
			continue;
		for (size_t j = 0; j < chain->rule_count; j++) {
			const char *ports = rule_ports(t, &chain->rules[j], o->set->name);
			if (ports != NULL)
				tell_peer(t, o, chain->name, ports);
		}
	}
}

static void tell_class_set(struct telling *t, const struct oddity *o)
{
	char chain[RULESET_NAME_SIZE];
	size_t length = strcspn(o->set->name, ".");
	memcpy(chain, o->set->name, length);
	chain[length] = 0;
	bool ports = o->set->key == KEY_PORT4 || o->set->key == KEY_PORT6;
	tell_peer(t, o, chain, ports ? key_ports(t, o) : "any");
}

static const char *interface_of(struct telling *t, const struct element *element)
{
	return arena_copy(t->arena, (const char *)element->key, strnlen((const char *)element->key, 15));
}

/* A workload may always reach itself: who stands there as a pair reaches the other on every port. */
static void tell_self(struct telling *t, const struct oddity *o)
{
	uint8_t family = family_of(o->set->key);
	const struct address from = key_address(o->element->key, family),
			     to = key_address(o->element->key + address_size(family), family);
	tell_flow(t, o->extra ? DAMAGE_OPENED : DAMAGE_CLOSED, name_address(t, &from), name_address(t, &to), "any",
		  NULL, o->set->name);
}

static void tell_guard(struct telling *t, const struct oddity *o)
{
	const struct address address = key_address(o->element->key + 16, family_of(o->set->key));
	const char *name = name_address(t, &address), *interface = interface_of(t, o->element);
	if (o->extra)
		tell(t, DAMAGE_UNGUARDED, o->set->name, "%s may be sent from behind %s", name, interface);
	else
		tell(t, DAMAGE_CLOSED, o->set->name, "%s may not be sent from behind %s", name, interface);
}

static void tell_guarded(struct telling *t, const struct oddity *o)
{
	if (o->extra)
		tell(t, DAMAGE_CLOSED, o->set->name, "interface %s, as if a workload had it",
		     interface_of(t, o->element));
	else
		tell(t, DAMAGE_UNGUARDED, o->set->name, "interface %s: any source address passes",
		     interface_of(t, o->element));
}

/* The element of this key in sorted ones, or NULL. */
static const struct element *find_key(const struct operation *operation, const uint8_t *key, size_t bytes)
{
	size_t low = 0, high = operation->element_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(operation->elements[middle].key, key, bytes) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < operation->element_count && memcmp(operation->elements[low].key, key, bytes) == 0
		   ? &operation->elements[low]
		   : NULL;
}

/* What takes the place of an element, or had it: the one with the same key on the other side of the plan, or NULL. */
static const struct element *counterpart(const struct telling *t, const struct oddity *o)
{
	enum operation_kind kind = o->extra ? OPERATION_ADD_ELEMENTS : OPERATION_DELETE_ELEMENTS;
	const struct element *found = NULL;
	for (size_t i = 0; i < t->plan->count; i++)
		for (size_t j = 0; j < t->plan->transactions[i].count && found == NULL; j++) {
			const struct operation *operation = &t->plan->transactions[i].operations[j];
			if (operation->kind == kind && strcmp(operation->name, o->set->name) == 0)
				found = find_key(operation, o->element->key, key_size(o->set->key));
		}
	return found;
}

/* Who has which rules. Without any, what the other end allows passes. */
static void tell_map(struct telling *t, const struct oddity *o)
{
	const char *own = own_part(o->set->name);
	bool out = strncmp(own, "egress", 6) == 0 || strncmp(own, "cgroup_out", 10) == 0,
	     host = o->set->key == KEY_CGROUP;
	enum direction direction = out ? EGRESS : INGRESS;
	const struct address address = key_address(o->element->key, family_of(o->set->key));
	const char *name = host ? name_host(t, o->element->key) : name_address(t, &address),
		   *side = side_word(direction);
	bool replaced = counterpart(t, o) != NULL;
	if (!o->extra && !replaced)
		tell(t, DAMAGE_UNGUARDED, o->set->name, "%s has no rules (%s)", name, side);
	if (!o->extra)
		return;
	const char *chain = o->element->chain != NULL ? o->element->chain : "";
	const char *whose = is_class(chain, &direction) && first_holder(t, chain) != NULL
				? name_class(t, chain, direction)
				: "nobody we know";
	tell(t, replaced ? DAMAGE_CHANGED : DAMAGE_CLOSED, o->set->name, "%s has the rules of %s (%s)", name, whose,
	     side);
}

/* Host workloads where conntrack knows no flow; as `local` below of addresses. */
static void tell_cgroup(struct telling *t, const struct oddity *o)
{
	tell(t, o->extra ? DAMAGE_CLOSED : DAMAGE_UNGUARDED, o->set->name, "%s: where conntrack knows no flow",
	     name_host(t, o->element->key));
}

static void tell_pool(struct telling *t, const struct oddity *o)
{
	const struct address_range range = key_range(o);
	if (o->extra)
		tell(t, DAMAGE_CLOSED, o->set->name, "%s, as if it were for workloads", name_range(t, &range));
	else
		tell(t, DAMAGE_UNGUARDED, o->set->name, "%s: addresses that no source knows are open",
		     name_range(t, &range));
}

/* Sets of single addresses, each with what it means that one is there, or not. */
static const struct address_role {
	const char *name;
	enum damage_kind extra_kind, missing_kind;
	const char *extra, *missing; /* behind the address */
} address_roles[] = {
    {"local", DAMAGE_CLOSED, DAMAGE_UNGUARDED, "where conntrack knows no flow", "where conntrack knows no flow"},
    {"known", DAMAGE_UNGUARDED, DAMAGE_CLOSED, "counts as known, though no source names it",
     "as if no source named it"},
    {"inside", DAMAGE_CLOSED, DAMAGE_OPENED, "as a part of `world`", "as a part of `world`"},
    {"judged", DAMAGE_CHANGED, DAMAGE_CHANGED, "logs and limits of connections to it",
     "logs and limits of connections to it"},
};

static bool tell_address(struct telling *t, const struct oddity *o, const char *role)
{
	for (size_t i = 0; i < sizeof address_roles / sizeof *address_roles; i++) {
		const struct address_role *r = &address_roles[i];
		size_t length = strlen(r->name);
		if (strncmp(role, r->name, length) != 0 || role[length] == 0 || role[length + 1] != 0)
			continue;
		const struct address_range range = key_range(o);
		tell(t, o->extra ? r->extra_kind : r->missing_kind, o->set->name, "%s: %s", name_range(t, &range),
		     o->extra ? r->extra : r->missing);
		return true;
	}
	return false;
}

static const struct {
	const char *begins;
	void (*tell)(struct telling *t, const struct oddity *o);
} set_roles[] = {
    {"egress", tell_map},    {"ingress", tell_map},   {"guarded", tell_guarded}, {"guard", tell_guard},
    {"self", tell_self},     {"pool", tell_pool},     {"cgroup_out", tell_map},	 {"cgroup_in", tell_map},
    {"cgroup", tell_cgroup}, {"peers_", tell_shared}, {"out_", tell_class_set},	 {"in_", tell_class_set},
};

static void tell_element(struct telling *t, const struct oddity *o)
{
	const char *role = own_part(o->set->name);
	if (!o->set->map && o->element->expires != 0 && counterpart(t, o) != NULL) {
		tell(t, DAMAGE_CHANGED, o->set->name, "when an allow ends, in set %s", o->set->name);
		return;
	}
	if (o->set->counted && counterpart(t, o) != NULL) {
		tell(t, DAMAGE_CHANGED, o->set->name, "which allow it counts for, in set %s", o->set->name);
		return;
	}
	for (size_t i = 0; i < sizeof set_roles / sizeof *set_roles; i++)
		if (strncmp(role, set_roles[i].begins, strlen(set_roles[i].begins)) == 0) {
			set_roles[i].tell(t, o);
			return;
		}
	if (!tell_address(t, o, role))
		tell(t, DAMAGE_CHANGED, o->set->name, "elements of set %s", o->set->name);
}

static void tell_elements(struct telling *t, const struct operation *operation)
{
	struct oddity o = {.set = operation->set, .extra = operation->kind == OPERATION_DELETE_ELEMENTS};
	for (size_t i = 0; i < operation->element_count; i++) {
		if (is_full(t) || t->looked++ == LOOKED_MOST) {
			t->looked = LOOKED_MOST;
			t->damages.left_out += operation->element_count - i;
			return;
		}
		o.element = &operation->elements[i];
		tell_element(t, &o);
	}
}

/* ---- chains ---- */

/* What the chains are about that every table has; `open`: without rules, it passes. */
static const struct chain_role {
	const char *name, *subject;
	bool open;
} chain_roles[] = {
    {"forward", "everything that this node forwards", true},
    {"input", "everything that this node receives", true},
    {"output", "everything that this node sends", true},
    {"dispatch", "everything", true},
    {"", "everything", true}, /* a generation */
    {"ipv6", "everything over IPv6", true},
    {"source4", "what workloads send over IPv4, and from addresses that are not theirs", true},
    {"source6", "what workloads send over IPv6, and from addresses that are not theirs", true},
    {"deny", "what every rule denies", true},
    {"spoof", "what comes from addresses that are not the workload's own", true},
    {"unknown", "addresses for workloads that no source names", true},
    {"invalid", "packets of no flow that conntrack knows", true},
    {"stray", "packets of no flow that conntrack knows", true},
    {"odd", "packets that are neither new nor of a running flow", true},
    {"related", "ICMP errors of workloads about flows of others", true},
    {"discovery", "neighbour discovery", false},
};

static const struct chain_role *find_chain_role(const char *name)
{
	const char *own = own_part(name);
	for (size_t i = 0; i < sizeof chain_roles / sizeof *chain_roles; i++)
		if (strcmp(own, chain_roles[i].name) == 0)
			return &chain_roles[i];
	return NULL;
}

/* Whether every packet leaves the chain by this rule, to be let through. */
static bool lets_all_pass(const struct rule *rule)
{
	bool conditions = false, ends = false;
	for (size_t i = 0; i < rule->statement_count; i++) {
		enum statement_kind kind = rule->statements[i].kind;
		ends = ends || kind == STATEMENT_ACCEPT || kind == STATEMENT_RETURN;
		conditions =
		    conditions || (kind != STATEMENT_COUNTER && kind != STATEMENT_COUNT && kind != STATEMENT_LOG &&
				   kind != STATEMENT_ACCEPT && kind != STATEMENT_RETURN);
	}
	return ends && !conditions;
}

static bool has_rule(const struct chain *chain, const struct rule *rule)
{
	bool found = false;
	for (size_t i = 0; i < chain->rule_count && !found; i++)
		found = rule_equal(&chain->rules[i], rule);
	return found;
}

static const char *print_rule(struct telling *t, const struct rule *rule)
{
	char text[RULE_TEXT] = "";
	if (rule->statement_count == 0)
		return "one that we do not read";
	FILE *stream = fmemopen(text, sizeof text - 1, "w");
	if (stream == NULL)
		abort();
	rule_print(stream, t->actual, rule);
	fclose(stream);
	return arena_copy(t->arena, text, strlen(text));
}

/* The rules that only one of two chains has. */
static const char *compare_rules(struct telling *t, const struct chain *there, const struct chain *wanted)
{
	const char *added = "";
	size_t extra = 0, missing = 0;
	for (size_t i = 0; i < there->rule_count; i++)
		if (!has_rule(wanted, &there->rules[i]) && extra++ < ADDED_MOST)
			added = arena_printf(t->arena, "%s%s %s", added, extra > 1 ? ";" : ":",
					     print_rule(t, &there->rules[i]));
	for (size_t i = 0; i < wanted->rule_count; i++)
		missing += !has_rule(there, &wanted->rules[i]);
	if (extra + missing == 0)
		return "the order of the rules";
	return arena_printf(t->arena, "%zu missing, %zu added%s", missing, extra, added);
}

/* The rules of a chain are others, or it has none. `there` NULL: it is gone. */
static void tell_rules(struct telling *t, const struct chain *wanted, const struct chain *there)
{
	enum direction direction = EGRESS;
	const struct chain_role *role = find_chain_role(wanted->name);
	bool class = is_class(wanted->name, &direction);
	bool none = there == NULL || there->rule_count == 0;
	const char *how = there == NULL ? "the chain is gone" : none ? "its chain is empty" : "a rule lets all pass";
	if (none || (lets_all_pass(&there->rules[0]) && wanted->rule_count > 0 &&
		     !rule_equal(&there->rules[0], &wanted->rules[0]))) {
		const char *own = class ? name_class(t, wanted->name, direction) : NULL;
		if (class)
			tell_flow(t, DAMAGE_OPENED, direction == EGRESS ? own : "any",
				  direction == EGRESS ? "any" : own, "any", side_word(direction), wanted->name);
		else if (role != NULL)
			tell(t, role->open ? DAMAGE_OPENED : DAMAGE_CLOSED, wanted->name, "%s: %s", role->subject, how);
		return;
	}
	tell(t, DAMAGE_CHANGED, wanted->name, "%s%s: %s",
	     class	    ? (direction == EGRESS ? "what may be sent by " : "what may be received by ")
	     : role != NULL ? role->subject
			    : "rules of ",
	     class	    ? name_class(t, wanted->name, direction)
	     : role != NULL ? ""
			    : wanted->name,
	     compare_rules(t, there, wanted));
}

static void tell_operation(struct telling *t, const struct operation *operation)
{
	const struct chain *wanted = ruleset_chain(t->wanted, operation->name);
	switch (operation->kind) {
	case OPERATION_ADD_TABLE:
		tell(t, DAMAGE_OPENED, operation->name, "everything: the table is gone");
		break;
	case OPERATION_ADD_CHAIN:
		if (wanted != NULL && ruleset_chain(t->actual, operation->name) == NULL)
			tell_rules(t, wanted, NULL);
		break;
	case OPERATION_FLUSH_CHAIN:
		if (wanted != NULL)
			tell_rules(t, wanted, ruleset_chain(t->actual, operation->name));
		else
			tell(t, DAMAGE_FOREIGN, operation->name, "chain %s is none of ours", operation->name);
		break;
	case OPERATION_DELETE_SET:
		tell(t, DAMAGE_FOREIGN, operation->name, "set %s is none of ours", operation->name);
		break;
	case OPERATION_ADD_COUNTER:
		tell(t, DAMAGE_CHANGED, operation->name, "counter %s is gone", operation->name);
		break;
	case OPERATION_DELETE_COUNTER:
		tell(t, DAMAGE_FOREIGN, operation->name, "counter %s is none of ours", operation->name);
		break;
	case OPERATION_ADD_ELEMENTS:
	case OPERATION_DELETE_ELEMENTS:
		tell_elements(t, operation);
		break;
	case OPERATION_ADD_SET: /* what stood in it is told by its elements */
		if (operation->set->element_count == 0)
			tell(t, DAMAGE_CHANGED, operation->name, "set %s is gone", operation->name);
		break;
	case OPERATION_ADD_RULES:    /* with its chain, or its flush */
	case OPERATION_DELETE_CHAIN: /* the same */
		break;
	}
}

struct damages plan_damages(struct arena *arena, const struct plan *plan, const struct ruleset *actual,
			    const struct ruleset *wanted, const struct world *world, const char *node, size_t most)
{
	struct telling t = {.arena = arena,
			    .plan = plan,
			    .actual = actual,
			    .wanted = wanted,
			    .world = world,
			    .node = node,
			    .most = most};
	bool gone = plan->count > 0 && plan->transactions[0].operations[0].kind == OPERATION_ADD_TABLE;
	list_holders(&t);
	/* Chains first: what they no longer ask for is not said set by set. */
	for (int elements = 0; elements < (gone ? 1 : 2); elements++)
		for (size_t i = 0; i < plan->count; i++)
			for (size_t j = 0; j < plan->transactions[i].count && !(gone && t.damages.count > 0); j++) {
				const struct operation *operation = &plan->transactions[i].operations[j];
				bool is_elements = operation->kind == OPERATION_ADD_ELEMENTS ||
						   operation->kind == OPERATION_DELETE_ELEMENTS;
				if (is_elements == (elements == 1))
					tell_operation(&t, operation);
			}
	return t.damages;
}
