/* SPDX-License-Identifier: Apache-2.0 */
/* A guest kernel that never comes up and never ends. */
	.globl _start
_start:
	cli
	hlt
	jmp _start
	.section .note.GNU-stack, "", @progbits
