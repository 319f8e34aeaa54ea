/* A bump allocator: blocks in a list, each at least as large as the one before, up to a limit.
 *
 * What is aligned is taken from the front of a block, and texts from its end, so that neither pads the other. A block
 * of HUGE_PAGE and more asks the kernel for huge pages: most of what a large arena costs is faulting its pages in.
 * Nothing is freed alone; arena_grow leaves the old array behind unless it was the last, which costs at most the size
 * of the new. */
#include <ringfence/arena.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 8, FIRST_BLOCK = 4096, HUGE_PAGE = 2 << 20, LARGEST_BLOCK = 8 << 20 };

struct block {
	struct block *next;
	size_t size;		     /* all of it, this included */
	unsigned char *front, *back; /* what is free */
};

struct arena {
	struct block *block;
	size_t next_size;
};

static _Noreturn void out_of_memory(void)
{
	fputs("ringfence: out of memory\n", stderr);
	abort();
}

/* Zeroed memory in huge pages, as far as the kernel has them: aligned by mapping more, and giving back the ends. */
static void *map_huge(size_t size)
{
	size_t wanted = size + HUGE_PAGE;
	unsigned char *memory = mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)memory % HUGE_PAGE;
	if (before > 0)
		munmap(memory, before);
	munmap(memory + before + size, wanted - before - size);
	madvise(memory + before, size, MADV_HUGEPAGE); /* a wish: small pages are as good, but slower */
	return memory + before;
}

static struct block *block_create(size_t size)
{
	struct block *block;
	if (size >= HUGE_PAGE) {
		size = (size + 4095) & ~(size_t)4095; /* whole pages, so that the rest can be given back */
		block = map_huge(size);
	} else {
		block = calloc(1, size);
	}
	if (block == NULL)
		out_of_memory();
	block->size = size;
	block->front = (unsigned char *)(block + 1);
	block->back = (unsigned char *)block + size;
	return block;
}

static void block_free(struct block *block)
{
	if (block->size >= HUGE_PAGE)
		munmap(block, block->size);
	else
		free(block);
}

static void free_blocks(struct block *block)
{
	for (struct block *next; block != NULL; block = next) {
		next = block->next;
		block_free(block);
	}
}

struct arena *arena_create(void)
{
	struct arena *arena = malloc(sizeof *arena);
	if (arena == NULL)
		out_of_memory();
	*arena = (struct arena){.next_size = FIRST_BLOCK};
	return arena;
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	free_blocks(arena->block);
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

void arena_clear(struct arena *arena)
{
	struct block *kept = arena->block;
	if (kept == NULL)
		return;
	free_blocks(kept->next);
	kept->next = NULL;
	if (kept->size > HUGE_PAGE) { /* else what one large file took stays taken */
		block_free(kept);
		*arena = (struct arena){.next_size = HUGE_PAGE};
		return;
	}
	unsigned char *start = (unsigned char *)(kept + 1), *end = (unsigned char *)kept + kept->size;
	memset(start, 0, (size_t)(kept->front - start));
	memset(kept->back, 0, (size_t)(end - kept->back));
	kept->front = start;
	kept->back = end;
}

/* The block to take `size` bytes from. */
static struct block *block_with_room(struct arena *arena, size_t size)
{
	struct block *block = arena->block;
	if (block != NULL && (size_t)(block->back - block->front) >= size)
		return block;
	if (size > SIZE_MAX / 2)
		out_of_memory();
	bool large = size > arena->next_size - sizeof *block;
	struct block *added = block_create(large ? size + sizeof *block : arena->next_size);
	/* A large allocation goes behind the current block, whose rest stays in use. */
	if (large && block != NULL) {
		added->next = block->next;
		block->next = added;
		return added;
	}
	added->next = block;
	arena->block = added;
	if (arena->next_size < LARGEST_BLOCK)
		arena->next_size *= 2;
	return added;
}

static size_t aligned(size_t size)
{
	if (size > SIZE_MAX / 2)
		out_of_memory();
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size = aligned(size);
	struct block *block = block_with_room(arena, size);
	void *memory = block->front;
	block->front += size;
	return memory;
}

char *arena_copy(struct arena *arena, const char *text, size_t length)
{
	struct block *block = block_with_room(arena, length + 1);
	block->back -= length + 1;
	memcpy(block->back, text, length); /* the NUL behind it is there */
	return (char *)block->back;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
	char first[256], *text = first;
	va_list again;
	va_copy(again, args);
	int length = vsnprintf(first, sizeof first, format, args);
	if (length < 0)
		length = 0, first[0] = 0;
	if ((size_t)length < sizeof first) {
		text = arena_copy(arena, first, (size_t)length);
	} else {
		struct block *block = block_with_room(arena, (size_t)length + 1);
		text = (char *)(block->back -= length + 1);
		vsnprintf(text, (size_t)length + 1, format, again);
	}
	va_end(again);
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
	if (room > SIZE_MAX / 2 / size)
		out_of_memory();
	struct block *block = arena->block;
	size_t held = aligned(count * size), more = aligned(room * size) - held;
	if (count != 0 && block != NULL && (unsigned char *)array + held == block->front &&
	    (size_t)(block->back - block->front) >= more) {
		block->front += more; /* the last of its block grows where it is */
		return array;
	}
	void *grown = arena_alloc(arena, room * size);
	if (count != 0)
		memcpy(grown, array, count * size);
	return grown;
}
