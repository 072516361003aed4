/* SPDX-License-Identifier: Apache-2.0 */
/* A guest kernel that does nothing but crash the machine: without an interrupt table every fault becomes a triple fault. */
	.globl _start
_start:
	ud2
	.section .note.GNU-stack, "", @progbits
