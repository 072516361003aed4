/* SPDX-License-Identifier: Apache-2.0 */
/* A guest kernel whose first instruction ends the machine, entered by Linux's 64-bit boot protocol or by PVH (QEMU's way): without an
 * interrupt table every fault becomes a triple fault. */
	.globl _start
_start:
	ud2

	.code32
pvh_start:
	lidt no_interrupts
	ud2
no_interrupts:
	.word 0
	.long 0

	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.section .note.Xen, "a", @note
	.balign 4
	.long 4, 4, 18
	.asciz "Xen"
	.long pvh_start
	.section .note.GNU-stack, "", @progbits
