//! Loading of a relocatable object file into executable memory.
//!
//! The compiler's output is one small object that refers to nothing but itself, so there is no
//! linker to call. Its code and constants are copied next to each other and its relocations
//! filled in. Only then is the memory made executable and no longer writable.

use std::collections::HashMap;

use memmap2::{Mmap, MmapMut};
use object::read::elf::ElfFile64;
use object::{
    Architecture, LittleEndian, Object, ObjectKind, ObjectSection, ObjectSymbol, RelocationFlags,
    RelocationTarget, SectionIndex, SectionKind, SymbolIndex, SymbolSection, elf,
};

use super::relocation::{Patch, Relocations};

type Elf<'a> = ElfFile64<'a, LittleEndian>;

/// The largest alignment of a section. Ours need no more than a vector's; a mapping starts at a
/// page, so more cannot be had.
const LARGEST_ALIGNMENT: u64 = 4096;

/// Bytes of a slot in the table of symbol addresses.
const SLOT: usize = size_of::<u64>();

/// Reason why an object file could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The bytes are not a well-formed object file.
    #[error("not a 64-bit ELF object file: {0}")]
    Parse(String),
    /// A part of the object makes no sense.
    #[error("malformed object file: {0}")]
    Malformed(&'static str),
    /// The object is for another processor than this one.
    #[error("the object is for {object}, this machine is {machine}")]
    Architecture {
        /// The processor that the object is for.
        object: String,
        /// The processor that this crate was built for.
        machine: &'static str,
    },
    /// A section with variables or thread-local data.
    #[error("section `{0}` is writable: kernels keep no state of their own")]
    WritableSection(String),
    /// The object refers to a function or constant that it does not contain.
    #[error("unresolved symbol `{0}`: kernels may not call outside their object")]
    Unresolved(String),
    /// A relocation that position-independent kernels do not need.
    #[error("relocation type {kind} of `{symbol}` is not supported: compile position-independent code")]
    Relocation {
        /// The ELF number of the relocation type.
        kind: u32,
        /// The symbol referred to.
        symbol: String,
    },
    /// A relative address does not fit 32 bits.
    #[error("`{0}` is too far from its use")]
    TooFar(String),
    /// The object does not define this function.
    #[error("the object does not define function `{0}`")]
    NoFunction(String),
    /// The operating system refused memory, or to make it executable.
    #[error("no executable memory: {0}")]
    Memory(String),
}

impl From<object::Error> for ObjectError {
    fn from(error: object::Error) -> Self {
        Self::Parse(error.to_string())
    }
}

/// The functions of an object file, callable for as long as this lives.
#[derive(Debug)]
pub struct NativeObject {
    code: Mmap,
    functions: HashMap<String, usize>,
}

impl NativeObject {
    /// Loads a relocatable object file. Nothing in it runs yet.
    ///
    /// # Errors
    /// If it is malformed, for another processor, or needs something outside itself, or if
    /// memory cannot be had.
    pub fn load(bytes: &[u8]) -> Result<Self, ObjectError> {
        let file = Elf::parse(bytes)?;
        let plan = Plan::new(&file, check_target(&file)?)?;
        let mut memory = MmapMut::map_anon(plan.length).map_err(memory_error)?;
        plan.copy_sections(&file, &mut memory)?;
        plan.relocate(&file, &mut memory)?;
        let code = memory.make_exec().map_err(memory_error)?;
        make_visible(&code);
        Ok(Self { functions: plan.functions(&file)?, code })
    }

