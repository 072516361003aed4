/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host may ask about the container: enum guest_question.
 */
#ifndef DUET_MICROVM_GUEST_QUESTIONS_H
#define DUET_MICROVM_GUEST_QUESTIONS_H

#include "microvm/guest/init/init.h"

/* Reads a question and sends the answer, a failure too. -EPROTO: it was none. */
int question_answer(struct init *init, struct wire_reader *in, struct error *err);

#endif
