/* The live state against its definition: after each of many random readings the world is the one that is made anew,
 * simply and slowly, from what every source said last; and the changes that were told lead from one to the next. */
#include "enforcer/desired/state.h"

#include "tests/unit/random_policy.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NOW = 1800000000, STEPS = 3000, FILES = 7, THINGS = 4, NAMES = 6, ADDRESSES = 14, NODES = 3 };
enum { MOST = (FILES + 1) * THINGS, LINE = 240 };

/* ---- what a source says ---- */

/* A workload, or a pod; label, interface and port are 0 where there is none. */
struct thing {
	unsigned name, name_space, label, interface, port;
	unsigned addresses; /* a bit for each */
	int node, host;	    /* -1: none; only a pod tells of a host, by its address */
};

struct saying {
	unsigned order; /* 0: the policy, or nothing yet */
	struct thing things[THINGS];
	size_t count;
	bool named[NODES];
	unsigned node_addresses[NODES], pools[NODES];
	unsigned namespaces; /* a bit for each that it gives labels */
};

static const char *const spaces[] = {"default", "other"};

static const char *address_text(unsigned number, char *text)
{
	sprintf(text, number % 4 == 3 ? "fd00::%x" : "10.0.0.%u", number + 1);
	return text;
}

static struct address address_of(unsigned number)
{
	struct address address;
	char text[ADDRESS_TEXT_SIZE];
	assert_null(address_parse(&address, address_text(number, text)));
	return address;
}

static void write_addresses(FILE *out, unsigned addresses)
{
	char text[ADDRESS_TEXT_SIZE];
	for (unsigned i = 0; i < ADDRESSES; i++)
		if (addresses >> i & 1)
			fprintf(out, "\"%s\", ", address_text(i, text));
}

static void write_workload(FILE *out, const struct thing *thing)
{
	fprintf(out, "  {name: w%u, namespace: %s, addresses: [", thing->name, spaces[thing->name_space]);
	write_addresses(out, thing->addresses);
	fputs("]", out);
	if (thing->node >= 0)
		fprintf(out, ", node: n%d", thing->node);
	if (thing->label > 0)
		fprintf(out, ", labels: {app: a%u}", thing->label);
	if (thing->interface == 1)
		fputs(", interface: veth1", out);
	if (thing->interface == 2)
		fputs(", interface: [veth1, veth2]", out);
	if (thing->port > 0)
		fprintf(out, ", ports: {http: %u/tcp}", thing->port);
	fputs("},\n", out);
}

static void write_pod(FILE *out, const struct thing *thing)
{
	char host[ADDRESS_TEXT_SIZE], text[ADDRESS_TEXT_SIZE];
	fprintf(out,
		"---\napiVersion: v1\nkind: Pod\nmetadata: {name: w%u, namespace: %s, labels: {app: a%u}}\n"
		"spec: {nodeName: n%d}\nstatus: {hostIP: \"%s\"",
		thing->name, spaces[thing->name_space], thing->label, thing->node,
		address_text((unsigned)thing->host, host));
	for (unsigned i = 0; i < ADDRESSES; i++)
		if (thing->addresses >> i & 1)
			fprintf(out, ", podIP: \"%s\"", address_text(i, text));
	fputs("}\n", out);
}

static void write_saying(const struct saying *saying, const char *path, const char *more)
{
	FILE *out = fopen(path, "we");
	assert_non_null(out);
	fprintf(out, "ringfence: v1\n%snodes: {", more);
	for (unsigned i = 0; i < NODES; i++) {
		if (!saying->named[i])
			continue;
		fprintf(out, "n%u: {addresses: [", i);
		write_addresses(out, saying->node_addresses[i]);
		fprintf(out, "], workload_networks: [%s]}, ", saying->pools[i] ? "10.0.0.0/29" : "");
	}
	fputs("}\nnamespaces: {", out);
	for (unsigned i = 0; i < 2; i++)
		if (saying->namespaces >> i & 1)
			fprintf(out, "%s: {labels: {said: s%u}}, ", spaces[i], saying->namespaces);
	fputs("}\nworkloads: [\n", out);
	for (size_t i = 0; i < saying->count; i++)
		if (saying->things[i].host < 0)
			write_workload(out, &saying->things[i]);
	fputs("]\n", out);
	for (size_t i = 0; i < saying->count; i++)
		if (saying->things[i].host >= 0)
			write_pod(out, &saying->things[i]);
	assert_int_equal(fclose(out), 0);
}

