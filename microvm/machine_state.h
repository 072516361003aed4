/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a stopped machine's processors and interrupt controllers as bytes, and back into a new machine of the
 * same make (Linux Documentation/virt/kvm/api.rst, KVM_GET_* and KVM_SET_*). Memory and devices are not in it.
 */
#ifndef DUET_MICROVM_MACHINE_STATE_H
#define DUET_MICROVM_MACHINE_STATE_H

#include "base/wire.h"
#include "microvm/kvm.h"
#include "microvm/vcpu.h"

/* Of a vCPU outside of KVM_RUN. A negative errno names the call that failed. */
int vcpu_state_save(struct vcpu *vcpu, const struct kvm_machine *machine, struct strbuf *out, struct error *err);
/* Into a vCPU that vcpu_create() has made and that has not run. -EINVAL: not a state, or of another processor. */
int vcpu_state_restore(struct vcpu *vcpu, const struct kvm_machine *machine, struct wire_reader *in, struct error *err);

/* Interrupt controllers, timer and clock. */
int machine_state_save(const struct kvm_machine *machine, struct strbuf *out, struct error *err);
int machine_state_restore(const struct kvm_machine *machine, struct wire_reader *in, struct error *err);

#endif
