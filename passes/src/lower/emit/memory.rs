//! Loads and stores.

use super::{Emitter, Scalar, Value, ValueType};

impl Emitter {
    /// The address of element `index` of an array of stored `scalar`s.
    pub(in crate::lower) fn element(&mut self, array: Value, index: Value, scalar: Scalar) -> Value {
        let (pointer, stored) = (array.ty, scalar.stored());
        let operands = format!("{array}[{index}] : ({pointer}, {})", index.ty);
        self.pure("at", pointer, format!("llvm.getelementptr {operands} -> {pointer}, {stored}"))
    }

    /// The scalar at element `index` of an array.
    pub(in crate::lower) fn load_element(
        &mut self,
        stem: &'static str,
        array: Value,
        index: Value,
        ty: ValueType,
    ) -> Value {
        let at = self.element(array, index, ty.scalar);
        self.load(stem, at, ty)
    }

    /// The scalar at an address, which is aligned for it.
    pub(in crate::lower) fn load(&mut self, stem: &'static str, at: Value, ty: ValueType) -> Value {
        self.define(stem, ty, format_args!("llvm.load {at} : {} -> {ty}", at.ty))
    }

    /// The vector at an address.
    pub(in crate::lower) fn load_vector(&mut self, at: Value, ty: ValueType, alignment: usize) -> Value {
        let pointer = at.ty;
        let operation = format!("llvm.load {at} {{alignment = {alignment} : i64}} : {pointer} -> {ty}");
        self.define("loaded", ty, operation)
    }

    /// The vector at an address that is not written while the kernel runs.
    pub(in crate::lower) fn load_invariant(&mut self, at: Value, ty: ValueType, alignment: usize) -> Value {
        let pointer = at.ty;
        let operation =
            format!("llvm.load {at} invariant {{alignment = {alignment} : i64}} : {pointer} -> {ty}");
        self.define("loaded", ty, operation)
    }

    /// The vector at an address; where `mask` does not hold it is 0 and not read.
    pub(in crate::lower) fn load_masked(&mut self, at: Value, mask: Value, ty: ValueType) -> Value {
        let zero = self.zero(ty);
        let (pointer, alignment) = (at.ty, ty.scalar.bytes());
        let operation = format!(
            "llvm.intr.masked.load {at}, {mask}, {zero} {{alignment = {alignment} : i32}} : ({pointer}, {}, {ty}) -> {ty}",
            mask.ty
        );
        self.define("loaded", ty, operation)
    }

    /// The elements of an array of stored `scalar`s at the lanes of `indices`, which have 32
    /// bits.
    pub(in crate::lower) fn gather(&mut self, array: Value, indices: Value, scalar: Scalar) -> Value {
        let scalar = scalar.stored();
        let ty = indices.ty.with(scalar);
        let pointers = format!("vector<{}x{}>", ty.lanes, array.ty);
        let at = self.name("at", array.ty);
        self.statement(format_args!(
            "{at} = llvm.getelementptr {array}[{indices}] : ({}, {}) -> {pointers}, {scalar}",
            array.ty, indices.ty
        ));
        let every = self.integer(indices.ty.with(Scalar::Int(1)), 1);
        let (zero, alignment) = (self.zero(ty), scalar.bytes());
        let operation = format!(
            "llvm.intr.masked.gather {at}, {every}, {zero} {{alignment = {alignment} : i32}} : ({pointers}, {}, {ty}) -> {ty}",
            every.ty
        );
        self.define("gathered", ty, operation)
    }

    /// Prefetches the cache line of an address, which may be invalid.
    pub(in crate::lower) fn prefetch(&mut self, at: Value) {
        self.statement(format_args!(
            "\"llvm.intr.prefetch\"({at}) <{{cache = 1 : i32, hint = 3 : i32, rw = 0 : i32}}> : ({}) -> ()",
            at.ty
        ));
    }

    /// Writes a value to an address that is aligned for it.
    pub(in crate::lower) fn store(&mut self, value: Value, at: Value) {
        self.statement(format_args!("llvm.store {value}, {at} : {}, {}", value.ty, at.ty));
    }

    /// Writes a scalar to element `index` of an array.
    pub(in crate::lower) fn store_element(&mut self, value: Value, array: Value, index: Value) {
        let at = self.element(array, index, value.ty.scalar);
        self.store(value, at);
    }

    /// Writes a vector.
    pub(in crate::lower) fn store_vector(&mut self, value: Value, at: Value, alignment: usize) {
        let types = format!("{}, {}", value.ty, at.ty);
        self.statement(format_args!("llvm.store {value}, {at} {{alignment = {alignment} : i64}} : {types}"));
    }

    /// Writes a vector to an address that is aligned for it, past the caches.
    pub(in crate::lower) fn store_past_caches(&mut self, value: Value, at: Value) {
        let (types, alignment) =
            (format!("{}, {}", value.ty, at.ty), value.ty.lanes * value.ty.scalar.bytes());
        self.statement(format_args!(
            "llvm.store {value}, {at} {{alignment = {alignment} : i64, nontemporal}} : {types}"
        ));
    }

    /// Writes the lanes of a vector where `mask` holds.
    pub(in crate::lower) fn store_masked(&mut self, value: Value, at: Value, mask: Value) {
        let types = format!("{}, {} into {}", value.ty, mask.ty, at.ty);
        let alignment = value.ty.scalar.bytes();
        self.statement(format_args!(
            "llvm.intr.masked.store {value}, {at}, {mask} {{alignment = {alignment} : i32}} : {types}"
        ));
    }
}