static unsigned roll(uint32_t *seed, unsigned sides)
{
	return random_next(seed) % sides;
}

static unsigned draw_addresses(uint32_t *seed, unsigned most)
{
	unsigned addresses = 0;
	for (unsigned i = roll(seed, most + 1); i > 0; i--)
		addresses |= 1u << roll(seed, ADDRESSES);
	return addresses;
}

/* Names and addresses that stand twice in a source are for the reader to refuse: most sources are small. */
static struct saying draw_saying(uint32_t *seed)
{
	struct saying saying = {.count = roll(seed, 3) == 0 ? roll(seed, THINGS + 1) : roll(seed, 2)};
	for (size_t i = 0; i < saying.count; i++) {
		struct thing *thing = &saying.things[i];
		*thing = (struct thing){.name = roll(seed, NAMES),
					.name_space = roll(seed, 2),
					.label = roll(seed, 3),
					.interface = roll(seed, 3),
					.port = roll(seed, 2),
					.addresses = draw_addresses(seed, 2),
					.node = (int)roll(seed, NODES + 1) - 1,
					.host = -1};
		if (roll(seed, 3) > 0)
			continue;
		*thing = (struct thing){.name = thing->name,
					.name_space = thing->name_space,
					.label = 1,
					.addresses = draw_addresses(seed, 1),
					.node = (int)roll(seed, NODES),
					.host = (int)roll(seed, ADDRESSES)};
	}
	for (unsigned i = 0; i < NODES; i++)
		if (roll(seed, 10) == 0) {
			saying.named[i] = true;
			saying.node_addresses[i] = draw_addresses(seed, 2);
			saying.pools[i] = roll(seed, 2);
		}
	saying.namespaces = roll(seed, 8) == 0 ? roll(seed, 4) : 0;
	return saying;
}

/* ---- the definition ---- */

struct model {
	struct saying files[FILES], policy, proven;
	bool there[FILES], has_policy, has_proven; /* there: it was read well */
	unsigned last_order;
};

/* What the world is by definition: who is there by age, and who has each address. */
struct expected {
	const struct thing *things[MOST];
	const char *defaults[MOST]; /* the node where none is given */
	bool conflict[MOST];
	size_t count;
	bool named[NODES], told[NODES];
	unsigned named_addresses[NODES], told_addresses[NODES];
	bool pool;
	unsigned namespaces[2]; /* who said the labels, as `said` has it; 0: nobody */
};

static unsigned gained(const struct saying *old, const struct saying *new)
{
	unsigned before = 0, now = 0;
	for (size_t i = 0; i < old->count; i++)
		before |= old->things[i].addresses;
	for (size_t i = 0; i < new->count; i++)
		now |= new->things[i].addresses;
	return now & ~before;
}

static void take_file(struct model *model, size_t i, const struct saying *new)
{
	unsigned order = model->files[i].order;
	if (!model->there[i] || gained(&model->files[i], new) != 0)
		order = ++model->last_order;
	model->files[i] = *new;
	model->files[i].order = order;
	model->there[i] = true;
}

static void add_saying(struct expected *expected, const struct saying *saying, const char *node)
{
	for (size_t i = 0; i < saying->count; i++) {
		expected->defaults[expected->count] = node;
		expected->things[expected->count++] = &saying->things[i];
	}
	for (unsigned i = 0; i < NODES; i++) {
		expected->named[i] = expected->named[i] || saying->named[i];
		expected->named_addresses[i] |= saying->node_addresses[i];
		expected->pool = expected->pool || saying->pools[i] > 0;
	}
	for (unsigned i = 0; i < 2; i++)
		if (expected->namespaces[i] == 0 && (saying->namespaces >> i & 1))
			expected->namespaces[i] = saying->namespaces;
}

/* An address that only pods tell of is the first node's of them; what workloads and named nodes say stands. */
static void add_told(struct expected *expected)
{
	unsigned taken = 0;
	for (size_t i = 0; i < expected->count; i++)
		taken |= expected->things[i]->addresses;
	for (unsigned i = 0; i < NODES; i++)
		taken |= expected->named_addresses[i];
	for (unsigned address = 0; address < ADDRESSES; address++) {
		int first = -1;
		for (size_t i = 0; i < expected->count; i++)
			if (expected->things[i]->host == (int)address &&
			    (first < 0 || expected->things[i]->node < first))
				first = expected->things[i]->node;
		if (first < 0 || (taken >> address & 1) || expected->named[first])
			continue;
		expected->told[first] = true;
		expected->told_addresses[first] |= 1u << address;
	}
}