    /// The address of a function.
    ///
    /// # Errors
    /// If the object does not define it.
    pub fn function(&self, name: &str) -> Result<*const u8, ObjectError> {
        match self.functions.get(name) {
            Some(&offset) => Ok(self.code[offset..].as_ptr()),
            None => Err(ObjectError::NoFunction(name.to_owned())),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn memory_error(error: std::io::Error) -> ObjectError {
    ObjectError::Memory(error.to_string())
}

/// Returns the relocations that the object may have, if it is for this machine.
fn check_target(file: &Elf<'_>) -> Result<Relocations, ObjectError> {
    let machine = std::env::consts::ARCH;
    let object = architecture_name(file.architecture());
    let relocations = Relocations::of(file.architecture()).filter(|_| object == machine);
    let relocations = relocations.ok_or(ObjectError::Architecture { object, machine })?;
    match file.kind() {
        ObjectKind::Relocatable => Ok(relocations),
        _ => Err(ObjectError::Malformed("it is linked, expected a relocatable object")),
    }
}

/// The Rust name of an architecture.
fn architecture_name(architecture: Architecture) -> String {
    format!("{architecture:?}").to_lowercase()
}

/// Lets processors fetch instructions that were written as data. Those of x86-64 do so by
/// themselves.
#[cfg_attr(not(target_arch = "aarch64"), expect(unused_variables))]
fn make_visible(code: &[u8]) {
    #[cfg(target_arch = "aarch64")]
    {
        // From the run-time library of GCC or LLVM, one of which every program has.
        unsafe extern "C" {
            fn __clear_cache(begin: *const u8, end: *const u8);
        }
        let range = code.as_ptr_range();
        // SAFETY: it takes any mapped range, and writes nothing.
        unsafe { __clear_cache(range.start, range.end) };
    }
}

/// Layout of the mapping.
struct Plan {
    relocations: Relocations,
    /// Offsets of the sections that are loaded.
    sections: HashMap<SectionIndex, usize>,
    /// Offsets of the slots that hold symbols' addresses.
    slots: HashMap<SymbolIndex, usize>,
    length: usize,
}

impl Plan {
    fn new(file: &Elf<'_>, relocations: Relocations) -> Result<Self, ObjectError> {
        let mut plan = Self { relocations, sections: HashMap::new(), slots: HashMap::new(), length: 0 };
        for section in file.sections() {
            if is_loaded(&section)? {
                let offset = plan.reserve(section.size(), section.align())?;
                plan.sections.insert(section.index(), offset);
            }
        }
        if plan.length == 0 {
            return Err(ObjectError::Malformed("it holds no code"));
        }
        for symbol in plan.symbols_by_slot(file) {
            if !plan.slots.contains_key(&symbol) {
                let offset = plan.reserve(SLOT as u64, SLOT as u64)?;
                plan.slots.insert(symbol, offset);
            }
        }
        Ok(plan)
    }

    fn reserve(&mut self, size: u64, alignment: u64) -> Result<usize, ObjectError> {
        let too_large = ObjectError::Malformed("a section is too large or too strictly aligned");
        let alignment = alignment.max(1);
        if alignment > LARGEST_ALIGNMENT {
            return Err(too_large);
        }
        let offset = (self.length as u64).next_multiple_of(alignment);
        let end = offset.checked_add(size).filter(|&end| end <= 1 << 31);
        self.length = end.ok_or(too_large)? as usize;
        Ok(offset as usize)
    }

    /// Symbols that some relocation reads through a slot, in file order.
    fn symbols_by_slot(&self, file: &Elf<'_>) -> Vec<SymbolIndex> {
        let loaded = file.sections().filter(|section| self.sections.contains_key(&section.index()));
        loaded
            .flat_map(|section| section.relocations())
            .filter(|(_, relocation)| self.relocations.needs_slot(elf_kind(relocation.flags())))
            .filter_map(|(_, relocation)| match relocation.target() {
                RelocationTarget::Symbol(symbol) => Some(symbol),
                _ => None,
            })
            .collect()
    }

    fn copy_sections(&self, file: &Elf<'_>, memory: &mut [u8]) -> Result<(), ObjectError> {
        for (&index, &offset) in &self.sections {
            let data = file.section_by_index(index)?.data()?;
            memory[offset..offset + data.len()].copy_from_slice(data);
        }
        Ok(())
    }

    fn relocate(&self, file: &Elf<'_>, memory: &mut [u8]) -> Result<(), ObjectError> {
        let base = memory.as_ptr().addr();
        for (&symbol, &slot) in &self.slots {
            let address = self.address(file, symbol, base)?;
            memory[slot..slot + SLOT].copy_from_slice(&address.to_le_bytes());
        }
        for &index in self.sections.keys() {
            self.relocate_section(file, index, memory)?;
        }
        Ok(())
    }

    fn relocate_section(
        &self,
        file: &Elf<'_>,
        index: SectionIndex,
        memory: &mut [u8],
    ) -> Result<(), ObjectError> {
        let base = memory.as_ptr().addr();
        let section = file.section_by_index(index)?;
        let start = self.sections[&index];
        let bytes = &mut memory[start..start + section.size() as usize];
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                return Err(ObjectError::Malformed("a relocation refers to no symbol"));
            };
            let kind = elf_kind(relocation.flags());
            let target = match self.slots.get(&symbol) {
                Some(slot) if self.relocations.needs_slot(kind) => (base + slot) as u64,
                _ => self.address(file, symbol, base)?,
            };
            let patch = Patch {
                target,
                addend: relocation.addend(),
                place: ((base + start) as u64).wrapping_add(offset),
            };
            let place = usize::try_from(offset).ok().and_then(|at| bytes.get_mut(at..));
            let place = place.ok_or(ObjectError::Malformed("a relocation lies outside its section"))?;
            self.relocations.apply(kind, patch, place, file.symbol_by_index(symbol)?.name()?)?;
        }
        Ok(())
    }

    /// The final address of a symbol that the object itself defines.
    fn address(&self, file: &Elf<'_>, index: SymbolIndex, base: usize) -> Result<u64, ObjectError> {
        let symbol = file.symbol_by_index(index)?;
        match symbol.section() {
            SymbolSection::Section(section) => match self.sections.get(&section) {
                Some(start) => Ok(((base + start) as u64).wrapping_add(symbol.address())),
                None => Err(ObjectError::Malformed("code refers to a section that is not loaded")),
            },
            SymbolSection::Absolute => Ok(symbol.address()),
            _ => Err(ObjectError::Unresolved(symbol.name()?.to_owned())),
        }
    }

    fn functions(&self, file: &Elf<'_>) -> Result<HashMap<String, usize>, ObjectError> {
        let mut functions = HashMap::new();
        for symbol in file.symbols().filter(ObjectSymbol::is_global) {
            let Some(index) = symbol.section_index() else {
                continue;
            };
            let section = file.section_by_index(index)?;
            if section.kind() != SectionKind::Text || symbol.address() >= section.size() {
                continue;
            }
            if let Some(start) = self.sections.get(&index) {
                let offset = start + symbol.address() as usize;
                functions.insert(symbol.name()?.to_owned(), offset);
            }
        }
        Ok(functions)
    }
}

/// Returns whether a section is loaded: code and constants are; unwind tables, notes and
/// symbols are not.
fn is_loaded<'a>(section: &impl ObjectSection<'a>) -> Result<bool, ObjectError> {
    let name = section.name()?;
    if section.size() == 0 || name == ".eh_frame" {
        return Ok(false);
    }
    match section.kind() {
        SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => Ok(true),
        // Constants that hold addresses: written only here, by relocation.
        SectionKind::Data if name.starts_with(".data.rel.ro") => Ok(true),
        SectionKind::Data
        | SectionKind::UninitializedData
        | SectionKind::Tls
        | SectionKind::UninitializedTls => Err(ObjectError::WritableSection(name.to_owned())),
        _ => Ok(false),
    }
}

fn elf_kind(flags: RelocationFlags) -> elf::RelocationType {
    match flags {
        RelocationFlags::Elf { r_type } => r_type,
        // An ELF file has no other flags.
        _ => elf::R_X86_64_NONE,
    }
}

#[cfg(test)]
mod tests;
