/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a report: one file without scripts that refers to nothing outside of itself, and is well-formed XML as
 * well. Everything that was measured, or that a guest or a bundle can name, comes through html_escape().
 */
#ifndef DUET_BENCH_REPORT_HTML_H
#define DUET_BENCH_REPORT_HTML_H

#include "base/strbuf.h"

/* Text between tags or in attributes: & < > " ' become entities, control characters and bytes that are not UTF-8 a
 * question mark. */
void html_escape(struct strbuf *html, const char *text);
/* <tag>text</tag>; class NULL: none. */
void html_element(struct strbuf *html, const char *tag, const char *class, const char *text);

/* Everything before the first section: head, title, one line of facts. */
void html_begin(struct strbuf *html, const char *title, const char *facts);
void html_end(struct strbuf *html);

#endif