static struct expected expect(const struct model *model)
{
	struct expected expected = {0};
	add_saying(&expected, &model->policy, "-");
	for (unsigned order = 1; order <= model->last_order; order++)
		for (size_t i = 0; i < FILES; i++)
			if (model->there[i] && model->files[i].order == order)
				add_saying(&expected, &model->files[i], "here");
	add_told(&expected);
	unsigned nodes = 0;
	for (unsigned i = 0; i < NODES; i++)
		nodes |= expected.named_addresses[i];
	for (size_t i = 0; i < expected.count; i++) {
		const struct thing *thing = expected.things[i];
		expected.conflict[i] = (thing->addresses & nodes) != 0;
		for (size_t j = 0; j < i; j++) {
			const struct thing *older = expected.things[j];
			expected.conflict[i] = expected.conflict[i] || (older->addresses & thing->addresses) != 0 ||
					       (older->name == thing->name && older->name_space == thing->name_space);
		}
	}
	return expected;
}

/* ---- the same as text ---- */

struct lines {
	char text[MOST][LINE];
	size_t count;
};

static int compare_lines(const void *left, const void *right)
{
	return strcmp(left, right);
}

static void sort_lines(struct lines *lines)
{
	qsort(lines->text, lines->count, LINE, compare_lines);
}

static void print_thing(char *text, const struct thing *thing, const char *node, bool conflict)
{
	char word[ADDRESS_TEXT_SIZE];
	text += sprintf(text, "%s/w%u", spaces[thing->name_space], thing->name);
	text += thing->node < 0 ? sprintf(text, "@%s", node) : sprintf(text, "@n%d", thing->node);
	if (thing->label > 0)
		text += sprintf(text, " app=a%u", thing->label);
	for (unsigned i = 0; i < ADDRESSES; i++)
		if (thing->addresses >> i & 1)
			text += sprintf(text, " %s", address_text(i, word));
	for (unsigned i = 1; i <= thing->interface; i++)
		text += sprintf(text, " veth%u", i);
	if (thing->port > 0)
		text += sprintf(text, " http=%u", thing->port);
	strcpy(text, conflict ? " !" : "");
}

static void print_workload(char *text, const struct workload *workload)
{
	char word[ADDRESS_TEXT_SIZE];
	text += sprintf(text, "%s/%s@%s", workload->name_space, workload->name,
			workload->node != NULL ? workload->node : "-");
	for (size_t i = 0; i < workload->labels.count; i++)
		text += sprintf(text, " %s=%s", workload->labels.items[i].key, workload->labels.items[i].value);
	for (size_t i = 0; i < workload->address_count; i++)
		text += sprintf(text, " %s", address_format(&workload->addresses[i], word));
	for (size_t i = 0; i < workload->interface_count; i++)
		text += sprintf(text, " %s", workload->interfaces[i]);
	for (size_t i = 0; i < workload->port_count; i++)
		text += sprintf(text, " %s=%u", workload->ports[i].name, workload->ports[i].port.first);
	strcpy(text, workload->conflict ? " !" : "");
}

static void check_lines(struct lines *lines, const struct lines *sorted)
{
	sort_lines(lines);
	assert_int_equal(lines->count, sorted->count);
	for (size_t i = 0; i < lines->count; i++)
		assert_string_equal(lines->text[i], sorted->text[i]);
}

/* ---- the world as it is ---- */

static void check_places(const struct inventory *inventory, const struct workload *const *owners)
{
	size_t count, found = 0;
	const struct place *places = inventory_places(inventory, &count);
	for (size_t i = 1; i < count; i++)
		assert_true(address_compare(&places[i - 1].address, &places[i].address) < 0);
	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct address address = address_of(i);
		bool there = false;
		for (size_t j = 0; j < count && !there; j++)
			there = address_compare(&places[j].address, &address) == 0 && places[j].workload == owners[i];
		assert_int_equal(there, owners[i] != NULL);
		found += there;
	}
	assert_int_equal(found, count);
}

