/* Writing rules, see rules.h. */
#include "compiler/ruleset/rules.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

const enum field source_fields[2] = {FIELD_CT_SOURCE4, FIELD_CT_SOURCE6};
const enum field destination_fields[2] = {FIELD_CT_DESTINATION4, FIELD_CT_DESTINATION6};
const enum field packet_sources[2] = {FIELD_IP_SADDR, FIELD_IP6_SADDR};
const enum field packet_destinations[2] = {FIELD_IP_DADDR, FIELD_IP6_DADDR};
const enum key_type address_keys[2] = {KEY_ADDRESS4, KEY_ADDRESS6};

struct chain *chain_create(struct arena *arena, const char *name)
{
	struct chain *chain = arena_alloc(arena, sizeof *chain);
	snprintf(chain->name, sizeof chain->name, "%s", name);
	return chain;
}

const char *own_name(struct arena *arena, uint32_t generation, const char *name)
{
	return arena_printf(arena, "g%u%s%s", generation, *name != 0 ? "_" : "", name);
}

struct rule *add_rule(const struct writing *w, const char *comment)
{
	struct rule *rule = arena_push(w->arena, w->chain->rules, w->chain->rule_count);
	rule->comment = comment;
	return rule;
}

struct statement *add_statement(const struct writing *w, struct rule *rule, enum statement_kind kind)
{
	struct statement *statement = arena_push(w->arena, rule->statements, rule->statement_count);
	statement->kind = kind;
	return statement;
}

void match(const struct writing *w, struct rule *rule, enum statement_kind kind, enum field field, const void *value)
{
	struct statement *statement = add_statement(w, rule, kind);
	statement->fields[0] = field;
	statement->field_count = 1;
	memcpy(statement->value, value, field_forms[field].size);
}

void match_byte(const struct writing *w, struct rule *rule, enum field field, uint8_t value)
{
	match(w, rule, STATEMENT_EQUAL, field, &value);
}

void match_bits(const struct writing *w, struct rule *rule, enum statement_kind kind, enum field field, uint32_t bits)
{
	struct statement *statement = add_statement(w, rule, kind);
	statement->fields[0] = field;
	statement->field_count = 1;
	memcpy(statement->value, &bits, sizeof bits);
}

void match_prefix(const struct writing *w, struct rule *rule, enum statement_kind kind, enum field field,
		  const uint8_t *value, uint8_t bits)
{
	match(w, rule, kind, field, value);
	rule->statements[rule->statement_count - 1].prefix = bits;
}

void match_range(const struct writing *w, struct rule *rule, enum field field, uint16_t first, uint16_t last)
{
	const uint16_t from = htons(first), to = htons(last);
	match(w, rule, first == last ? STATEMENT_EQUAL : STATEMENT_RANGE, field, &from);
	if (first != last)
		memcpy(rule->statements[rule->statement_count - 1].last, &to, sizeof to);
}

void look_up(const struct writing *w, struct rule *rule, enum statement_kind kind, const struct set *set, enum field a,
	     enum field b, enum field c)
{
	struct statement *statement = add_statement(w, rule, kind);
	const enum field fields[3] = {a, b, c};
	for (size_t i = 0; i < 3 && fields[i] != FIELD_COUNT; i++)
		statement->fields[statement->field_count++] = fields[i];
	memcpy(statement->set, set->name, sizeof statement->set);
}

void finish_rule(const struct writing *w, struct rule *rule, enum statement_kind verdict, const char *chain)
{
	add_statement(w, rule, verdict)->text = chain;
}

void log_some(const struct writing *w, struct rule *rule, uint32_t rate, uint32_t burst, const char *text)
{
	struct statement *limit = add_statement(w, rule, STATEMENT_LIMIT);
	limit->rate = rate;
	limit->seconds = 1;
	limit->burst = burst;
	add_statement(w, rule, STATEMENT_LOG)->text = text;
}

const char *dead_end(const struct writing *w, enum denied denied)
{
	static const char *const names[] = {
	    [DENIED_DROP] = "deny", [DENIED_REJECT] = "reject", [DENIED_AUDIT] = "audit"};
	return own_name(w->arena, w->generation, names[denied]);
}

void count_denial(const struct writing *w, struct rule *rule, enum denial_count kind)
{
	add_statement(w, rule, STATEMENT_COUNT)->text = denial_counters[kind];
}

void log_denial(const struct writing *w, struct rule *rule, enum denied denied, const char *reason)
{
	bool audit = denied == DENIED_AUDIT;
	log_some(w, rule, LOG_RATE, LOG_BURST,
		 arena_printf(w->arena, "ringfence %s %s ", audit ? "audit" : "deny", reason));
	if (!audit)
		count_denial(w, rule, DENIAL_LOGGED);
}

void deny(const struct writing *w, const char *reason, const char *comment)
{
	log_denial(w, add_rule(w, comment), w->denied, reason);
	finish_rule(w, add_rule(w, comment), STATEMENT_GOTO, dead_end(w, w->denied));
}

void close_off(const struct writing *w, const char *reason, const char *comment)
{
	log_denial(w, add_rule(w, comment), DENIED_DROP, reason);
	struct rule *rule = add_rule(w, comment);
	count_denial(w, rule, DENIAL_DENIED);
	finish_rule(w, rule, STATEMENT_DROP, NULL);
}

const char *path_end(const char *path)
{
	size_t length = strlen(path);
	return length > PATH_SHOWN ? path + length - PATH_SHOWN : path;
}
