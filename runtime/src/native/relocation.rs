//! x86-64 relocations: filling in the addresses that an object file leaves open.

use object::elf;

use super::object::ObjectError;

/// One place to fill in, all addresses final.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patch {
    /// What the relocation refers to: a symbol's address, or that of the slot
    /// in the offset table that holds it.
    pub target: u64,
    /// The constant to add.
    pub addend: i64,
    /// The address of the place.
    pub place: u64,
}

impl Patch {
    fn absolute(self) -> u64 {
        self.target.wrapping_add_signed(self.addend)
    }

    fn relative(self) -> i64 {
        self.absolute().wrapping_sub(self.place) as i64
    }
}

/// Whether the relocation refers to a slot that holds the symbol's address
/// instead of the symbol. The relaxable forms may be treated as the plain one.
pub(super) fn needs_offset_table(kind: elf::RelocationType) -> bool {
    matches!(kind, elf::R_X86_64_GOTPCREL | elf::R_X86_64_GOTPCRELX | elf::R_X86_64_REX_GOTPCRELX)
}

/// Writes the patch into `bytes`, which start at the place and end with its
/// section. `symbol` is for messages.
pub(super) fn apply(
    kind: elf::RelocationType,
    patch: Patch,
    bytes: &mut [u8],
    symbol: &str,
) -> Result<(), ObjectError> {
    match kind {
        elf::R_X86_64_NONE => Ok(()),
        elf::R_X86_64_64 => write(bytes, &patch.absolute().to_le_bytes()),
        elf::R_X86_64_PC64 => write(bytes, &patch.relative().to_le_bytes()),
        elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => write(bytes, &near(patch, symbol)?),
        kind if needs_offset_table(kind) => write(bytes, &near(patch, symbol)?),
        kind => Err(ObjectError::Relocation { kind: kind.0, symbol: symbol.to_owned() }),
    }
}

fn near(patch: Patch, symbol: &str) -> Result<[u8; 4], ObjectError> {
    match i32::try_from(patch.relative()) {
        Ok(distance) => Ok(distance.to_le_bytes()),
        Err(_) => Err(ObjectError::TooFar(symbol.to_owned())),
    }
}

fn write(bytes: &mut [u8], value: &[u8]) -> Result<(), ObjectError> {
    let place = bytes.get_mut(..value.len());
    place.ok_or(ObjectError::Malformed("a relocation lies outside its section"))?.copy_from_slice(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: Patch = Patch { target: 0x1_0000_1000, addend: -4, place: 0x1_0000_2000 };

    #[test]
    fn values_are_those_of_the_psabi() {
        let mut bytes = [0; 8];
        apply(elf::R_X86_64_PC32, PATCH, &mut bytes, "f").unwrap();
        assert_eq!(i32::from_le_bytes(bytes[..4].try_into().unwrap()), -0x1004);
        assert_eq!(bytes[4..], [0; 4]);
        apply(elf::R_X86_64_64, PATCH, &mut bytes, "f").unwrap();
        assert_eq!(u64::from_le_bytes(bytes), 0x1_0000_0ffc);
        apply(elf::R_X86_64_PC64, PATCH, &mut bytes, "f").unwrap();
        assert_eq!(i64::from_le_bytes(bytes), -0x1004);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let far = Patch { place: 0x2_0000_0000, ..PATCH };
        let error = |kind, patch, bytes: &mut [u8]| apply(kind, patch, bytes, "f").unwrap_err();
        assert_eq!(error(elf::R_X86_64_PLT32, far, &mut [0; 4]), ObjectError::TooFar("f".into()));
        assert!(matches!(error(elf::R_X86_64_PC32, PATCH, &mut [0; 3]), ObjectError::Malformed(_)));
        assert_eq!(
            error(elf::R_X86_64_TPOFF32, PATCH, &mut [0; 4]).to_string(),
            "relocation type 23 of `f` is not supported: compile position-independent code"
        );
    }
}
