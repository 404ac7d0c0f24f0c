//! A GPU as a caller of lossc uses it: memory, streams, events and graphs of its own, made with the
//! driver and not through the runtime.
//!
//! The device's context is current on the thread that opened the device, which is
//! the one that runs all checks.

use std::ffi::c_void;
use std::time::Duration;

use cudarc::driver::{DriverError, result, sys};
use lossc_runtime::cuda::{DeviceTensor, Stream};
use lossc_runtime::{CudaDevice, ElementType, Tensor};

use crate::Failure;

/// A block of device memory.
pub struct Memory {
    pointer: u64,
    length: usize,
}

impl Memory {
    /// `length` bytes, at least one, uninitialised.
    pub fn new(length: usize) -> Result<Self, DriverError> {
        // SAFETY: a context is current.
        let pointer = unsafe { result::malloc_sync(length.max(1)) }?;
        Ok(Self { pointer, length })
    }

    /// A copy of a tensor.
    pub fn copy_of(tensor: &Tensor, queue: &Queue) -> Result<Self, Failure> {
        let memory = Self::new(tensor.bytes().len())?;
        memory.write(0, tensor.bytes(), queue)?;
        Ok(memory)
    }

    /// The block as a tensor.
    pub fn tensor(&self, element: ElementType, shape: &[usize]) -> Result<DeviceTensor, Failure> {
        let needed = shape.iter().product::<usize>() * element.size();
        if needed > self.length {
            return Err(format!("a tensor of {needed} bytes in a block of {}", self.length).into());
        }
        // SAFETY: the block is as long as the tensor. Checks hold it until the queue of the calls
        // that the tensor is passed to is empty, and write to it in that queue's order.
        Ok(unsafe { DeviceTensor::from_raw(self.pointer, element, shape) }?)
    }

    /// Writes to the block in the queue's order, and waits.
    pub fn write(&self, offset: usize, bytes: &[u8], queue: &Queue) -> Result<(), Failure> {
        self.check(offset, bytes.len())?;
        // SAFETY: the range is in the block, and `bytes` live until the queue is empty.
        unsafe { result::memcpy_htod_async(self.pointer + offset as u64, bytes, queue.stream) }?;
        queue.wait()
    }

    /// Reads from the block when the queue is empty.
    pub fn read(&self, offset: usize, length: usize, queue: &Queue) -> Result<Vec<u8>, Failure> {
        self.check(offset, length)?;
        let mut bytes = vec![0; length];
        // SAFETY: the range is in the block, and `bytes` live until the queue is empty.
        unsafe { result::memcpy_dtoh_async(&mut bytes, self.pointer + offset as u64, queue.stream) }?;
        queue.wait()?;
        Ok(bytes)
    }

    /// Queues filling the whole block.
    pub fn fill(&self, byte: u8, queue: &Queue) -> Result<(), Failure> {
        // SAFETY: the block has that many bytes.
        Ok(unsafe { result::memset_d8_async(self.pointer, byte, self.length, queue.stream) }?)
    }

    /// Queues a copy of `length` bytes from device memory.
    ///
    /// # Safety
    /// `source` must be a device address with as many bytes, which stay valid until the queue is
    /// empty.
    pub unsafe fn copy_from(&self, source: u64, length: usize, queue: &Queue) -> Result<(), Failure> {
        self.check(0, length)?;
        // SAFETY: the range is in the block; the caller vouches for the source.
        Ok(unsafe { result::memcpy_dtod_async(self.pointer, source, length, queue.stream) }?)
    }

    pub fn pointer(&self) -> u64 {
        self.pointer
    }

    pub fn length(&self) -> usize {
        self.length
    }

