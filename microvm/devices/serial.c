/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/serial.h"

#include <linux/serial_reg.h>
#include <sys/types.h>
#include <unistd.h>

void serial_init(struct serial *serial, int output_fd, int interrupt_fd)
{
	*serial = (struct serial){ .output_fd = output_fd,
		.interrupt_fd = interrupt_fd,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.divisor = { 1, 0 } };
}

static void transmitter_empty(struct serial *serial)
{
	uint64_t one = 1;

	serial->transmitter_pending = true;
	if (serial->interrupt_enable & UART_IER_THRI)
		(void)!write(serial->interrupt_fd, &one, sizeof(one));
}

static uint8_t identify_interrupt(struct serial *serial)
{
	uint8_t fifo_bits = serial->fifo ? 0xc0 : 0;

	if (!serial->transmitter_pending || !(serial->interrupt_enable & UART_IER_THRI))
		return fifo_bits | UART_IIR_NO_INT;
	serial->transmitter_pending = false;
	return fifo_bits | UART_IIR_THRI;
}

/* In loopback the outputs of the modem control register come back as its inputs, by which drivers test the port. */
static uint8_t modem_status(const struct serial *serial)
{
	uint8_t control = serial->modem_control, status = 0;

	if (!(control & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	if (control & UART_MCR_RTS)
		status |= UART_MSR_CTS;
	if (control & UART_MCR_DTR)
		status |= UART_MSR_DSR;
	if (control & UART_MCR_OUT1)
		status |= UART_MSR_RI;
	if (control & UART_MCR_OUT2)
		status |= UART_MSR_DCD;
	return status;
}

static uint8_t read_locked(struct serial *serial, unsigned offset)
{
	bool divisor = serial->line_control & UART_LCR_DLAB;

	switch (offset) {
	case UART_RX:
		return divisor ? serial->divisor[0] : 0;
	case UART_IER:
		return divisor ? serial->divisor[1] : serial->interrupt_enable;
	case UART_IIR:
		return identify_interrupt(serial);
	case UART_LCR:
		return serial->line_control;
	case UART_MCR:
		return serial->modem_control;
	case UART_LSR:
		return UART_LSR_THRE | UART_LSR_TEMT;
	case UART_MSR:
		return modem_status(serial);
	default:
		return serial->scratch;
	}
}

static void write_locked(struct serial *serial, unsigned offset, uint8_t value)
{
	bool divisor = serial->line_control & UART_LCR_DLAB;

	switch (offset) {
	case UART_TX:
		if (divisor) {
			serial->divisor[0] = value;
			return;
		}
		if (!(serial->modem_control & UART_MCR_LOOP))
			(void)!write(serial->output_fd, &value, 1);
		transmitter_empty(serial);
		break;
	case UART_IER:
		if (divisor) {
			serial->divisor[1] = value;
			return;
		}
		serial->interrupt_enable = value & 0xf;
		if (value & UART_IER_THRI)
			transmitter_empty(serial);
		break;
	case UART_FCR:
		serial->fifo = value & UART_FCR_ENABLE_FIFO;
		break;
	case UART_LCR:
		serial->line_control = value;
		break;
	case UART_MCR:
		serial->modem_control = value & 0x1f;
		break;
	case UART_SCR:
		serial->scratch = value;
		break;
	default:
		break;
	}
}

uint8_t serial_read(struct serial *serial, unsigned offset)
{
	uint8_t value;

	pthread_mutex_lock(&serial->lock);
	value = read_locked(serial, offset);
	pthread_mutex_unlock(&serial->lock);
	return value;
}

void serial_write(struct serial *serial, unsigned offset, uint8_t value)
{
	pthread_mutex_lock(&serial->lock);
	write_locked(serial, offset, value);
	pthread_mutex_unlock(&serial->lock);
}
