// A warp adds four values a thread; the first warp adds the warps' sums.
module {
  llvm.mlir.global internal @warp_sums() {addr_space = 3 : i32} : !llvm.array<8 x f32>
  llvm.func @pass_0(%length: i64, %partials: !llvm.ptr<1>, %logits: !llvm.ptr<1>, %labels: !llvm.ptr<1>, %output: !llvm.ptr<1>) attributes {nvvm.kernel, nvvm.maxntid = array<i32: 256>, nvvm.minctasm = 4 : i32} {
    %c0 = arith.constant 0 : i32
    %c2 = arith.constant 2 : i32
    %c5 = arith.constant 5 : i32
    %c16 = arith.constant 16 : i32
    %c31 = arith.constant 31 : i32
    %all = arith.constant -1 : i32
    %block_size = arith.constant 256 : i32
    %thread = nvvm.read.ptx.sreg.tid.x : i32
    %block = nvvm.read.ptx.sreg.ctaid.x : i32
    %base = arith.muli %block, %block_size : i32
    %global = arith.addi %base, %thread : i32
    %global_long = arith.extui %global : i32 to i64
    %four = arith.constant 4 : i64
    %position = arith.muli %global_long, %four : i64
    %inside = arith.cmpi slt, %position, %length : i64
    %sum = scf.if %inside -> (f32) {
      %logit_at = llvm.getelementptr inbounds %logits[%position] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
      %logit = llvm.load %logit_at {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
      %label_at = llvm.getelementptr inbounds %labels[%position] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i8
      %label_byte = llvm.load %label_at {alignment = 4 : i64} : !llvm.ptr<1> -> vector<4xi8>
      %label = arith.uitofp %label_byte : vector<4xi8> to vector<4xf32>
      %value = math.fma %logit, %label, %logit : vector<4xf32>
      %product = arith.mulf %value, %label : vector<4xf32>
      %separate = arith.addf %product, %logit : vector<4xf32>
      %output_at = llvm.getelementptr inbounds %output[%position] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, bf16
      %narrow = arith.truncf %separate : vector<4xf32> to vector<4xbf16>
      llvm.store %narrow, %output_at {alignment = 8 : i64} : vector<4xbf16>, !llvm.ptr<1>
      %a = vector.extract %separate[0] : f32 from vector<4xf32>
      %b = vector.extract %separate[3] : f32 from vector<4xf32>
      %quotient = arith.divf %a, %b : f32
      scf.yield %quotient : f32
    } else {
      %nothing = arith.constant 0.0 : f32
      scf.yield %nothing : f32
    }
    %other = nvvm.shfl.sync bfly %all, %sum, %c16, %c31 : f32 -> f32
    %warp_sum = arith.addf %sum, %other : f32
    %warp = arith.shrui %thread, %c5 : i32
    %shared = llvm.mlir.addressof @warp_sums : !llvm.ptr<3>
    %warp_at = llvm.getelementptr inbounds %shared[%warp] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
    llvm.store %warp_sum, %warp_at : f32, !llvm.ptr<3>
    nvvm.barrier0
    %first = arith.cmpi eq, %thread, %c0 : i32
    scf.if %first {
      %second_at = llvm.getelementptr inbounds %shared[%c2] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
      %second = llvm.load %second_at : !llvm.ptr<3> -> f32
      %block_sum = arith.addf %warp_sum, %second : f32
      %partial_at = llvm.getelementptr inbounds %partials[%block] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
      llvm.store %block_sum, %partial_at : f32, !llvm.ptr<1>
    }
    llvm.return
  }
}
