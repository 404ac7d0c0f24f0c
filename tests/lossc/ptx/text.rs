//! PTX text, to the extent that the checks read it.

use std::collections::HashMap;

/// A kernel.
pub struct Entry<'a> {
    pub name: &'a str,
    /// All lines of its body.
    pub body: &'a str,
    instructions: Vec<&'a str>,
    /// Number of the instruction after each label.
    labels: HashMap<&'a str, usize>,
}

/// The kernels of a module.
pub fn entries(ptx: &str) -> Vec<Entry<'_>> {
    ptx.split(".visible .entry ").skip(1).map(Entry::new).collect()
}

/// The instruction without its predicate: opcode and operands.
fn parts(instruction: &str) -> (&str, &str) {
    let text = if instruction.starts_with('@') {
        instruction.split_once(char::is_whitespace).map_or("", |(_, rest)| rest)
    } else {
        instruction
    };
    text.trim().split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// The opcode: `ld.global.b32`.
pub fn opcode(instruction: &str) -> &str {
    parts(instruction).0
}

/// Opcodes for which the assembler emits no instruction: they name half of a register or the
/// negation of an operand, or jump.
const NAMES: [&str; 6] = ["cvt.u32.u64", "shr.u64", "mov.", "neg.f32", "abs.f32", "bra"];

/// Returns whether an instruction computes something.
pub fn is_work(instruction: &str) -> bool {
    let opcode = opcode(instruction);
    let others = NAMES.iter().chain(&["ld.", "st."]);
    !others.into_iter().any(|start| opcode.starts_with(start))
}

/// The registers that an operand list names, in order.
fn registers(operands: &str) -> impl Iterator<Item = &str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '%' | '_' | '.');
    operands.split(move |c| !is_name(c)).filter(|word| word.starts_with('%'))
}

impl<'a> Entry<'a> {
    fn new(text: &'a str) -> Self {
        let name = text.split('(').next().unwrap_or_default();
        let body =
            text.split_once("\n{").and_then(|(_, rest)| rest.split_once("\n}")).map_or("", |(body, _)| body);
        let (mut instructions, mut labels) = (vec![], HashMap::new());
        for line in body.lines().map(|line| line.split("//").next().unwrap_or_default().trim()) {
            if let Some(label) = line.strip_suffix(':') {
                labels.insert(label, instructions.len());
            } else if line.ends_with(';') && !line.starts_with('.') {
                instructions.push(line.trim_end_matches(';'));
            }
        }
        Self { name, body, instructions, labels }
    }

    /// The instructions that run in a row up to a branch or a label, with the number of the first.
    pub fn blocks(&self) -> Vec<(usize, &[&'a str])> {
        let mut starts: Vec<_> = self.labels.values().copied().collect();
        let is_branch = |it: &&str| opcode(it).starts_with("bra");
        starts.extend(
            (0..self.instructions.len()).filter(|&at| is_branch(&self.instructions[at])).map(|at| at + 1),
        );
        starts.extend([0, self.instructions.len()]);
        starts.sort_unstable();
        starts.dedup();
        starts.windows(2).map(|ends| (ends[0], &self.instructions[ends[0]..ends[1]])).collect()
    }

    /// Returns whether the instruction with this number is in a loop.
    pub fn is_in_loop(&self, number: usize) -> bool {
        let mut reached = vec![false; self.instructions.len() + 1];
        let mut open = self.successors(number);
        while let Some(at) = open.pop() {
            if !std::mem::replace(&mut reached[at], true) {
                open.extend(self.successors(at));
            }
        }
        reached[number]
    }

    fn successors(&self, at: usize) -> Vec<usize> {
        let Some(instruction) = self.instructions.get(at) else { return vec![] };
        let (opcode, operands) = parts(instruction);
        let target = opcode.starts_with("bra").then(|| self.labels.get(operands.trim()).copied()).flatten();
        let is_last = opcode == "ret" || target.is_some() && !instruction.starts_with('@');
        target.into_iter().chain((!is_last).then_some(at + 1)).collect()
    }

    /// Accesses of global memory: the opcode and the register with the address.
    pub fn global_accesses(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.instructions.iter().filter_map(|instruction| {
            let (opcode, operands) = parts(instruction);
            let (_, address) = operands.split_once('[')?;
            opcode.contains(".global").then(|| (opcode, registers(address).next().unwrap_or(address)))
        })
    }

    /// All instructions that a register's value depends on.
    pub fn origin(&self, register: &'a str) -> Vec<&'a str> {
        let (mut open, mut seen, mut found) = (vec![register], vec![], vec![]);
        while let Some(register) = open.pop() {
            if seen.contains(&register) {
                continue;
            }
            seen.push(register);
            for instruction in &self.instructions {
                let (opcode, operands) = parts(instruction);
                let writes = !opcode.starts_with("st.") && !opcode.starts_with("bra");
                let mut named = registers(operands);
                if writes && named.next() == Some(register) {
                    found.push(*instruction);
                    // A loaded value depends on memory, not on the address.
                    if !opcode.starts_with("ld.") {
                        open.extend(named);
                    }
                }
            }
        }
        found
    }
}
