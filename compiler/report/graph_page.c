/* A graph as one HTML page: the page that the build made (compiler/page), with the graph in its middle.
 *
 * The graph stands in a script element that is data. Only `<` could end it; `>` and `&` are written alike for readers
 * that are not careful. JSON has them nowhere but in strings, where \u003c is the same. */
#include "compiler/page/page.h"
#include "compiler/report/graph_report.h"

#include <string.h>

static int write_escaped(const char *text, size_t length, void *stream)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '<' || text[i] == '>' || text[i] == '&')
			fprintf(stream, "\\u%04x", (unsigned)text[i]);
		else
			putc(text[i], stream);
	}
	return 0;
}

void graph_print_html(FILE *stream, const void *report)
{
	static const char mark[] = "@GRAPH@";
	size_t size = (size_t)(page_end - page_start);
	const char *at = memmem(page_start, size, mark, strlen(mark));
	json_t *root = graph_json(report);
	fwrite(page_start, 1, (size_t)(at - page_start), stream);
	json_dump_callback(root, write_escaped, stream, JSON_COMPACT);
	fwrite(at + strlen(mark), 1, (size_t)(page_end - at) - strlen(mark), stream);
	json_decref(root);
}
