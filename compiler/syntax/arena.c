/* A bump allocator: blocks in a list, each at least as large as the one before, up to a limit.
 *
 * See arena.h. Nothing is freed alone; arena_grow leaves the old array behind, which costs at most the size of the new.
 */
#include <ringfence/arena.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ALIGNMENT) unsigned char bytes[];
};

struct arena {
	struct block *block;
	size_t next_size;
};

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);
	if (memory == NULL) {
		fputs("ringfence: out of memory\n", stderr);
		abort();
	}
	return memory;
}

struct arena *arena_create(void)
{
	struct arena *arena = allocate(sizeof *arena);
	arena->next_size = FIRST_BLOCK;
	return arena;
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	for (struct block *block = arena->block, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

void arena_pass(struct arena *arena, struct arena *heir)
{
	struct block *last = heir != NULL ? arena->block : NULL;
	while (last != NULL && last->next != NULL)
		last = last->next;
	if (last != NULL && heir->block != NULL) { /* behind the current block, whose rest stays in use */
		last->next = heir->block->next;
		heir->block->next = arena->block;
		arena->block = NULL;
	} else if (last != NULL) {
		heir->block = arena->block;
		arena->block = NULL;
	}
	arena_free(arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX / 2) {
		fputs("ringfence: out of memory\n", stderr);
		abort();
	}
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	struct block *block = arena->block;
	if (block == NULL || block->size - block->used < size) {
		size_t wanted = size > arena->next_size ? size : arena->next_size;
		block = allocate(sizeof *block + wanted);
		block->size = wanted;
		/* A large allocation goes behind the current block, whose rest stays in use. */
		if (arena->block != NULL && size > arena->next_size) {
			block->next = arena->block->next;
			arena->block->next = block;
		} else {
			block->next = arena->block;
			arena->block = block;
			if (arena->next_size < LARGEST_BLOCK)
				arena->next_size *= 2;
		}
	}
	void *memory = block->bytes + block->used;
	block->used += size;
	return memory;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);
	memcpy(copy, text, length);
	return copy;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		length = 0;
	char *text = arena_alloc(arena, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, format, args);
	return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = arena_vprintf(arena, format, args);
	va_end(args);
	return text;
}

void *arena_grow(struct arena *arena, void *array, size_t count, size_t size)
{
	if (count != 0 && (count & (count - 1)) != 0)
		return array;
	size_t room = count == 0 ? 1 : count * 2;
	if (room > SIZE_MAX / 2 / size) {
		fputs("ringfence: out of memory\n", stderr);
		abort();
	}
	void *grown = arena_alloc(arena, room * size);
	if (count != 0)
		memcpy(grown, array, count * size);
	return grown;
}
