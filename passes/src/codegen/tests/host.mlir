// One chunk: sixteen pixels a step are loaded, drawn for, masked, counted and
// stored, and the sum and the count of those kept go to the partials.
module {
  func.func @pass_0(%arguments: !llvm.ptr, %plane: i64, %chunk: i64) {
    %c0 = arith.constant 0 : i64
    %c16 = arith.constant 16 : i64
    %c2048 = arith.constant 2048 : i64
    %no_kept = arith.constant 0 : i32
    %zero = arith.constant dense<0.0> : vector<16xf32>
    %one = arith.constant dense<1.0> : vector<16xf32>
    %length = llvm.load %arguments : !llvm.ptr -> i64
    %limit = vector.broadcast %length : i64 to vector<16xi64>
    %start = vector.broadcast %plane : i64 to vector<16xi64>
    %pixels_field = llvm.getelementptr inbounds %arguments[48] : (!llvm.ptr) -> !llvm.ptr, i8
    %pixels = llvm.load %pixels_field : !llvm.ptr -> !llvm.ptr
    %logits = llvm.load %pixels : !llvm.ptr -> !llvm.ptr
    %labels_slot = llvm.getelementptr inbounds %pixels[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
    %labels = llvm.load %labels_slot : !llvm.ptr -> !llvm.ptr
    %output_slot = llvm.getelementptr inbounds %pixels[2] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
    %output = llvm.load %output_slot : !llvm.ptr -> !llvm.ptr
    %lane = arith.constant dense<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]> : vector<16xi64>
    %multiplier = arith.constant dense<0xD2511F53> : vector<16xi32>
    %wide_multiplier = arith.extui %multiplier : vector<16xi32> to vector<16xi64>
    %half = arith.constant dense<32> : vector<16xi64>
    %scale = arith.constant dense<4.6566127342e-10> : vector<16xf32>
    %total:2 = scf.for %i = %c0 to %c2048 step %c16 iter_args(%sum = %zero, %kept = %no_kept) -> (vector<16xf32>, i32) : i64 {
      %first = vector.broadcast %i : i64 to vector<16xi64>
      %position = arith.addi %first, %lane : vector<16xi64>
      %valid = arith.cmpi slt, %position, %limit : vector<16xi64>
      %logit_at = llvm.getelementptr inbounds %logits[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
      %logit = llvm.intr.masked.load %logit_at, %valid, %zero {alignment = 4 : i32} : (!llvm.ptr, vector<16xi1>, vector<16xf32>) -> vector<16xf32>
      %label_at = llvm.getelementptr inbounds %labels[%i] : (!llvm.ptr, i64) -> !llvm.ptr, i8
      %label_byte = llvm.load %label_at {alignment = 1 : i64} : !llvm.ptr -> vector<16xi8>
      %label = arith.uitofp %label_byte : vector<16xi8> to vector<16xf32>
      %counter = arith.addi %position, %start : vector<16xi64>
      %low = arith.trunci %counter : vector<16xi64> to vector<16xi32>
      %wide_low = arith.extui %low : vector<16xi32> to vector<16xi64>
      %product = arith.muli %wide_low, %wide_multiplier : vector<16xi64>
      %high_half = arith.shrui %product, %half : vector<16xi64>
      %word = arith.trunci %high_half : vector<16xi64> to vector<16xi32>
      %draw = arith.sitofp %word : vector<16xi32> to vector<16xf32>
      %uniform = arith.mulf %draw, %scale : vector<16xf32>
      %value = math.fma %logit, %label, %uniform : vector<16xf32>
      %small = arith.cmpf olt, %value, %one : vector<16xf32>
      %mask = arith.andi %small, %valid : vector<16xi1>
      %bits = vector.bitcast %mask : vector<16xi1> to vector<1xi16>
      %bit = vector.extract %bits[0] : i16 from vector<1xi16>
      %set = math.ctpop %bit : i16
      %more = arith.extui %set : i16 to i32
      %next_kept = arith.addi %kept, %more : i32
      %term = arith.select %mask, %value, %zero : vector<16xi1>, vector<16xf32>
      %next_sum = arith.addf %sum, %term : vector<16xf32>
      %output_at = llvm.getelementptr inbounds %output[%i] : (!llvm.ptr, i64) -> !llvm.ptr, bf16
      %narrow = arith.truncf %term : vector<16xf32> to vector<16xbf16>
      %narrow_bits = arith.bitcast %narrow : vector<16xbf16> to vector<16xi16>
      llvm.intr.masked.store %narrow_bits, %output_at, %valid {alignment = 2 : i32} : vector<16xi16>, vector<16xi1> into !llvm.ptr
      scf.yield %next_sum, %next_kept : vector<16xf32>, i32
    }
    %even = vector.shuffle %total#0, %total#0 [0, 2, 4, 6, 8, 10, 12, 14] : vector<16xf32>, vector<16xf32>
    %odd = vector.shuffle %total#0, %total#0 [1, 3, 5, 7, 9, 11, 13, 15] : vector<16xf32>, vector<16xf32>
    %pairs = arith.addf %even, %odd : vector<8xf32>
    %sum = vector.reduction <add>, %pairs : vector<8xf32> into f32
    %partials_field = llvm.getelementptr inbounds %arguments[80] : (!llvm.ptr) -> !llvm.ptr, i8
    %partials = llvm.load %partials_field : !llvm.ptr -> !llvm.ptr
    llvm.store %sum, %partials : f32, !llvm.ptr
    %count_at = llvm.getelementptr inbounds %partials[1] : (!llvm.ptr) -> !llvm.ptr, i32
    llvm.store %total#1, %count_at : i32, !llvm.ptr
    return
  }
}