static void check_addresses(const struct expected *expected, const struct inventory *inventory)
{
	const struct workload *owners[ADDRESSES];
	for (unsigned i = 0; i < ADDRESSES; i++) {
		const struct address address = address_of(i);
		bool named = false, told = false;
		for (unsigned j = 0; j < NODES; j++) {
			named = named || (expected->named_addresses[j] >> i & 1);
			told = told || (expected->told_addresses[j] >> i & 1);
		}
		size_t owner = 0;
		while (owner < expected->count && !(expected->things[owner]->addresses >> i & 1))
			owner++;
		const struct node *node = inventory_node_at(inventory, &address);
		assert_int_equal(node != NULL, named || told);
		owners[i] = inventory_at(inventory, &address);
		assert_int_equal(owners[i] != NULL, !named && !told && owner < expected->count);
		if (node != NULL) {
			unsigned number = (unsigned)atoi(node->name + 1);
			const unsigned *of = named ? expected->named_addresses : expected->told_addresses;
			assert_true(of[number] >> i & 1);
		}
		if (owners[i] != NULL) {
			char is[LINE], wanted[LINE];
			print_workload(is, owners[i]);
			print_thing(wanted, expected->things[owner], expected->defaults[owner],
				    expected->conflict[owner]);
			assert_string_equal(is, wanted);
		}
		assert_int_equal(inventory_in_pool(inventory, &address),
				 expected->pool && address.family == 4 && i + 1 < 8);
	}
	check_places(inventory, owners);
}

static void check_names(const struct expected *expected, const struct inventory *inventory)
{
	for (unsigned i = 0; i < 2 * NAMES; i++) {
		char name[8], is[LINE], wanted[LINE];
		size_t first = 0;
		while (first < expected->count &&
		       (expected->things[first]->name != i / 2 || expected->things[first]->name_space != i % 2))
			first++;
		sprintf(name, "w%u", i / 2);
		const struct workload *found = inventory_workload(inventory, spaces[i % 2], name);
		assert_int_equal(found != NULL, first < expected->count);
		if (found == NULL)
			continue;
		print_workload(is, found);
		print_thing(wanted, expected->things[first], expected->defaults[first], expected->conflict[first]);
		assert_string_equal(is, wanted);
	}
	size_t nodes = 0;
	for (unsigned i = 0; i < NODES; i++) {
		char name[8];
		sprintf(name, "n%u", i);
		bool there = expected->named[i] || expected->told[i];
		assert_int_equal(inventory_node(inventory, name) != NULL, there);
		nodes += there;
	}
	assert_int_equal(inventory->node_count, nodes);
	for (unsigned i = 0; i < 2; i++) {
		char said[16];
		const struct name_space *space = inventory_namespace(inventory, spaces[i]);
		assert_int_equal(space != NULL, expected->namespaces[i] > 0);
		sprintf(said, "s%u", expected->namespaces[i]);
		if (space != NULL)
			assert_string_equal(space->labels.items[0].value, said);
	}
}

static void check_world(const struct model *model, const struct state *state, struct lines *is)
{
	const struct expected expected = expect(model);
	const struct inventory *inventory = state_world(state, NOW).inventory;
	static struct lines wanted;
	size_t conflicts = 0;
	wanted.count = expected.count;
	for (size_t i = 0; i < expected.count; i++)
		conflicts += expected.conflict[i];
	assert_int_equal(state_conflict_count(state), conflicts);
	for (size_t i = 0; i < expected.count; i++)
		print_thing(wanted.text[i], expected.things[i], expected.defaults[i], expected.conflict[i]);
	is->count = inventory->workload_count;
	assert_in_range(is->count, 0, MOST);
	for (size_t i = 0; i < is->count; i++)
		print_workload(is->text[i], inventory->workloads[i]);
	sort_lines(is);
	check_lines(&wanted, is);
	check_addresses(&expected, inventory);
	check_names(&expected, inventory);
}

