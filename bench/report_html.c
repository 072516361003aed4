/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report_html.h"

#include <stdbool.h>
#include <string.h>

/* On a narrow screen each row of a table is a card whose cells name their columns. */
static const char style[] =
	":root{color-scheme:light dark;--ink:#1c2329;--faint:#5c6770;--ground:#fff;--card:#f4f6f8;--line:#d5dbe0;"
	"--good:#1f7a45;--bad:#b3402e;--other:#25699f}\n"
	"@media "
	"(prefers-color-scheme:dark){:root{--ink:#e4e9ed;--faint:#9aa6b0;--ground:#14191d;--card:#1d2429;--line:#"
	"364149;"
	"--good:#6cc792;--bad:#f08c7a;--other:#7ab8e8}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;max-width:72rem;padding:1rem;font:16px/1.45 system-ui,sans-serif;color:var(--ink);"
	"background:var(--ground)}\n"
	"h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid "
	"var(--line)}\n"
	"h3{font-size:1rem;margin:1.2rem 0 .3rem}\n"
	"p{margin:.4rem 0}.facts,.verdict,.note{color:var(--faint)}.note{border-left:.25rem solid "
	"var(--line);padding-left:.6rem}\n"
	".warn{border-left:.25rem solid var(--bad);padding-left:.6rem}\n"
	"table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
	"th,td{text-align:left;vertical-align:top;padding:.3rem .5rem;border-bottom:1px solid var(--line);"
	"overflow-wrap:anywhere}\n"
	"thead th{position:sticky;top:0;background:var(--ground)}\n"
	".number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
	"tbody "
	"th{overflow-wrap:normal;min-width:7rem}small,.why{color:var(--faint);font-size:.82rem}td.why{text-align:right}"
	"\n"
	".refused,.own,.absent{color:var(--good)}.done,.shared{color:var(--bad)}.inside{color:var(--other)}\n"
	"figure{margin:1rem 0;max-width:40rem}figure svg{display:block;width:100%;height:auto}\n"
	"figcaption{color:var(--faint);font-size:.9rem}\n"
	".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 2rem}\n"
	"@media screen and (max-width:46rem){thead{display:none}table,tbody,tr,td,th{display:block;width:100%}\n"
	"tr{background:var(--card);border:1px solid var(--line);border-radius:.4rem;margin:.6rem 0;padding:.3rem "
	".2rem}\n"
	"td,th{border:0;padding:.15rem .5rem}td.number,td.why{text-align:left}\n"
	"td[data-label]::before{content:attr(data-label) \": \";color:var(--faint)}}\n"
	"@media "
	"print{:root{--ink:#000;--faint:#444;--ground:#fff;--card:#fff;--line:#bbb;--good:#14532d;--bad:#7f1d1d}\n"
	"body{max-width:none;padding:0;font-size:10pt}thead "
	"th{position:static}tr,figure{break-inside:avoid}h2,h3{break-after:avoid}}\n";

/* The length of the UTF-8 sequence that begins here (RFC 3629); 0: none does. */
static size_t sequence(const unsigned char *text)
{
	size_t length = text[0] < 0x80   ? 1
			: text[0] < 0xc2 ? 0
			: text[0] < 0xe0 ? 2
			: text[0] < 0xf0 ? 3
			: text[0] < 0xf5 ? 4
					 : 0;

	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Overlong forms, surrogates, what lies above U+10FFFF, and the two that XML has not. */
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
		(text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f) ||
		(text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe))
		return 0;
	return length;
}

static bool is_control(const unsigned char *text, size_t length)
{
	return (length == 1 && (text[0] < 0x20 || text[0] == 0x7f)) ||
	       (length == 2 && text[0] == 0xc2 && text[1] < 0xa0);
}

void html_escape(struct strbuf *html, const char *text)
{
	static const char special[] = "&<>\"'";
	static const char *const entities[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };

	while (*text) {
		size_t length = sequence((const unsigned char *)text);
		const char *found = strchr(special, *text);

		if (found)
			strbuf_string(html, entities[found - special]);
		else if (length == 0 || is_control((const unsigned char *)text, length))
			strbuf_string(html, "?");
		else
			strbuf_append(html, text, length);
		text += length ? length : 1;
	}
}

void html_element(struct strbuf *html, const char *tag, const char *class, const char *text)
{
	strbuf_printf(html, "<%s", tag);
	if (class)
		strbuf_printf(html, " class=\"%s\"", class);
	strbuf_string(html, ">");
	html_escape(html, text);
	strbuf_printf(html, "</%s>\n", tag);
}

void html_begin(struct strbuf *html, const char *title, const char *facts)
{
	strbuf_string(html, "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta "
			    "charset=\"utf-8\"/>\n"
			    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
			    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
			    "'unsafe-inline'\"/>\n");
	html_element(html, "title", NULL, title);
	strbuf_printf(html, "<style>\n%s</style>\n</head>\n<body>\n", style);
	html_element(html, "h1", NULL, title);
	html_element(html, "p", "facts", facts);
}

void html_end(struct strbuf *html)
{
	strbuf_string(html, "</body>\n</html>\n");
}
