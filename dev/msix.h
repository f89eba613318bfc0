#pragma once
/* For dev/pci.c: what configuration space has to tell MSI-X. Devices use pci_msix_add() and pci_msix_raise() in
 * dev/pci.h. */
struct pci_dev;

/* The command register or the capability's control word may have changed. */
void msix_update(struct pci_dev *);
