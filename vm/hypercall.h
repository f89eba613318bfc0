#pragma once
/* Calls a guest's kernel makes on purpose: KVM's, as Linux knows them (Documentation/virt/kvm/x86/hypercalls.rst).
 * Number in RAX, arguments in RBX, RCX, RDX, RSI; result in RAX. RIP has been advanced. */
struct vcpu;

void hypercall_exit(struct vcpu *);
