/* A ruleset as text for `nft -f` of nftables 1.0.6 and later.
 *
 * The text names the table once before it deletes it, so that it loads whether or not the table is there; nft sends all
 * of it as one transaction. */
#include "compiler/ruleset/netlink.h"

#include <ringfence/ruleset.h>

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

static const char *const hook_names[] = {
    [NF_INET_LOCAL_IN] = "input", [NF_INET_FORWARD] = "forward", [NF_INET_LOCAL_OUT] = "output"};

static void print_value(FILE *stream, enum field field, const uint8_t *value)
{
	const struct field_form *form = &field_forms[field];
	char text[ADDRESS_TEXT_SIZE];
	struct address address = {.family = form->size == 4 ? 4 : 6};
	uint32_t number;
	if (field == FIELD_IIFNAME || field == FIELD_OIFNAME) {
		interface_print(stream, value);
	} else if (field == FIELD_IIF) {
		memcpy(&number, value, sizeof number); /* host order */
		fprintf(stream, "%u", number);
	} else if (form->size >= 4) {
		memcpy(address.bytes, value, form->size);
		fputs(address_format(&address, text), stream);
	} else {
		fprintf(stream, "%u", form->size == 2 ? value[0] << 8 | value[1] : value[0]);
	}
}

static void print_fields(FILE *stream, const struct statement *statement)
{
	for (size_t i = 0; i < statement->field_count; i++)
		fprintf(stream, "%s%s", i > 0 ? " . " : "", field_forms[statement->fields[i]].words);
}

static void print_bits(FILE *stream, const struct statement *statement)
{
	/* linux/netfilter/nf_conntrack_common.h: NF_CT_STATE_INVALID_BIT, NF_CT_STATE_BIT, NF_CT_STATE_UNTRACKED_BIT;
	 * enum ip_conntrack_status. */
	static const char *const states[32] = {[0] = "invalid", "established", "related", "new", [6] = "untracked"};
	static const char *const statuses[32] = {[3] = "confirmed"};
	static const char *const flags[32] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"}; /* of TCP */
	const char *const *names = statement->fields[0] == FIELD_CT_STATE    ? states
				   : statement->fields[0] == FIELD_CT_STATUS ? statuses
									     : flags;
	uint32_t value = statement->value[0];
	const char *comma = "";
	if (field_forms[statement->fields[0]].size == sizeof value)
		memcpy(&value, statement->value, sizeof value);
	print_fields(stream, statement);
	fputs(statement->kind == STATEMENT_BITS ? " " : " ! ", stream);
	for (size_t i = 0; i < 32; i++) {
		if ((value >> i & 1) == 0)
			continue;
		fputs(comma, stream);
		if (names[i] != NULL)
			fputs(names[i], stream);
		else
			fprintf(stream, "0x%x", 1U << i);
		comma = ",";
	}
}

/* The unit of a rate, by its seconds. */
static const char *unit_of(uint32_t seconds)
{
	return seconds == 60 ? "minute" : seconds == 3600 ? "hour" : "second";
}

static void print_statement(FILE *stream, const struct statement *statement)
{
	char text[NETLINK_TEXT_MAX];
	switch (statement->kind) {
	case STATEMENT_EQUAL:
	case STATEMENT_UNEQUAL:
		print_fields(stream, statement);
		fputs(statement->kind == STATEMENT_EQUAL ? " " : " != ", stream);
		print_value(stream, statement->fields[0], statement->value);
		break;
	case STATEMENT_PREFIX:
	case STATEMENT_NOT_PREFIX:
		print_fields(stream, statement);
		fputs(statement->kind == STATEMENT_PREFIX ? " " : " != ", stream);
		print_value(stream, statement->fields[0], statement->value);
		fprintf(stream, "/%u", statement->prefix);
		break;
	case STATEMENT_RANGE:
		print_fields(stream, statement);
		fputc(' ', stream);
		print_value(stream, statement->fields[0], statement->value);
		fputc('-', stream);
		print_value(stream, statement->fields[0], statement->last);
		break;
	case STATEMENT_BITS:
	case STATEMENT_NO_BITS:
		print_bits(stream, statement);
		break;
	case STATEMENT_IN:
	case STATEMENT_NOT_IN:
		print_fields(stream, statement);
		fprintf(stream, "%s@%s", statement->kind == STATEMENT_IN ? " " : " != ", statement->set);
		break;
	case STATEMENT_COUNTED:
		fputs("counter name ", stream);
		print_fields(stream, statement);
		fprintf(stream, " map @%s", statement->set);
		break;
	case STATEMENT_MAP:
		print_fields(stream, statement);
		fprintf(stream, " vmap @%s", statement->set);
		break;
	case STATEMENT_COUNTER:
		fputs("counter", stream);
		break;
	case STATEMENT_COUNT:
		fprintf(stream, "counter name \"%s\"", statement->text);
		break;
	case STATEMENT_LIMIT:
		fprintf(stream, "limit rate %u/second burst %u packets", statement->rate, statement->burst);
		break;
	case STATEMENT_METER:
		fprintf(stream, "update @%s { ", statement->set);
		print_fields(stream, statement);
		fprintf(stream, " limit rate %u/%s burst %u packets }", statement->rate, unit_of(statement->seconds),
			statement->burst);
		break;
	case STATEMENT_LOG:
		fprintf(stream, "log prefix \"%s\" group %d", netlink_text(text, statement->text), RULESET_LOG_GROUP);
		break;
	case STATEMENT_ACCEPT:
		fputs("accept", stream);
		break;
	case STATEMENT_DROP:
		fputs("drop", stream);
		break;
	case STATEMENT_RESET:
		fputs("reject with tcp reset", stream);
		break;
	case STATEMENT_REJECT:
		fputs("reject with icmpx type admin-prohibited", stream);
		break;
	case STATEMENT_RETURN:
		fputs("return", stream);
		break;
	case STATEMENT_JUMP:
	case STATEMENT_GOTO:
		fprintf(stream, "%s %s", statement->kind == STATEMENT_JUMP ? "jump" : "goto", statement->text);
		break;
	}
}

