/* A line of a flow log to a flow record. The line comes from anybody: its length is bounded, every text is copied into
 * room of a fixed size, and jansson refuses what is no UTF-8, NUL, duplicate keys and deep nesting. */
#include <ringfence/arena.h>
#include <ringfence/flow_record.h>

#include <jansson.h>
#include <stdarg.h>
#include <string.h>

static const char blanks[] = " \t\r\n";

__attribute__((format(printf, 2, 3))) static const char *refuse(struct flow_record *record, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(record->problem, sizeof record->problem, format, args);
	va_end(args);
	return record->problem;
}

/* ---- a JSON object ---- */

/* What was read so far, where the record has no place for it. */
struct reading {
	struct flow_record *record;
	bool has_port, has_type;
	uint16_t port, type, code;
};

static bool copy_text(char *room, size_t size, const json_t *value)
{
	size_t length = json_string_length(value);
	if (!json_is_string(value) || length == 0 || length >= size)
		return false;
	memcpy(room, json_string_value(value), length + 1);
	return true;
}

static bool number(const json_t *value, uint16_t most, uint16_t *number)
{
	json_int_t read = json_integer_value(value);
	*number = (uint16_t)read;
	return json_is_integer(value) && read >= 0 && read <= most;
}

static bool read_source(struct reading *reading, const json_t *value)
{
	return copy_text(reading->record->words[EGRESS], FLOW_WORD_SIZE, value);
}

static bool read_destination(struct reading *reading, const json_t *value)
{
	return copy_text(reading->record->words[INGRESS], FLOW_WORD_SIZE, value);
}

static bool read_address(struct address *address, const json_t *value)
{
	return json_is_string(value) && address_parse(address, json_string_value(value)) == NULL;
}

static bool read_source_address(struct reading *reading, const json_t *value)
{
	return read_address(&reading->record->addresses[EGRESS], value);
}

static bool read_destination_address(struct reading *reading, const json_t *value)
{
	return read_address(&reading->record->addresses[INGRESS], value);
}

static bool read_protocol(struct reading *reading, const json_t *value)
{
	return json_is_string(value) ? protocol_parse(&reading->record->protocol, json_string_value(value))
				     : number(value, 255, &reading->record->protocol);
}

static bool read_port(struct reading *reading, const json_t *value)
{
	return reading->has_port = number(value, 65535, &reading->port);
}

/* The name of a request, for which the protocol must be known, or a number. */
static bool read_type(struct reading *reading, const json_t *value)
{
	char word[64];
	struct port_range range;
	bool version6 = reading->record->protocol == PROTOCOL_ICMPV6;
	reading->has_type = true;
	if (!json_is_string(value))
		return number(value, 255, &reading->type);
	snprintf(word, sizeof word, "%s/%s", version6 ? "icmpv6" : "icmp", json_string_value(value));
	if (port_range_parse(&range, word) != NULL)
		return false;
	reading->type = range.first >> 8;
	return true;
}

static bool read_code(struct reading *reading, const json_t *value)
{
	return number(value, 255, &reading->code);
}

static bool read_time(struct reading *reading, const json_t *value)
{
	return json_is_string(value) && json_string_length(value) > strlen("2026-11-25") &&
	       time_parse(&reading->record->time, json_string_value(value)) == NULL;
}

static bool read_verdict(struct reading *reading, const json_t *value)
{
	static const char *const verdicts[] = {[RECORDED_ALLOW] = "allow", [RECORDED_DENY] = "deny"};
	for (int i = RECORDED_ALLOW; i <= RECORDED_DENY && json_is_string(value); i++)
		if (strcmp(json_string_value(value), verdicts[i]) == 0)
			reading->record->recorded = (enum recorded)i;
	return reading->record->recorded != RECORDED_NOTHING;
}

/* `count` and `sequence` are what `ringfence observe` means by them; of others they may be anything. */
static bool read_count(struct reading *reading, const json_t *value)
{
	if (json_is_integer(value) && json_integer_value(value) > 0)
		reading->record->count = (uint64_t)json_integer_value(value);
	return true;
}

static bool read_sequence(struct reading *reading, const json_t *value)
{
	if (json_is_integer(value) && json_integer_value(value) >= 0)
		reading->record->sequence = (uint64_t)json_integer_value(value) + 1;
	return true;
}

/* What is read of a record, in this order; every other key is passed over, and one that is null is not there. */
static const struct field {
	const char *key, *expected;
	bool needed;
	bool (*read)(struct reading *reading, const json_t *value);
} fields[] = {
    {"src", "a text of 1 to 255 bytes", true, read_source},
    {"dst", "a text of 1 to 255 bytes", true, read_destination},
    {"proto", "tcp, udp, sctp, icmp, icmpv6 or a number up to 255", true, read_protocol},
    {"dport", "a number up to 65535", false, read_port},
    {"type", "the name of an ICMP request, or a number up to 255", false, read_type},
    {"code", "a number up to 255", false, read_code},
    {"src_ip", "an address", false, read_source_address},
    {"dst_ip", "an address", false, read_destination_address},
    {"ts", "a time such as 2026-11-25T09:00:00Z", false, read_time},
    {"verdict", "allow or deny", false, read_verdict},
    {"count", "a number", false, read_count},
    {"sequence", "a number", false, read_sequence},
};

