/* Ranges of addresses, and boxes of addresses and ports: made disjoint.
 *
 * boxes_disjoint cuts the addresses at every place where a box begins or ends; between two cuts the same boxes hold, so
 * their ports are merged there; neighbours with the same ports are joined again. */
#include "compiler/ruleset/ranges.h"

#include <stdlib.h>
#include <string.h>

static int compare_ranges(const void *left, const void *right)
{
	return address_compare(&((const struct address_range *)left)->first,
			       &((const struct address_range *)right)->first);
}

/* Whether `next` begins inside `range` or directly behind it. */
static bool touches(const struct address_range *range, const struct address_range *next)
{
	struct address behind = range->last;
	return !address_next(&behind) || address_compare(&next->first, &behind) <= 0;
}

void ranges_merge(struct ranges *ranges)
{
	if (ranges->count < 2)
		return;
	qsort(ranges->items, ranges->count, sizeof *ranges->items, compare_ranges);
	size_t kept = 0;
	for (size_t i = 1; i < ranges->count; i++) {
		struct address_range *last = &ranges->items[kept];
		const struct address_range *next = &ranges->items[i];
		if (!touches(last, next))
			ranges->items[++kept] = *next;
		else if (address_compare(&next->last, &last->last) > 0)
			last->last = next->last;
	}
	ranges->count = kept + 1;
}

/* Both sorted and merged: one walk over both. */
static struct ranges subtract(struct arena *arena, const struct ranges *ranges, const struct ranges *holes)
{
	struct ranges left = {0};
	size_t next = 0; /* the first hole that ends behind the range at hand */
	for (size_t i = 0; i < ranges->count; i++) {
		struct address_range rest = ranges->items[i];
		bool any = true;
		while (next < holes->count && address_compare(&holes->items[next].last, &rest.first) < 0)
			next++;
		for (size_t j = next; any && j < holes->count; j++) {
			const struct address_range *hole = &holes->items[j];
			struct address before = hole->first, after = hole->last;
			if (address_compare(&hole->first, &rest.last) > 0)
				break;
			if (address_compare(&rest.first, &hole->first) < 0 && address_previous(&before))
				*arena_push(arena, left.items, left.count) = (struct address_range){rest.first, before};
			any = address_compare(&rest.last, &hole->last) > 0 && address_next(&after);
			rest.first = after;
		}
		if (any)
			*arena_push(arena, left.items, left.count) = rest;
	}
	return left;
}

static struct ranges ranges_in(struct arena *arena, const struct prefix *prefixes, size_t count, uint8_t family)
{
	struct ranges ranges = {0};
	for (size_t i = 0; i < count; i++)
		if (prefixes[i].address.family == family)
			*arena_push(arena, ranges.items, ranges.count) = prefix_range(&prefixes[i]);
	ranges_merge(&ranges);
	return ranges;
}

struct ranges ranges_of(struct arena *arena, const struct prefix *prefixes, size_t count, const struct prefix *except,
			size_t except_count, uint8_t family)
{
	struct ranges ranges = ranges_in(arena, prefixes, count, family),
		      holes = ranges_in(arena, except, except_count, family);
	return subtract(arena, &ranges, &holes);
}

struct ranges ranges_without(struct arena *arena, struct ranges ranges, const struct address *address)
{
	struct address_range hole = {*address, *address};
	return subtract(arena, &ranges, &(struct ranges){&hole, 1});
}

static int compare_addresses(const void *left, const void *right)
{
	return address_compare(left, right);
}

/* Ports of all protocols in one row. */
static uint32_t first_of(const struct opening *opening)
{
	return (uint32_t)opening->ports.protocol << 16 | opening->ports.first;
}

static uint32_t behind(const struct opening *opening)
{
	return ((uint32_t)opening->ports.protocol << 16 | opening->ports.last) + 1;
}

static int compare_openings(const void *left, const void *right)
{
	uint32_t a = first_of(left), b = first_of(right);
	return (a > b) - (a < b);
}

/* Appends [from, to) of an opening, joined to the one before where that ends there and is of the same allow. */
static size_t append_opening(struct opening *out, size_t count, const struct opening *opening, uint32_t from,
			     uint32_t to)
{
	struct opening *last = count > 0 ? &out[count - 1] : NULL;
	bool joins = last != NULL && last->allow == opening->allow && last->ports.protocol == opening->ports.protocol &&
		     behind(last) == from;
	if (!joins) {
		last = &out[count++];
		*last = *opening;
		last->ports.first = (uint16_t)from;
	}
	last->ports.last = (uint16_t)(to - 1);
	return count;
}

