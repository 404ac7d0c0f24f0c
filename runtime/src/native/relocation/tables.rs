//! The types of relocation that position-independent kernels have.
//!
//! "System V Application Binary Interface, AMD64 Architecture Processor
//! Supplement", section 4.4, and "ELF for the Arm 64-bit Architecture", section 5.7.

use object::elf::*;

use super::Field::{Branch, Bytes4, Bytes8, Offset, Page};
use super::Value::{Address, Distance, PageDistance, PageOffset};
use super::{Field, Relocation, Value};

/// A relocation that refers to a symbol.
const fn direct(kind: RelocationType, value: Value, field: Field) -> Relocation {
    Relocation { kind, through_slot: false, value, field }
}

/// A relocation that refers to the slot that holds a symbol's address.
const fn by_slot(kind: RelocationType, value: Value, field: Field) -> Relocation {
    Relocation { kind, through_slot: true, value, field }
}

/// The relaxable forms are treated as the plain one.
pub(super) const X86_64: [Relocation; 7] = [
    direct(R_X86_64_64, Address, Bytes8),
    direct(R_X86_64_PC64, Distance, Bytes8),
    direct(R_X86_64_PC32, Distance, Bytes4),
    direct(R_X86_64_PLT32, Distance, Bytes4),
    by_slot(R_X86_64_GOTPCREL, Distance, Bytes4),
    by_slot(R_X86_64_GOTPCRELX, Distance, Bytes4),
    by_slot(R_X86_64_REX_GOTPCRELX, Distance, Bytes4),
];

pub(super) const AARCH64: [Relocation; 14] = [
    direct(R_AARCH64_ABS64, Address, Bytes8),
    direct(R_AARCH64_PREL64, Distance, Bytes8),
    direct(R_AARCH64_PREL32, Distance, Bytes4),
    direct(R_AARCH64_CALL26, Distance, Branch),
    direct(R_AARCH64_JUMP26, Distance, Branch),
    direct(R_AARCH64_ADR_PREL_PG_HI21, PageDistance, Page),
    direct(R_AARCH64_ADD_ABS_LO12_NC, PageOffset, Offset(1)),
    direct(R_AARCH64_LDST8_ABS_LO12_NC, PageOffset, Offset(1)),
    direct(R_AARCH64_LDST16_ABS_LO12_NC, PageOffset, Offset(2)),
    direct(R_AARCH64_LDST32_ABS_LO12_NC, PageOffset, Offset(4)),
    direct(R_AARCH64_LDST64_ABS_LO12_NC, PageOffset, Offset(8)),
    direct(R_AARCH64_LDST128_ABS_LO12_NC, PageOffset, Offset(16)),
    by_slot(R_AARCH64_ADR_GOT_PAGE, PageDistance, Page),
    by_slot(R_AARCH64_LD64_GOT_LO12_NC, PageOffset, Offset(8)),
];
