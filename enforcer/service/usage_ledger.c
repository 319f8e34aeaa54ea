/* See usage_ledger.h. The bytes are
 *
 *     boot 37 | time of the reading 8 | for each: name 14, there 1, ten numbers of 8 bytes
 *
 * with numbers little-endian. */
#include "enforcer/service/usage_ledger.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

static struct usage *find(const struct usage_ledger *ledger, const char *name)
{
	struct usage *usage = NULL;
	HASH_FIND_STR(ledger->rows, name, usage);
	return usage;
}

static struct usage *add(struct usage_ledger *ledger, const char *name)
{
	struct usage *usage = calloc(1, sizeof *usage);
	if (usage == NULL)
		abort();
	memcpy(usage->counter.name, name, sizeof usage->counter.name);
	HASH_ADD_STR(ledger->rows, counter.name, usage);
	ledger->changed = true;
	return usage;
}

static void drop(struct usage_ledger *ledger, struct usage *usage)
{
	HASH_DEL(ledger->rows, usage);
	free(usage);
	ledger->changed = true;
}

/* ---- readings ---- */

/* What came between the last reading and now may have been counted by one that is gone. */
static void note_gap(struct usage_ledger *ledger, struct usage *usage, int64_t now)
{
	usage->lost += now > ledger->read ? now - ledger->read : 1; /* a part of a second counts as one */
	usage->since = now;
	ledger->changed = true;
}

static void note_use(struct usage *usage, uint64_t packets, uint64_t bytes, int64_t now)
{
	usage->packets += packets;
	usage->bytes += bytes;
	if (packets > 0 && now > usage->last)
		usage->last = now;
}

void usage_begin(struct usage_ledger *ledger)
{
	for (struct usage *usage = ledger->rows; usage != NULL; usage = usage->hh.next)
		usage->found = false;
}

void usage_take(struct usage_ledger *ledger, const struct allow_counter *counter, int64_t now)
{
	struct usage *usage = find(ledger, counter->name);
	if (usage == NULL) {
		usage = add(ledger, counter->name);
		usage->first = usage->since = now;
	}
	const struct allow_counter *before = &usage->counter;
	bool goes_on = before->table == counter->table && before->handle == counter->handle &&
		       before->packets <= counter->packets && before->bytes <= counter->bytes;
	if (usage->there && !goes_on)
		note_gap(ledger, usage, now);
	if (goes_on)
		note_use(usage, counter->packets - before->packets, counter->bytes - before->bytes, now);
	else
		note_use(usage, counter->packets, counter->bytes % COUNTER_BYTES_FIRST, now);
	usage->counter = *counter;
	usage->there = usage->found = true;
}

void usage_end(struct usage_ledger *ledger, bool whole, int64_t now)
{
	if (!whole)
		return;
	for (struct usage *usage = ledger->rows; usage != NULL; usage = usage->hh.next) {
		if (!usage->there || usage->found)
			continue;
		note_gap(ledger, usage, now);
		usage->there = false;
	}
	ledger->read = now;
}

void usage_close(struct usage_ledger *ledger, const char *name)
{
	struct usage *usage = find(ledger, name);
	if (usage == NULL)
		return;
	usage->there = false;
	ledger->changed = true;
}

void usage_keep(struct usage_ledger *ledger, const struct policy *policy)
{
	struct usage *usage, *next;
	char name[COUNTER_NAME_SIZE];
	usage_begin(ledger);
	for (size_t i = 0; i < DENIAL_COUNTS; i++)
		if ((usage = find(ledger, denial_counters[i])) != NULL)
			usage->found = true;
	for (size_t i = 0; i < policy->allow_count; i++) {
		counter_name(name, policy->allows[i]);
		usage = find(ledger, name);
		if (usage != NULL)
			usage->found = true;
	}
	HASH_ITER(hh, ledger->rows, usage, next)
	if (!usage->found)
		drop(ledger, usage);
}

/* ---- judging ---- */

const struct usage *usage_of(const struct usage_ledger *ledger, const struct allow *allow)
{
	char name[COUNTER_NAME_SIZE];
	counter_name(name, allow);
	return find(ledger, name);
}

const struct usage *usage_called(const struct usage_ledger *ledger, const char *name)
{
	return find(ledger, name);
}

enum usage_judgement usage_judge(const struct usage *usage, int64_t window, int64_t now)
{
	int64_t begin = now - window;
	if (usage->last > begin)
		return USAGE_USED;
	if (usage->first > begin)
		return USAGE_YOUNG;
	return usage->since <= begin ? USAGE_UNUSED : USAGE_UNSEEN;
}

