/* A hash table of what somebody else owns: open addressing, linear probing, 16 bytes for each slot.
 *
 * A slot holds an item and a number, for instance which of the item's addresses it is found by. The table knows no
 * keys: the caller hashes one, walks over the slots with that hash, and compares. */
#ifndef RINGFENCE_TABLE_H
#define RINGFENCE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct arena;

struct table_slot {
	void *item; /* NULL: free */
	uint32_t hash;
	uint32_t number; /* the caller's */
};

/* Zeroed is empty. Slots come from `arena` where there is one, else from malloc, and go with table_finish. */
struct table {
	struct arena *arena;
	struct table_slot *slots;
	size_t room, count; /* room: 0 or a power of two */
};

/* Frees the slots, unless an arena has them, and leaves an empty table. */
void table_finish(struct table *table);

/* Takes out all items. */
void table_clear(struct table *table);

/* Makes room for `count` more items at once: a table that grows under them is copied time and again, and in an arena
 * leaves the old slots behind. */
void table_reserve(struct table *table, size_t count);

/* Adds an item; the slot is valid until the next one is added or taken out. */
struct table_slot *table_add(struct table *table, uint32_t hash, void *item, uint32_t number);

/* Takes out what is in `slot`. */
void table_remove(struct table *table, struct table_slot *slot);

/* The first slot with this hash, or the next one behind `slot`; NULL: no more. */
struct table_slot *table_first(const struct table *table, uint32_t hash);
struct table_slot *table_next(const struct table *table, struct table_slot *slot);

/* The slot at or behind index `*at` that is not free, and moves `*at` behind it; NULL: no more. */
struct table_slot *table_each(const struct table *table, size_t *at);

/* Hashes bytes or a text with its NUL; `hash` is 0, or the hash of what stands before. It differs from process to
 * process, so that nobody who writes an input can make all of it fall together. */
uint32_t table_hash(uint32_t hash, const void *bytes, size_t count);
uint32_t table_hash_text(uint32_t hash, const char *text);

#endif