/* Nodes and namespaces as text, with all that counts. */
static void print_grounds(const struct inventory *inventory, char *text)
{
	char word[ADDRESS_TEXT_SIZE];
	text[0] = 0;
	for (size_t i = 0; i < inventory->node_count; i++) {
		const struct node *node = inventory->nodes[i];
		text += sprintf(text, "%s %zu:", node->name, node->pool_count);
		for (size_t j = 0; j < node->address_count; j++)
			text += sprintf(text, " %s", address_format(&node->addresses[j], word));
	}
	for (size_t i = 0; i < inventory->namespace_count; i++)
		text += sprintf(text, " %s=%s", inventory->namespaces[i]->name,
				inventory->namespaces[i]->labels.items[0].value);
}

/* ---- steps ---- */

struct walk {
	char root[64];
	struct state *state;
	struct model model;
	struct lines lines; /* of the workloads as they were, sorted */
	char grounds[2000];
	uint32_t seed;
	size_t flips, wides, conflicts, refused, reverts;
};

static void file_path(const struct walk *walk, size_t i, char *path)
{
	sprintf(path, "%s/w/f%zu.yaml", walk->root, i);
}

/* The changes must lead from what was to what is, and tell nothing twice. */
static void follow(struct walk *walk, const struct changes *changes)
{
	struct lines *lines = &walk->lines;
	char text[LINE], grounds[sizeof walk->grounds];
	for (size_t i = 0; i < changes->count; i++) {
		const struct workload *before = changes->items[i].before, *after = changes->items[i].after;
		char other[LINE] = "";
		assert_true(before != NULL || after != NULL);
		if (after != NULL)
			print_workload(other, after);
		if (before == NULL)
			continue;
		print_workload(text, before);
		if (after == NULL || !after->conflict) /* else other addresses may be its own now */
			assert_string_not_equal(text, other);
		walk->flips += after != NULL && after->conflict != before->conflict;
		size_t j = 0;
		while (j < lines->count && strcmp(lines->text[j], text) != 0)
			j++;
		assert_true(j < lines->count);
		memmove(lines->text[j], lines->text[--lines->count], LINE);
	}
	for (size_t i = 0; i < changes->count; i++)
		if (changes->items[i].after != NULL)
			print_workload(lines->text[lines->count++], changes->items[i].after);
	print_grounds(state_world(walk->state, NOW).inventory, grounds);
	assert_int_equal(changes->wide, strcmp(grounds, walk->grounds) != 0);
	walk->wides += changes->wide;
}

/* Writes a new content of a file, or a bad one. Returns whether it says `saying` then. */
static bool put_file(struct walk *walk, size_t i, struct saying *saying)
{
	char path[100];
	file_path(walk, i, path);
	*saying = draw_saying(&walk->seed);
	if (roll(&walk->seed, 3) == 0 && walk->model.there[i]) { /* one thing is another */
		struct saying other = walk->model.files[i];
		if (other.count > 0 && saying->count > 0)
			other.things[roll(&walk->seed, (unsigned)other.count)] = saying->things[0];
		*saying = other;
	}
	bool broken = roll(&walk->seed, 20) == 0;
	write_saying(saying, path, broken ? "broken: true\n" : "");
	return !broken;
}

static bool exists(const struct walk *walk, size_t i)
{
	char path[100];
	file_path(walk, i, path);
	return access(path, F_OK) == 0;
}

static void read_one(struct walk *walk)
{
	struct changes changes;
	struct saying saying;
	char path[100];
	size_t i = roll(&walk->seed, FILES);
	file_path(walk, i, path);
	bool good = put_file(walk, i, &saying);
	if (state_read_workloads(walk->state, path, &changes) == 0) {
		assert_true(good);
		take_file(&walk->model, i, &saying);
	} else {
		walk->refused += good;
		assert_int_equal(changes.count + changes.wide, 0);
	}
	follow(walk, &changes);
}

static void forget_one(struct walk *walk)
{
	struct changes changes;
	char path[100];
	size_t i = roll(&walk->seed, FILES);
	file_path(walk, i, path);
	unlink(path);
	walk->model.there[i] = false;
	walk->model.files[i] = (struct saying){0};
	state_forget_workloads(walk->state, path, &changes);
	follow(walk, &changes);
}

/* Whether the reader takes the file: what stands in it twice is for other tests. */
static bool is_readable(const char *path)
{
	struct changes changes;
	struct state *state = state_create("here");
	bool readable = state_read_workloads(state, path, &changes) == 0;
	state_destroy(state);
	return readable;
}

