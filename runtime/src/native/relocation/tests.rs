use super::*;

const PATCH: Patch = Patch { target: 0x1_0000_1000, addend: -4, place: 0x1_0000_2000 };

fn apply(
    architecture: Architecture,
    kind: elf::RelocationType,
    patch: Patch,
    bytes: &mut [u8],
) -> Result<(), ObjectError> {
    Relocations::of(architecture).unwrap().apply(kind, patch, bytes, "f")
}

#[test]
fn x86_64_values_are_those_of_the_psabi() {
    let mut bytes = [0; 8];
    let mut apply = |kind| {
        apply(Architecture::X86_64, kind, PATCH, &mut bytes).unwrap();
        i64::from_le_bytes(bytes)
    };
    assert_eq!(apply(elf::R_X86_64_PC32), 0xffff_effc);
    assert_eq!(apply(elf::R_X86_64_64), 0x1_0000_0ffc);
    assert_eq!(apply(elf::R_X86_64_PC64), -0x1004);
}

/// Instructions as an assembler spells them, at 0x1_0000_2000, that refer to `target`.
#[test]
fn aarch64_instructions_refer_to_their_target() {
    let target = 0x1_2345_6780;
    let cases = [
        // bl, b
        (elf::R_AARCH64_CALL26, 0x1_0000_1000, 0x9400_0000, 0x97ff_fc00),
        (elf::R_AARCH64_JUMP26, 0x1_0000_2010, 0x1400_0000, 0x1400_0004),
        // adrp x11
        (elf::R_AARCH64_ADR_PREL_PG_HI21, target, 0x9000_000b, 0x9011_a2ab),
        (elf::R_AARCH64_ADR_PREL_PG_HI21, 0x1_0000_1fff, 0x9000_000b, 0xf0ff_ffeb),
        (elf::R_AARCH64_ADR_GOT_PAGE, target, 0x9000_000b, 0x9011_a2ab),
        // add x11, x11
        (elf::R_AARCH64_ADD_ABS_LO12_NC, target, 0x9100_016b, 0x911e_016b),
        // ldrb w8, ldr h8, s8, d8, q8 and x8, all [x11]
        (elf::R_AARCH64_LDST8_ABS_LO12_NC, target, 0x3940_0168, 0x395e_0168),
        (elf::R_AARCH64_LDST16_ABS_LO12_NC, target, 0x7d40_0168, 0x7d4f_0168),
        (elf::R_AARCH64_LDST32_ABS_LO12_NC, target, 0xbd40_0168, 0xbd47_8168),
        (elf::R_AARCH64_LDST64_ABS_LO12_NC, target, 0xfd40_0168, 0xfd43_c168),
        (elf::R_AARCH64_LDST128_ABS_LO12_NC, target, 0x3dc0_0168, 0x3dc1_e168),
        (elf::R_AARCH64_LD64_GOT_LO12_NC, target, 0xf940_0168, 0xf943_c168),
    ];
    for (kind, target, before, after) in cases {
        let patch = Patch { target, addend: 0, place: 0x1_0000_2000 };
        let mut bytes = u32::to_le_bytes(before);
        apply(Architecture::Aarch64, kind, patch, &mut bytes).unwrap();
        assert_eq!(u32::from_le_bytes(bytes), after, "{kind:?}: {:#x}", u32::from_le_bytes(bytes));
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let far = Patch { place: 0x2_0000_0000, ..PATCH };
    let x86 = |kind, patch, bytes: &mut [u8]| apply(Architecture::X86_64, kind, patch, bytes).unwrap_err();
    assert_eq!(x86(elf::R_X86_64_PLT32, far, &mut [0; 4]), ObjectError::TooFar("f".into()));
    assert!(matches!(x86(elf::R_X86_64_PC32, PATCH, &mut [0; 3]), ObjectError::Malformed(_)));
    assert_eq!(
        x86(elf::R_X86_64_TPOFF32, PATCH, &mut [0; 4]).to_string(),
        "relocation type 23 of `f` is not supported: compile position-independent code"
    );

    let arm = |kind, patch| apply(Architecture::Aarch64, kind, patch, &mut [0; 4]).unwrap_err();
    let distance = |distance| Patch { target: PATCH.place + distance, addend: 0, ..PATCH };
    assert_eq!(arm(elf::R_AARCH64_CALL26, distance(1 << 27)), ObjectError::TooFar("f".into()));
    let pages = elf::R_AARCH64_ADR_PREL_PG_HI21;
    assert_eq!(arm(pages, distance(1 << 32)), ObjectError::TooFar("f".into()));
    let unaligned = [(elf::R_AARCH64_CALL26, 2), (elf::R_AARCH64_LDST128_ABS_LO12_NC, 8)];
    for (kind, bytes) in unaligned {
        assert!(matches!(arm(kind, distance(bytes)), ObjectError::Malformed(_)));
    }
    assert!(matches!(arm(elf::R_X86_64_PLT32, PATCH), ObjectError::Relocation { kind: 4, .. }));
}
