//! The simulated machine itself, on small kernels written by hand.

use lossc_simulator::{Access, Code, Device, Fault, Grid, Memory, Order, Problem};

const HEADER: &str = r#"
target datalayout = "e-p6:32:32-i64:64-i128:128-i256:256-v16:16-v32:32-n16:32:64"
target triple = "nvptx64-nvidia-cuda"
@last = internal addrspace(3) global i32 undef
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.nctaid.x()
declare void @llvm.nvvm.barrier.cta.sync.aligned.all(i32)
"#;

const GRID: Grid = Grid { blocks: 5, threads: 64, dynamic_shared_bytes: 0, cooperative: false };

/// Runs `kernel(input, values, ticket)` in each order, with 320 input values and zeros in `values`
/// and `ticket`. Returns the values after it.
fn run(kernel: &str, grid: Grid) -> Result<Vec<u32>, Fault> {
    let code = Code::new(&format!("{HEADER}{kernel}")).expect("it can be simulated");
    let mut values = vec![];
    for order in Order::ALL {
        let mut memory = Memory::default();
        let input: Vec<u8> = (0..320u32).flat_map(u32::to_le_bytes).collect();
        let input = memory.upload("input", &input, Access::Read, 0, 4);
        let output = memory.upload("values", &[0; 1280], Access::Write, 0, 4);
        let ticket = memory.upload("ticket", &[0; 8], Access::Write, 0, 4);
        let parameters = [input, output, ticket].map(|buffer| memory.pointer(buffer));
        Device::new(order).launch(&code, "kernel", grid, &parameters, &mut memory)?;
        let (words, _) = memory.bytes(output).as_chunks::<4>();
        let found: Vec<_> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
        assert!(values.is_empty() || values == found, "{order:?} shows in the values");
        values = found;
    }
    Ok(values)
}

/// Block b writes values[b] = 10 + b; the last to arrive adds them up in
/// values[100]. `published` comes before the ticket, `seen` after it.
fn last_block(published: &str, seen: &str) -> String {
    format!(
        r#"
define ptx_kernel void @kernel(ptr addrspace(1) %input, ptr addrspace(1) %values, ptr addrspace(1) %ticket) {{
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %is_writer = icmp eq i32 %t, 40
  br i1 %is_writer, label %write, label %written
write:
  %own = getelementptr i32, ptr addrspace(1) %values, i32 %b
  %v = add i32 %b, 10
  store i32 %v, ptr addrspace(1) %own, align 4
  br label %written
written:
  {published}
  %is_first = icmp eq i32 %t, 0
  br i1 %is_first, label %arrive, label %arrived
arrive:
  fence syncscope("device") acq_rel
  %n = atomicrmw uinc_wrap ptr addrspace(1) %ticket, i32 4 syncscope("device") monotonic, align 4
  {seen}
  store i32 %n, ptr addrspace(3) @last, align 4
  br label %arrived
arrived:
  call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)
  %arrival = load i32, ptr addrspace(3) @last, align 4
  %is_last = icmp eq i32 %arrival, 4
  %is_adder = icmp eq i32 %t, 7
  %adds = and i1 %is_last, %is_adder
  br i1 %adds, label %add, label %end
add:
  %i = phi i32 [ 0, %arrived ], [ %next, %add ]
  %sum = phi i32 [ 0, %arrived ], [ %total, %add ]
  %at = getelementptr i32, ptr addrspace(1) %values, i32 %i
  %value = load i32, ptr addrspace(1) %at, align 4
  %total = add i32 %sum, %value
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, 5
  br i1 %more, label %add, label %store
store:
  %result = getelementptr i32, ptr addrspace(1) %values, i32 100
  store i32 %total, ptr addrspace(1) %result, align 4
  br label %end
end:
  ret void
}}
"#
    )
}

const BARRIER: &str = "call void @llvm.nvvm.barrier.cta.sync.aligned.all(i32 0)";
const FENCE: &str = "fence syncscope(\"device\") acq_rel";

#[test]
fn the_last_block_to_arrive_sees_the_others() {
    let values = run(&last_block(BARRIER, FENCE), GRID).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(values[..5], [10, 11, 12, 13, 14]);
    assert_eq!(values[100], 60);
}

#[test]
fn a_ticket_without_barrier_or_fence_is_a_race() {
    for (published, seen) in
        [("", FENCE), (BARRIER, ""), (BARRIER, "fence syncscope(\"block\") acq_rel"), (FENCE, FENCE)]
    {
        let fault = run(&last_block(published, seen), GRID).expect_err("a race");
        let Problem::Race { buffer, before: "a write", .. } = &fault.problem else { panic!("{fault}") };
        assert_eq!(buffer, "values", "{published} {seen}");
    }
}

/// A ticket that one block writes or reads as if it were its own.
#[test]
fn an_atomic_place_is_for_atomic_operations() {
    let place = "%is_one = icmp eq i32 %b, 1\n  \
         %place = select i1 %is_one, ptr addrspace(1) %ticket, ptr addrspace(1) %own";
    let at = "ptr addrspace(1) %place";
    for (access, what) in [
        (format!("store i32 0, {at}, align 4"), "a write"),
        (format!("%x = load i32, {at}, align 4"), "a read"),
    ] {
        // The access is before the barrier, in a thread that has no ticket.
        let before = "  store i32 %v, ptr";
        let kernel = last_block(BARRIER, FENCE);
        let kernel = kernel.replace(before, &format!("  {place}\n  {access}\n{before}"));
        let fault = run(&kernel, GRID).expect_err("a race");
        let Problem::Race { what: found, buffer, before, .. } = &fault.problem else { panic!("{fault}") };
        assert_eq!(buffer, "ticket", "{fault}");
        let sides = [*found, *before];
        assert!(sides.contains(&what) && sides.contains(&"an atomic operation"), "{fault}");
    }
}