/* ---- to bytes and back ---- */

enum {
	NUMBERS = 10,
	NUMBERS_OFFSET = COUNTER_NAME_SIZE + 1,
	ROW_SIZE = NUMBERS_OFFSET + 8 * NUMBERS,
	HEAD_SIZE = BOOT_SIZE + 8
};

static void put_number(uint8_t *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof value);
}

static uint64_t get_number(const uint8_t *from)
{
	uint64_t value;
	memcpy(&value, from, sizeof value);
	return le64toh(value);
}

static void put_row(uint8_t *to, const struct usage *usage)
{
	const uint64_t numbers[NUMBERS] = {usage->counter.table,   usage->counter.handle,  usage->counter.packets,
					   usage->counter.bytes,   usage->packets,	   usage->bytes,
					   (uint64_t)usage->first, (uint64_t)usage->since, (uint64_t)usage->last,
					   (uint64_t)usage->lost};
	memcpy(to, usage->counter.name, COUNTER_NAME_SIZE);
	to[COUNTER_NAME_SIZE] = usage->there;
	for (size_t i = 0; i < NUMBERS; i++)
		put_number(to + NUMBERS_OFFSET + 8 * i, numbers[i]);
}

void usage_encode(struct encoded *to, const struct usage_ledger *ledger)
{
	size_t length = HEAD_SIZE + (size_t)HASH_COUNT(ledger->rows) * ROW_SIZE;
	uint8_t *bytes = malloc(length), *at = bytes + HEAD_SIZE;
	if (bytes == NULL)
		abort();
	memcpy(bytes, ledger->boot, BOOT_SIZE);
	put_number(bytes + BOOT_SIZE, (uint64_t)ledger->read);
	for (const struct usage *usage = ledger->rows; usage != NULL; usage = usage->hh.next, at += ROW_SIZE)
		put_row(at, usage);
	*to = (struct encoded){bytes, length, length};
}

static const char *get_row(struct usage_ledger *ledger, const uint8_t *from, bool same_boot)
{
	char name[COUNTER_NAME_SIZE];
	uint64_t numbers[NUMBERS];
	memcpy(name, from, sizeof name);
	for (size_t i = 0; i < NUMBERS; i++)
		numbers[i] = get_number(from + NUMBERS_OFFSET + 8 * i);
	if (name[0] == 0 || memchr(name, 0, sizeof name) == NULL || from[COUNTER_NAME_SIZE] > 1 ||
	    find(ledger, name) != NULL)
		return "a counter has no name of its own";
	struct usage *usage = add(ledger, name);
	usage->counter.table = same_boot ? numbers[0] : 0; /* which no table has */
	usage->counter.handle = numbers[1];
	usage->counter.packets = numbers[2];
	usage->counter.bytes = numbers[3];
	usage->packets = numbers[4];
	usage->bytes = numbers[5];
	usage->first = (int64_t)numbers[6];
	usage->since = (int64_t)numbers[7];
	usage->last = (int64_t)numbers[8];
	usage->lost = (int64_t)numbers[9];
	usage->there = from[COUNTER_NAME_SIZE] != 0;
	return usage->first < 0 || usage->since < usage->first || usage->last < 0 || usage->lost < 0
		   ? "a time is before time began"
		   : NULL;
}

const char *usage_decode(struct usage_ledger *ledger, const uint8_t *bytes, size_t length, const char *boot)
{
	const char *wrong = length < HEAD_SIZE || (length - HEAD_SIZE) % ROW_SIZE != 0 ? "it ends in the middle" : NULL;
	bool same_boot = wrong == NULL && strncmp((const char *)bytes, boot, BOOT_SIZE) == 0;
	for (size_t at = HEAD_SIZE; wrong == NULL && at < length; at += ROW_SIZE)
		wrong = get_row(ledger, bytes + at, same_boot);
	ledger->changed = false;
	if (wrong != NULL)
		usage_finish(ledger);
	else
		ledger->read = (int64_t)get_number(bytes + BOOT_SIZE);
	memcpy(ledger->boot, boot, strnlen(boot, BOOT_SIZE - 1) + 1);
	return wrong;
}

void usage_finish(struct usage_ledger *ledger)
{
	struct usage *usage, *next;
	HASH_ITER(hh, ledger->rows, usage, next) drop(ledger, usage);
}
