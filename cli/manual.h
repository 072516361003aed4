/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the manual page that comes from the table of commands: the sections COMMANDS and GLOBAL OPTIONS of
 * duet(1), in man(7). The rest of the page is docs/duet.1.
 */
#ifndef DUET_CLI_MANUAL_H
#define DUET_CLI_MANUAL_H

#include "base/strbuf.h"

void manual_print(struct strbuf *out);

#endif
