// The virtual PC's devices that a guest cannot find by itself. Compiled by mk/acpi.mk, handed out by dev/acpi.c.
#include "pc_map.h"

DefinitionBlock ("dsdt.aml", "DSDT", 2, "GOBLIN", "GOBLINPC", 1)
{
    Name (\_S5, Package () { PC_SLEEP_TYPE_S5, PC_SLEEP_TYPE_S5, 0, 0 })

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Name (_UID, Zero)
            Name (_SEG, Zero)
            Name (_BBN, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
                IO (Decode16, 0xCF8, 0xCF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0, PC_IO_WINDOW, PC_IO_WINDOW_LAST, 0, PC_IO_WINDOW_SIZE)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, PC_WINDOW_BASE, PC_WINDOW_LAST, 0, PC_WINDOW_SIZE)
            })
            // The guest may have control of every PCI Express feature it asks for.
            Method (_OSC, 4)
            {
                Return (Arg3)
            }
        }

        // What PCI must not hand out: configuration space and our own ports.
        Device (RES0)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_UID, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadOnly, PC_ECAM_BASE, PC_ECAM_SIZE)
                IO (Decode16, PC_SLEEP_PORT, PC_SLEEP_PORT, 1, 3)
            })
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, PC_COM1_PORT, PC_COM1_PORT, 1, 8)
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { PC_COM1_GSI }
            })
        }

        Device (PEVT)
        {
            Name (_HID, "QEMU0001") // pvpanic
            Name (_STA, 0x0F)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, PC_PVPANIC_PORT, PC_PVPANIC_PORT, 1, 1)
            })
        }

        Device (PWRB)
        {
            Name (_HID, EisaId ("PNP0C0C"))
            Name (_UID, Zero)
        }

        // Without fixed ACPI hardware, events come through a generic event device: an interrupt, and a port that says why.
        Device (GED)
        {
            Name (_HID, "ACPI0013")
            Name (_UID, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { PC_EVENT_GSI }
            })
            OperationRegion (EVTR, SystemIO, PC_EVENT_PORT, 1)
            Field (EVTR, ByteAcc, NoLock, WriteAsZeros)
            {
                EVTS, 8
            }
            Method (_EVT, 1, Serialized)
            {
                Local0 = EVTS
                If (Local0 & PC_EVENT_POWER_BUTTON)
                {
                    Notify (PWRB, 0x80)
                }
            }
        }
    }
}