size_t openings_disjoint(struct opening *openings, size_t count, struct opening *out)
{
	size_t low = 0, next = 0, made = 0; /* from low on not over yet; from next on not begun */
	uint32_t at = 0;
	if (count > 1)
		qsort(openings, count, sizeof *openings, compare_openings);
	for (;;) {
		const struct opening *first = NULL;
		uint32_t until = UINT32_MAX;
		while (next < count && first_of(&openings[next]) <= at)
			next++;
		if (next < count)
			until = first_of(&openings[next]);
		while (low < next && behind(&openings[low]) <= at)
			low++;
		if (low == count)
			return made;
		for (size_t i = low; i < next; i++) {
			if (behind(&openings[i]) <= at)
				continue;
			if (first == NULL || openings[i].allow < first->allow)
				first = &openings[i];
			if (behind(&openings[i]) < until)
				until = behind(&openings[i]);
		}
		if (first != NULL)
			made = append_opening(out, made, first, at, until);
		at = until;
	}
}

/* Adds the addresses [first, last] with what is open there, joined to the boxes just before where those end at first
 * and have the same open. `previous` is how many boxes the neighbour before has. */
static size_t append(struct arena *arena, struct boxes *out, size_t previous, struct address_range range,
		     const struct opening *openings, size_t count)
{
	struct box *before = previous > 0 ? &out->items[out->count - previous] : NULL;
	struct address behind;
	bool joins = before != NULL && previous == count;
	if (joins) {
		behind = before->addresses.last;
		joins = address_next(&behind) && address_compare(&behind, &range.first) == 0;
	}
	for (size_t i = 0; joins && i < count; i++)
		joins = before[i].allow == openings[i].allow &&
			memcmp(&before[i].ports, &openings[i].ports, sizeof before[i].ports) == 0;
	for (size_t i = 0; i < count; i++) {
		if (joins)
			before[i].addresses.last = range.last;
		else
			*arena_push(arena, out->items, out->count) =
			    (struct box){range, openings[i].ports, openings[i].allow};
	}
	return count;
}

/* Where the set of boxes that hold an address changes: sorted, each once. */
static struct address *find_cuts(struct arena *arena, const struct boxes *boxes, size_t *count)
{
	struct address *cuts = NULL;
	size_t all = 0;
	*count = 0;
	for (size_t i = 0; i < boxes->count; i++) {
		struct address behind = boxes->items[i].addresses.last;
		*arena_push(arena, cuts, all) = boxes->items[i].addresses.first;
		if (address_next(&behind))
			*arena_push(arena, cuts, all) = behind;
	}
	if (all > 1)
		qsort(cuts, all, sizeof *cuts, compare_addresses);
	for (size_t i = 0; i < all; i++)
		if (*count == 0 || address_compare(&cuts[*count - 1], &cuts[i]) != 0)
			cuts[(*count)++] = cuts[i];
	return cuts;
}

static int compare_first(const void *left, const void *right)
{
	return address_compare(&((const struct box *)left)->addresses.first,
			       &((const struct box *)right)->addresses.first);
}

/* Goes through the pieces between cuts in order, with the boxes that hold the piece at hand. */
struct boxes boxes_disjoint(struct arena *arena, const struct boxes *boxes, size_t most)
{
	struct boxes out = {0};
	size_t cut_count, previous = 0, next = 0, here = 0;
	const struct address *cuts = find_cuts(arena, boxes, &cut_count);
	struct box *sorted = arena_alloc(arena, (boxes->count + 1) * sizeof *sorted);
	struct box *holding = arena_alloc(arena, (boxes->count + 1) * sizeof *holding);
	struct opening *openings = arena_alloc(arena, (boxes->count + 1) * sizeof *openings);
	struct opening *disjoint = arena_alloc(arena, 2 * (boxes->count + 1) * sizeof *disjoint);
	if (boxes->count > 0) {
		memcpy(sorted, boxes->items, boxes->count * sizeof *sorted);
		qsort(sorted, boxes->count, sizeof *sorted, compare_first);
	}
	for (size_t i = 0; i < cut_count && out.count <= most; i++) {
		struct address_range piece = {cuts[i], cuts[i]};
		size_t kept = 0;
		if (i + 1 < cut_count) {
			piece.last = cuts[i + 1];
			address_previous(&piece.last);
		} else {
			memset(piece.last.bytes, 0xff, address_size(piece.last.family));
		}
		for (size_t j = 0; j < here; j++)
			if (address_compare(&holding[j].addresses.last, &piece.first) >= 0)
				holding[kept++] = holding[j];
		for (here = kept;
		     next < boxes->count && address_compare(&sorted[next].addresses.first, &piece.first) <= 0; next++)
			holding[here++] = sorted[next];
		for (size_t j = 0; j < here; j++)
			openings[j] = (struct opening){holding[j].ports, holding[j].allow};
		previous = append(arena, &out, previous, piece, disjoint, openings_disjoint(openings, here, disjoint));
	}
	return out;
}
