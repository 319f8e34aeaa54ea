/* The page of `ringfence graph`, as build/page/page.html has it, with the mark @GRAPH@ once where the data goes. */
#ifndef COMPILER_PAGE_PAGE_H
#define COMPILER_PAGE_PAGE_H

extern const char page_start[], page_end[];

#endif
