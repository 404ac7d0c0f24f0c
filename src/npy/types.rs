//! Element types by NumPy's names.

use lossc_runtime::ElementType;

/// NumPy's names of the types that lossc reads.
const READ: [(&str, ElementType); 6] = [
    ("<f4", ElementType::F32),
    ("<f2", ElementType::F16),
    ("|u1", ElementType::U8),
    ("|b1", ElementType::Bool),
    ("<i4", ElementType::I32),
    ("<i8", ElementType::I64),
];

/// Kinds that others save: NumPy's letter, its meaning, and the type to save instead.
const OTHERS: [(char, &str, &str); 9] = [
    ('f', "float", "float32"),
    ('i', "integer", "int32"),
    ('u', "unsigned integer", "int64"),
    ('c', "complex number", ""),
    ('O', "Python object", ""),
    ('U', "string", ""),
    ('S', "byte string", ""),
    ('M', "date", ""),
    ('V', "raw bytes, as bfloat16 is saved", "float32"),
];

/// The element type that NumPy calls `descr`, or advice on what to do about another one.
pub fn element(descr: &str) -> Result<ElementType, String> {
    if let Some((_, element)) = READ.iter().find(|(name, _)| *name == descr) {
        return Ok(*element);
    }
    let known = "float32, float16, uint8, bool, int32 and int64 are read";
    let (order, name) = descr.split_at_checked(1).unwrap_or_default();
    // A byte has no byte order.
    let single = READ.iter().find(|(read, _)| read[1..] == *name && name.ends_with('1'));
    match (order, single) {
        ("<" | ">" | "=", Some((_, element))) => return Ok(*element),
        (">", _) => {
            let swapped = format!("x.astype({:?})", format!("<{name}"));
            return Err(format!("{descr} is big-endian: save it again with np.save(path, {swapped})"));
        }
        _ => {}
    }
    let other = OTHERS.iter().find(|(letter, ..)| name.starts_with(*letter));
    let Some((_, what, better)) = other else {
        return Err(format!("the type {descr:?} is unknown; {known}"));
    };
    let advice = match *better {
        "" => String::new(),
        better => format!(": save it again with np.save(path, x.astype({better:?}))"),
    };
    Err(format!("holds {descr} ({what}); {known}{advice}"))
}

/// NumPy's name of an element type. NumPy has none for bf16, and saves its bytes.
pub fn descr(element: ElementType) -> &'static str {
    READ.iter().find(|(_, read)| *read == element).map_or("|V2", |(name, _)| name)
}