void rule_print(FILE *stream, const struct ruleset *ruleset, const struct rule *rule)
{
	(void)ruleset;
	for (size_t i = 0; i < rule->statement_count; i++) {
		fputs(i > 0 ? " " : "", stream);
		print_statement(stream, &rule->statements[i]);
	}
}

/* In days and seconds: nft 1.0.6 calls a unit of more than 8 digits a "value too large". */
static void print_timeout(FILE *stream, int64_t seconds)
{
	enum { DAY = 86400 };
	fputs(" timeout ", stream);
	if (seconds >= DAY)
		fprintf(stream, "%lldd", (long long)(seconds / DAY));
	if (seconds < DAY || seconds % DAY != 0)
		fprintf(stream, "%llds", (long long)(seconds % DAY));
}

static void print_elements(FILE *stream, const struct set *set, int64_t at)
{
	const char *before = "\t\telements = { ";
	for (size_t i = 0; i < set->element_count; i++) {
		const struct element *element = &set->elements[i];
		if (element->expires != 0 && element->expires <= at)
			continue;
		fputs(before, stream);
		element_print(stream, set, element);
		if (element->expires != 0)
			print_timeout(stream, element->expires - at);
		if (element->chain != NULL)
			fprintf(stream, set->counted ? " : \"%s\"" : " : goto %s", element->chain);
		before = ",\n\t\t\t     ";
	}
	if (before[0] == ',')
		fputs(" }\n", stream);
}

static void print_set(FILE *stream, const struct set *set, int64_t at)
{
	fprintf(stream, "\t%s %s {\n\t\ttype %s%s\n", set->map || set->counted ? "map" : "set", set->name,
		key_forms[set->key].words,
		set->map       ? " : verdict"
		: set->counted ? " : counter"
			       : "");
	if (set->size != 0)
		fprintf(stream, "\t\tsize %u\n", set->size);
	if (set->dynamic)
		fprintf(stream, "\t\tflags dynamic,timeout\n\t\ttimeout %us\n", set->forget_after);
	else if (set->interval || set->timeout)
		fprintf(stream, "\t\tflags %s%s%s\n", set->interval ? "interval" : "",
			set->interval && set->timeout ? "," : "", set->timeout ? "timeout" : "");
	print_elements(stream, set, at);
	fputs("\t}\n\n", stream);
}

static void print_chain(FILE *stream, const struct ruleset *ruleset, const struct chain *chain)
{
	char text[NETLINK_TEXT_MAX];
	fprintf(stream, "\tchain %s {\n", chain->name);
	if (chain->base)
		fprintf(stream, "\t\ttype filter hook %s priority filter; policy accept;\n", hook_names[chain->hook]);
	for (size_t i = 0; i < chain->rule_count; i++) {
		fputs("\t\t", stream);
		rule_print(stream, ruleset, &chain->rules[i]);
		if (chain->rules[i].comment != NULL)
			fprintf(stream, " comment \"%s\"", netlink_text(text, chain->rules[i].comment));
		fputc('\n', stream);
	}
	fputs("\t}\n\n", stream);
}

void ruleset_print(FILE *stream, const struct ruleset *ruleset, int64_t at)
{
	fputs("#!/usr/sbin/nft -f\n# Made by ringfence; replaces table inet " RULESET_TABLE " in one transaction.\n"
	      "table inet " RULESET_TABLE "\ndelete table inet " RULESET_TABLE "\ntable inet " RULESET_TABLE " {\n",
	      stream);
	for (size_t i = 0; i < ruleset->counter_count; i++)
		fprintf(stream, "\tcounter %s {\n\t\tpackets 0 bytes %llu\n\t}\n\n", ruleset->counters[i],
			(unsigned long long)COUNTER_BYTES_FIRST);
	for (size_t i = 0; i < ruleset->set_count; i++)
		print_set(stream, ruleset->sets[i], at);
	for (size_t i = 0; i < ruleset->chain_count; i++)
		print_chain(stream, ruleset, ruleset->chains[i]);
	fputs("}\n", stream);
}