    fn check(&self, offset: usize, length: usize) -> Result<(), Failure> {
        match offset.checked_add(length).is_some_and(|end| end <= self.length) {
            true => Ok(()),
            false => Err(format!("{length} bytes at {offset} of a block of {}", self.length).into()),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the block was allocated by `new`; the driver waits for work on it.
        if let Err(error) = unsafe { result::free_sync(self.pointer) } {
            eprintln!("freeing device memory failed: {error}");
        }
    }
}

/// Free bytes of the device.
pub fn free_bytes() -> Result<usize, Failure> {
    Ok(result::mem_get_info()?.0)
}

/// A stream that is not ordered with the default stream, as frameworks create them.
pub struct Queue {
    stream: sys::CUstream,
}

impl Queue {
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { stream: result::stream::create(result::stream::StreamKind::NonBlocking)? })
    }

    /// The stream, in the form in which lossc takes a caller's.
    pub fn borrow(&self, device: &CudaDevice) -> Stream {
        // SAFETY: the stream is of the device's primary context, which is current, and checks drop
        // all that ran on it before they drop the queue.
        unsafe { device.borrow_stream(self.stream.expose_provenance()) }
    }

    /// Waits until all queued work is done.
    pub fn wait(&self) -> Result<(), Failure> {
        // SAFETY: the stream is alive.
        Ok(unsafe { result::stream::synchronize(self.stream) }?)
    }

    /// Queues a pause.
    pub fn sleep(&self, duration: Duration) -> Result<(), Failure> {
        let milliseconds = std::ptr::without_provenance_mut(duration.as_millis() as usize);
        // SAFETY: the function takes any number, and calls no driver function.
        Ok(unsafe { result::stream::launch_host_function(self.stream, sleep, milliseconds) }?)
    }

    /// Begins a capture: work is recorded, not done, in the mode in which PyTorch captures.
    pub fn begin_capture(&self) -> Result<(), Failure> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL;
        // SAFETY: the stream is alive.
        Ok(unsafe { result::stream::begin_capture(self.stream, mode) }?)
    }

    /// Ends the capture, and returns the recorded work.
    pub fn end_capture(&self) -> Result<Graph, Failure> {
        // SAFETY: the stream is alive; where no capture began, the driver says so.
        Graph::new(unsafe { result::stream::end_capture(self.stream) }?)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the stream was made by `new`; its work is finished by the driver.
        if let Err(error) = unsafe { result::stream::destroy(self.stream) } {
            eprintln!("destroying a stream failed: {error}");
        }
    }
}

unsafe extern "C" fn sleep(milliseconds: *mut c_void) {
    std::thread::sleep(Duration::from_millis(milliseconds.addr() as u64));
}

/// Captured work, ready to be queued any number of times.
pub struct Graph {
    graph: sys::CUgraph,
    executable: sys::CUgraphExec,
}

impl Graph {
    fn new(graph: sys::CUgraph) -> Result<Self, Failure> {
        if graph.is_null() {
            return Err("the capture was invalidated".into());
        }
        // SAFETY: the graph was captured just now; it is destroyed if this fails.
        let executable = unsafe { result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0)) };
        let executable = executable.inspect_err(|_| destroy(graph))?;
        Ok(Self { graph, executable })
    }

    /// Number of nodes of the graph.
    pub fn nodes(&self) -> Result<usize, Failure> {
        let mut count = 0;
        // SAFETY: the graph is alive; without an array, only the number is returned.
        unsafe { sys::cuGraphGetNodes(self.graph, std::ptr::null_mut(), &raw mut count) }.result()?;
        Ok(count)
    }

    /// Queues the graph.
    pub fn launch(&self, queue: &Queue) -> Result<(), Failure> {
        // SAFETY: both are alive.
        Ok(unsafe { result::graph::launch(self.executable, queue.stream) }?)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: it was instantiated by `new` and is destroyed once; checks wait for
        // its launches first.
        if let Err(error) = unsafe { result::graph::exec_destroy(self.executable) } {
            eprintln!("destroying a graph failed: {error}");
        }
        destroy(self.graph);
    }
}

fn destroy(graph: sys::CUgraph) {
    // SAFETY: callers own the graph and give it up.
    if let Err(error) = unsafe { result::graph::destroy(graph) } {
        eprintln!("destroying a graph failed: {error}");
    }
}

/// A point in a queue, with the time at which it was reached.
pub struct Event {
    event: sys::CUevent,
}

impl Event {
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { event: result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT)? })
    }

    pub fn record(&self, queue: &Queue) -> Result<(), Failure> {
        // SAFETY: both are alive.
        Ok(unsafe { result::event::record(self.event, queue.stream) }?)
    }

    /// Seconds since `start`; both must have been reached.
    pub fn seconds_since(&self, start: &Self) -> Result<f64, Failure> {
        // SAFETY: both are alive, and were recorded on one stream.
        Ok(f64::from(unsafe { result::event::elapsed(start.event, self.event) }?) / 1e3)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event was made by `new` and is destroyed once.
        if let Err(error) = unsafe { result::event::destroy(self.event) } {
            eprintln!("destroying an event failed: {error}");
        }
    }
}
