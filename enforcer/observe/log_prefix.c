/* The reverse of what compiler/ruleset writes with log_some:
 *
 *     ringfence deny|audit|allow (egress|ingress WHAT | spoof ... | invalid ... | unknown ...)
 *     WHAT of a denial: NAMESPACE/NAME FILE:LINE | unmatched FILE:LINE | unmatched by default | quarantine FILE:LINE
 *                       | quarantine by an operator | rate FILE:LINE | conflict ...
 *     WHAT of an allow: FILE:LINE
 *
 * A file's name may hold blanks and colons, so the line is what stands behind the last colon. */
#include "enforcer/observe/log_prefix.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *word, *text;
} causes[CAUSES] = {
    [CAUSE_NO_ALLOW] = {"no-allow", "no allow matches"},
    [CAUSE_UNMATCHED] = {"unmatched", "no allow matches; workloads that no service selects are denied"},
    [CAUSE_QUARANTINE] = {"quarantine", "in quarantine"},
    [CAUSE_OPERATOR] = {"quarantine-by-operator", "in quarantine by an operator of the node"},
    [CAUSE_CONFLICT] = {"conflict", "another workload has one of its addresses"},
    [CAUSE_RATE] = {"rate", "over the rate of this allow"},
    [CAUSE_ALLOW] = {"allow", "allowed by this statement"},
    [CAUSE_SPOOF] = {"spoof", "the source does not belong to this interface"},
    [CAUSE_INVALID] = {"invalid", "no flow of conntrack"},
    [CAUSE_UNKNOWN] = {"unknown", "an address for workloads that no source knows is closed"},
};

const char *cause_word(enum cause cause)
{
	return causes[cause].word;
}

const char *cause_text(enum cause cause)
{
	return causes[cause].text;
}

static bool skip(const char **at, const char *word)
{
	size_t length = strlen(word);
	if (strncmp(*at, word, length) != 0)
		return false;
	*at += length;
	return true;
}

/* FILE:LINE up to the end. */
static bool read_place(struct log_reason *reason, const char *at)
{
	const char *colon = strrchr(at, ':');
	if (colon == NULL || colon == at)
		return false;
	size_t digits = strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > 9 || colon[1 + digits] != 0)
		return false;
	memcpy(reason->file, at, (size_t)(colon - at));
	reason->line = (unsigned)strtoul(colon + 1, NULL, 10);
	return true;
}

/* NAMESPACE/NAME FILE:LINE */
static bool read_owner(struct log_reason *reason, const char *at)
{
	size_t length = strcspn(at, " "), slash = strcspn(at, "/");
	if (slash == 0 || slash >= length || at[length] == 0)
		return false;
	memcpy(reason->owner, at, length);
	return read_place(reason, at + length + 1);
}

/* What denied, by its first word; `whole`: it has no place. */
static bool read_denial(struct log_reason *reason, const char *at)
{
	static const struct {
		const char *word;
		enum cause cause;
		bool whole;
	} words[] = {
	    {"unmatched by default", CAUSE_UNMATCHED, true},
	    {"unmatched ", CAUSE_UNMATCHED, false},
	    {"quarantine by an operator", CAUSE_OPERATOR, true},
	    {"quarantine ", CAUSE_QUARANTINE, false},
	    {"rate ", CAUSE_RATE, false},
	    {"conflict two workloads with one address", CAUSE_CONFLICT, true},
	};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const char *behind = at;
		reason->cause = words[i].cause;
		if (skip(&behind, words[i].word) && (!words[i].whole || *behind == 0))
			return words[i].whole || read_place(reason, behind);
	}
	reason->cause = CAUSE_NO_ALLOW;
	return read_owner(reason, at);
}

static bool read_reason(struct log_reason *reason, const char *at)
{
	static const struct {
		const char *text;
		enum cause cause;
	} ends[] = {
	    {"spoof source guard", CAUSE_SPOOF},
	    {"invalid no flow of conntrack", CAUSE_INVALID},
	    {"unknown address of no known workload", CAUSE_UNKNOWN},
	};
	for (size_t i = 0; i < sizeof ends / sizeof *ends && reason->logged != LOGGED_ALLOW; i++) {
		reason->cause = ends[i].cause;
		if (strcmp(at, ends[i].text) == 0)
			return true;
	}
	reason->has_direction = true;
	reason->direction = strncmp(at, "egress ", 7) == 0 ? EGRESS : INGRESS;
	if (!skip(&at, "egress ") && !skip(&at, "ingress "))
		return false;
	reason->cause = CAUSE_ALLOW;
	return reason->logged == LOGGED_ALLOW ? read_place(reason, at) : read_denial(reason, at);
}

bool log_prefix_parse(struct log_reason *reason, const char *bytes, size_t length)
{
	static const char *const logged[LOGGED_KINDS] = {"deny ", "audit ", "allow "};
	char text[LOG_PREFIX_SIZE];
	memset(reason, 0, sizeof *reason);
	length = strnlen(bytes, length);
	if (length >= sizeof text)
		return false;
	for (size_t i = 0; i < length; i++)
		if (bytes[i] < ' ' || bytes[i] > '~')
			return false;
	memcpy(text, bytes, length);
	if (length > 0 && text[length - 1] == ' ')
		length--;
	text[length] = 0;
	const char *at = text;
	if (!skip(&at, "ringfence "))
		return false;
	for (size_t i = 0; i < LOGGED_KINDS; i++) {
		reason->logged = (enum logged)i;
		if (skip(&at, logged[i]))
			return read_reason(reason, at);
	}
	return false;
}