static void scan_all(struct walk *walk)
{
	struct changes changes;
	struct saying sayings[FILES];
	bool written[FILES] = {0};
	char path[100];
	sprintf(path, "%s/w", walk->root);
	for (size_t i = 0; i < FILES; i++) {
		if (roll(&walk->seed, 3) == 0)
			written[i] = put_file(walk, i, &sayings[i]);
		else if (roll(&walk->seed, 6) == 0) {
			file_path(walk, i, path);
			unlink(path);
		}
	}
	for (size_t i = 0; i < FILES; i++) { /* in the order of their names */
		file_path(walk, i, path);
		if (!exists(walk, i)) {
			walk->model.there[i] = false;
			walk->model.files[i] = (struct saying){0};
		} else if (written[i] && is_readable(path)) {
			take_file(&walk->model, i, &sayings[i]);
		}
	}
	sprintf(path, "%s/w", walk->root);
	assert_int_equal(state_scan_workloads(walk->state, path, &changes), 0);
	follow(walk, &changes);
	check_world(&walk->model, walk->state, &walk->lines);
	print_grounds(state_world(walk->state, NOW).inventory, walk->grounds);
	assert_int_equal(state_scan_workloads(walk->state, path, &changes), 0);
	assert_int_equal(changes.count + changes.wide, 0); /* the same again changes nothing */
}

/* Reads another policy, keeps it, or goes back: its inventory comes and goes with it. Going back is not told. */
static bool change_policy(struct walk *walk)
{
	struct model *model = &walk->model;
	struct changes changes;
	char path[100], text[100];
	unsigned choice = roll(&walk->seed, 4);
	if (choice == 0) {
		state_keep_policy(walk->state);
		model->has_proven = false;
	} else if (choice == 1) {
		assert_int_equal(state_revert_policy(walk->state, "refused"), model->has_proven);
		if (model->has_proven)
			model->policy = model->proven;
		walk->reverts += model->has_proven;
		model->has_proven = false;
	} else {
		struct saying saying = draw_saying(&walk->seed);
		sprintf(path, "%s/p/policy.yaml", walk->root);
		sprintf(text, "services: {s%u: {workloads: {app: a}}}\n", walk->seed);
		write_saying(&saying, path, text);
		sprintf(path, "%s/p", walk->root);
		bool read = state_read_policy(walk->state, path, &changes) == 1;
		follow(walk, &changes);
		if (!read)
			return true;
		if (!model->has_proven && model->has_policy) {
			model->proven = model->policy;
			model->has_proven = true;
		}
		model->policy = saying;
		model->has_policy = true;
	}
	return choice != 1;
}

static void step(struct walk *walk)
{
	unsigned choice = roll(&walk->seed, 20);
	bool told = true;
	if (choice < 12)
		read_one(walk);
	else if (choice < 15)
		forget_one(walk);
	else if (choice < 17)
		scan_all(walk);
	else
		told = change_policy(walk);
	if (told) {
		static struct lines now;
		check_world(&walk->model, walk->state, &now);
		check_lines(&walk->lines, &now);
	}
	check_world(&walk->model, walk->state, &walk->lines);
	print_grounds(state_world(walk->state, NOW).inventory, walk->grounds);
	for (size_t i = 0; i < walk->lines.count; i++)
		walk->conflicts += strchr(walk->lines.text[i], '!') != NULL;
}

static void the_world_is_what_the_sources_say(void **state)
{
	struct walk *walk = calloc(1, sizeof *walk);
	char command[200];
	(void)state;
	assert_non_null(walk);
	strcpy(walk->root, "/tmp/ringfence-model-XXXXXX");
	assert_non_null(mkdtemp(walk->root));
	sprintf(command, "mkdir %s/w %s/p", walk->root, walk->root);
	assert_int_equal(system(command), 0);
	walk->state = state_create("here");
	walk->seed = 7;
	for (int i = 0; i < STEPS; i++)
		step(walk);
	/* None of what can go wrong was out of reach. */
	assert_true(walk->flips > STEPS / 20);
	assert_true(walk->wides > STEPS / 20);
	assert_true(walk->conflicts > STEPS);
	assert_in_range(walk->refused, 1, STEPS / 2);
	assert_true(walk->reverts > STEPS / 100);
	state_destroy(walk->state);
	sprintf(command, "rm -r %s", walk->root);
	assert_int_equal(system(command), 0);
	free(walk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_world_is_what_the_sources_say)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
