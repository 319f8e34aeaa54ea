/* A plan in words: what applying it would change, a line for each object and element. */
#include <ringfence/difference.h>

#include <stdio.h>

static const struct {
	const char *text; /* NULL: elements, told one by one */
	char sign;
} words[] = {
    [OPERATION_ADD_TABLE] = {"table", '+'},
    [OPERATION_ADD_SET] = {"set", '+'},
    [OPERATION_ADD_CHAIN] = {"chain", '+'},
    [OPERATION_ADD_RULES] = {"rules of chain", '+'},
    [OPERATION_FLUSH_CHAIN] = {"rules of chain", '-'},
    [OPERATION_DELETE_CHAIN] = {"chain", '-'},
    [OPERATION_DELETE_SET] = {"set", '-'},
    [OPERATION_ADD_COUNTER] = {"counter", '+'},
    [OPERATION_DELETE_COUNTER] = {"counter", '-'},
    [OPERATION_ADD_ELEMENTS] = {NULL, '+'},
    [OPERATION_DELETE_ELEMENTS] = {NULL, '-'},
};

static void print_operation(FILE *stream, const struct operation *operation, size_t most, size_t *count)
{
	char sign = words[operation->kind].sign;
	if (words[operation->kind].text != NULL) {
		if ((*count)++ < most)
			fprintf(stream, "%c %s %s\n", sign, words[operation->kind].text, operation->name);
		return;
	}
	for (size_t i = 0; i < operation->element_count; i++) {
		if ((*count)++ >= most)
			continue;
		fprintf(stream, "%c element ", sign);
		element_print(stream, operation->set, &operation->elements[i]);
		fprintf(stream, " of %s\n", operation->name);
	}
}

size_t plan_print(FILE *stream, const struct plan *plan, size_t most)
{
	size_t count = 0;
	for (size_t i = 0; i < plan->count; i++)
		for (size_t j = 0; j < plan->transactions[i].count; j++)
			print_operation(stream, &plan->transactions[i].operations[j], most, &count);
	if (count > most)
		fprintf(stream, "  and %zu more\n", count - most);
	return count;
}