/// Every block writes, all wait until the counter shows that all have, and read the value of the
/// block before them.
const GRID_BARRIER: &str = r#"
define ptx_kernel void @kernel(ptr addrspace(1) %input, ptr addrspace(1) %values, ptr addrspace(1) %ticket) {
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %b = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %is_first = icmp eq i32 %t, 0
  br i1 %is_first, label %work, label %end
work:
  %own = getelementptr i32, ptr addrspace(1) %values, i32 %b
  store i32 %b, ptr addrspace(1) %own, align 4
  %n = atomicrmw add ptr addrspace(1) %ticket, i32 1 syncscope("device") acq_rel, align 4
  br label %wait
wait:
  %seen = load atomic i32, ptr addrspace(1) %ticket syncscope("device") acquire, align 4
  %all = icmp eq i32 %seen, 5
  br i1 %all, label %go, label %wait
go:
  %after = add i32 %b, 1
  %other = urem i32 %after, 5
  %at = getelementptr i32, ptr addrspace(1) %values, i32 %other
  %value = load i32, ptr addrspace(1) %at, align 4
  %place = add i32 %b, 5
  %to = getelementptr i32, ptr addrspace(1) %values, i32 %place
  store i32 %value, ptr addrspace(1) %to, align 4
  br label %end
end:
  ret void
}
"#;

#[test]
fn a_grid_barrier_needs_all_blocks_on_the_device() {
    let values =
        run(GRID_BARRIER, Grid { cooperative: true, ..GRID }).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(values[5..10], [1, 2, 3, 4, 0]);
    let fault = run(GRID_BARRIER, GRID).expect_err("some blocks never start");
    assert!(matches!(fault.problem, Problem::Livelock(_)), "{fault}");
}

/// One thread accesses `ptr %at`, `offset` bytes into a buffer.
fn access(buffer: &str, offset: i64, instruction: &str) -> Fault {
    let kernel = format!(
        r#"
define ptx_kernel void @kernel(ptr addrspace(1) %input, ptr addrspace(1) %values, ptr addrspace(1) %ticket) {{
  %at = getelementptr i8, ptr addrspace(1) %{buffer}, i64 {offset}
  {instruction}
  ret void
}}
"#
    );
    run(&kernel, Grid { blocks: 1, threads: 1, ..GRID }).expect_err("a fault")
}

#[test]
fn accesses_are_checked() {
    let load = "%value = load <4 x float>, ptr addrspace(1) %at, align 16";
    let fault = access("input", 1268, load);
    let nearest = Some(("input".to_owned(), 1268));
    assert_eq!(fault.problem, Problem::OutOfBounds { bytes: 16, nearest });
    assert!(fault.place.starts_with("kernel: %value = load <4 x float>"), "{fault}");

    let fault = access("input", -4, load);
    assert_eq!(fault.problem, Problem::OutOfBounds { bytes: 16, nearest: Some(("input".to_owned(), -4)) });

    let buffer = || "input".to_owned();
    let fault = access("input", 8, load);
    assert_eq!(fault.problem, Problem::Misaligned { buffer: buffer(), offset: 8, alignment: 16 });

    let fault = access("input", 12, "store i32 0, ptr addrspace(1) %at, align 4");
    assert_eq!(fault.problem, Problem::ReadOnly { buffer: buffer(), offset: 12 });

    let fault = access("values", 4, "%value = load i32, ptr addrspace(3) @last, align 4");
    assert_eq!(fault.problem, Problem::Uninitialised { buffer: "shared memory".to_owned(), offset: 0 });
}

#[test]
fn all_threads_write_one_place() {
    let kernel = r#"
define ptx_kernel void @kernel(ptr addrspace(1) %input, ptr addrspace(1) %values, ptr addrspace(1) %ticket) {
  store i32 1, ptr addrspace(1) %values, align 4
  ret void
}
"#;
    let fault = run(kernel, GRID).expect_err("a race");
    assert!(matches!(fault.problem, Problem::Race { what: "a write", before: "a write", .. }), "{fault}");
}

#[test]
fn what_the_simulator_does_not_know_is_an_error() {
    let error = |instruction: &str| {
        let kernel = format!(
            "declare double @llvm.nvvm.sqrt.approx.d(double)\ndefine ptx_kernel void @kernel(ptr addrspace(1) %p) {{\n  {instruction}\n  ret void\n}}"
        );
        Code::new(&format!("{HEADER}{kernel}")).err().expect("an error").to_string()
    };
    let unknown = error("%x = call double @llvm.nvvm.sqrt.approx.d(double 2.0)");
    assert!(
        unknown.starts_with("the simulator does not know `%x = call double @llvm.nvvm.sqrt"),
        "{unknown}"
    );
    assert!(error("%x = alloca i32").contains("alloca"));
    assert!(error("this is no IR").starts_with("LLVM refuses the module"));
}
