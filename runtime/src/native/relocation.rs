//! Relocations: the addresses that an object file leaves open, and how they are filled in.

mod tables;

use object::{Architecture, elf};

use super::object::ObjectError;

/// One place to fill in, all addresses final.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch {
    /// The address that the relocation refers to: a symbol's, or that of the slot in the offset
    /// table that holds it.
    pub target: u64,
    /// The constant to add.
    pub addend: i64,
    /// The address of the place.
    pub place: u64,
}

/// A type of relocation: the value filled in, and its field.
#[derive(Debug, Clone, Copy)]
struct Relocation {
    kind: elf::RelocationType,
    /// True if it refers to a slot that holds the symbol's address instead of the symbol.
    through_slot: bool,
    value: Value,
    field: Field,
}

/// The value filled in.
#[derive(Debug, Clone, Copy)]
enum Value {
    Address,
    /// From the place to the address.
    Distance,
    /// From the place's page of 4096 bytes to the address's.
    PageDistance,
    /// The address within its page.
    PageOffset,
}

/// The field that takes a value. An AArch64 instruction has a field for a value without the low
/// bits that are always 0.
#[derive(Debug, Clone, Copy)]
enum Field {
    Bytes8,
    Bytes4,
    /// Of a branch: 26 bits for a number of instructions.
    Branch,
    /// Of `adrp`: 21 bits, in two parts, for a number of pages.
    Page,
    /// Of an addition, a load or a store: 12 bits for a number of units of this many bytes.
    Offset(u64),
}

/// The types of relocation of one architecture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relocations(&'static [Relocation]);

impl Relocations {
    /// The relocations of an architecture that kernels are compiled for.
    pub(super) fn of(architecture: Architecture) -> Option<Self> {
        match architecture {
            Architecture::X86_64 => Some(Self(&tables::X86_64)),
            Architecture::Aarch64 => Some(Self(&tables::AARCH64)),
            _ => None,
        }
    }

    fn find(self, kind: elf::RelocationType) -> Option<Relocation> {
        self.0.iter().find(|relocation| relocation.kind == kind).copied()
    }

    /// Returns whether the relocation refers to a slot that holds the symbol's address instead
    /// of the symbol.
    pub(super) fn needs_slot(self, kind: elf::RelocationType) -> bool {
        self.find(kind).is_some_and(|relocation| relocation.through_slot)
    }

    /// Writes the patch into `bytes`, which start at the place and end with its
    /// section. `symbol` is for messages.
    pub(super) fn apply(
        self,
        kind: elf::RelocationType,
        patch: Patch,
        bytes: &mut [u8],
        symbol: &str,
    ) -> Result<(), ObjectError> {
        let unknown = || ObjectError::Relocation { kind: kind.0, symbol: symbol.to_owned() };
        let relocation = self.find(kind).ok_or_else(unknown)?;
        let value = patch.value(relocation.value);
        match relocation.field {
            Field::Bytes8 => write(bytes, value.to_le_bytes()),
            Field::Bytes4 => {
                let value = i32::try_from(value).map_err(|_| ObjectError::TooFar(symbol.to_owned()))?;
                write(bytes, value.to_le_bytes())
            }
            Field::Branch => set_bits(bytes, &[(0, units(value, 4, 26, symbol)?, 26)]),
            Field::Page => {
                let pages = units(value, PAGE, 21, symbol)?;
                set_bits(bytes, &[(29, pages, 2), (5, pages >> 2, 19)])
            }
            Field::Offset(unit) => set_bits(bytes, &[(10, units(value, unit, 13, symbol)?, 12)]),
        }
    }
}

const PAGE: u64 = 4096;

impl Patch {
    fn value(self, value: Value) -> i64 {
        let address = self.target.wrapping_add_signed(self.addend);
        let value = match value {
            Value::Address => address,
            Value::Distance => address.wrapping_sub(self.place),
            Value::PageDistance => (address & !(PAGE - 1)).wrapping_sub(self.place & !(PAGE - 1)),
            Value::PageOffset => address & (PAGE - 1),
        };
        value.cast_signed()
    }
}

/// `value` as a number of units that fits `bits` bits with its sign.
fn units(value: i64, unit: u64, bits: u32, symbol: &str) -> Result<u32, ObjectError> {
    if !value.cast_unsigned().is_multiple_of(unit) {
        return Err(ObjectError::Malformed("a relocation's address is not aligned"));
    }
    let count = value / unit.cast_signed();
    let limit = 1 << (bits - 1);
    match (-limit..limit).contains(&count) {
        // The low bits of a negative number are those of the field.
        true => Ok(count.cast_unsigned() as u32),
        false => Err(ObjectError::TooFar(symbol.to_owned())),
    }
}

/// Sets fields of an instruction, each given by its first bit, value and number of bits.
fn set_bits(bytes: &mut [u8], fields: &[(u32, u32, u32)]) -> Result<(), ObjectError> {
    let word = bytes.first_chunk().copied().ok_or(OUTSIDE)?;
    let set = |word: u32, &(first, value, count): &(u32, u32, u32)| {
        let mask = (1 << count) - 1;
        word & !(mask << first) | (value & mask) << first
    };
    write(bytes, fields.iter().fold(u32::from_le_bytes(word), set).to_le_bytes())
}

const OUTSIDE: ObjectError = ObjectError::Malformed("a relocation lies outside its section");

fn write<const N: usize>(bytes: &mut [u8], value: [u8; N]) -> Result<(), ObjectError> {
    *bytes.first_chunk_mut().ok_or(OUTSIDE)? = value;
    Ok(())
}

#[cfg(test)]
mod tests;