/* The port of a flow is the port of its protocol, type and code of ICMP (policy.h), and 0 of a protocol without. */
static const char *set_port(struct reading *reading)
{
	struct flow_record *record = reading->record;
	bool typed = record->protocol == PROTOCOL_ICMP || record->protocol == PROTOCOL_ICMPV6;
	bool ported =
	    record->protocol == PROTOCOL_TCP || record->protocol == PROTOCOL_UDP || record->protocol == PROTOCOL_SCTP;
	if (typed && !reading->has_type)
		return refuse(record, "`type` is missing");
	if (ported && !reading->has_port)
		return refuse(record, "`dport` is missing");
	if (typed)
		record->port = (uint16_t)(reading->type << 8 | reading->code);
	else if (ported)
		record->port = reading->port;
	const struct port_range range = {record->protocol, record->port, record->port};
	port_range_format(&range, record->port_word);
	return NULL;
}

static const char *read_object(struct flow_record *record, const json_t *object)
{
	struct reading reading = {.record = record};
	record->observed = true;
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const json_t *value = json_object_get(object, fields[i].key);
		bool missing = value == NULL || json_is_null(value);
		if (missing && fields[i].needed)
			return refuse(record, "`%s` is missing", fields[i].key);
		if (!missing && !fields[i].read(&reading, value))
			return refuse(record, "`%s` is %s", fields[i].key, fields[i].expected);
	}
	return set_port(&reading);
}

static const char *read_json(struct flow_record *record, const char *line, size_t length)
{
	json_error_t error;
	json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
	const char *problem = object != NULL
				  ? read_object(record, object)
				  : refuse(record, "no JSON object: %s, at byte %d", error.text, error.position);
	json_decref(object);
	return problem;
}

/* ---- three words ---- */

static const char *read_words(struct flow_record *record, const char *line, size_t length)
{
	char *rooms[] = {record->words[EGRESS], record->words[INGRESS], record->port_word};
	static const char *const names[] = {"FROM", "TO", "PORT"};
	size_t count = 0;
	for (const char *at = line, *end = line + length; at < end;) {
		const char *start = at;
		while (at < end && strchr(blanks, *at) == NULL)
			at++;
		size_t size = (size_t)(at - start);
		if (size > 0 && count == 3)
			return refuse(record, "a line is FROM TO PORT");
		if (size >= FLOW_WORD_SIZE)
			return refuse(record, "%s is longer than %d bytes", names[count], FLOW_WORD_SIZE - 1);
		if (size > 0)
			memcpy(rooms[count++], start, size);
		at++;
	}
	return count == 3 ? NULL : refuse(record, "a line is FROM TO PORT");
}

const char *flow_record_read(struct flow_record *record, const char *line, size_t length)
{
	memset(record, 0, sizeof *record);
	record->count = 1;
	if (memchr(line, 0, length) != NULL)
		return refuse(record, "the line holds a NUL byte");
	for (; length > 0 && strchr(blanks, *line) != NULL; length--)
		line++;
	return length > 0 && *line == '{' ? read_json(record, line, length) : read_words(record, line, length);
}

/* ---- lines ---- */

void flow_lines_init(struct flow_lines *lines, struct arena *arena, FILE *stream)
{
	*lines = (struct flow_lines){stream, arena_alloc(arena, FLOW_LINE_MOST), 0};
}

/* Reads to the end of a line, and of one that is too long only what fits. Returns false where there is none. */
static bool read_line(struct flow_lines *lines, size_t *length)
{
	int byte = getc_unlocked(lines->stream);
	if (byte == EOF)
		return false;
	lines->number++;
	for (*length = 0; byte != EOF && byte != '\n'; byte = getc_unlocked(lines->stream), (*length)++)
		if (*length < FLOW_LINE_MOST)
			lines->text[*length] = (char)byte;
	return true;
}

static bool passes_over(const struct flow_lines *lines, size_t length)
{
	size_t i = 0;
	while (i < length && lines->text[i] != 0 && strchr(blanks, lines->text[i]) != NULL)
		i++;
	return i == length || lines->text[i] == '#';
}

bool flow_lines_next(struct flow_lines *lines, struct flow_record *record, const char **problem)
{
	size_t length = 0;
	do {
		if (!read_line(lines, &length))
			return false;
	} while (passes_over(lines, length < FLOW_LINE_MOST ? length : FLOW_LINE_MOST));
	*problem = length > FLOW_LINE_MOST ? refuse(record, "the line is longer than %d bytes", FLOW_LINE_MOST)
					   : flow_record_read(record, lines->text, length);
	return true;
}

/* ---- who is meant ---- */

/* What was observed is a workload, even where a service has its name. */
const char *flow_record_find(struct arena *arena, const struct world *world, const struct flow_record *record,
			     enum direction end, struct endpoints *endpoints)
{
	char word[FLOW_WORD_SIZE + 16];
	snprintf(word, sizeof word, "workload:%s", record->words[end]);
	if (record->observed && endpoints_find(arena, world, word, endpoints) == NULL)
		return NULL;
	return endpoints_find(arena, world, record->words[end], endpoints);
}

void flow_record_narrow(const struct flow_record *record, enum direction end, struct endpoints *endpoints)
{
	struct endpoint *first = &endpoints->items[0];
	if (first->workload != NULL && workload_is_host(first->workload) &&
	    address_is_loopback(&record->addresses[end])) { /* its node has no such one in the inventory */
		*first = (struct endpoint){first->workload, true, record->addresses[end], PEER_SERVICE};
		endpoints->count = 1;
	}
	for (size_t i = 0; i < endpoints->count && endpoints->count > 1; i++)
		if (endpoints->items[i].has_address &&
		    address_compare(&endpoints->items[i].address, &record->addresses[end]) == 0) {
			endpoints->items[0] = endpoints->items[i];
			endpoints->count = 1;
		}
}
