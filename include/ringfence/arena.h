/* A bump allocator: one owner for everything that one compile, or one generation, makes.
 *
 * Everything taken from an arena lives until arena_free. Memory is zeroed. When the machine is out of memory the
 * process ends: the rules in the kernel stay as they are, so that is the closed side. */
#ifndef RINGFENCE_ARENA_H
#define RINGFENCE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;

/* Returns a new, empty arena; the caller frees it with arena_free. */
struct arena *arena_create(void);

/* Frees the arena and all that was taken from it. NULL is allowed. */
void arena_free(struct arena *arena);

/* Ends `arena` like arena_free, but what was taken from it lives on as if taken from `heir`; NULL: nothing does. */
void arena_pass(struct arena *arena, struct arena *heir);

/* Frees all that was taken from the arena, and keeps memory for what is taken next: for what is read file by file. */
void arena_clear(struct arena *arena);

/* Returns `size` zeroed bytes, aligned for pointers and 64-bit numbers. */
void *arena_alloc(struct arena *arena, size_t size);

/* Returns a copy of the first `length` bytes of `text`, with a NUL behind them. */
char *arena_copy(struct arena *arena, const char *text, size_t length);

/* Returns a formatted string. */
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Makes room for one more element of `size` bytes behind the `count` that `array` holds, and returns the array,
 * moved when it had to grow. It grows when count is 0 or a power of two, so nothing else may fill it. */
void *arena_grow(struct arena *arena, void *array, size_t count, size_t size);

/* Appends a zeroed element to the array `items` with its counter `count`, and yields its address. */
#define arena_push(arena, items, count) \
	((items) = arena_grow((arena), (items), (count), sizeof *(items)), &(items)[(count)++])

#endif
