/* Puts the page into the program. The Makefile makes it first, and remakes this object when it changes. */
#include "compiler/page/page.h"

__asm__(".section .rodata\n"
	".global page_start\n"
	".global page_end\n"
	"page_start:\n"
	".incbin \"build/page/page.html\"\n"
	"page_end:\n"
	".byte 0\n"
	".previous\n");
