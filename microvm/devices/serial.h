/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transmitting half of a 16550A serial port: what the guest's kernel prints goes to a descriptor. Nothing is ever
 * received.
 */
#ifndef DUET_MICROVM_DEVICES_SERIAL_H
#define DUET_MICROVM_DEVICES_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SERIAL_PORTS 8

struct serial {
	int output_fd;    /* the caller's; output that it does not take at once is lost */
	int interrupt_fd; /* eventfd, the caller's: pulses the interrupt line */
	pthread_mutex_t lock;
	uint8_t interrupt_enable, line_control, modem_control, scratch, divisor[2];
	bool fifo, transmitter_pending; /* the "transmitter empty" interrupt has not been read yet */
};

void serial_init(struct serial *serial, int output_fd, int interrupt_fd);

/* One byte from or to register `offset` (0 to SERIAL_PORTS - 1), from any thread. */
uint8_t serial_read(struct serial *serial, unsigned offset);
void serial_write(struct serial *serial, unsigned offset, uint8_t value);

#endif
