/* Sorting many things by their texts. A comparison that follows pointers to both texts waits for memory most of its
 * time, so the first bytes of what is compared lie beside each other here, and mostly decide. */
#include "compiler/frontend/native.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	uint64_t first, second; /* bytes of the texts, so that they compare as numbers */
	void *item;
};

/* No text holds a NUL, so that "a\0b\0" orders as `a` and then `b` do. */
static struct entry entry_of(void *item, const struct order *order)
{
	char bytes[16] = "";
	const char *texts[ORDER_TEXTS] = {NULL};
	size_t used = 0;
	order->texts(item, texts);
	for (size_t i = 0; i < ORDER_TEXTS && texts[i] != NULL && used < sizeof bytes; i++) {
		size_t length = strnlen(texts[i], sizeof bytes - used);
		memcpy(bytes + used, texts[i], length);
		used += length + 1;
	}
	struct entry entry = {.item = item};
	memcpy(&entry.first, bytes, sizeof entry.first);
	memcpy(&entry.second, bytes + sizeof entry.first, sizeof entry.second);
	entry.first = be64toh(entry.first);
	entry.second = be64toh(entry.second);
	return entry;
}

static int compare_entries(const void *left, const void *right, void *argument)
{
	const struct entry *a = left, *b = right;
	const struct order *order = argument;
	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->second != b->second)
		return a->second < b->second ? -1 : 1;
	return order->compare(a->item, b->item);
}

void order_sort(void *items, size_t count, const struct order *order)
{
	char *pointers = items; /* of whatever type: copied as bytes */
	struct entry *entries = malloc((count + 1) * sizeof *entries);
	if (entries == NULL)
		abort();
	for (size_t i = 0; i < count; i++) {
		void *item;
		memcpy(&item, pointers + i * sizeof item, sizeof item);
		entries[i] = entry_of(item, order);
	}
	qsort_r(entries, count, sizeof *entries, compare_entries, (void *)order);
	for (size_t i = 0; i < count; i++)
		memcpy(pointers + i * sizeof(void *), &entries[i].item, sizeof(void *));
	free(entries);
}
