/* What ends is what the rules of now let pass and those of the change do not; why, the policy says. */
#include "compiler/cli/ending.h"

#include "compiler/report/counts.h"
#include "compiler/report/verdict_report.h"
#include "enforcer/observe/event.h"

#include <ringfence/passage.h>

#include <inttypes.h>
#include <string.h>

static const char how_to_count[] = "`sysctl net.netfilter.nf_conntrack_acct=1` has those counted that begin after it";

/* ---- finding ---- */

struct finding {
	struct endings *endings;
	const struct ruleset *actual, *desired;
	struct ruleset_index *actual_index, *desired_index;
};

static uint64_t bytes_of(const struct connection *connection)
{
	uint64_t sum;
	return __builtin_add_overflow(connection->sent, connection->received, &sum) ? UINT64_MAX : sum;
}

/* Keeps it where it is among those that carried most. */
static void keep(struct endings *endings, const struct ending *ending)
{
	size_t place = endings->count;
	while (place > 0 && bytes_of(&endings->items[place - 1].connection) < bytes_of(&ending->connection))
		place--;
	if (place == ENDING_MOST)
		return;
	endings->count += endings->count < ENDING_MOST;
	memmove(&endings->items[place + 1], &endings->items[place],
		(endings->count - 1 - place) * sizeof *endings->items);
	endings->items[place] = *ending;
}

static void take(void *context, const struct connection *connection)
{
	struct finding *finding = context;
	struct endings *endings = finding->endings;
	endings->seen++;
	if (connection->stage == CONNECTION_OVER)
		return;
	enum passage before = passage_of(finding->actual, finding->actual_index, connection);
	if (before == PASSAGE_CLOSED ||
	    passage_of(finding->desired, finding->desired_index, connection) != PASSAGE_CLOSED)
		return;
	if (connection->stage == CONNECTION_UNANSWERED) {
		endings->unanswered++;
		return;
	}
	endings->total++;
	endings->uncounted += !connection->counted;
	if (__builtin_add_overflow(endings->bytes, bytes_of(connection), &endings->bytes))
		endings->bytes = UINT64_MAX;
	keep(endings, &(struct ending){*connection, before == PASSAGE_UNSURE});
}

void endings_find(struct endings *endings, struct kernel *kernel, struct arena *arena, const struct ruleset *actual,
		  const struct ruleset *desired)
{
	struct finding finding = {endings, actual, desired, ruleset_index(arena, actual),
				  ruleset_index(arena, desired)};
	const struct connections_reader reader = {&finding, take};
	*endings = (struct endings){0};
	endings->error = connections_start(kernel);
	if (endings->error == 0)
		endings->error = connections_step(kernel, &reader, UINT64_MAX);
	endings->error = endings->error == 1 ? 0 : endings->error;
}

/* ---- telling ---- */

/* The ends have the names that events have. */
static struct event event_of(const struct connection *connection, const struct world *world)
{
	struct event event = {.source_port = connection->source_port};
	struct packet *packet = &event.key.packet;
	packet->source = connection->source;
	packet->destination = connection->destination;
	packet->protocol = (uint8_t)connection->protocol;
	packet->has_port = connection->has_port;
	packet->port = connection->port;
	event_name(&event, world);
	return event;
}

static struct verdict verdict_for(const struct event *event, const struct world *world)
{
	const struct flow flow = event_flow(event, world);
	struct verdict verdict = verdict_of(world, &flow);
	verdict_tell_denied(world, &flow, &verdict);
	return verdict;
}

static bool ends_here(const struct side *side)
{
	return !side->allowed && side->denied != DENIED_AUDIT;
}

static void print_one(FILE *stream, struct arena *arena, const struct ending *ending, const struct world *world)
{
	const struct connection *connection = &ending->connection;
	const struct event event = event_of(connection, world);
	const struct verdict verdict = verdict_for(&event, world);
	fputs("  - ", stream);
	event_print_flow(stream, &event);
	if (connection->source_port != 0)
		fprintf(stream, " from port %u", connection->source_port);
	if (connection->counted)
		fprintf(stream, ": %s bytes there, %s back", count_text(arena, connection->sent),
			count_text(arena, connection->received));
	else
		fputs(": bytes unknown", stream);
	fputs(ending->unsure ? "; it may be denied now: the table holds rules that are not ours\n" : "\n", stream);
	if (ends_here(&verdict.egress))
		side_print(stream, "egress", &verdict.egress, "    ");
	if (ends_here(&verdict.ingress))
		side_print(stream, "ingress", &verdict.ingress, "    ");
}

void endings_print(FILE *stream, struct arena *arena, const struct endings *endings, const struct world *world)
{
	const uint64_t left_out = endings->total - endings->count;
	if (endings->error < 0)
		return;
	if (endings->seen == 0) {
		fputs("which open connections would end is not known: conntrack knows no connection here; it sees "
		      "what begins after something asks for it, as our rules do\n",
		      stream);
		return;
	}
	fprintf(stream, "%s open connection%s would end", count_text(arena, endings->total), plural(endings->total));
	if (endings->total > endings->uncounted)
		fprintf(stream, ", which carried %s bytes%s", count_text(arena, endings->bytes),
			endings->uncounted > 0 ? " as far as they are counted" : "");
	fputs(endings->total > 0 ? ":\n" : "\n", stream);
	for (size_t i = 0; i < endings->count; i++)
		print_one(stream, arena, &endings->items[i], world);
	if (left_out > 0)
		fprintf(stream, "  and %s more\n", count_text(arena, left_out));
	if (endings->unanswered > 0)
		fprintf(stream, "  and %s flow%s that nobody has answered\n", count_text(arena, endings->unanswered),
			plural(endings->unanswered));
	if (endings->uncounted > 0)
		fprintf(stream, "bytes are unknown of %s: conntrack did not count when they began; %s\n",
			count_text(arena, endings->uncounted), how_to_count);
}

static json_t *one_json(const struct ending *ending, const struct world *world)
{
	const struct connection *connection = &ending->connection;
	const struct event event = event_of(connection, world);
	const struct verdict verdict = verdict_for(&event, world);
	json_t *object = json_object();
	event_add_flow(object, &event);
	if (connection->counted) {
		json_object_set_new(object, "bytes_there", json_integer((json_int_t)connection->sent));
		json_object_set_new(object, "bytes_back", json_integer((json_int_t)connection->received));
	}
	if (ending->unsure)
		json_object_set_new(object, "unsure", json_true());
	json_object_set_new(object, "because", verdict_because_json(&verdict));
	return object;
}

json_t *endings_json(const struct endings *endings, const struct world *world)
{
	if (endings->error < 0)
		return json_pack("{s:s}", "error", strerror(-endings->error));
	json_t *list = json_array();
	for (size_t i = 0; i < endings->count; i++)
		json_array_append_new(list, one_json(&endings->items[i], world));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "seen", (json_int_t)endings->seen, "total",
			 (json_int_t)endings->total, "bytes", (json_int_t)endings->bytes, "bytes_unknown_of",
			 (json_int_t)endings->uncounted, "unanswered", (json_int_t)endings->unanswered, "left_out",
			 (json_int_t)(endings->total - endings->count), "connections", list);
}
