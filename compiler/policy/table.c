/* The hash table of table.h. */
#include <ringfence/arena.h>
#include <ringfence/table.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { FIRST_ROOM = 8 };

void table_finish(struct table *table)
{
	if (table->arena == NULL)
		free(table->slots);
	*table = (struct table){.arena = table->arena};
}

void table_clear(struct table *table)
{
	if (table->count > 0)
		memset(table->slots, 0, table->room * sizeof *table->slots);
	table->count = 0;
}

static struct table_slot *allocate(struct table *table, size_t room)
{
	if (table->arena != NULL)
		return arena_alloc(table->arena, room * sizeof(struct table_slot));
	struct table_slot *slots = calloc(room, sizeof *slots);
	if (slots == NULL) {
		fputs("ringfence: out of memory\n", stderr);
		abort();
	}
	return slots;
}

static struct table_slot *place(struct table_slot *slots, size_t room, struct table_slot new)
{
	size_t i = new.hash &(room - 1);
	while (slots[i].item != NULL)
		i = (i + 1) & (room - 1);
	slots[i] = new;
	return &slots[i];
}

void table_reserve(struct table *table, size_t count)
{
	size_t room = table->room > 0 ? table->room : FIRST_ROOM;
	while (5 * (table->count + count) > 4 * room) /* at most four of five in use */
		room *= 2;
	if (room == table->room)
		return;
	struct table_slot *slots = allocate(table, room);
	for (size_t i = 0; i < table->room; i++)
		if (table->slots[i].item != NULL)
			place(slots, room, table->slots[i]);
	if (table->arena == NULL)
		free(table->slots);
	table->slots = slots;
	table->room = room;
}

struct table_slot *table_add(struct table *table, uint32_t hash, void *item, uint32_t number)
{
	table_reserve(table, 1);
	table->count++;
	return place(table->slots, table->room, (struct table_slot){item, hash, number});
}

/* Moves what stands behind the hole into it as long as it is then found: no slot is marked as deleted, so that a table
 * which changes all the time stays as fast as it was. */
void table_remove(struct table *table, struct table_slot *slot)
{
	size_t mask = table->room - 1, hole = (size_t)(slot - table->slots);
	for (size_t i = (hole + 1) & mask; table->slots[i].item != NULL; i = (i + 1) & mask) {
		size_t from_home = (i - table->slots[i].hash) & mask, from_hole = (i - hole) & mask;
		if (from_home < from_hole)
			continue;
		table->slots[hole] = table->slots[i];
		hole = i;
	}
	table->slots[hole] = (struct table_slot){0};
	table->count--;
}

static struct table_slot *walk(const struct table *table, size_t i, uint32_t hash)
{
	for (i &= table->room - 1; table->slots[i].item != NULL; i = (i + 1) & (table->room - 1))
		if (table->slots[i].hash == hash)
			return &table->slots[i];
	return NULL;
}

struct table_slot *table_first(const struct table *table, uint32_t hash)
{
	return table->room > 0 ? walk(table, hash, hash) : NULL;
}

struct table_slot *table_next(const struct table *table, struct table_slot *slot)
{
	return walk(table, (size_t)(slot - table->slots) + 1, slot->hash);
}

struct table_slot *table_each(const struct table *table, size_t *at)
{
	while (*at < table->room && table->slots[*at].item == NULL)
		++*at;
	return *at < table->room ? &table->slots[(*at)++] : NULL;
}

/* Sixteen random bytes that the kernel gives to each process (getauxval(3)). */
static uint64_t secret(void)
{
	uint64_t number = 0;
	const void *bytes = (const void *)getauxval(AT_RANDOM); /* NOLINT(performance-no-int-to-ptr) */
	if (bytes != NULL)
		memcpy(&number, bytes, sizeof number);
	return number;
}

static uint64_t mix(uint64_t state, uint64_t word)
{
	state = (state ^ word) * 0x9e3779b97f4a7c15; /* 2^64 divided by the golden ratio */
	return state ^ (state >> 32);
}

uint32_t table_hash(uint32_t hash, const void *bytes, size_t count)
{
	const unsigned char *at = bytes;
	uint64_t state = mix(secret(), (uint64_t)hash << 32 | (count & UINT32_MAX));
	for (; count >= sizeof(uint64_t); at += sizeof(uint64_t), count -= sizeof(uint64_t)) {
		uint64_t word;
		memcpy(&word, at, sizeof word);
		state = mix(state, word);
	}
	uint64_t rest = 0;
	memcpy(&rest, at, count);
	return (uint32_t)(mix(mix(state, rest), 0));
}

uint32_t table_hash_text(uint32_t hash, const char *text)
{
	return table_hash(hash, text, strlen(text) + 1);
}
